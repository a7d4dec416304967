"""Look in residuals for the emission lines of something else at another redshift in the same spectrum."""

from __future__ import annotations

import numpy as np

from astro_vae.spectra.limits import peaks
from astro_vae.spectra.lines import FEATURES_AA, near_line

LINES = ("[OII] 3728", "H-beta", "[OIII] 4960", "[OIII] 5008", "H-alpha")
LEAST_SIGMA = 8.0
MOST = 8  # the strongest peaks; lines fit by chance among more
TOLERANCE = 1.5  # bins
APART = 0.01  # least difference of the two (1 + z), as a fraction: what is nearer is the object's own gas
THREE = 3  # as many lines do not lie so by chance
DOUBLET = (LINES.index("[OIII] 4960"), LINES.index("[OIII] 5008"))
DOUBLET_RATIO = (1.5, 6.0)  # of the significance of [OIII] 5008 by that of 4960, which noise scatters about 3


def second_system(significance: np.ndarray, edges_aa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the (1 + z) of a second system of lines by that of the object, and its lines: (B,) each, NaN for none.

    Peaks of at least 8 sigma that are near no line of the object itself, nor in the wings of `LINES`, are held
    against `LINES`. A system is at least half of them, and three lines or [OIII] 4960 and 5008 in about their ratio,
    as of a galaxy behind a galaxy (Bolton et al. 2004, AJ 127, 1860).

    Parameters
    ----------
    significance : ndarray, shape (B, L)
        Of the excess over what a model draws, in sigma; NaN where it is not known.
    edges_aa : ndarray, shape (L + 1,)
        Edges of the bins, which are equal in the logarithm; Angstrom.
    """
    step = np.log(edges_aa[1] / edges_aa[0])
    middles = np.sqrt(edges_aa[:-1] * edges_aa[1:])
    lines = np.log(np.array([FEATURES_AA[name] for name in LINES]) / middles[0]) / step  # bins
    apart = np.log1p(APART) / step
    own = np.array([near_line(wave, 0) != "" for wave in middles])
    own |= (np.abs(np.subtract.outer(np.arange(len(middles)), lines)) < apart).any(axis=1)
    found = [_system(np.where(own, 0, np.nan_to_num(one)), lines, apart) for one in significance]
    shift, number = np.array(found, float).reshape(-1, 2).T
    return np.exp(shift * step), number


def _system(significance: np.ndarray, lines: np.ndarray, apart: float) -> tuple[float, float]:
    """Return the shift of the system with the most lines, in bins, and their number; NaN where there is none."""
    bins = peaks(significance, LEAST_SIGMA)
    bins = bins[np.argsort(-significance[bins], kind="stable")][:MOST]
    best = (np.nan, np.nan)
    for shift in np.subtract.outer(bins, lines).ravel():
        distance = np.abs(np.subtract.outer(bins, lines + shift))
        there = (distance <= TOLERANCE).any(axis=0) if abs(shift) > apart else np.zeros(len(lines), bool)
        weaker, stronger = significance[bins[distance.argmin(axis=0)[list(DOUBLET)]]]
        doublet = there[list(DOUBLET)].all() and DOUBLET_RATIO[0] < stronger / weaker < DOUBLET_RATIO[1]
        number = there.sum()
        if (number >= THREE or doublet) and 2 * number >= len(bins) and not number <= best[1]:
            best = (float(shift), float(number))
    return best
