"""How far the latents of all objects together are from the prior."""

from __future__ import annotations

import torch
from torch import Tensor


def mmd(z: Tensor, prior: Tensor, share: Tensor | None = None) -> Tensor:
    r"""Return the squared maximum mean discrepancy of two samples, a scalar.

    .. math:: E\,k(z, z') + E\,k(p, p') - 2 E\,k(z, p), \quad k(a, b) = \exp(-|a - b|^2 / K)

    Gretton et al. (2012), eq. 5, with the kernel of Portillo et al. (2020). Each point is paired with itself too, so
    it is never negative, and is biased by (1 - E k) (1/n + 1/m) for two samples of the same distribution.

    Parameters
    ----------
    z : Tensor, shape (n, K)
    prior : Tensor, shape (m, K)
    share : Tensor, shape (n,), optional
        Weights of `z` that add up to 1; by default all are the same.
    """
    share = torch.full_like(z[:, 0], 1 / len(z)) if share is None else share
    within = share @ _kernel(z, z) @ share
    return within + _kernel(prior, prior).mean() - 2 * (share @ _kernel(z, prior)).mean()


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """Return k of every pair, (n, m)."""
    return torch.exp(-(a[:, None] - b[None]).square().mean(dim=2))
