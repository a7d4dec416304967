"""Bring spectra to common bins of the logarithm of the wavelength, without losing or gaining flux."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from astro_vae.settings_spectra import GridSettings


class Binned(NamedTuple):
    """A spectrum on common bins.

    Attributes
    ----------
    flux : ndarray, shape (L,)
        Mean flux density of the valid part of each bin; 0 where there is none.
    ivar : ndarray, shape (L,)
        Inverse variance of `flux`.
    valid : ndarray, shape (L,)
        Fraction of each bin's width that has valid pixels.
    covered : ndarray, shape (L,)
        Fraction of each bin's width that has any pixels.
    """

    flux: np.ndarray
    ivar: np.ndarray
    valid: np.ndarray
    covered: np.ndarray


def bin_edges(grid: GridSettings, margin: int = 0) -> np.ndarray:
    """Return the edges of the bins, with `margin` bins more at either end: Angstrom, (bins + 2 margin + 1,)."""
    return 10 ** (grid.log_start + grid.log_step * (np.arange(-margin, grid.bins + margin + 1) - 0.5))


def bin_centres(grid: GridSettings, margin: int = 0) -> np.ndarray:
    """Return the wavelengths in the middle of each bin's logarithm: Angstrom, (bins + 2 margin,)."""
    return 10 ** (grid.log_start + grid.log_step * np.arange(-margin, grid.bins + margin))


def pixel_edges(wave_aa: np.ndarray) -> np.ndarray:
    """Return the edges between pixels, in the middle of the logarithm: (n + 1,)."""
    log = np.log(wave_aa)
    inner = (log[1:] + log[:-1]) / 2
    return np.exp(np.concatenate([[2 * log[0] - inner[0]], inner, [2 * log[-1] - inner[-1]]]))


def resample(
    edges_in: np.ndarray, flux: np.ndarray, ivar: np.ndarray, edges_out: np.ndarray, *, neighbours: bool = False
) -> Binned:
    r"""Average pixels into bins by the width that they share.

    With the shared width :math:`w_{ij}` of pixel i and bin j, over valid pixels,

    .. math:: f_j = \sum_i w_{ij} f_i / \sum_i w_{ij}, \quad
        \sigma_j^2 = \sum_i w_{ij}^2 \sigma_i^2 / (\sum_i w_{ij})^2

    (Carnall 2017, arXiv:1705.05165, eqs. 1 and 3). Bins that share a pixel have correlated errors. Where bins
    are taken for independent all the same, as in a sum over bins of a chi-square, adding its covariances with the
    other bins to the variance of each keeps the error of whatever is wider than a bin:

    .. math:: \sum_k C_{jk} = \sum_i w_{ij} \Delta_i \sigma_i^2 / (\sum_i w_{ij})^2

    with the width :math:`\Delta_i` of pixel i, up to bins without valid pixels.

    Parameters
    ----------
    edges_in : ndarray, shape (n + 1,)
        Edges of the pixels, growing.
    flux, ivar : ndarray, shape (n,)
        Pixels with `ivar` 0 are not valid.
    edges_out : ndarray, shape (L + 1,)
        Edges of the bins, growing.
    neighbours : bool
        Add the covariances with other bins to the variance.
    """
    edges = np.union1d(edges_in, edges_out)
    edges = edges[(edges >= max(edges_in[0], edges_out[0])) & (edges <= min(edges_in[-1], edges_out[-1]))]
    bins = len(edges_out) - 1
    if len(edges) < 2:
        return Binned(*np.zeros((4, bins)))
    # Between two edges lies the whole of what one pixel and one bin share.
    width, middle = np.diff(edges), (edges[1:] + edges[:-1]) / 2
    i = np.clip(np.searchsorted(edges_in, middle) - 1, 0, len(flux) - 1)
    j = np.clip(np.searchsorted(edges_out, middle) - 1, 0, bins - 1)
    weight = np.where(ivar[i] > 0, width, 0)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(j, values, bins)

    variance = 1 / np.where(ivar > 0, ivar, 1)
    shared, noise = total(weight), total(weight * (np.diff(edges_in)[i] if neighbours else weight) * variance[i])
    mean = total(weight * flux[i]) / np.where(shared > 0, shared, 1)
    inverse = np.where(shared > 0, shared**2, 0) / np.where(noise > 0, noise, 1)
    widths = np.diff(edges_out)
    return Binned(mean, inverse, shared / widths, total(width) / widths)
