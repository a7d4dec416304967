"""A linear model of the data, alone or beside the networks of an autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from astro_vae.vae.posteriors import DiagonalGaussian


class LinearPath(nn.Module):
    r"""The mean of a factor model, and its posterior for data with known inverse variances.

    .. math:: x = \mu + z W + \epsilon, \quad z \sim N(0, I), \quad \epsilon_i \sim N(0, 1 / w_i)

    Parameters
    ----------
    size : int
        D.
    n_latents : int
        K.

    Attributes
    ----------
    centre : Parameter, shape (D,)
    loadings : Parameter, shape (K, D)
    """

    def __init__(self, size: int, n_latents: int) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.zeros(size))
        self.loadings = nn.Parameter(torch.eye(n_latents, size))

    def forward(self, z: Tensor) -> Tensor:
        """Return the mean of p(x | z), (B, D)."""
        return self.centre + z @ self.loadings

    def posterior(self, x: Tensor, weight: Tensor) -> DiagonalGaussian:
        r"""Return the posterior of data (B, D), each latent with its marginal variance.

        .. math:: \Sigma = (I + W diag(w) W^T)^{-1}, \quad \mu = \Sigma W diag(w) (x - \mu_x)

        Where the weights are large this is the projection by weighted least squares; data without weight do not
        count. It is computed in 64 bits, since spectra of bright and faint objects differ in weight by millions.
        """
        loadings, weight, n_latents = self.loadings.double(), weight.double(), len(self.loadings)
        residual = torch.where(weight > 0, x.double() - self.centre.double(), 0.0)
        products = (loadings[:, None] * loadings).flatten(0, 1)  # (K K, D)
        precision = (weight @ products.T).unflatten(1, (n_latents, n_latents)) + torch.eye(
            n_latents, dtype=torch.float64, device=x.device
        )
        covariance = torch.cholesky_inverse(torch.linalg.cholesky(precision))  # (B, K, K)
        mu = (covariance @ ((weight * residual) @ loadings.T)[:, :, None])[:, :, 0]
        log_var = torch.log(torch.diagonal(covariance, dim1=1, dim2=2))
        return DiagonalGaussian(mu.to(x.dtype), log_var.to(x.dtype))
