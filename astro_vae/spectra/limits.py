"""Choose the limits of a panel so that the continuum stays readable beside strong lines."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

WINDOW = 31  # bins of the running median, more than twice the width of a narrow line
SPANS = 2.0  # so the running median takes a third of a panel or more
SCATTERS = 8.0
SIGNIFICANT = 5.0  # sigma from zero, from which a single bin counts


def with_gaps(spectrum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return flux and error (L,) of a spectrum (2, L) or (L,), NaN where not valid; without errors they are 0."""
    if spectrum.ndim == 1:
        return spectrum.astype(float), np.zeros(len(spectrum))
    flux, ivar = spectrum.astype(float)
    safe = np.where(ivar > 0, ivar, np.nan)
    return np.where(ivar > 0, flux, np.nan), 1 / np.sqrt(safe)


def limits(flux: np.ndarray, error: np.ndarray, *others: np.ndarray) -> tuple[float, float]:
    r"""Return the limits of a panel: around zero and all that counts, unless that would hide the continuum.

    What counts is the bins between the percentiles 0.5 and 99.5, and those that are farther than 5 sigma from zero.
    With c the median of 31 valid bins around each bin, r = max(c, 0) - min(c, 0) its range with zero, and
    s = 1.4826 median \|x - c\| the scatter about it, a panel goes no farther than max(2 r, 8 s) beyond c on either
    side. So narrow lines may leave it, broad ones and the continuum do not. The same holds for residuals.

    Parameters
    ----------
    flux, error : ndarray, shape (L,)
        NaN where not valid.
    others : ndarray, shape (L,)
        What else is drawn in the panel; it counts where `flux` is valid.
    """
    valid = np.isfinite(flux)
    found = [_limits(flux[valid], error[valid])]
    found += [_limits(other[valid & np.isfinite(other)], np.zeros(1)) for other in others]
    known = [pair for pair in found if pair is not None]
    if not known:
        return 0.0, 1.0
    low, high = min(pair[0] for pair in known), max(pair[1] for pair in known)
    margin = 0.1 * max(high - low, 1e-6)
    return low - (margin if low < 0 else 0), high + margin


def _limits(values: np.ndarray, error: np.ndarray) -> tuple[float, float] | None:
    if not len(values):
        return None
    low, high = np.percentile(values, [0.5, 99.5])
    low = min([low, 0.0, *values[values < -SIGNIFICANT * error]])
    high = max([high, *values[values > SIGNIFICANT * error]])
    level = median_filter(values, WINDOW, mode="reflect")  # "nearest" would widen a line that an edge cuts
    base, top = min(level.min(), 0.0), max(level.max(), 0.0)
    beyond = max(SPANS * (top - base), SCATTERS * 1.4826 * float(np.median(np.abs(values - level))))
    if not beyond:  # mostly one value
        return float(low), float(high)
    return float(max(low, base - beyond)), float(min(high, top + beyond))


def peaks(flux: np.ndarray, limit: float, sign: int = 1) -> np.ndarray:
    """Return the bins at which flux (L,) is farthest beyond a limit: one of each run of bins that are beyond it.

    `sign` is 1 for bins above an upper limit, -1 for those below a lower one. NaN is beyond nothing.
    """
    beyond = np.nan_to_num(sign * (flux - limit), nan=-1.0)
    outside = np.flatnonzero(beyond > 0)
    runs = np.split(outside, np.flatnonzero(np.diff(outside) > 1) + 1)
    return np.array([run[beyond[run].argmax()] for run in runs if len(run)], dtype=int)
