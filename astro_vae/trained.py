"""A trained model in hand: it takes and gives numpy arrays.

>>> model = astro_vae.load("results/default/simulated/cvae")            # doctest: +SKIP
>>> mean, sd = model.encode(views)                                      # doctest: +SKIP
>>> new = model.generate("FRII", 16, seed=1)                            # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.linear import Ppca, WeightedLinear
from astro_vae.objects import Objects
from astro_vae.section import validate
from astro_vae.settings import AnyViewSettings, section_class
from astro_vae.vae import objectives, priors
from astro_vae.vae.vae import Vae

BATCH = 256
CONTRACT = "model.json"
FEWEST = 5
"""A datum that fewer training objects have than this is not known, whatever the model: the mean of four is uncertain
by half of their scatter. With K latents it takes K + 1 at least, since a linear decoder has so many numbers for it."""

Model = Vae | Ppca | WeightedLinear
Seen = np.ndarray | Objects
Labels = str | int | Sequence[str] | Sequence[int] | np.ndarray | None


@dataclass(frozen=True)
class TrainedModel:
    """A trained model with the prior of its latents.

    Objects are given as views: for images bytes, or values in [0, 1], of shape (N, *shape); for spectra float32
    (N, 2, *shape), flux and its inverse variance. Or as an object file, whose usable objects are then viewed
    as in training. Labels are names or numbers, one for all or one per object;
    "", -1 or None where unknown: a conditional model then takes the label that it finds most probable.
    What does not fit the model is refused with a `UserError`.

    Attributes
    ----------
    folder : Path
    module : Module
        In evaluation mode; its methods take and give tensors.
    contract : dict
        What model.json says: kind, shape, view, labels, settings, what it was trained on.
    prior : Prior
        Of the latents per label: the fitted one where the step fit-prior has run, otherwise N(0, I).
    coverage : ndarray of int, shape (C + 1, *shape), or None
        How many training objects of each label have each datum, and last of all; None where all have all.
    """

    folder: Path
    module: Model
    contract: dict[str, Any]
    prior: priors.Prior
    coverage: np.ndarray | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of their numbers."""
        return tuple(self.contract["labels"])

    @property
    def frequencies(self) -> np.ndarray:
        """Natural frequencies of the labels in training, (C,)."""
        return np.array(self.contract["frequencies"], dtype=np.float64)

    @property
    def threshold(self) -> float | None:
        """Brightness below which samples are set to 0, as many pixels as are 0 in real images; None: nothing is."""
        threshold = self.contract.get("threshold", 0.0)
        return None if threshold is None else float(threshold)

    @property
    def fewest(self) -> int:
        """Training objects of a label that must have a datum for it to be drawn; all, where the label has fewer."""
        return max(FEWEST, self.n_latents + 1)

    def blanked(self, values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return decoded objects (N, *shape) with NaN where too few training objects of their label have a value.

        Parameters
        ----------
        values : ndarray, shape (N, *shape)
        numbers : ndarray of int, shape (N,)
            Of the labels; all training objects count for -1, and for a model without labels.
        """
        if self.coverage is None:
            return values
        most = self.coverage.reshape(len(self.coverage), -1).max(axis=1)
        needed = np.clip(most, 1, self.fewest).reshape(-1, *[1] * (self.coverage.ndim - 1))
        known = self.coverage >= needed
        rows = np.asarray(numbers) if self.labels else np.full(len(values), -1)
        return np.where(known[rows], values, np.float32(np.nan))

    @property
    def kind(self) -> kinds.Kind:
        """The rooms of what the model has been trained on."""
        return kinds.kind(self.contract["kind"])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one object as the model sees it."""
        return tuple(self.contract["shape"])

    @property
    def n_latents(self) -> int:
        """Number of latent variables."""
        return self.module.n_latents

    @property
    def view(self) -> AnyViewSettings:
        """How physical values become what the model sees."""
        view = self.contract["view"]
        return validate(section_class("view", view), view, origin=str(self.folder / CONTRACT))

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(iter(self.module.state_dict().values())).device

    @torch.inference_mode()
    def encode(self, seen: Seen, labels: Labels = None) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations of the latents' posterior: float32 (N, K) each."""
        pairs = []
        for x, weight, y in self._batches(seen, labels):
            posterior = self.module.encode(x, y, weight)
            pairs.append((posterior.mu, posterior.sigma))
        means, deviations = zip(*pairs, strict=True)
        return _numpy(means), _numpy(deviations)

    @torch.inference_mode()
    def decode(self, latents: np.ndarray, labels: Labels = None) -> np.ndarray:
        """Return the mean object of each latent (N, K): float32 (N, *shape); a conditional model needs the label."""
        latents = np.asarray(latents, dtype=np.float32)
        if latents.ndim != 2 or latents.shape[1] != self.n_latents:
            raise UserError(f"latents of shape {latents.shape} given to a model that has {self.n_latents} of them")
        numbers = self.label_numbers(labels, len(latents))
        if self.module.conditional and (numbers < 0).any():
            raise UserError(f"{self.folder}: this model decodes for a label; give one of {', '.join(self.labels)}")
        z, y = torch.from_numpy(latents), torch.from_numpy(numbers)
        pairs = zip(z.split(BATCH), y.split(BATCH), strict=True)
        return _numpy([self.module.decode(a.to(self.device), b.to(self.device)) for a, b in pairs])

    @torch.inference_mode()
    def generate(self, label: str | int | None, n: int, seed: int) -> np.ndarray:
        """Return `n` mean objects of latents drawn from the prior of a label: float32 (n, *shape).

        What is fainter than `threshold` is 0, as it is in images of a survey that are cut off; what too few
        training objects of the label have is NaN (see `blanked`).

        Parameters
        ----------
        label : str, int or None
            None draws labels by their natural frequencies, for a model that is not conditional too.
        n : int
        seed : int
            The same seed gives the same samples on one machine.
        """
        latents, numbers = self.draw_latents(label, n, seed)
        return self.blanked(thresholded(self.decode(latents, numbers), self.threshold), numbers)

    @torch.inference_mode()
    def draw_latents(self, label: str | int | None, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the latents that `generate` decodes, float32 (n, K), and their label numbers (n,), -1 for none."""
        generator = torch.Generator().manual_seed(seed)
        numbers = self.label_numbers(label, n)
        if label is None and self.labels:
            frequencies = torch.from_numpy(self.frequencies)
            numbers = torch.multinomial(frequencies, n, replacement=True, generator=generator).numpy()
        latents = torch.empty(n, self.n_latents)
        for number in np.unique(numbers):
            chosen = torch.from_numpy(numbers == number)
            latents[chosen] = self.prior.sample(int(chosen.sum()), int(number), generator).float().cpu()
        return latents.numpy(), numbers

    @torch.inference_mode()
    def score(self, seen: Seen, labels: Labels = None) -> pd.DataFrame:
        """Return how well each object fits the model; lower is stranger.

        Returns
        -------
        DataFrame
            `reconstruction`: log-likelihood of the object at its posterior mean, in nats per valid datum;
            `latent_density`: log density of the posterior mean under the prior of its label, in nats.
        """
        rows = []
        for x, weight, y in self._batches(seen, labels):
            z = self.module.encode(x, y, weight).mu
            each = self.module.log_likelihood(x, z, y, weight) / valid_data(x, weight)
            rows.append(torch.stack([each, self.prior.log_prob(z, y)], dim=1))
        return pd.DataFrame(_numpy(rows).astype(np.float64), columns=["reconstruction", "latent_density"])

    @torch.inference_mode()
    def label_probabilities(self, seen: Seen, *, draws: int = 10, seed: int = 1) -> np.ndarray:
        """Return p(label | object) by Bayes' rule with importance-weighted evidences: float64 (N, C)."""
        parts = [self._log_evidence(x, weight, draws, seed) for x, weight in self._tensors(seen)]
        return torch.cat(parts).softmax(dim=1).cpu().numpy()

    def label_numbers(self, labels: Labels, n: int) -> np.ndarray:
        """Return the number of each of `n` labels, -1 where unknown: int64 (n,)."""
        if labels is None:
            return np.full(n, -1)
        values = [labels] * n if isinstance(labels, str | int | np.integer) else list(labels)
        if len(values) != n:
            raise UserError(f"{len(values)} labels given for {n} objects; give one, or one for each")
        return np.array([self._label_number(value) for value in values], dtype=np.int64)

    def _label_number(self, label: Any) -> int:
        if isinstance(label, str):
            number = {"": -1, **{name: i for i, name in enumerate(self.labels)}}.get(label)
        else:
            number = int(label) if -1 <= int(label) < len(self.labels) else None
        if number is None:
            raise UserError(f"label '{label}' is not one of this model's: {', '.join(self.labels) or 'it has none'}")
        return number

    def _log_evidence(self, x: Tensor, weight: Tensor | None, draws: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        evidence = objectives.label_log_evidence(
            self.module, x, draws, generator, prior=self.prior, weight=weight
        )
        return evidence + torch.log(torch.from_numpy(self.frequencies)).to(evidence.device)

    def _batches(self, seen: Seen, labels: Labels) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        """Yield values, weights and label numbers, unknown ones of a conditional model replaced by the likeliest."""
        n = len(seen.usable) if isinstance(seen, Objects) else len(seen)
        numbers = torch.from_numpy(self.label_numbers(labels, n))
        start = 0
        for x, weight in self._tensors(seen):
            y = numbers[start : start + len(x)].to(self.device)
            start += len(x)
            if self.module.conditional and bool((y < 0).any()):
                y = torch.where(y < 0, self._log_evidence(x, weight, 10, 1).argmax(dim=1), y)
            yield x, weight, y

    def _tensors(self, seen: Seen) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield values (B, *shape) and their weights, float32 on the device."""
        room = self.kind.view
        if isinstance(seen, Objects) and len(seen.usable):
            scaled = bool(seen.attributes["scaled"])
            blocks = (room.view(values, table, self.view, scaled=scaled) for table, values in seen.blocks(BATCH))
        else:
            views = room.empty(self.shape) if isinstance(seen, Objects) else seen
            blocks = (views[i : i + BATCH] for i in range(0, max(len(views), 1), BATCH))
        for block in blocks:
            if fault := room.fault(block, self.shape):
                raise UserError(f"{fault}; give it an object file, or the views that its settings make")
            yield tensors(room.to_network(block), self.device)


def tensors(
    pair: tuple[np.ndarray, np.ndarray | None], device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Put values and weights, as `to_network` of a kind makes them, on a device."""
    x, weight = pair
    # A part of a view is no array of its own, and two tensors of one memory would be a trap.
    on_device = [torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in (x, weight) if part is not None]
    return on_device[0], on_device[1] if weight is not None else None


def valid_data(x: Tensor, weight: Tensor | None) -> Tensor | int:
    """Return how many data of each object count: all, or those (B,) with a weight, at least 1."""
    return math.prod(x.shape[1:]) if weight is None else (weight > 0).flatten(1).sum(dim=1).clamp_min(1)


def thresholded(images: np.ndarray, threshold: float | None) -> np.ndarray:
    """Set what is fainter than `threshold` to 0, and what is brighter than 1 to 1; None leaves all as it is."""
    if threshold is None:
        return images
    return np.where(images < max(threshold, 0), 0, np.minimum(images, 1)).astype(np.float32)


def _numpy(parts: Sequence[Tensor]) -> np.ndarray:
    return torch.cat(list(parts)).cpu().numpy()
