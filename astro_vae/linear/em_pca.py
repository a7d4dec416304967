"""Principal components of data with inverse variances and gaps."""

from __future__ import annotations

import numpy as np

RIDGE = 1e-3
"""Added to each diagonal of normal equations, in units of an inverse variance: it decides where no data do."""


def em_pca(
    x: np.ndarray, weight: np.ndarray, n_components: int, *, iterations: int = 60
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (D,) and orthonormal components (K, D) of least chi-square (Bailey 2012, sec. 4 and 5).

    The mean is fitted with the components, as one more whose score is 1.

    Parameters
    ----------
    x, weight : ndarray, shape (N, D), float64
        Data, and inverse variances: 0 where there is no datum.
    n_components : int
    iterations : int
    """
    mean = weighted_mean(x, weight)
    components = _axes(np.where(weight > 0, x - mean, 0.0), n_components)
    for _ in range(iterations):
        scores = np.column_stack([np.ones(len(x)), project(x, weight, mean, components)])
        solution = least_squares(x.T, weight.T, scores.T)  # (D, 1 + K)
        mean, components = solution[:, 0], np.linalg.qr(solution[:, 1:])[0].T
    return mean, components


def infill_pca(
    x: np.ndarray, weight: np.ndarray, n_components: int, *, n_fill: int = 10, iterations: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (D,) and components (K, D) of data whose gaps are filled from components, over and over.

    Portillo et al. (2020), sec. 2: inverse variances only say where data are missing.

    Parameters
    ----------
    x, weight : ndarray, shape (N, D), float64
    n_components : int
    n_fill : int
        Components that fill the gaps, at least `n_components` and fewer than data.
    iterations : int
    """
    valid = weight > 0
    n_fill = min(max(n_fill, n_components), min(x.shape) - 1)
    filled = np.where(valid, x, weighted_mean(x, weight))
    for _ in range(iterations):
        mean = filled.mean(axis=0)
        components = _axes(filled - mean, n_fill)
        filled = np.where(valid, x, mean + project(x, valid.astype(np.float64), mean, components) @ components)
    mean = filled.mean(axis=0)
    return mean, _axes(filled - mean, n_components)


def project(x: np.ndarray, weight: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Return the scores (N, K) of weighted least squares on the valid data of each object."""
    return least_squares(x - mean, weight, components)


def weighted_mean(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the mean of each dimension over objects, (D,); 0 where no object has a datum."""
    total = weight.sum(axis=0)
    return np.divide((weight * x).sum(axis=0), total, out=np.zeros(x.shape[1]), where=total > 0)


def least_squares(
    x: np.ndarray, weight: np.ndarray, basis: np.ndarray, ridge: float | np.ndarray = RIDGE
) -> np.ndarray:
    """Return the coefficients (N, K) of each row of x (N, D) in `basis` (K, D), with a ridge: one, (K,) or (N, K)."""
    size = len(basis)
    matrices = np.stack([weight @ (row * basis).T for row in basis], axis=1)
    matrices += np.broadcast_to(ridge, (len(x), size))[:, :, None] * np.eye(size)
    return np.linalg.solve(matrices, ((weight * x) @ basis.T)[:, :, None])[:, :, 0]


def _axes(x: np.ndarray, n_components: int) -> np.ndarray:
    """Return the first right singular vectors, (K, D)."""
    axes: np.ndarray = np.linalg.svd(x, full_matrices=False)[2][:n_components]
    return axes
