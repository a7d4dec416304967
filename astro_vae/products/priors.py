"""Fit the prior of the latents per label to the aggregate posterior.

Under N(0, I) the samples of a conditional autoencoder need not obey their label, because q(z | y), averaged
over real objects, differs from N(0, I) and from label to label. A mixture that is fitted to it per label
after training (Ghosh et al. 2020, sec. 4) mends that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from astro_vae import model as models
from astro_vae.errors import UserError
from astro_vae.files import atomic, step_lock
from astro_vae.model import TrainedModel
from astro_vae.products._inference import Inference
from astro_vae.settings import PriorSettings
from astro_vae.steps._examples import Examples
from astro_vae.steps._training_data import label_index
from astro_vae.vae.priors import LabelMixture, StandardNormal

REFERENCE = 4000  # latents of training examples that scores compare with
REFERENCE_KEYS = ("z", "label", "parent")
BLOCK = 2048


@dataclass(frozen=True)
class Reference:
    """Latents of ordinary training examples, for scores that compare with them.

    Attributes
    ----------
    z : ndarray, shape (R, K)
        Posterior means.
    label : ndarray of int, shape (R,)
    parent : ndarray of int, shape (R,)
        Row of the object that each is a transform of.
    """

    z: np.ndarray
    label: np.ndarray
    parent: np.ndarray


def fit_prior(settings: PriorSettings, *, model: Path, augmented: Path, objects: Path, out: Path) -> None:
    """Fit the prior and write it, with the reference latents, as `out`.

    It is fitted to one draw from q(z | x, y) of each of `settings.examples` augmented training examples.
    Unlabelled examples are left out where the model knows labels: what they are would be a guess of the very
    prior that is fitted.

    Parameters
    ----------
    settings : PriorSettings
    model : Path
        Folder of a trained model.
    augmented, objects : Path
        The files of the steps augment and prepare.
    out : Path
        A safetensors file: the mixture, and the `reference` latents.

    Raises
    ------
    UserError
        If a label of the model has too few examples to fit its mixture.
    """
    trained = models.load(model)
    inference = Inference(trained, StandardNormal(), seed=settings.seed)
    with step_lock(out.parent, "fit-prior"):
        mean, sd, label, parent = _posteriors(inference, Examples.open(augmented, objects), settings)
        eps = np.random.default_rng(settings.seed).standard_normal(mean.shape).astype(np.float32)
        prior = _fit(settings, torch.from_numpy(mean + sd * eps), torch.from_numpy(label), inference.n_classes)
        kept = slice(REFERENCE)  # the examples are in random order
        reference = Reference(mean[kept], label[kept], parent[kept])
        _write(out, prior, reference, settings, trained)
    print(f"{out.name}: {settings.name} fitted to {len(mean)} examples of {len(np.unique(parent))} objects")


def _posteriors(
    inference: Inference, examples: Examples, settings: PriorSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, sd (N, K), label and parent (N,) of examples in random order."""
    order = examples.order((settings.seed, 0))
    label = label_index(examples.labels, inference.labels)[order] if inference.labels else np.zeros(len(order), np.int64)
    chosen = order[label >= 0][: settings.examples]
    label = label[label >= 0][: settings.examples]
    pairs = [
        inference.encode(examples.batch(chosen[i : i + BLOCK]), label[i : i + BLOCK]) for i in range(0, len(chosen), BLOCK)
    ]
    mean, sd = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return mean, sd, label, examples.parents[chosen]


def _fit(settings: PriorSettings, z: torch.Tensor, label: torch.Tensor, n_labels: int) -> Any:
    if settings.name == "standard_normal":
        return StandardNormal()
    counts = torch.bincount(label, minlength=n_labels)
    if int(counts.min()) < 2:
        raise UserError(
            f"label {int(counts.argmin())} of the model has {int(counts.min())} examples to fit a prior to; "
            "set products.prior.examples higher, or products.prior.name to standard_normal"
        )
    return LabelMixture.fit(z, label, n_labels, settings.components, seed=settings.seed)


def _write(out: Path, prior: Any, reference: Reference, settings: PriorSettings, trained: TrainedModel) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in prior.state_dict().items()}
    tensors |= {f"reference.{name}": torch.from_numpy(getattr(reference, name)) for name in REFERENCE_KEYS}
    about = {"settings": settings.model_dump_json(), "labels": json.dumps(list(trained.labels))}
    with atomic(out) as partial:
        save_file(tensors, partial, metadata=about)


def load_reference(path: Path) -> Reference:
    """Read the reference latents that `fit_prior` wrote.

    Raises
    ------
    UserError
        If the file is missing or not one of that step.
    """
    try:
        with safe_open(path, framework="np") as file:
            return Reference(*(file.get_tensor(f"reference.{name}") for name in REFERENCE_KEYS))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the step 'fit-prior'") from None
    except SafetensorError as error:
        raise UserError(f"{path}: not a prior of astro_vae ({error}); run the step 'fit-prior' again") from None
