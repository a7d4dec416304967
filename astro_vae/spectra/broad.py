"""Look for a broad component under a Balmer line, the mark of an unobscured active nucleus."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from astro_vae.spectra.lines import LINES
from astro_vae.spectra.spectrum import LIGHT_KMS, Spectrum

SIGMAS_KMS = tuple(float(s) for s in np.geomspace(700, 4500, 7))
OFFSETS_KMS = (-600.0, -300.0, 0.0, 300.0, 600.0)
MIN_GAIN = 0.1  # fraction of the chi-square that the broad component takes away
MIN_RATIO = 10.0  # flux by its error
MIN_EW_AA = 10.0
# These three were chosen on 444 SDSS spectra: 77 of 79 quasars have such a line, and 8 of 365 galaxies.


class _Window(NamedTuple):
    line: str
    range_aa: tuple[float, float]
    narrow: tuple[str, ...]


WINDOWS = (
    _Window("ha", (6300.0, 6830.0), ("ha", "nii", "oi", "sii_6718", "sii_6733")),
    _Window("hb", (4720.0, 5090.0), ("hb", "oiii")),
)
"""H-alpha, and H-beta where that is not covered."""


class Broad(NamedTuple):
    """A broad component; NaN where no Balmer line is covered.

    Attributes
    ----------
    ew_aa, ew_aa_err : float
        Equivalent width, positive in emission, and its error from the noise.
    sigma_kms : float
        Standard deviation, as observed.
    found : bool
        It is significant.
    """

    ew_aa: float
    ew_aa_err: float
    sigma_kms: float
    found: bool


def fit_broad(spectrum: Spectrum, narrow_kms: float) -> Broad:
    """Fit a broad Gaussian beside narrow lines over a curved continuum, and tell whether it is needed.

    Parameters
    ----------
    spectrum : Spectrum
        In the rest frame, in vacuum.
    narrow_kms : float
        Width of the narrow lines; see `lines.fit_lines`.
    """
    for window in WINDOWS:
        low, high = window.range_aa
        inside = slice(*np.searchsorted(spectrum.wave_aa, window.range_aa).tolist())
        wave, flux, ivar = spectrum.wave_aa[inside], spectrum.flux[inside], spectrum.ivar[inside]
        there = len(wave) > 50 and wave[0] < low + 20 and wave[-1] > high - 20
        if there and np.mean(ivar > 0) > 0.7 and math.isfinite(narrow_kms):
            return _fit(window, wave, flux, ivar, narrow_kms)
    return Broad(math.nan, math.nan, math.nan, False)


def _fit(window: _Window, wave: np.ndarray, flux: np.ndarray, ivar: np.ndarray, narrow_kms: float) -> Broad:
    centre = LINES[window.line].waves_aa[0]
    x = (wave - centre) / 100
    components = [c for name in window.narrow for c in LINES[name].waves_aa]
    basis = np.stack([x**0, x, x**2, *(_profile(wave, c, narrow_kms) for c in components)], axis=1)  # (n, P)
    kinematics = [(sigma, offset) for sigma in SIGMAS_KMS for offset in OFFSETS_KMS]
    profiles = np.stack(
        [_profile(wave, centre * (1 + offset / LIGHT_KMS), sigma) for sigma, offset in kinematics], axis=1
    )  # (n, T)
    # The rest is the same for all trials, so it is taken out of flux and profiles beforehand.
    left = _without(basis, np.column_stack([flux, profiles]), ivar)
    y, trials = left[:, 0], left[:, 1:]
    information, products = ivar @ trials**2, (ivar * y) @ trials  # (T,)
    chi2, without = (ivar * y**2).sum() - products**2 / information, (ivar * y**2).sum()
    best = int(np.argmin(chi2))
    total, error = products[best] / information[best], 1 / math.sqrt(information[best])
    continuum = _solve(basis, (flux - total * profiles[:, best])[:, None], ivar)[0, 0]
    if not continuum > 0:
        return Broad(math.nan, math.nan, math.nan, False)
    gained = chi2[best] < (1 - MIN_GAIN) * without and total > MIN_RATIO * error
    found = bool(gained and total > MIN_EW_AA * continuum)
    return Broad(float(total / continuum), float(error / continuum), kinematics[best][0], found)


def _profile(wave: np.ndarray, centre: float, sigma_kms: float) -> np.ndarray:
    """Return a Gaussian of unit flux, per Angstrom: (n,)."""
    width = centre * sigma_kms / LIGHT_KMS
    return np.exp(-0.5 * ((wave - centre) / width) ** 2) / (math.sqrt(2 * math.pi) * width)


def _without(basis: np.ndarray, values: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    """Return values (n, m) without what a basis (n, P) explains of them."""
    return values - basis @ _solve(basis, values, ivar)


def _solve(basis: np.ndarray, values: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    """Return the weighted least-squares coefficients (P, m) of values (n, m)."""
    weighted = (basis * ivar[:, None]).T
    return np.linalg.pinv(weighted @ basis, hermitian=True) @ (weighted @ values)
