"""Say what of a candidate spectrum is stored, and when it is refused."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from astro_vae.columns import Alike, Column
from astro_vae.errors import RefusedError
from astro_vae.settings_spectra import SpectrumPrepareSettings
from astro_vae.spectra.measure import measure
from astro_vae.spectra.resample import Binned, bin_centres, bin_edges, pixel_edges, resample
from astro_vae.spectra.spectrum import Spectrum

COLUMNS = {
    "redshift": Column("Redshift, heliocentric", "", "src.redshift"),
    "ebv": Column("Galactic colour excess E(B-V); taken out by default", "mag", "phot.color.excess"),
}
"""Columns of what is known of a spectrum before it is measured."""
ALIKE = {
    "redshift": Alike("redshift", part=0.01, zero=-1.0),
    "snr": Alike("S/N per pixel", part=0.3),
}
"""Columns in which new objects must be like those of the training: the redshift, to a hundredth of the wavelengths at
rest, since beyond it other bins are seen; and the S/N, to what noise of one sigma, as augment adds it, does to it."""
VALUES_DEPEND_ON = ("grid", "extinction", "r_v", "sky_lines", "errors", "min_valid")
"""Settings that change the values that are stored."""

HIGHEST_REDSHIFT = 20.0  # beyond all that is known of
OUTSIDE, INVALID, SKY_LINE = 1, 2, 4
"""Bits of the stored mask: beyond the ends of the spectrum, no valid pixels, a line of the night sky."""


class Known(Protocol):
    """What a survey says of a spectrum."""

    values: Any
    redshift: float
    ebv: float


def stored_shape(settings: SpectrumPrepareSettings) -> tuple[int, ...]:
    """Return the shape of what is stored of each spectrum."""
    return (settings.grid.bins + 2 * settings.margin,)


def stored_bytes(settings: SpectrumPrepareSettings, *, scaled: bool) -> int:
    """Return how much is stored of each spectrum, not compressed (bytes): flux, inverse variance and mask."""
    return stored_shape(settings)[0] * (4 + 4 + 1)


def lenient(settings: SpectrumPrepareSettings) -> SpectrumPrepareSettings:
    """Return the settings without limits on quality, where any spectrum does."""
    return settings.model_copy(update={"min_snr": 0.0, "min_coverage": 0.0})


def grid(settings: SpectrumPrepareSettings) -> dict[str, Any]:
    """Return the bins of what is stored: rest-frame vacuum wavelengths."""
    chosen, margin = settings.grid, settings.margin
    return {
        "log_start": chosen.log_start - margin * chosen.log_step, "log_step": chosen.log_step,
        "bins": chosen.bins + 2 * margin, "margin": margin,
    }


def known(candidate: Known) -> dict[str, Any]:
    """Return the values of `COLUMNS`."""
    return {"redshift": candidate.redshift, "ebv": candidate.ebv}


def take(
    candidate: Known, settings: SpectrumPrepareSettings, *, scaled: bool
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what is stored of a spectrum, and what is measured in it.

    Parameters
    ----------
    candidate : Known
    settings : SpectrumPrepareSettings
    scaled : bool
        Spectra are never scaled.

    Returns
    -------
    layers : dict
        `values`, `ivar` (float32) and `mask` (uint8), each (L,): flux density in the rest frame, its inverse
        variance and the bits of what is not valid.
    columns : dict
        Of `measure.COLUMNS`.

    Raises
    ------
    RefusedError
        With the reason why the spectrum cannot be used.
    """
    spectrum = candidate.values.cleaned()
    check(spectrum, candidate.redshift, candidate.ebv)
    observed = spectrum.in_vacuum()
    sky = near_sky_lines(observed.wave_aa, settings)
    if settings.extinction != "none" and candidate.ebv > 0:
        observed = observed.without_extinction(candidate.ebv, settings.extinction, settings.r_v)
    rest = observed.masked(sky).at_rest(candidate.redshift)
    edges, bins = pixel_edges(rest.wave_aa), bin_edges(settings.grid, settings.margin)
    binned = resample(edges, rest.flux, rest.ivar, bins, neighbours=settings.errors == "neighbours")
    in_sky = resample(edges, np.zeros(len(sky)), sky.astype(float), bins).valid > 0
    layers = _layers(binned, in_sky, settings.min_valid)
    wave = bin_centres(settings.grid, settings.margin)
    measured = measure(layers["values"], layers["ivar"], native=rest, wave_aa=wave, margin=settings.margin)
    if measured["coverage"] == 0:
        raise RefusedError(_outside(rest.wave_aa, settings))
    _check_quality(measured["coverage"], measured["snr"], settings)
    return layers, measured


def near_sky_lines(wave_aa: np.ndarray, settings: SpectrumPrepareSettings) -> np.ndarray:
    """Tell which pixels (n,) lie in the window of a line of the night sky; vacuum wavelengths as observed."""
    near = np.zeros(len(wave_aa), bool)
    for line in settings.sky_lines:
        near |= np.abs(wave_aa - line.wave_aa) <= line.half_width_aa
    return near


def check(spectrum: Spectrum, redshift: float, ebv: float) -> None:
    """Raise a `RefusedError` for a cleaned spectrum as observed that cannot be brought to the rest frame.

    Parameters
    ----------
    spectrum : Spectrum
    redshift : float
    ebv : float
        Galactic E(B-V), mag; NaN where it is not known.
    """
    wave = spectrum.wave_aa
    if len(wave) < 2 or not wave[0] > 0:
        raise RefusedError("wavelengths: they must be positive, and two or more")
    grows = np.diff(wave) > 0
    if not grows.all():
        first = int(grows.argmin())
        raise RefusedError(
            f"wavelengths: they must grow from pixel to pixel, and {wave[first + 1]:.8g} follows {wave[first]:.8g} "
            f"Angstrom in pixel {first + 2}"
        )
    if not (spectrum.ivar > 0).any():
        raise RefusedError("no valid pixel: every flux is NaN, or has no weight (ivar 0, or an error that is not > 0)")
    if not math.isfinite(redshift):
        raise RefusedError(
            "no redshift: the rest frame is not known; a table with the columns file and redshift may give it"
        )
    if not -1 < redshift < HIGHEST_REDSHIFT:
        raise RefusedError(f"no redshift: {redshift:g} is none; a velocity, or a sign for a missing value?")
    if ebv < 0:
        raise RefusedError(f"E(B-V) below zero: {ebv:g}; leave it empty where it is not known")


def _layers(binned: Binned, in_sky: np.ndarray, min_valid: float) -> dict[str, np.ndarray]:
    valid = (binned.valid >= min_valid) & (binned.ivar > 0)
    mask = np.where(valid, 0, INVALID) | np.where(binned.covered < min_valid, OUTSIDE, 0)
    mask |= np.where(in_sky & ~valid, SKY_LINE, 0)
    return {
        "values": np.where(valid, binned.flux, 0).astype(np.float32),
        "ivar": np.where(valid, binned.ivar, 0).astype(np.float32),
        "mask": mask.astype(np.uint8),
    }


def _outside(rest_aa: np.ndarray, settings: SpectrumPrepareSettings) -> str:
    low, high = bin_edges(settings.grid)[[0, -1]]
    return (
        f"outside the grid: no bin of prepare.grid ({low:.0f} to {high:.0f} Angstrom) has a valid value; in the rest "
        f"frame the spectrum goes from {rest_aa[0]:.0f} to {rest_aa[-1]:.0f} Angstrom: check redshift and unit"
    )


def _check_quality(coverage: float, snr: float, settings: SpectrumPrepareSettings) -> None:
    if coverage < settings.min_coverage:
        raise RefusedError(
            f"coverage too low: {coverage:.1%} of the bins are valid, prepare.min_coverage asks for "
            f"{settings.min_coverage:.0%}"
        )
    if not snr >= settings.min_snr:
        raise RefusedError(f"S/N too low: {snr:.2f} per pixel, prepare.min_snr asks for {settings.min_snr:g}")
