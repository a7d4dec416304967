"""Linear models of data with inverse variances and gaps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from astro_vae.linear.curved import curved, with_floor
from astro_vae.linear.em_pca import em_pca, infill_pca, project
from astro_vae.linear.nmf import nmf
from astro_vae.vae.curved_path import CurvedPath
from astro_vae.vae.likelihoods import GaussianIvar
from astro_vae.vae.linear_path import LinearPath
from astro_vae.vae.posteriors import DiagonalGaussian

Components = Callable[[np.ndarray, np.ndarray, int, int], tuple[np.ndarray, np.ndarray]]

FITS: dict[str, Components] = {
    "em_pca": lambda x, weight, n, _: em_pca(x, weight, n),
    "infill_pca": lambda x, weight, n, _: infill_pca(x, weight, n),
    "nmf": lambda x, weight, n, seed: nmf(x, weight, n, seed=seed),
    "curved_pca": lambda x, weight, n, _: em_pca(x, with_floor(x, weight), n),
}
"""Ways to find mean (D,) and components (K, D), by their names in settings; each takes data and weights (N, D), the
number of components and a seed. Those of "curved_pca" are what a curved path begins from."""


class WeightedLinear(nn.Module):
    """A linear decoder, or one that is linear but for bends, and the posterior of data with inverse variances.

    Latents are scaled to unit variance over the data that the model was fitted to. It has no labels, and takes and
    ignores any.

    Parameters
    ----------
    shape : tuple of int
        Of one object's data.
    n_latents : int
        K.
    n_labels : int
        C, of those who ask for a label's probability through a prior.
    bent : bool
        Whether its path is a `CurvedPath`.
    """

    conditional = False

    def __init__(self, shape: Sequence[int], n_latents: int, n_labels: int = 0, *, bent: bool = False) -> None:
        super().__init__()
        self.shape, self.n_latents, self.n_labels = tuple(shape), n_latents, n_labels
        path = CurvedPath if bent else LinearPath
        self.path = path(math.prod(self.shape), n_latents).requires_grad_(False)
        self.likelihood = GaussianIvar()

    @classmethod
    def fit(
        cls, x: np.ndarray, weight: np.ndarray, n_latents: int, *, method: str = "em_pca", n_labels: int = 0,
        seed: int = 0, copies: float = 1.0,
    ) -> WeightedLinear:
        """Find the components of data.

        Parameters
        ----------
        x, weight : ndarray, shape (N, *shape)
            Data and inverse variances, 0 where there is no datum.
        n_latents : int
        method : str
            A name in `FITS`.
        n_labels : int
        seed : int
            Of the start of a method that has a random one.
        copies : float
            How many of the data show the same object: so many times fewer are independent of each other, which
            those methods have to know that keep to what many objects say.

        Raises
        ------
        ValueError
            If there are not more data, and more dimensions, than latents, or weights are negative or not finite.
        """
        flat, weights = (np.asarray(a, dtype=np.float64).reshape(len(x), -1) for a in (x, weight))
        if n_latents >= min(flat.shape):
            raise ValueError(f"{n_latents} components need more than {min(flat.shape)} data and dimensions")
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError("inverse variances must be finite and not negative")
        flat = np.where(weights > 0, flat, 0.0)
        centre, components = FITS[method](flat, weights, n_latents, seed)
        centre, loadings = _standardised(flat, weights, centre, components, rotate=method != "nmf")
        path = LinearPath(flat.shape[1], n_latents).requires_grad_(False)
        path.centre.copy_(torch.from_numpy(centre))
        path.loadings.copy_(torch.from_numpy(loadings))
        bent = method == "curved_pca"
        model = cls(x.shape[1:], n_latents, n_labels, bent=bent)
        found = curved(path, flat, weights, seed=seed, copies=copies) if bent else path
        model.path.load_state_dict(found.state_dict())
        return model

    def encode(self, x: Tensor, label: Tensor | None = None, weight: Tensor | None = None) -> DiagonalGaussian:
        """Return the posterior of data (B, *shape) with inverse variances `weight` (B, *shape)."""
        if weight is None:
            raise ValueError("this model needs the inverse variance of every datum")
        return self.path.posterior(x.flatten(1), weight.flatten(1))

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the mean of p(x | z) for latents (B, K): (B, *shape)."""
        return self.path(z).unflatten(1, self.shape)

    def log_likelihood(
        self, x: Tensor, z: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> Tensor:
        """Return log p(x | z) in nats with all constants, (B,); `weight` as in `Likelihood.log_prob`."""
        return self.likelihood.log_prob(x, self.decode(z), weight)


def _standardised(
    x: np.ndarray, weight: np.ndarray, centre: np.ndarray, components: np.ndarray, *, rotate: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and loadings of the same space in which the scores have mean 0 and variance 1.

    With `rotate` they are uncorrelated too, by falling variance; without, each component keeps its form.
    """
    scores = project(x, weight, centre, components)
    centre = centre + scores.mean(axis=0) @ components
    if not rotate:
        return centre, scores.std(axis=0)[:, None] * components
    variances, axes = np.linalg.eigh(np.cov(scores.T, bias=True).reshape(2 * (len(components),)))
    deviations = np.sqrt(variances[::-1].clip(min=0))
    return centre, deviations[:, None] * (axes.T[::-1] @ components)
