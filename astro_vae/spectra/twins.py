"""Find spectra that are the same observation, where no positions say so."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

ALIKE = 0.95  # correlation of the noise of one observation, reduced twice
CLIP = 3.0  # residuals count at most this many sigma, so that a bright line does not decide alone
WIDTH = 15  # bins over which what is no noise is smoothed
BLOCK = 512


def twins(values: np.ndarray) -> np.ndarray:
    """Return the pairs of spectra that share their noise: two reductions, or copies, of one observation.

    Spectra of different objects of one type look alike, and so do two observations of one object; but noise
    is never the same twice. Compared are the residuals from a running median, by their errors.

    Parameters
    ----------
    values : ndarray, shape (N, 2, L)
        Flux density and its inverse variance, in the rest frame.

    Returns
    -------
    ndarray of int, shape (P, 2)
        Pairs (i, j) with i < j.
    """
    residuals = np.stack([_residual(*spectrum) for spectrum in values]) if len(values) else np.empty((0, 1))
    pairs = [np.empty((0, 2), np.int64)]
    for start in range(0, len(residuals), BLOCK):
        rows, columns = np.nonzero(residuals[start : start + BLOCK] @ residuals.T >= ALIKE)
        later = columns > rows + start
        pairs.append(np.stack([rows[later] + start, columns[later]], axis=1))
    return np.concatenate(pairs)


def _residual(flux: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    """Return the noise of a spectrum as a vector of length 1: (L,), 0 where not valid."""
    residual = (flux - median_filter(flux, WIDTH, mode="nearest")) * np.sqrt(ivar)
    clipped = np.clip(residual, -CLIP, CLIP).astype(np.float32)
    return clipped / max(float(np.linalg.norm(clipped)), 1e-12)
