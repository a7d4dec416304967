"""Ask a model about views under each label, in batches: posteriors, evidences, decoded objects."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astro_vae.steps._training_data import label_index
from astro_vae.trained import Model, TrainedModel, tensors
from astro_vae.vae import objectives
from astro_vae.vae.refine import Refined
from astro_vae.vae.vae import Vae

BATCH = 256


@dataclass(frozen=True)
class Answer:
    """What a model says of objects under each label.

    Attributes
    ----------
    mean, sd : ndarray, shape (B, C, K)
        Of q(z | x, y).
    log_evidence : ndarray, shape (B, C)
        Importance-weighted bound on log p(x | y), nat.
    """

    mean: np.ndarray
    sd: np.ndarray
    log_evidence: np.ndarray


class Inference:
    """A model with a prior, asked in batches about views, as `view` of the model's kind makes them.

    A model that knows no labels counts as one with a single label, so that nobody else needs to care.

    Parameters
    ----------
    model : TrainedModel
    prior : Module, optional
        p(z | y); by default the model's own, that is the fitted one where there is one.
    seed : int
        Of the draws, which are the same for every label.
    refine : int
        Steps by which each object's latents are moved to their highest posterior density after the encoder; 0: none.
        Models without an encoder network, or without a likelihood of inverse variances, are left as they are.

    Attributes
    ----------
    kind : Kind
        The rooms of what the model has been trained on.
    threshold : float or None
    blanked : function
        Both as of `TrainedModel`.
    labels : list of str
    n_classes : int
    frequencies : ndarray, shape (n_classes,)
        Natural frequencies of the labels.
    """

    def __init__(self, model: TrainedModel, prior: Any = None, *, seed: int = 0, refine: int = 0) -> None:
        self.module: Model | Refined = model.module
        if refine and isinstance(model.module, Vae) and model.module.likelihood.weighted:
            self.module = Refined(model.module, refine)
        self.prior = model.prior if prior is None else prior
        self.kind, self.threshold, self.blanked = model.kind, model.threshold, model.blanked
        self.labels = list(model.labels)
        self.n_classes = max(len(self.labels), 1)
        self.frequencies = model.frequencies if self.labels else np.ones(1)
        self.device = model.device
        self._generator = torch.Generator().manual_seed(seed)

    def under(self, prior: Any) -> Inference:
        """Return the same model under another prior."""
        other = copy.copy(self)
        other.prior = prior
        return other

    @torch.inference_mode()
    def ask(self, seen: np.ndarray, draws: int, *, power: float = 1.0) -> Answer:
        """Return posteriors and importance-weighted evidence under each label, with `draws` draws of the latents.

        The likelihood counts with `power`; see `astro_vae.vae.objectives.label_log_evidence`.
        """
        parts = [self._ask(*self._tensors(seen[i : i + BATCH]), draws, power) for i in range(0, len(seen), BATCH)]
        return Answer(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _ask(
        self, x: Tensor, weight: Tensor | None, draws: int, power: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        asked = range(self.n_classes) if self.module.conditional else [0] * self.n_classes
        found = {y: self.module.encode(x, self._label(y, len(x)), weight) for y in set(asked)}
        posteriors = [found[y] for y in asked]
        mean = torch.stack([p.mu for p in posteriors], dim=1)  # (B, C, K)
        sd = torch.stack([p.sigma for p in posteriors], dim=1)
        if self.labels:
            evidence = objectives.label_log_evidence(
                self.module, x, draws, self._generator, prior=self.prior, weight=weight, power=power
            )
        else:
            evidence = self._bound(x, weight, self._label(0, len(x)), draws, self.prior)[:, None]
        return mean.cpu().numpy(), sd.cpu().numpy(), evidence.cpu().numpy()

    def label_numbers(self, names: pd.Series) -> np.ndarray:
        """Return the number of each name (N,), -1 where it is no label of the model; 0 where the model has none."""
        return label_index(names.to_numpy(), self.labels) if self.labels else np.zeros(len(names), np.int64)

    def encode(self, seen: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of q(z | x, y), (B, K) each, for one label each (B,)."""

        def pair(rows: slice) -> Tensor:
            x, weight = self._tensors(seen[rows])
            posterior = self.module.encode(x, self._number(labels[rows]), weight)
            return torch.stack([posterior.mu, posterior.sigma], dim=1)

        both = self._batched(len(seen), pair, (2, self.module.n_latents))
        return both[:, 0], both[:, 1]

    def decode(self, z: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the mean objects (B, *shape) of latents (B, K) under labels (B,)."""

        def means(rows: slice) -> Tensor:
            return self.module.decode(self._latents(z[rows]), self._number(labels[rows]))

        return self._batched(len(z), means, self.module.shape)

    def log_likelihood(self, seen: np.ndarray, z: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return log p(x | z, y) with all constants, nat: (B,)."""

        def each(rows: slice) -> Tensor:
            x, weight = self._tensors(seen[rows])
            return self.module.log_likelihood(x, self._latents(z[rows]), self._number(labels[rows]), weight)

        return self._batched(len(z), each).astype(np.float64)

    def log_prior(self, z: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return log p(z | y), nat: (B,)."""
        return self._batched(
            len(z), lambda rows: self.prior.log_prob(self._latents(z[rows]), self._number(labels[rows]))
        ).astype(np.float64)

    def bound(self, seen: np.ndarray, labels: np.ndarray, draws: int, prior: Any = None) -> np.ndarray:
        """Return the importance-weighted bound on log p(x | y), nat: (B,); the prior is N(0, I) unless given."""
        return self._batched(
            len(seen),
            lambda rows: self._bound(*self._tensors(seen[rows]), self._number(labels[rows]), draws, prior),
        )

    def _bound(self, x: Tensor, weight: Tensor | None, label: Tensor, draws: int, prior: Any) -> Tensor:
        return objectives.importance_weighted_bound(
            self.module, x, label, draws, self._generator, prior=prior, weight=weight
        )

    @torch.inference_mode()
    def _batched(self, n: int, function: Callable[[slice], Tensor], shape: tuple[int, ...] = ()) -> np.ndarray:
        parts = [function(slice(i, i + BATCH)).cpu().numpy() for i in range(0, n, BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, *shape), np.float32)

    def _tensors(self, seen: np.ndarray) -> tuple[Tensor, Tensor | None]:
        return tensors(self.kind.view.to_network(seen), self.device)

    def _latents(self, z: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(z, dtype=np.float32)).to(self.device)

    def _number(self, labels: np.ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(labels), dtype=torch.long, device=self.device)

    def _label(self, label: int, n: int) -> Tensor:
        return torch.full((n,), label, dtype=torch.long, device=self.device)
