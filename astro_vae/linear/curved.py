"""Fit a curved path by alternating between objects and dimensions."""

from __future__ import annotations

import numpy as np
import torch

from astro_vae.linear.em_pca import RIDGE, least_squares
from astro_vae.vae.curved_path import ANCHORS, CurvedPath, bends_and_products
from astro_vae.vae.linear_path import LinearPath
from astro_vae.vae.refine import refined

FLOOR = 0.02
"""Fractional error in the fit, so that a few bright objects do not bend the surface to their noise."""

BEND_RIDGE, PRODUCT_RIDGE = 15.0, 50.0
"""Ridges of a bend and of a product by how many of them there are, as inverse variances, for a dimension of mean
variance and a latent that moves the data as much as the others do: the more there are, the less each may say."""

CAUTION = 30.0
"""Factor by which errors count less than the prior of the latents in the fit.

The surface is so fitted where most objects are, and not to the few that would lie far out on it. All four numbers were
chosen by cross-validation within the training parts of 430 spectra of galaxies and quasars.
"""


def with_floor(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return inverse variances that include the fractional error."""
    return weight / (1 + weight * (FLOOR * x) ** 2)


@torch.no_grad()
def curved(
    start: LinearPath, x: np.ndarray, weight: np.ndarray, *, iterations: int = 30, seed: int = 0, copies: float = 1.0
) -> CurvedPath:
    """Return the curved path that fits data best, from a linear one whose latents have unit variance.

    In turn, the latents of each object take a few damped Gauss-Newton steps at the same surface, and the surface is
    fitted by ridge regression, each dimension alone, at the same latents. The ridges of bends and products are those
    of coefficients that scatter as the data do: larger in dimensions where the linear path varies less, and for latents
    by which it varies less.

    Parameters
    ----------
    start : LinearPath
    x, weight : ndarray, shape (N, D), float64
        Data, and inverse variances: 0 where there is no datum.
    iterations : int
    seed : int
        Of the choice of anchors.
    copies : float
        How many of the data show the same object; the ridges count as often.
    """
    size, n_latents = x.shape[1], len(start.loadings)
    path = CurvedPath(size, n_latents).double()
    weight = with_floor(x, weight)
    data, ivar = torch.from_numpy(x), torch.from_numpy(weight)
    z = start.double().posterior(data, ivar).mu
    bent = copies * _ridges(start.loadings.numpy())
    ridge = np.concatenate([np.full((size, 1 + n_latents), RIDGE), bent], axis=1)
    for _ in range(iterations):
        features = torch.cat([torch.ones_like(z[:, :1]), z, bends_and_products(z)], dim=1)
        surface = torch.from_numpy(least_squares(x.T, weight.T, features.numpy().T, ridge)).T
        path.centre.copy_(surface[0])
        path.loadings.copy_(surface[1 : 1 + n_latents])
        path.coefficients.copy_(surface[1 + n_latents :])
        z = refined(path, data, ivar / CAUTION, z, steps=2).mu
    rows = np.random.default_rng(seed).choice(len(z), ANCHORS, replace=len(z) < ANCHORS)
    path.anchors.copy_(z[torch.from_numpy(rows)])
    return path.float()


def _ridges(loadings: np.ndarray) -> np.ndarray:
    """Return the ridge of each bend and product of latents in each dimension (D, K (K + 1) / 2), by loadings (K, D)."""
    strength = np.linalg.norm(loadings, axis=1)
    strength = np.maximum(strength, 1e-3 * strength.max())  # of a latent that moves nothing
    strength = strength / np.exp(np.log(strength).mean())
    first, second = np.triu_indices(len(loadings), k=1)
    of_coefficients = np.concatenate([BEND_RIDGE / strength**2, PRODUCT_RIDGE / (strength[first] * strength[second])])
    scatter = (loadings**2).sum(axis=0)
    scatter = np.maximum(scatter / scatter.mean(), 1e-6)  # dimensions without data have none
    return np.asarray(len(of_coefficients) * of_coefficients / scatter[:, None])
