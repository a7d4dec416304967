"""Factors that are nowhere negative, of data with inverse variances and gaps."""

from __future__ import annotations

import numpy as np

SMALLEST = 1e-12
"""Keeps quotients finite where a factor has died out."""


def nmf(
    x: np.ndarray, weight: np.ndarray, n_components: int, *, iterations: int = 500, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return a mean of zero (D,) and components (K, D), all at least 0, by multiplicative updates.

    .. math:: H \leftarrow H \frac{A^T (w x)}{A^T (w A H)}, \quad A \leftarrow A \frac{(w x) H^T}{(w A H) H^T}

    Blanton & Roweis (2007), eqs. 14 and 15; Zhu (2016), eqs. 18 and 19. No step raises the chi-square. Negative
    data count as 0.

    Parameters
    ----------
    x, weight : ndarray, shape (N, D), float64
        Data, and inverse variances: 0 where there is no datum.
    n_components : int
    iterations : int
    seed : int
        Of the random start.
    """
    generator = np.random.default_rng(seed)
    x = x.clip(min=0)
    level = x.sum() / max((weight > 0).sum(), 1) / n_components
    scores = generator.uniform(0.5, 1.5, (len(x), n_components))
    components = level * generator.uniform(0.5, 1.5, (n_components, x.shape[1]))
    for _ in range(iterations):
        components *= (scores.T @ (weight * x)) / (scores.T @ (weight * (scores @ components)) + SMALLEST)
        scores *= ((weight * x) @ components.T) / ((weight * (scores @ components)) @ components.T + SMALLEST)
    return np.zeros(x.shape[1]), components
