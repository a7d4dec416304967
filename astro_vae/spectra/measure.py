"""Measure a spectrum: S/N, coverage, emission lines and their class, indices of the continuum; with errors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from astro_vae.columns import Column
from astro_vae.spectra.broad import fit_broad
from astro_vae.spectra.lines import NAMES, bpt_class, fit_lines, ratios
from astro_vae.spectra.spectrum import Spectrum, air_to_vacuum

BROAD = "broad-line"
FLUX_UNIT = "1e-17 erg / (s cm2)"
DENSITY_UNIT = "1e-17 erg / (Angstrom s cm2)"
"""Unit of the flux densities of a spectrum with a flux scale."""


class Index(NamedTuple):
    """An absorption index: band, and the side bands of its continuum; Angstrom, in air as published."""

    band: tuple[float, float]
    blue: tuple[float, float]
    red: tuple[float, float]


INDICES = {
    # Worthey & Ottaviani (1997), Trager et al. (1998)
    "hdelta_a": Index((4083.500, 4122.250), (4041.600, 4081.500), (4128.500, 4161.000)),
    "mgb": Index((5160.125, 5192.625), (5117.700, 5142.700), (5191.375, 5206.375)),
    "nad": Index((5876.875, 5909.375), (5860.625, 5875.675), (5922.125, 5948.125)),
}
CONTINUUM_AA = (5300.0, 5850.0)
D4000 = ((3850.0, 3950.0), (4000.0, 4100.0))  # Balogh et al. (1999)


def _line_columns() -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for key, name in NAMES.items():
        columns |= {
            f"{key}_flux": Column(f"Flux of {name}", FLUX_UNIT, "phot.flux;spect.line"),
            f"{key}_flux_err": Column(f"Error of {key}_flux from the noise", FLUX_UNIT, "stat.error;phot.flux"),
            f"{key}_ew": Column(
                f"Equivalent width of {name} in the rest frame, positive in emission", "Angstrom", "spect.line.eqWidth"
            ),
            f"{key}_ew_err": Column(f"Error of {key}_ew from the noise", "Angstrom", "stat.error;spect.line.eqWidth"),
        }
    return columns


def _index_columns() -> dict[str, Column]:
    names = {"hdelta_a": "Absorption of H-delta (Lick, H-delta A)", "mgb": "Absorption of Mg b (Lick)",
             "nad": "Absorption of Na D (Lick)"}
    columns = {
        "d4000": Column("Break at 4000 Angstrom, narrow bands (Dn4000)", "", "spect.index"),
        "d4000_err": Column("Error of d4000 from the noise", "", "stat.error;spect.index"),
    }
    for key, name in names.items():
        columns[key] = Column(name, "Angstrom", "spect.index")
        columns[f"{key}_err"] = Column(f"Error of {key} from the noise", "Angstrom", "stat.error;spect.index")
    return columns


COLUMNS = {
    "noise": Column("Median error of the valid bins", DENSITY_UNIT, "stat.stdev;phot.flux.density"),
    "snr": Column("Median flux by error, per pixel as observed", "", "stat.snr"),
    "coverage": Column("Fraction of the bins of the grid that are valid", "", "stat.value"),
    "continuum": Column("Median flux density from 5300 to 5850 Angstrom", DENSITY_UNIT, "phot.flux.density"),
    **_line_columns(),
    "line_sigma_kms": Column("Standard deviation of the emission lines, as observed", "km/s", "spect.line.width"),
    "broad_ew": Column(
        "Equivalent width of the broad component of H-alpha (H-beta where that is not covered)", "Angstrom",
        "spect.line.eqWidth",
    ),
    "broad_ew_err": Column("Error of broad_ew from the noise", "Angstrom", "stat.error;spect.line.eqWidth"),
    "broad_sigma_kms": Column("Standard deviation of the broad component", "km/s", "spect.line.width"),
    "log_nii_ha": Column("log10 [NII] 6585 / H-alpha, corrected for stellar absorption", "", "phot.flux;arith.ratio"),
    "log_oiii_hb": Column("log10 [OIII] 5008 / H-beta, corrected for stellar absorption", "", "phot.flux;arith.ratio"),
    "line_class": Column("broad-line, or class by the ratios of narrow emission lines", "", "src.class"),
    **_index_columns(),
    "warning": Column("What makes the measured values doubtful", "", "meta.note"),
}
"""Columns that `measure` returns."""

EXTREMES = {
    "snr": ("very high S/N ({:.0f})", ""),
    "coverage": ("", "few valid bins ({:.2f} of the grid)"),
    "ha_ew": ("strong H-alpha (equivalent width {:.0f} Angstrom)", ""),
    "oiii_ew": ("strong [OIII] 5008 (equivalent width {:.0f} Angstrom)", ""),
    "broad_ew": ("strong broad lines (equivalent width {:.0f} Angstrom)", ""),
    "d4000": ("large break at 4000 Angstrom ({:.2f})", "small break at 4000 Angstrom ({:.2f})"),
}
"""What to say of an object by measured column: where it is among the highest, and where it is among the lowest."""

SHOWN = {
    "redshift": "redshift", "snr": "S/N per pixel as observed", "d4000": "break at 4000 Angstrom",
}
"""Columns whose distribution says most of a survey, the best first, in words."""

TRIVIAL = {
    "trivial_snr": Column("Trivial score: median flux by error, per pixel as observed", "", "stat.value"),
    "trivial_lines": Column("Trivial score: largest equivalent width among the emission lines", "", "stat.value"),
}
"""Columns that `trivial` returns."""


def trivial(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `TRIVIAL` of the objects of a table."""
    known = table.reindex(columns=["snr", *(f"{name}_ew" for name in NAMES)]).astype(float)
    return pd.DataFrame({"trivial_snr": known["snr"], "trivial_lines": known.drop(columns="snr").max(axis=1)})


def measure(
    flux: np.ndarray, ivar: np.ndarray, *, native: Spectrum, wave_aa: np.ndarray, margin: int
) -> dict[str, Any]:
    """Measure a spectrum in the rest frame.

    Parameters
    ----------
    flux, ivar : ndarray, shape (L,)
        Stored bins; invalid ones have `ivar` 0.
    native : Spectrum
        The same at its own pixels, in the rest frame: lines and indices are measured here.
    wave_aa : ndarray, shape (L,)
        Centres of the bins.
    margin : int
        Bins at either end that do not count for the coverage.

    Returns
    -------
    dict
        A value for each of `COLUMNS`; NaN where it cannot be had.
    """
    inside = slice(margin, len(flux) - margin)
    low, high = CONTINUUM_AA
    expected = ((wave_aa > low) & (wave_aa < high)).any()  # on other grids its absence says nothing of an object
    continuum = measure_continuum(Spectrum(wave_aa, flux, ivar))
    return {
        "noise": measure_noise(ivar),
        "snr": signal_to_noise(native),
        "coverage": float((ivar[inside] > 0).mean()),
        "continuum": continuum,
        **features(native),
        "warning": f"no valid bin from {low:g} to {high:g} Angstrom" if expected and math.isnan(continuum) else "",
    }


def features(spectrum: Spectrum) -> dict[str, Any]:
    """Measure the lines, their class and the indices of a spectrum in the rest frame: columns of `COLUMNS`."""
    lines, sigma_kms = fit_lines(spectrum.wave_aa, spectrum.flux, spectrum.ivar)
    fitted: dict[str, float] = {}
    for name, line in lines.items():
        fitted |= {f"{name}_flux": line.flux, f"{name}_flux_err": line.flux_err,
                   f"{name}_ew": line.ew_aa, f"{name}_ew_err": line.ew_aa_err}
    n2, o3 = ratios(lines)
    broad = fit_broad(spectrum, sigma_kms)
    return {
        **fitted,
        "line_sigma_kms": sigma_kms,
        "broad_ew": broad.ew_aa,
        "broad_ew_err": broad.ew_aa_err,
        "broad_sigma_kms": broad.sigma_kms,
        "log_nii_ha": n2,
        "log_oiii_hb": o3,
        "line_class": BROAD if broad.found else bpt_class(lines),
        **indices(spectrum),
    }


def line_class(spectrum: Spectrum) -> str:
    """Class a spectrum in the rest frame by its lines: `BROAD`, or what `lines.bpt_class` says."""
    lines, sigma_kms = fit_lines(spectrum.wave_aa, spectrum.flux, spectrum.ivar)
    return BROAD if fit_broad(spectrum, sigma_kms).found else bpt_class(lines)


def measure_continuum(spectrum: Spectrum) -> float:
    """Return the median flux of the valid pixels from 5300 to 5850 Angstrom; NaN where there is none."""
    low, high = CONTINUUM_AA
    window = (spectrum.ivar > 0) & (spectrum.wave_aa > low) & (spectrum.wave_aa < high)
    return float(np.median(spectrum.flux[window])) if window.any() else math.nan


def measure_noise(ivar: np.ndarray) -> float:
    """Return the median error of the bins that have a weight; NaN where none has."""
    valid = ivar[ivar > 0]
    return float(np.median(1 / np.sqrt(valid))) if len(valid) else math.nan


def signal_to_noise(spectrum: Spectrum) -> float:
    """Return the median of flux by error over the valid pixels."""
    valid = spectrum.ivar > 0
    return float(np.median(spectrum.flux[valid] * np.sqrt(spectrum.ivar[valid]))) if valid.any() else math.nan


def indices(spectrum: Spectrum) -> dict[str, float]:
    """Return the break at 4000 Angstrom and the absorption indices of a spectrum in the rest frame, with errors."""
    found = dict(zip(("d4000", "d4000_err"), _break(spectrum), strict=True))
    for name, index in INDICES.items():
        found[name], found[f"{name}_err"] = _absorption(spectrum, index)
    return found


def _mean(spectrum: Spectrum, band: tuple[float, float], power: int = 0) -> tuple[float, float]:
    """Return the mean of flux times wavelength**power over a band, and its variance; NaN where too little is valid."""
    low, high = np.searchsorted(spectrum.wave_aa, band[0]), np.searchsorted(spectrum.wave_aa, band[1], side="right")
    near = slice(max(low - 1, 0), high + 1)  # a pixel more at either end, for the widths
    wave, flux, ivar = spectrum.wave_aa[near], spectrum.flux[near], spectrum.ivar[near]
    valid = (wave >= band[0]) & (wave <= band[1]) & (ivar > 0)
    if valid.sum() < 3:
        return math.nan, math.nan
    width = np.gradient(wave)[valid]
    if width.sum() < 0.7 * (band[1] - band[0]):
        return math.nan, math.nan
    weight = width / width.sum() * wave[valid] ** power
    return float(weight @ flux[valid]), float(weight**2 @ (1 / ivar[valid]))


def _break(spectrum: Spectrum) -> tuple[float, float]:
    """Return the ratio of the mean flux per unit of frequency above and below the break, and its error."""
    (below, below_var), (above, above_var) = (_mean(spectrum, band, 2) for band in D4000)
    if not below > 0:
        return math.nan, math.nan
    ratio = above / below
    return ratio, math.sqrt(above_var + ratio**2 * below_var) / below


def _absorption(spectrum: Spectrum, index: Index) -> tuple[float, float]:
    """Return the equivalent width of a band under a straight line through its side bands, and its error."""
    band, blue, red = (tuple(air_to_vacuum(np.array(edges)).tolist()) for edges in index)
    (inside, inside_var), (left, left_var), (right, right_var) = (_mean(spectrum, b) for b in (band, blue, red))
    middle, start, end = ((low + high) / 2 for low, high in (band, blue, red))
    share = (middle - start) / (end - start)
    continuum = left + share * (right - left)
    if not continuum > 0:
        return math.nan, math.nan
    continuum_var = (1 - share) ** 2 * left_var + share**2 * right_var
    width, depth = band[1] - band[0], inside / continuum
    return width * (1 - depth), width * math.sqrt(inside_var + depth**2 * continuum_var) / continuum
