"""Posteriors q(z | x, y)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class DiagonalGaussian:
    r"""A Gaussian with independent latents, one per object.

    Attributes
    ----------
    mu : Tensor, shape (B, K)
    log_var : Tensor, shape (B, K)
        Logarithm of the variance (not of the standard deviation).
    """

    mu: Tensor
    log_var: Tensor

    @property
    def sigma(self) -> Tensor:
        """Standard deviation, (B, K)."""
        return torch.exp(0.5 * self.log_var)

    def sample(self, eps: Tensor) -> Tensor:
        """Return mu + sigma eps for standard normal `eps` (..., B, K) (Kingma & Welling 2014, sec. 2.4)."""
        return self.mu + self.sigma * eps

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z) of `z` (..., B, K), summed over latents, with its constant: (..., B)."""
        squares = (z - self.mu) ** 2 * torch.exp(-self.log_var)
        return -0.5 * (squares + self.log_var + LOG_2PI).sum(dim=-1)

    def kl_standard_normal(self) -> Tensor:
        r"""Return the divergence from the standard normal for each latent, (B, K).

        .. math:: KL(q \| N(0, 1)) = \frac{1}{2} (\mu^2 + \sigma^2 - 1 - \log \sigma^2)

        Kingma & Welling (2014), appendix B.
        """
        # exp(v) - 1 loses all digits near the prior, where spare latents lie
        return 0.5 * (self.mu**2 + torch.expm1(self.log_var) - self.log_var)
