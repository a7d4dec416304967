"""Priors p(z | y): what latents are drawn from, and what their density is measured under.

A new one is a subclass of `Prior` and an entry in `PRIORS`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from astro_vae.vae.posteriors import LOG_2PI

ANY_LABEL = -1
"""This label asks for the mixture over labels, by their frequencies."""


class Prior(nn.Module):
    """A distribution of latents for each label; everything it holds is in its `state_dict`."""

    def log_prob(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return log p(z | y) of latents (B, K) with labels (B,), -1 or None where unknown: (B,)."""
        raise NotImplementedError

    def sample(self, n: int, label: int | None, generator: torch.Generator) -> Tensor:
        """Draw latents (n, K) of a label, or of any by their frequencies; `generator` is the processor's."""
        raise NotImplementedError

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Prior:
        """Return the prior of this class whose `state_dict` this is."""
        raise NotImplementedError


class StandardNormal(Prior):
    """N(0, I) for every label: the prior of the training."""

    n_latents: Tensor

    def __init__(self, n_latents: int) -> None:
        super().__init__()
        self.register_buffer("n_latents", torch.tensor(n_latents))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> StandardNormal:
        return cls(int(state["n_latents"]))

    def log_prob(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return -0.5 * (z**2 + LOG_2PI).sum(dim=-1)

    def sample(self, n: int, label: int | None, generator: torch.Generator) -> Tensor:
        return torch.randn(n, int(self.n_latents), generator=generator)


class LabelMixture(Prior):
    r"""A mixture of Gaussians with full covariances for each label.

    .. math:: p(z | y) = \sum_m \pi_{ym} N(z; \mu_{ym}, L_{ym} L_{ym}^T)

    Fitted to draws from the posteriors of the training examples, it follows the aggregate posterior, which N(0, I)
    of the training does not: the "ex-post density estimation" of Ghosh et al. (2020), sec. 5, here per label.

    Parameters
    ----------
    log_weights : Tensor, shape (C, M)
        Logarithm of the weights, adding up to 1 for each label; -inf for a component that is not used.
    means : Tensor, shape (C, M, K)
    cholesky : Tensor, shape (C, M, K, K)
        Lower triangular L.
    log_frequencies : Tensor, shape (C,)
        Logarithm of the labels' frequencies, for latents whose label is unknown.
    """

    log_weights: Tensor
    means: Tensor
    cholesky: Tensor
    log_frequencies: Tensor

    def __init__(self, log_weights: Tensor, means: Tensor, cholesky: Tensor, log_frequencies: Tensor) -> None:
        super().__init__()
        self.register_buffer("log_weights", log_weights)
        self.register_buffer("means", means)
        self.register_buffer("cholesky", cholesky)
        self.register_buffer("log_frequencies", log_frequencies)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> LabelMixture:
        return cls(**state)

    @classmethod
    def fit(
        cls, z: np.ndarray, label: np.ndarray, n_components: int, *, frequencies: np.ndarray, seed: int,
        regularisation: float = 1e-3,
    ) -> LabelMixture:
        """Fit a mixture to the latents of each label by expectation maximisation.

        Parameters
        ----------
        z : ndarray, shape (N, K)
            Draws from posteriors, not their means, whose scatter is smaller.
        label : ndarray of int, shape (N,)
            Others than 0 to C - 1 are left out.
        n_components : int
            M; a label with fewer than 2 K latents per component gets fewer components.
        frequencies : ndarray, shape (C,)
            Natural frequencies of the labels.
        seed : int
        regularisation : float
            Added to the variances.

        Raises
        ------
        ValueError
            If a label has fewer than two latents.
        """
        fits = [_fit(z, label == y, n_components, seed, regularisation) for y in range(len(frequencies))]
        log_weights, means, cholesky = (torch.stack(parts).float() for parts in zip(*fits, strict=True))
        return cls(log_weights, means, cholesky, torch.log(torch.as_tensor(frequencies, dtype=torch.float32)))

    def log_prob(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        label = torch.full((len(z),), ANY_LABEL, device=z.device) if label is None else label
        result = z.new_empty(len(z))
        for y in torch.unique(label).tolist():
            of_label = label == y
            result[of_label] = self._log_density(z[of_label], y)
        return result

    def _log_density(self, z: Tensor, y: int) -> Tensor:
        """Return the log density of latents (B, K) that all have the label `y`: (B,)."""
        if y == ANY_LABEL:
            each = torch.stack([self._log_density(z, label) for label in range(len(self.means))], dim=1)  # (B, C)
            return torch.logsumexp(each + self.log_frequencies, dim=1)
        offsets = (z - self.means[y][:, None]).mT  # (M, K, B)
        whitened = torch.linalg.solve_triangular(self.cholesky[y].to(z.dtype), offsets, upper=False)
        log_det = torch.log(torch.diagonal(self.cholesky[y], dim1=-2, dim2=-1)).sum(dim=-1)  # (M,)
        constants = self.log_weights[y] - log_det - 0.5 * z.shape[1] * LOG_2PI
        return torch.logsumexp(constants[:, None] - 0.5 * (whitened**2).sum(dim=1), dim=0)

    def sample(self, n: int, label: int | None, generator: torch.Generator) -> Tensor:
        if label is None or label == ANY_LABEL:
            labels, log_weights = slice(None), self.log_weights + self.log_frequencies[:, None]
        else:
            labels, log_weights = slice(label, label + 1), self.log_weights
        weights = torch.exp(log_weights[labels]).flatten().cpu()
        chosen = torch.multinomial(weights, n, replacement=True, generator=generator)
        means, cholesky = self.means[labels].flatten(0, 1).cpu(), self.cholesky[labels].flatten(0, 1).cpu()
        eps = torch.randn(n, means.shape[1], 1, generator=generator)
        return means[chosen] + (cholesky[chosen] @ eps)[:, :, 0]


def _fit(
    z: np.ndarray, of_label: np.ndarray, n_components: int, seed: int, regularisation: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-weights (M,), means (M, K) and Cholesky factors (M, K, K) of the latents of one label."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    chosen = z[of_label].astype(np.float64)
    if len(chosen) < 2:
        raise ValueError(f"a mixture needs at least two latents of every label, and one label has {len(chosen)}")
    used = max(1, min(n_components, len(chosen) // (2 * z.shape[1])))
    mixture = GaussianMixture(
        used, reg_covar=regularisation, max_iter=60, init_params="k-means++", random_state=seed
    )
    # Its many small matrices are several times slower, and no longer the same to the last digit, on many threads.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the density does not need the last digits
        mixture.fit(chosen)
    log_weights = torch.full((n_components,), -math.inf)
    means = torch.zeros(n_components, z.shape[1])
    cholesky = torch.eye(z.shape[1]).repeat(n_components, 1, 1)
    log_weights[:used] = torch.from_numpy(np.log(mixture.weights_))
    means[:used] = torch.from_numpy(mixture.means_)
    cholesky[:used] = torch.from_numpy(np.linalg.cholesky(mixture.covariances_))
    return log_weights, means, cholesky


PRIORS: dict[str, type[Any]] = {"standard_normal": StandardNormal, "mixture": LabelMixture}
"""Priors by the name they have in settings."""


def from_state(name: str, state: Mapping[str, Tensor]) -> Prior:
    """Return the prior of that name in settings whose `state_dict` this is."""
    prior: Prior = PRIORS[name].from_state(state)
    return prior
