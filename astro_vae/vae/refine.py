"""Latents of highest posterior density, object by object, at a fixed decoder."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from astro_vae.vae.posteriors import DiagonalGaussian

FIRST_DAMPING, LESS, MORE = 1e-3, 0.2, 8.0
"""Levenberg-Marquardt: damping relative to the curvature, and its factors after a better and a worse step."""


class Decoder(Protocol):
    """What is needed of a model here."""

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor: ...


@torch.no_grad()
def refined(
    model: Decoder, x: Tensor, weight: Tensor, start: Tensor, label: Tensor | None = None, *, steps: int = 10,
    floor: float = 0.0,
) -> DiagonalGaussian:
    r"""Return the Gaussian around the latents that minimise, for each object,

    .. math:: \sum_i (x_i - \mu_i(z))^2 / v_i + |z|^2, \quad v_i = 1 / w_i + (f \mu_i)^2

    by damped Gauss-Newton steps (Marquardt 1963), with the marginal variances of its curvature there. An encoder
    that has seen few objects comes near the posterior of a new one; this goes the rest of the way. For a linear
    decoder one step of no damping is exact.

    Parameters
    ----------
    model : Vae or other model with `decode`
        In evaluation mode: an object's reconstruction may depend on its own latents alone.
    x, weight : Tensor, shape (B, *shape)
        Data and inverse variances, 0 where there is no datum.
    start : Tensor, shape (B, K)
        The encoder's means.
    label : Tensor of int, shape (B,), optional
    steps : int
        One that would raise the sum is not taken, so the result is never worse than the start.
    floor : float
        f of `GaussianIvar`; v is taken at the start.
    """
    valid = weight > 0
    data = torch.where(valid, x, 0.0).flatten(1).double()
    mu = model.decode(start, label).flatten(1).double()
    safe = torch.where(valid, weight, 1.0).flatten(1).double()
    precision = torch.where(valid.flatten(1), 1 / (1 / safe + (floor * mu) ** 2), 0.0)
    z, damping = start.double(), torch.full((len(x),), FIRST_DAMPING, dtype=torch.float64, device=x.device)
    cost = _cost(mu, z, data, precision)
    for _ in range(steps):
        gradient, curvature = _expansion(model, z.to(start), data, precision, label)
        damped = curvature + torch.diag_embed(damping[:, None] * torch.diagonal(curvature, dim1=1, dim2=2))
        proposal = z + torch.linalg.solve(damped, gradient)
        mu = model.decode(proposal.to(start), label).flatten(1).double()
        proposed = _cost(mu, proposal, data, precision)
        better = proposed < cost
        z, cost = torch.where(better[:, None], proposal, z), torch.where(better, proposed, cost)
        damping = damping * torch.where(better, LESS, MORE)
    _, curvature = _expansion(model, z.to(start), data, precision, label)
    variance = torch.diagonal(torch.linalg.inv(curvature), dim1=1, dim2=2)
    return DiagonalGaussian(z.to(start), torch.log(variance).to(start))


class Refined(nn.Module):
    """A model whose likelihood needs weights, with posteriors that `refined` finds from those of its encoder.

    Parameters
    ----------
    model : Vae
        Its likelihood is `GaussianIvar`; all but its encoder is taken over.
    steps : int
        See `refined`.
    """

    def __init__(self, model: Any, steps: int) -> None:
        super().__init__()
        self.model, self.steps, self.likelihood, self.shape = model, steps, model.likelihood, model.shape
        self.n_latents, self.n_labels, self.conditional = model.n_latents, model.n_labels, model.conditional
        self.train(model.training)

    def encode(self, x: Tensor, label: Tensor | None = None, weight: Tensor | None = None) -> DiagonalGaussian:
        """Return the Gaussian around the latents of highest posterior density for data (B, *shape)."""
        if weight is None:
            raise ValueError("latents are refined by the inverse variance of every datum, which is not given")
        start = self.model.encode(x, label, weight).mu
        return refined(self.model, x, weight, start, label, steps=self.steps, floor=self.likelihood.floor)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the mean of p(x | z, y) for latents (B, K): (B, *shape)."""
        return torch.as_tensor(self.model.decode(z, label))

    def log_likelihood(
        self, x: Tensor, z: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> Tensor:
        """Return log p(x | z, y) in nats with all constants, (B,); `weight` as in `Likelihood.log_prob`."""
        return torch.as_tensor(self.model.log_likelihood(x, z, label, weight))


def _cost(mu: Tensor, z: Tensor, data: Tensor, precision: Tensor) -> Tensor:
    """Return minus twice the log posterior density, but for a constant: (B,)."""
    return (precision * (data - mu) ** 2).sum(dim=1) + (z**2).sum(dim=1)


def _expansion(
    model: Decoder, z: Tensor, data: Tensor, precision: Tensor, label: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return gradient (B, K) and Gauss-Newton curvature (B, K, K) of the log posterior density."""
    mu = model.decode(z, label).flatten(1).double()
    jacobian = _jacobian(model, z, label).double()  # (B, D, K)
    weighted = precision[:, :, None] * jacobian
    gradient = (weighted * (data - mu)[:, :, None]).sum(dim=1) - z.double()
    identity = torch.eye(z.shape[1], dtype=torch.float64, device=z.device)
    return gradient, weighted.mT @ jacobian + identity


def _jacobian(model: Decoder, z: Tensor, label: Tensor | None) -> Tensor:
    """Return the derivatives of each reconstruction by its own latents, (B, D, K), one forward derivative each."""
    columns = [
        torch.func.jvp(lambda v: model.decode(v, label), (z,), (direction.expand_as(z),))[1].flatten(1)
        for direction in torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    ]
    return torch.stack(columns, dim=2)
