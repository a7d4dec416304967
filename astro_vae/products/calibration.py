"""Measure whether latents are as sure as their errors say, on objects whose latents are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from astro_vae.products._inference import Inference
from astro_vae.products.statistics import estimate

ONE_SIGMA = math.erf(1 / math.sqrt(2))
"""Probability of the interval of one standard deviation on either side of a Gaussian's mean, 0.683."""


def redrawn_with_noise(
    inference: Inference, z: np.ndarray, label: np.ndarray, seen: np.ndarray, *, seed: int
) -> np.ndarray:
    """Return objects of known latents as they would be observed: decoded, with noise added once.

    Parameters
    ----------
    inference : Inference
        Of a model for data with inverse variances.
    z : ndarray, shape (N, K)
    label : ndarray of int, shape (N,)
    seen : ndarray, shape (N, 2, *shape)
        Views of real objects, of which the inverse variances alone are taken: the noise of each datum, 0 where it
        is not valid.
    seed : int

    Raises
    ------
    ValueError
        If the views have no inverse variances.
    """
    _, weight = inference.kind.view.to_network(seen)
    if weight is None:
        raise ValueError("noise is drawn from inverse variances, which these data have not")
    valid = weight > 0
    sigma = 1 / np.sqrt(np.where(valid, weight, np.inf))
    x = inference.decode(z, label) + sigma * np.random.default_rng(seed).standard_normal(weight.shape)
    return np.stack([np.where(valid, x, 0), weight], axis=1).astype(np.float32)


def coverage(
    inference: Inference, z: np.ndarray, label: np.ndarray, seen: np.ndarray, *, seed: int = 1, n: int = 1000
) -> dict[str, Any]:
    """Measure how often known latents lie within one standard deviation of what is found of their noisy objects.

    Where the posteriors are right it is 0.683 for latents that are drawn as the prior of the model says, and close to
    that for others which the data tell much better than the prior.

    Parameters
    ----------
    n : int
        Bootstrap resamplings over objects.
    inference, z, label, seen, seed
        As of `redrawn_with_noise`.

    Returns
    -------
    dict
        `all`, and `per_latent`, a list: fraction with its error; `expected`.
    """
    mean, sd = inference.encode(redrawn_with_noise(inference, z, label, seen, seed=seed), label)
    inside = (np.abs(mean - z) < sd).astype(np.float64)  # (N, K)
    return {
        "all": _fraction(inside, n), "per_latent": [_fraction(one, n) for one in inside.T], "expected": ONE_SIGMA,
    }


def _fraction(inside: np.ndarray, n: int) -> dict[str, Any]:
    """Return the mean of what is 0 or 1, (N,) or (N, K), with its error over objects."""
    return estimate(lambda rows: float(inside[rows].mean()), np.arange(len(inside)), n)


def displacement(inference: Inference, seen: np.ndarray, moved: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return by how many standard deviations of the posterior the latents of objects differ from those of copies.

    Parameters
    ----------
    inference : Inference
    seen, moved : ndarray, shape (N, *shape of a view)
        The objects, and copies that differ in what the latents should not tell, such as an error of the redshift.
    label : ndarray of int, shape (N,)

    Returns
    -------
    ndarray, shape (N, K), at least 0
    """
    mean, sd = inference.encode(seen, label)
    return np.asarray(np.abs(inference.encode(moved, label)[0] - mean) / sd)
