"""A linear model that bends, for data that lie near a curved surface of few dimensions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from astro_vae.vae.linear_path import LinearPath
from astro_vae.vae.posteriors import DiagonalGaussian
from astro_vae.vae.refine import refined

ANCHORS = 64
"""Latents of known objects from the nearest of which a search may start."""

STARTS, STEPS = 3, 12
"""Anchors that each search starts from, beside the linear projection, and damped Gauss-Newton steps of each."""

STARTS_IN_TRAINING, STEPS_IN_TRAINING = 1, 4
"""The same in training, where every example is searched for once and its anchor is seldom far."""

BEND = 0.02
"""Square of the distance from zero, in latents of unit variance, over which a bend is rounded off."""

SATURATION = 2.0
"""Latent beyond which products grow no further, so that a decoder becomes linear far from all it has seen."""


class CurvedPath(LinearPath):
    r"""A linear path with a bend in each latent, and products of them that saturate.

    .. math:: x = \mu + z W + \sum_k \sqrt{z_k^2 + b} A_k + \sum_{j<k} s(z_j) s(z_k) C_{jk},
              \quad s(z) = z / \sqrt{1 + z^2 / r^2}

    With the bends, the two directions of a latent have each their own component. Latents are found by a search,
    since there is no closed form.

    Attributes
    ----------
    coefficients : Parameter, shape (K + K (K - 1) / 2, D)
        A, then C.
    anchors : Tensor, shape (ANCHORS, K)
    """

    anchors: Tensor

    def __init__(self, size: int, n_latents: int) -> None:
        super().__init__(size, n_latents)
        self.coefficients = nn.Parameter(torch.zeros(n_latents * (n_latents + 1) // 2, size))
        self.register_buffer("anchors", torch.zeros(ANCHORS, n_latents))

    def forward(self, z: Tensor) -> Tensor:
        """Return the mean of p(x | z), (B, D)."""
        return super().forward(z) + bends_and_products(z) @ self.coefficients

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the mean of p(x | z), (B, D), as `refined` asks for it."""
        return self(z)

    @torch.no_grad()
    def posterior(self, x: Tensor, weight: Tensor) -> DiagonalGaussian:
        """Return the Gaussian at the highest posterior density that is found for data (B, D), without gradient."""
        anchors, steps = (STARTS_IN_TRAINING, STEPS_IN_TRAINING) if self.training else (STARTS, STEPS)
        starts = torch.cat([super().posterior(x, weight).mu[None], self._nearest_anchors(x, weight)[:anchors]])
        many, size = len(starts), len(x)
        found = refined(self, x.repeat(many, 1), weight.repeat(many, 1), starts.flatten(0, 1), steps=steps)
        mu, log_var = found.mu.unflatten(0, (many, size)), found.log_var.unflatten(0, (many, size))
        cost = self._chi2(x, weight, mu) + (mu**2).sum(dim=2)  # (S, B)
        best = cost.argmin(dim=0)[None, :, None].expand(1, size, mu.shape[2])
        return DiagonalGaussian(mu.gather(0, best)[0], log_var.gather(0, best)[0])

    def _nearest_anchors(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the anchors whose reconstructions fit each object best, (STARTS, B, K)."""
        redrawn, data = self(self.anchors).double(), torch.where(weight > 0, x, 0.0).double()  # (A, D), (B, D)
        chi2 = weight.double() @ (redrawn**2).T - 2 * (weight * data) @ redrawn.T  # but for a constant
        return self.anchors[chi2.topk(STARTS, dim=1, largest=False).indices].transpose(0, 1)

    def _chi2(self, x: Tensor, weight: Tensor, z: Tensor) -> Tensor:
        """Return the chi-square of objects at each of their latents (S, B, K): (S, B)."""
        data = torch.where(weight > 0, x, 0.0)
        return torch.stack([(weight * (data - self(some)) ** 2).sum(dim=1) for some in z])


def bends_and_products(z: Tensor) -> Tensor:
    """Return what latents (B, K) enter by beside themselves, (B, K + K (K - 1) / 2)."""
    first, second = torch.triu_indices(z.shape[1], z.shape[1], offset=1, device=z.device)
    saturated = z / torch.sqrt(1 + (z / SATURATION) ** 2)
    return torch.cat([torch.sqrt(z**2 + BEND), saturated[:, first] * saturated[:, second]], dim=1)
