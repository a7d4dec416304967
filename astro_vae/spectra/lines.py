"""Fit emission lines, and class a galaxy by their ratios."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from astro_vae.spectra.spectrum import LIGHT_KMS

SIGMAS_KMS = tuple(float(s) for s in np.geomspace(70, 450, 10))
OFFSETS_KMS = tuple(float(v) for v in np.arange(-200, 201, 50))
FINE_FACTORS = tuple(float(s) for s in np.geomspace(1 / 1.23, 1.23, 9))
FINE_STEPS_KMS = tuple(float(v) for v in np.arange(-40, 41, 10))
STELLAR_ABSORPTION_AA = 1.3
"""Equivalent width of the stars' absorption under a Balmer line (that of SDSS galaxies in Hopkins et al. 2003,
ApJ 599, 971); the ratios of lines are corrected for it, fluxes and widths are not."""
MIN_RATIO = 3.0  # lines with a smaller flux by its error do not class a galaxy


class Line(NamedTuple):
    """A line, or a doublet of fixed ratio: vacuum wavelengths (Angstrom), and relative fluxes."""

    waves_aa: tuple[float, ...]
    shares: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class Group:
    """Lines that are fitted together over one straight continuum."""

    window_aa: tuple[float, float]
    lines: tuple[str, ...]


LINES = {
    "oii": Line((3727.09, 3729.88), (0.5, 0.5)),
    "hb": Line((4862.68,)),
    "oiii": Line((5008.24, 4960.30), (1.0, 1 / 2.98)),  # Storey & Zeippen (2000)
    "oi": Line((6302.05,)),
    "nii": Line((6585.27, 6549.85), (1.0, 1 / 3.05)),
    "ha": Line((6564.61,)),
    "sii_6718": Line((6718.29,)),
    "sii_6733": Line((6732.67,)),
}
"""Flux and width of a doublet of fixed ratio are those of the line named first; [OII] is the sum of both."""
NAMES = {
    "oii": "[OII] 3727, 3730", "hb": "H-beta", "oiii": "[OIII] 5008", "oi": "[OI] 6302", "nii": "[NII] 6585",
    "ha": "H-alpha", "sii_6718": "[SII] 6718", "sii_6733": "[SII] 6733",
}
FEATURES_AA = {
    "Ly-alpha": 1215.67, "NV 1240": 1240.81, "SiIV 1397": 1396.76, "CIV 1549": 1549.48, "HeII 1640": 1640.42,
    "CIII] 1909": 1908.73, "MgII 2799": 2799.12,
    "[NeV] 3427": 3426.84, "[FeVII] 3760": 3759.99, "[FeXIV] 5304": 5304.34, "[FeVII] 5722": 5722.30,
    "[FeVII] 6089": 6088.66, "[FeX] 6376": 6376.27, "[FeXI] 7894": 7893.97,
    "[OII] 3728": 3728.5, "[NeIII] 3870": 3869.86, "Ca K": 3934.77, "Ca H": 3969.59, "H-delta": 4102.89,
    "G band": 4305.6, "H-gamma": 4341.68, "[OIII] 4364": 4364.44, "FeII 4570": 4571.0, "HeII 4687": 4687.02,
    "H-beta": 4862.68, "[OIII] 4960": 4960.30, "[OIII] 5008": 5008.24, "Mg b": 5176.6, "FeII 5270": 5270.0,
    "HeI 5877": 5877.25, "Na D": 5894.6, "[OI] 6302": 6302.05, "[OI] 6366": 6365.54, "[NII] 6550": 6549.85,
    "H-alpha": 6564.61, "[NII] 6585": 6585.27, "[SII] 6718": 6718.29, "[SII] 6733": 6732.67, "[ArIII] 7138": 7137.77,
    "CaII 8500": 8500.36, "CaII 8544": 8544.44, "CaII 8665": 8664.52, "[SIII] 9071": 9071.1, "[SIII] 9533": 9533.2,
    "HeI 10833": 10833.31, "Pa-beta": 12821.6, "Pa-alpha": 18756.1,
}
"""Vacuum wavelengths (Angstrom) of lines and bands of galaxies and nuclei, to name what is near a wavelength."""
NEAR_AA = 8.0  # as far from a line something narrow is still near it
GROUPS = (
    Group((3690.0, 3770.0), ("oii",)),
    Group((4790.0, 5070.0), ("hb", "oiii")),
    Group((6270.0, 6335.0), ("oi",)),
    Group((6480.0, 6650.0), ("nii", "ha")),
    Group((6680.0, 6770.0), ("sii_6718", "sii_6733")),
)


class Fitted(NamedTuple):
    """One line: flux, and equivalent width (Angstrom, emission is positive), each with its error."""

    flux: float
    flux_err: float
    ew_aa: float
    ew_aa_err: float


UNKNOWN = Fitted(math.nan, math.nan, math.nan, math.nan)


@dataclass
class _Trials:
    """The lines of a group fitted with every trial width and offset."""

    chi2: np.ndarray  # (T,)
    values: np.ndarray  # (T, lines)
    variances: np.ndarray  # (T, lines)
    profiles: np.ndarray  # (T, n, lines)


def fit_lines(wave_aa: np.ndarray, flux: np.ndarray, ivar: np.ndarray) -> tuple[dict[str, Fitted], float]:
    """Fit Gaussian lines of one width and one offset over straight continua.

    Fluxes and continua are linear, and solved for exactly at each width and offset of a coarse set and then of a
    fine one around the best of it; the pair with the smallest chi-square over all groups of lines is taken. What
    stars absorb under Balmer lines is
    not modelled.

    Parameters
    ----------
    wave_aa, flux, ivar : ndarray, shape (n,)
        Pixels in the rest frame, in vacuum.

    Returns
    -------
    lines : dict of str to Fitted
        For each of `LINES`; NaN where a line is not covered.
    sigma_kms : float
        Width of the lines, as observed; NaN where no line is covered.
    """
    covered = [data for group in GROUPS if (data := _inside(group, wave_aa, flux, ivar)) is not None]
    lines = dict.fromkeys(LINES, UNKNOWN)
    if not covered:
        return lines, math.nan
    kinematics = [(sigma, offset) for sigma in SIGMAS_KMS for offset in OFFSETS_KMS]
    sigma, offset = kinematics[_best([_try_all(data, kinematics) for data in covered])]
    kinematics = [(sigma * factor, offset + step) for factor in FINE_FACTORS for step in FINE_STEPS_KMS]
    trials = [_try_all(data, kinematics) for data in covered]
    best = _best(trials)
    for data, trial in zip(covered, trials, strict=True):
        lines |= _fitted(data, trial, best)
    return lines, float(kinematics[best][0])


def _fitted(data: _Data, trials: _Trials, best: int) -> dict[str, Fitted]:
    """Return the lines of a group at one of the trials, with the continuum that is left under each."""
    fluxes = trials.values[best]
    level = data.line(data.flux - trials.profiles[best] @ fluxes)  # of the straight continuum, at any wavelength
    found = {}
    for name, flux, variance in zip(data.group.lines, fluxes, trials.variances[best], strict=True):
        error, below = math.sqrt(variance), level(LINES[name].waves_aa[0])
        width = (flux / below, error / below) if below > 0 else (math.nan, math.nan)
        found[name] = Fitted(float(flux), error, float(width[0]), float(width[1]))
    return found


def near_line(wave_aa: float, half_width_aa: float) -> str:
    """Name the feature in the inner half of a stretch of the rest frame, the nearest to its middle; "" for none."""
    name = min(FEATURES_AA, key=lambda one: abs(FEATURES_AA[one] - wave_aa))
    return name if abs(FEATURES_AA[name] - wave_aa) <= max(half_width_aa / 2, NEAR_AA) else ""


def _best(trials: list[_Trials]) -> int:
    return int(np.argmin(np.sum([trial.chi2 for trial in trials], axis=0)))


class _Data(NamedTuple):
    """The pixels of a group's window."""

    group: Group
    wave: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray

    def line(self, flux: np.ndarray) -> Callable[[float], float]:
        """Return the straight line that fits a flux (n,) best, as a function of the wavelength."""
        middle = np.average(self.wave, weights=self.ivar)
        x = self.wave - middle
        slope = (self.ivar * x * flux).sum() / (self.ivar * x**2).sum()
        level = np.average(flux, weights=self.ivar)
        return lambda wave_aa: float(level + slope * (wave_aa - middle))

    def without_line(self, values: np.ndarray) -> np.ndarray:
        """Return values (..., n, m) without the straight lines that fit them best over the pixels."""
        x = self.wave - np.average(self.wave, weights=self.ivar)
        for basis in (np.ones_like(x), x):
            weight = self.ivar * basis / (self.ivar * basis**2).sum()
            values = values - basis[:, None] * (weight @ values)[..., None, :]
        return values


def _inside(group: Group, wave_aa: np.ndarray, flux: np.ndarray, ivar: np.ndarray) -> _Data | None:
    """Return the pixels of a group's window; None where it is not covered."""
    inside = slice(*np.searchsorted(wave_aa, group.window_aa).tolist())
    data = _Data(group, wave_aa[inside], flux[inside], ivar[inside])
    return data if _covered(group, data.wave, data.ivar) else None


def _try_all(data: _Data, kinematics: list[tuple[float, float]]) -> _Trials:
    """Fit a group with every trial width and offset (km/s).

    The continuum is the same for all trials, so it is taken out of flux and profiles beforehand; what is left to
    solve has a size of one or two.
    """
    profiles = np.stack([_profiles(LINES[name], data.wave, kinematics) for name in data.group.lines], axis=2)
    left, y = data.without_line(profiles), data.without_line(data.flux[:, None])[:, 0]  # (T, n, lines), (n,)
    weighted = left.transpose(0, 2, 1) * data.ivar  # (T, lines, n)
    covariance = _inverse(weighted @ left)
    products = weighted @ y  # (T, lines)
    values = (covariance @ products[:, :, None])[:, :, 0]
    chi2 = (data.ivar * y**2).sum() - (products * values).sum(axis=1)
    return _Trials(chi2, values, np.diagonal(covariance, axis1=1, axis2=2), profiles)


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Return the inverses of symmetric matrices (T, m, m) of one or two rows; 0 of those that have none.

    Written out, since a library takes ten times as long with so many small ones.
    """
    if matrices.shape[-1] == 1:
        return np.divide(1, matrices, out=np.zeros_like(matrices), where=matrices > 0)
    a, b, d = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]
    determinant = a * d - b**2
    turned = np.stack([np.stack([d, -b], axis=1), np.stack([-b, a], axis=1)], axis=1)
    there = (determinant > 1e-12 * a * d)[:, None, None]
    return np.divide(turned, determinant[:, None, None], out=np.zeros_like(turned), where=there)


def _covered(group: Group, wave: np.ndarray, weight: np.ndarray) -> bool:
    """Tell whether the group's window is there, and valid near each of its lines."""
    low, high = group.window_aa
    if np.count_nonzero(weight) < 0.7 * len(weight) or len(wave) < 10:
        return False
    if wave[0] > low + 0.1 * (high - low) or wave[-1] < high - 0.1 * (high - low):
        return False
    near = [np.abs(wave / LINES[name].waves_aa[0] - 1) < 300 / LIGHT_KMS for name in group.lines]
    return all(pixels.any() and np.mean(weight[pixels] > 0) > 0.7 for pixels in near)


def _profiles(line: Line, wave: np.ndarray, kinematics: list[tuple[float, float]]) -> np.ndarray:
    """Return the profile of unit flux of a line for every trial: (T, n), per Angstrom."""
    sigma, offset = (np.array(column)[:, None] / LIGHT_KMS for column in zip(*kinematics, strict=True))
    out = np.zeros((len(sigma), len(wave)))
    for centre, share in zip(line.waves_aa, line.shares, strict=True):
        width = sigma * centre
        out += share * np.exp(-0.5 * ((wave - centre * (1 + offset)) / width) ** 2) / (math.sqrt(2 * math.pi) * width)
    return out


def ratios(lines: dict[str, Fitted]) -> tuple[float, float]:
    """Return log10 [NII]/H-alpha and log10 [OIII]/H-beta, the Balmer lines corrected for stellar absorption.

    NaN where one of the two lines is not covered or has no positive flux.
    """
    return _ratio(lines, "nii", "ha"), _ratio(lines, "oiii", "hb")


def _ratio(lines: dict[str, Fitted], forbidden: str, balmer: str) -> float:
    above, below = lines[forbidden].flux, _corrected(lines[balmer])
    return math.log10(above / below) if above > 0 and below > 0 else math.nan


def _corrected(line: Fitted) -> float:
    continuum = line.flux / line.ew_aa if line.ew_aa else math.nan
    return line.flux + STELLAR_ABSORPTION_AA * continuum if continuum > 0 else line.flux


def bpt_class(lines: dict[str, Fitted]) -> str:
    """Class a galaxy by its place in the diagram of Baldwin, Phillips & Terlevich (1981).

    Returns
    -------
    str
        "star-forming" below the line of Kauffmann et al. (2003, MNRAS 346, 1055, eq. 1), "composite" between
        it and that of Kewley et al. (2001, ApJ 556, 121, eq. 5), above that "Seyfert" or "LINER" as divided by
        Schawinski et al. (2007, MNRAS 382, 1415); "weak lines" where one of the four lines has less than
        `MIN_RATIO` times its error; empty where one is not covered.
    """
    four = [lines[name] for name in ("ha", "nii", "hb", "oiii")]
    if any(math.isnan(line.flux) for line in four):
        return ""
    n2, o3 = ratios(lines)
    balmer_err = [lines[name].flux_err for name in ("ha", "hb")]
    balmer = [_corrected(lines[name]) for name in ("ha", "hb")]
    significant = [lines[name].flux >= MIN_RATIO * lines[name].flux_err for name in ("nii", "oiii")]
    significant += [value >= MIN_RATIO * error for value, error in zip(balmer, balmer_err, strict=True)]
    if not all(significant):
        return "weak lines"
    if n2 < 0.05 and o3 < 0.61 / (n2 - 0.05) + 1.3:
        return "star-forming"
    if n2 < 0.47 and o3 < 0.61 / (n2 - 0.47) + 1.19:
        return "composite"
    return "Seyfert" if o3 > 1.05 * n2 + 0.45 else "LINER"
