"""Compare spectra with what a model makes of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from astro_vae.columns import Column
from astro_vae.spectra.view import to_network

NAME = "reduced_chi2"
"""What `misfit` measures: the reduced chi-square."""
SCORE = "Reduced chi-square of the reconstruction from the posterior mean"
"""Description of the anomaly score that tells how badly an object is redrawn."""
COMBINED = ("residual_runs", "local_outlier_factor")
"""Anomaly scores that make the rank where the settings name none."""
COLUMNS = {
    NAME: Column("Chi-square of the reconstruction from the posterior mean, by the number of valid bins",
                 ucd="stat.fit.chi2"),
}
"""Of the latent catalog."""


def misfit(seen: np.ndarray, redrawn: np.ndarray) -> np.ndarray:
    r"""Return the reduced chi-square over the valid bins, float64 (N,); NaN where there is none.

    .. math:: \chi^2 / n = \frac{1}{n} \sum_{w_i > 0} w_i (x_i - m_i)^2

    The latents are not counted as parameters, so that models with more of them compare on the same data.

    Parameters
    ----------
    seen : ndarray, shape (N, 2, bins)
        Views: flux and its inverse variance.
    redrawn : ndarray, shape (N, bins)
        What a model makes of them.
    """
    flux, weight = (part.astype(np.float64) for part in to_network(seen))
    valid = (weight > 0).sum(axis=1)
    chi2 = (weight * (flux - redrawn) ** 2).sum(axis=1)
    return np.where(valid > 0, chi2 / np.maximum(valid, 1), np.nan)


def misfit_of_mean(seen: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the reduced chi-square of one spectrum (bins,) for all views, as it is, without a scale: float64 (N,)."""
    return misfit(seen, np.broadcast_to(mean, (len(seen), len(mean))))


def misfit_of_scaled_mean(seen: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the reduced chi-square of one spectrum (bins,), with the scale that fits each view best: float64 (N,)."""
    flux, weight = (part.astype(np.float64) for part in to_network(seen))
    scale = (weight * flux) @ mean / np.maximum(weight @ mean.astype(np.float64) ** 2, np.finfo(np.float64).tiny)
    return misfit(seen, scale[:, None] * mean)


def mean(views: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean flux of blocks of views over their valid bins, float32 (bins,); 0 where there is none.

    Every spectrum counts alike: weighted by their inverse variances it would be that of the brightest.
    """
    total, number = np.zeros(()), np.zeros((), np.int64)
    for seen in views:
        flux, weight = to_network(seen)
        total = total + np.where(weight > 0, flux, 0).sum(axis=0, dtype=np.float64)
        number = number + (weight > 0).sum(axis=0)
    return (total / np.maximum(number, 1)).astype(np.float32)
