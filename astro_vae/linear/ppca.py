"""Probabilistic principal components of complete data with the same noise everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from astro_vae.vae.likelihoods import Gaussian
from astro_vae.vae.linear_path import LinearPath
from astro_vae.vae.posteriors import LOG_2PI, DiagonalGaussian

SMALLEST_NOISE = 1e-12
"""Variance left for data that lie in the space of the components, where the best one would be zero."""


class Ppca(nn.Module):
    r"""Probabilistic principal component analysis (Tipping & Bishop 1999).

    .. math:: x = \mu + W z + \epsilon, \quad z \sim N(0, I), \quad \epsilon \sim N(0, \sigma^2 I)

    The columns of W are orthogonal, so the posterior is a diagonal Gaussian and the evidence lower bound is the
    likelihood. It has no labels, and takes and ignores any.

    Parameters
    ----------
    shape : tuple of int
        Of one object's data.
    n_latents : int
        K.
    n_labels : int
        C, of those who ask for a label's probability through a prior.

    Attributes
    ----------
    centre : Tensor, shape (D,)
    components : Tensor, shape (K, D)
        Orthonormal principal axes, by falling variance.
    variances : Tensor, shape (K,)
        Largest eigenvalues of the covariance, which has 1/N in front.
    likelihood : Gaussian
        Its variance is sigma^2, the mean of the remaining eigenvalues.
    """

    conditional = False
    centre: Tensor
    components: Tensor
    variances: Tensor

    def __init__(self, shape: Sequence[int], n_latents: int, n_labels: int = 0) -> None:
        super().__init__()
        self.shape, self.n_latents, self.n_labels = tuple(shape), n_latents, n_labels
        size = math.prod(self.shape)
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("components", torch.eye(n_latents, size))
        self.register_buffer("variances", torch.ones(n_latents))
        self.likelihood = Gaussian(sigma=0.5, floor=0.0)

    @classmethod
    def fit(cls, x: np.ndarray | Tensor, n_latents: int, *, n_labels: int = 0, seed: int = 0) -> Ppca:
        """Return the model of highest likelihood (Tipping & Bishop 1999, eqs. 7 and 8).

        Parameters
        ----------
        x : ndarray or Tensor, shape (N, *shape)
        n_latents : int
        n_labels : int
        seed : int
            Of the random projections that find the axes of large data.

        Raises
        ------
        ValueError
            If there are not more data, and more dimensions, than latents.
        """
        from sklearn.decomposition import PCA

        flat = np.asarray(x).reshape(len(x), -1)
        if n_latents >= min(flat.shape):
            raise ValueError(f"{n_latents} principal components need more than {min(flat.shape)} data and dimensions")
        pca = PCA(n_latents, svd_solver="auto", random_state=seed).fit(flat)
        model = cls(x.shape[1:], n_latents, n_labels)
        shrinkage = (len(flat) - 1) / len(flat)  # from the unbiased covariance to that of highest likelihood
        rest = pca.noise_variance_ * (min(flat.shape) - n_latents)  # the sum of all other eigenvalues
        model.centre.copy_(torch.from_numpy(pca.mean_))
        model.components.copy_(torch.from_numpy(pca.components_))
        model.variances.copy_(torch.from_numpy(pca.explained_variance_ * shrinkage))
        noise = rest * shrinkage / (flat.shape[1] - n_latents)
        nn.init.constant_(model.likelihood.log_sigma, 0.5 * math.log(max(noise, SMALLEST_NOISE)))
        return model

    @property
    def noise(self) -> Tensor:
        """sigma^2, a scalar."""
        return self.likelihood.variance.detach()

    def encode(self, x: Tensor, label: Tensor | None = None, weight: Tensor | None = None) -> DiagonalGaussian:
        """Return the posterior of data (B, *shape): exact without weights, of the valid data with them."""
        if weight is not None:
            return self._weighted_posterior(x.flatten(1), weight.flatten(1))
        scores = (x.flatten(1) - self.centre) @ self.components.T  # (B, K)
        mu = scores * self._scales / self.variances
        return DiagonalGaussian(mu, torch.log(self.noise / self.variances).expand_as(mu))

    def _weighted_posterior(self, x: Tensor, weight: Tensor) -> DiagonalGaussian:
        """Return the posterior where each datum has the variance sigma^2 + 1/w, and none where w is 0."""
        path = LinearPath(math.prod(self.shape), self.n_latents).to(x).requires_grad_(False)
        path.centre.copy_(self.centre)
        path.loadings.copy_(self._scales[:, None] * self.components)
        precision = torch.where(weight > 0, 1 / (self.noise + 1 / torch.where(weight > 0, weight, 1.0)), 0.0)
        return path.posterior(x, precision)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the mean of p(x | z) for latents (B, K): (B, *shape)."""
        return (self.centre + (z * self._scales) @ self.components).unflatten(1, self.shape)

    def log_likelihood(
        self, x: Tensor, z: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> Tensor:
        """Return log p(x | z) in nats with all constants, (B,); `weight` as in `Likelihood.log_prob`."""
        return self.likelihood.log_prob(x, self.decode(z), weight)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B,) (Tipping & Bishop 1999, eq. 4)."""
        centred = x.flatten(1) - self.centre
        scores = centred @ self.components.T
        outside = (centred**2).sum(dim=1) - (scores**2).sum(dim=1)
        squares = outside / self.noise + (scores**2 / self.variances).sum(dim=1)
        size = centred.shape[1]
        log_det = torch.log(self.variances).sum() + (size - self.n_latents) * torch.log(self.noise)
        return -0.5 * (size * LOG_2PI + log_det + squares)

    @property
    def _scales(self) -> Tensor:
        """Lengths of the columns of W, (K,)."""
        return torch.sqrt((self.variances - self.noise).clamp_min(0))
