"""Turn flux densities into what a network sees: cut to the grid, divide by the continuum.

This is the last act of augment, encode and score alike, so that training and use cannot drift apart.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from astro_vae.errors import UserError
from astro_vae.settings_spectra import SpectrumViewSettings
from astro_vae.spectra.resample import bin_centres

MIN_SIGNIFICANCE = 3.0  # a continuum fainter than this by its error says nothing of the scale


ELEMENTS = "bins"
"""What the elements of `shape` are called."""
BYTES = 8  # of an element of a view, in memory: flux and inverse variance


def shape(settings: SpectrumViewSettings) -> tuple[int, ...]:
    """Return the shape of one object as a network sees it."""
    return (settings.grid.bins,)


def frame_size(settings: SpectrumViewSettings) -> int:
    """Return the number of bins of the smallest input that `view` takes."""
    return settings.grid.bins


def view(values: np.ndarray, table: pd.DataFrame, settings: SpectrumViewSettings, *, scaled: bool) -> np.ndarray:
    """Return what a network sees of each spectrum: its form, and how well each bin is known.

    The central bins are kept and divided by the median of the valid ones in `window_aa`, or of all of them
    where fewer than half of the window's bins are valid. A median below `MIN_SIGNIFICANCE` times its own error
    is replaced by that, so that spectra without a continuum keep a finite scale.

    Parameters
    ----------
    values : ndarray, shape (B, 2, L)
        Flux density and its inverse variance, 0 where not valid; L at least the bins of the grid.
    table : DataFrame, B rows
        Not looked at: all that the view needs is in the values.
    settings : SpectrumViewSettings
    scaled : bool
        Spectra are never scaled.

    Returns
    -------
    ndarray, shape (B, 2, bins), float32
        Normalised flux, 0 where not valid, and its inverse variance; see `to_network`.

    Raises
    ------
    UserError
        If the spectra have fewer bins than the grid.
    """
    x = central(values, settings.grid.bins)
    flux, ivar = x[:, 0].astype(np.float64), x[:, 1].astype(np.float64)
    scale = normalisation(flux, ivar, settings)[:, None]
    flux, ivar = np.where(ivar > 0, flux / scale, 0), ivar * scale**2
    if settings.max_snr > 0:
        floor = (flux / settings.max_snr) ** 2
        ivar = ivar / (1 + ivar * floor)
    return np.stack([flux, ivar], axis=1).astype(np.float32)


def to_network(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values and weights as a network takes them: flux (B, bins) and inverse variance (B, bins), float32."""
    seen = np.asarray(seen, dtype=np.float32)
    return seen[:, 0], seen[:, 1]


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Return the views of no object, for a network that sees this shape: float32 (0, 2, *shape)."""
    return np.empty((0, 2, *shape), np.float32)


def fault(seen: np.ndarray, shape: tuple[int, ...]) -> str:
    """Say why these are no views for a network that sees this shape; "" where they are."""
    if seen.shape[1:] != (2, *shape):
        return f"spectra of shape {seen.shape[1:]} given to a model of {(2, *shape)}: flux and its inverse variance"
    if not np.isfinite(seen).all():
        return "spectra that are not finite given to a model; a bin without a value has flux 0 and inverse variance 0"
    if (seen[:, 1] < 0).any():
        return "inverse variances below 0 given to a model"
    return ""


def central(values: np.ndarray, bins: int) -> np.ndarray:
    """Return the central `bins` of spectra (..., L), as a view of their memory."""
    length = values.shape[-1]
    if length < bins:
        raise UserError(f"spectra of {length} bins are shorter than view.grid.bins = {bins}; set it to {length}")
    start = (length - bins) // 2
    return values[..., start : start + bins]


def normalisation(flux: np.ndarray, ivar: np.ndarray, settings: SpectrumViewSettings) -> np.ndarray:
    """Return what each spectrum is divided by: (B,), positive.

    Parameters
    ----------
    flux, ivar : ndarray, shape (B, bins)
    settings : SpectrumViewSettings
    """
    wave = bin_centres(settings.grid)
    window = (wave >= settings.window_aa[0]) & (wave <= settings.window_aa[1])
    valid = ivar > 0
    enough = 2 * (valid & window).sum(axis=1) >= max(window.sum(), 1)
    used = np.where(enough[:, None], valid & window, valid)
    number = used.sum(axis=1)
    median, noise = _median(flux, used), _median(1 / np.sqrt(np.where(valid, ivar, 1)), used)
    error = np.sqrt(np.pi / 2) * noise / np.sqrt(np.maximum(number, 1))  # of a median of Gaussian values
    return np.where(number > 0, np.maximum(median, MIN_SIGNIFICANCE * error), 1)


def _median(values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return the median of the used values of each row, 0 where there are none: (B,)."""
    ordered = np.sort(np.where(used, values, np.inf), axis=1)
    number = used.sum(axis=1)
    low, high = (number - 1).clip(0) // 2, number.clip(1) // 2
    rows = np.arange(len(values))
    both = (ordered[rows, low] + ordered[rows, high]) / 2
    return np.where(number > 0, both, 0)
