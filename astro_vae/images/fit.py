"""Compare images with what a model makes of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from astro_vae.columns import Column
from astro_vae.images.view import to_network

NAME = "mse"
"""What `misfit` measures: the mean squared error."""
SCORE = "Minus log likelihood at the posterior mean, per pixel (nat)"
"""Description of the anomaly score that tells how badly an object is redrawn."""
COMBINED = ("reconstruction", "latent_density")
"""Anomaly scores that make the rank where the settings name none."""
COLUMNS: dict[str, Column] = {}
"""Of the latent catalog: none, since the error of an image says more of its brightness than of the fit."""


def misfit(seen: np.ndarray, redrawn: np.ndarray) -> np.ndarray:
    """Return the mean squared error per pixel, values from 0 to 1: float64 (N,).

    Parameters
    ----------
    seen : ndarray, shape (N, size, size)
        Views.
    redrawn : ndarray, shape (N, size, size)
        What a model makes of them.
    """
    difference = to_network(seen)[0] - redrawn
    return (difference.reshape(len(seen), -1).astype(np.float64) ** 2).mean(axis=1)


def misfit_of_mean(seen: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the mean squared error per pixel of one image (size, size) for all views: float32 (N,)."""
    squares = (to_network(seen)[0] - mean) ** 2
    return np.asarray(squares.reshape(len(seen), -1).mean(axis=1))


def misfit_of_scaled_mean(seen: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the misfit of one image (size, size), as bright as fits each view best: float64 (N,)."""
    x = to_network(seen)[0]
    scale = (x * mean).sum(axis=(1, 2)) / max(float((mean**2).sum()), np.finfo(np.float32).tiny)
    return misfit(seen, scale[:, None, None] * mean)


def mean(views: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean of blocks of views of bytes, values from 0 to 1: float32 (size, size)."""
    total, number = np.zeros(()), 0
    for seen in views:
        total, number = total + seen.sum(axis=0, dtype=np.float64), number + len(seen)
    return (total / (max(number, 1) * 255)).astype(np.float32)
