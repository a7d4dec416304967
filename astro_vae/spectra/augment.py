"""Draw transforms of spectra, and carry them out with one interpolation each.

A transform mixes a spectrum with another of its label, shifts it along the bins, adds noise, of which the
inverse variance then has its share, and masks runs of bins.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from astro_vae.columns import Column
from astro_vae.settings_spectra import GridSettings, SpectrumAugmentSettings
from astro_vae.spectra.spectrum import LIGHT_KMS
from astro_vae.spectra.view import central

PARENTS = ("parent", "mate")
"""Columns of the transforms that name rows of the objects."""

COLUMNS = {
    "parent": Column("Row of the parent in the values of the objects", "", "meta.record"),
    "mate": Column("Row of the spectrum that the parent is mixed with; the parent where it is not", "", "meta.record"),
    "mix_share": Column("Share of the mate in the mixture; 0: not mixed"),
    "shift_bins": Column("Shift against the bins, towards longer wavelengths", "bin"),
    "redshift_kms": Column("Error of the redshift, as a velocity; it shifts too", "km/s", "spect.dopplerVeloc"),
    "noise_sigma": Column("Standard deviation of the added noise, by each bin's own"),
    "noise_seed": Column("Seed of the added noise"),
    "mask_runs": Column("Number of masked runs of bins", "", "meta.number"),
    "mask_seed": Column("Seed of the masked runs"),
}
"""Columns of the transforms."""


def draw_transforms(
    parents: np.ndarray, settings: SpectrumAugmentSettings, *, seed: int, mates: np.ndarray | None = None
) -> pd.DataFrame:
    """Draw one transform per parent.

    Parameters
    ----------
    parents : ndarray of int, shape (N,)
        Row of the parent of each example.
    settings : SpectrumAugmentSettings
        The ranges; all draws are uniform.
    seed : int
        Row i depends on the seed and i alone, not on N.
    mates : ndarray of int, shape (N, k), optional
        Rows of the spectra that each parent may be mixed with; without them nothing is mixed.

    Returns
    -------
    DataFrame, N rows
        The columns of `COLUMNS`.
    """
    uniform = np.random.default_rng(seed).random((len(parents), 9)).T
    both_signs = 2 * uniform - 1
    parents = np.asarray(parents, dtype=np.int64)
    mixed = np.zeros(len(parents), bool) if mates is None else uniform[0] < settings.mix
    chosen = parents if mates is None else mates[np.arange(len(parents)), (uniform[1] * mates.shape[1]).astype(int)]
    mixed &= chosen != parents
    return pd.DataFrame({
        "parent": parents,
        "mate": np.where(mixed, chosen, parents),
        "mix_share": np.where(mixed, settings.mix_share * uniform[2], 0.0),
        "shift_bins": settings.shift_bins * both_signs[3],
        "redshift_kms": settings.redshift_kms * both_signs[4],
        "noise_sigma": settings.noise_sigma * uniform[5],
        "noise_seed": (uniform[6] * 2**53).astype(np.int64),
        "mask_runs": (uniform[7] * (settings.mask_runs + 1)).astype(np.int64),
        "mask_seed": (uniform[8] * 2**53).astype(np.int64),
    })


def apply(
    values: np.ndarray, parent_rows: np.ndarray, transforms: pd.DataFrame, settings: SpectrumAugmentSettings, *,
    grid: GridSettings,
) -> np.ndarray:
    r"""Carry out transforms, each with one interpolation.

    With the shares :math:`w_k` of the up to four bins of parent and mate that make up a bin of the result,

    .. math:: f = \sum_k w_k f_k, \quad \sigma^2 = \sum_k w_k^2 \sigma_k^2 + s^2

    and s the standard deviation of the added noise. A bin is valid where all that it is made of is.

    Parameters
    ----------
    values : ndarray, shape (M, 2, L)
        Flux density and its inverse variance, 0 where not valid. Bins beyond the ends are not valid.
    parent_rows : ndarray of int, shape (n, 2)
        Rows of `values` of the parent and the mate of each transform.
    transforms : DataFrame, n rows
    settings : SpectrumAugmentSettings
        Only `mask_bins` is used.
    grid : GridSettings
        Bins of the result, in the middle of those of the values.

    Returns
    -------
    ndarray, shape (n, 2, grid.bins), float32
    """
    rows = transforms.to_dict("list")
    kms = LIGHT_KMS * math.log(10) * grid.log_step
    shifts = np.asarray(rows["shift_bins"], float) + np.asarray(rows["redshift_kms"], float) / kms
    out = np.empty((len(transforms), 2, grid.bins), np.float32)
    for i in range(len(transforms)):
        flux, variance = _shifted(values[parent_rows[i, 0]], shifts[i], grid.bins)
        if rows["mix_share"][i] > 0:
            mate = _shifted(values[parent_rows[i, 1]], shifts[i], grid.bins)
            flux, variance = _mixed((flux, variance), mate, rows["mix_share"][i])
        flux, variance = _noisy(flux, variance, rows["noise_sigma"][i], rows["noise_seed"][i])
        masked = _runs(grid.bins, rows["mask_runs"][i], settings.mask_bins, rows["mask_seed"][i])
        valid = np.isfinite(variance) & ~masked
        out[i, 0], out[i, 1] = np.where(valid, flux, 0), np.where(valid, 1 / variance, 0)
    return out


def moved(values: np.ndarray, shift_bins: float, *, grid: GridSettings) -> np.ndarray:
    """Return spectra (N, 2, L) shifted towards longer wavelengths, nothing else: (N, 2, grid.bins), float32."""
    out = np.zeros((len(values), 2, grid.bins), np.float32)
    for made, stored in zip(out, values, strict=True):
        flux, variance = _shifted(stored, shift_bins, grid.bins)
        valid = np.isfinite(variance)
        made[0, valid], made[1, valid] = flux[valid], 1 / variance[valid]
    return out


def _shifted(stored: np.ndarray, shift: float, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return flux and variance (infinite where not valid) of the central bins after a shift: (bins,) each."""
    whole = math.floor(shift)
    share = shift - whole  # of the bin before; between two bins the flux is that of the part of each
    start = (stored.shape[1] - bins) // 2 - whole
    flux, ivar = _window(stored, start - 1, bins + 1)
    variance = 1 / np.where(ivar > 0, ivar, np.nan)
    if share == 0:
        return flux[1:], np.where(ivar[1:] > 0, variance[1:], np.inf)
    mean = (1 - share) * flux[1:] + share * flux[:-1]
    both = (1 - share) ** 2 * variance[1:] + share**2 * variance[:-1]
    return mean, np.where(np.isfinite(both), both, np.inf)


def _window(stored: np.ndarray, start: int, length: int) -> np.ndarray:
    """Return `length` bins (2, length) from `start` on, without weight beyond the ends."""
    out = np.zeros((2, length))
    low, high = max(start, 0), min(start + length, stored.shape[1])
    if low < high:
        out[:, low - start : high - start] = stored[:, low:high]
    return out


def _mixed(
    parent: tuple[np.ndarray, np.ndarray], mate: tuple[np.ndarray, np.ndarray], share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mix two spectra, the mate brought to the parent's brightness over the bins that both have."""
    (flux, variance), (other, other_variance) = parent, mate
    both = np.isfinite(variance) & np.isfinite(other_variance)
    if not both.any() or not np.median(other[both]) > 0 or not np.median(flux[both]) > 0:
        return parent
    factor = float(np.median(flux[both]) / np.median(other[both]))
    mean = (1 - share) * flux + share * factor * other
    return mean, (1 - share) ** 2 * variance + (share * factor) ** 2 * other_variance


def _noisy(flux: np.ndarray, variance: np.ndarray, sigma: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Add white noise of `sigma` times each bin's own."""
    if sigma == 0:
        return flux, variance
    own = np.sqrt(np.where(np.isfinite(variance), variance, 0))
    drawn = np.random.default_rng(seed).standard_normal(len(flux))
    return flux + sigma * own * drawn, variance * (1 + sigma**2)


def _runs(bins: int, number: int, longest: int, seed: int) -> np.ndarray:
    """Return bins (bins,) that lie in one of `number` runs of 1 to `longest` bins."""
    masked = np.zeros(bins, bool)
    if number:
        rng = np.random.default_rng(seed)
        for length, start in zip(rng.integers(1, longest + 1, number), rng.random(number), strict=True):
            first = int(start * (bins + length - 1)) - length + 1  # so that every bin is as likely
            masked[max(first, 0) : first + length] = True
    return masked


def nearest_mates(values: np.ndarray, labels: np.ndarray, number: int) -> np.ndarray:
    """Return the spectra most alike to each among those of its label; with too few of them, itself.

    Alike are those whose coarse forms, means over a fiftieth of the bins by the median of all, differ least.

    Parameters
    ----------
    values : ndarray, shape (N, 2, L)
    labels : ndarray of str, shape (N,)
    number : int
        How many mates each has.

    Returns
    -------
    ndarray of int, shape (N, number)
    """
    from scipy.spatial import cKDTree

    coarse = _coarse(values)
    mates = np.repeat(np.arange(len(values))[:, None], number, axis=1)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        k = min(number + 1, len(rows))
        if k > 1:
            found = cKDTree(coarse[rows]).query(coarse[rows], k)[1].reshape(len(rows), k)
            others = np.stack([line[line != own][: k - 1] for own, line in enumerate(found)])
            mates[rows] = rows[others[:, np.arange(number) % (k - 1)]]
    return mates


def _coarse(values: np.ndarray, pieces: int = 50) -> np.ndarray:
    """Return the means of the valid bins of each piece, by their median: (N, pieces)."""
    kept = central(values, values.shape[-1] // pieces * pieces).reshape(len(values), 2, pieces, -1)
    valid = kept[:, 1] > 0
    mean = np.where(valid, kept[:, 0], 0).sum(axis=2) / np.maximum(valid.sum(axis=2), 1)
    filled = np.where(valid.any(axis=2), mean, np.nan)
    middle = np.nanmedian(np.where(np.isfinite(filled), filled, np.nan), axis=1, keepdims=True)
    return np.nan_to_num(filled / np.where(np.abs(middle) > 0, middle, 1), nan=1.0)
