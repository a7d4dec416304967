"""Fit the prior of the latents per label to the aggregate posterior.

Under N(0, I) the samples of a conditional autoencoder need not obey their label, because q(z | y), averaged
over real objects, differs from N(0, I) and from label to label. A mixture that is fitted to it per label
after training (Ghosh et al. 2020, sec. 4) mends that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from astro_vae import model as models
from astro_vae.errors import UserError
from astro_vae.files import atomic, step_lock
from astro_vae.products._inference import Inference
from astro_vae.settings import PriorSettings
from astro_vae.steps._examples import Examples
from astro_vae.steps._training_data import label_index
from astro_vae.vae.priors import LabelMixture, Prior, StandardNormal, from_state

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


def fit_prior(
    settings: PriorSettings, *, model: Path, augmented: Path, objects: Path, out: Path, refine: int = 0
) -> None:
    """Fit the prior and write it as `out`.

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
        A safetensors file with the tensors of the prior. Latents of ordinary examples, for scores that compare
        with them, go to reference.safetensors beside it.
    refine : int
        Of the latents that it is fitted to; see `Inference`.

    Raises
    ------
    UserError
        If a label of the model has too few examples to fit its mixture.
    """
    with step_lock(out.parent, "fit-prior"):
        out.unlink(missing_ok=True)  # a damaged one must not stand in the way of loading the model
        trained = models.load(model)
        inference = Inference(trained, StandardNormal(trained.module.n_latents), seed=settings.seed, refine=refine)
        mean, sd, label, parent = _posteriors(inference, Examples.open(augmented, objects), settings)
        eps = np.random.default_rng(settings.seed).standard_normal(mean.shape).astype(np.float32)
        prior = _fit(settings, mean + sd * eps, label, inference)
        kept = slice(REFERENCE)  # the examples are in random order
        _write(out, prior, Reference(mean[kept], label[kept], parent[kept]), settings, inference.labels)
    print(f"{out.name}: {settings.name} prior from {len(mean)} examples of {len(np.unique(parent))} objects")


def _posteriors(
    inference: Inference, examples: Examples, settings: PriorSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, sd (N, K), label and parent (N,) of examples in random order."""
    order = examples.order((settings.seed, 0))
    labels = label_index(examples.labels, inference.labels) if inference.labels else np.zeros(len(order), np.int64)
    chosen = order[labels[order] >= 0][: settings.examples]
    pairs = [
        inference.encode(examples.batch(rows), labels[rows])
        for rows in np.array_split(chosen, max(1, len(chosen) // BLOCK))
    ]
    mean, sd = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return mean, sd, labels[chosen], examples.parents[chosen]


def _fit(settings: PriorSettings, z: np.ndarray, label: np.ndarray, inference: Inference) -> Prior:
    if settings.name == "standard_normal":
        return StandardNormal(z.shape[1])
    counts = np.bincount(label, minlength=inference.n_classes)
    if counts.min() < 2:
        raise UserError(
            f"label '{inference.labels[int(counts.argmin())]}' has {counts.min()} examples to fit a prior to; "
            "set products.prior.examples higher, or products.prior.name to standard_normal"
        )
    return LabelMixture.fit(z, label, settings.components, frequencies=inference.frequencies, seed=settings.seed)


def _write(out: Path, prior: Prior, reference: Reference, settings: PriorSettings, labels: list[str]) -> None:
    """Write the reference latents, then the prior."""
    # One entry: the library writes several in an order that changes from run to run.
    about = {"about": json.dumps({"settings": settings.model_dump(mode="json"), "labels": labels}, sort_keys=True)}
    latents = {name: torch.from_numpy(getattr(reference, name)) for name in REFERENCE_KEYS}
    weights = {name: tensor.contiguous() for name, tensor in prior.state_dict().items()}
    for path, tensors in ((reference_path(out), latents), (out, weights)):
        with atomic(path) as partial:
            partial.touch()  # the writer of safetensors alone would give the file to its owner only
            save_file(tensors, partial, metadata=about)


def reference_path(prior: Path) -> Path:
    """Return where the reference latents lie: beside the prior, which holds what `from_state` takes and no more."""
    return prior.with_name("reference.safetensors")


def load_prior(path: Path) -> tuple[Prior, Reference]:
    """Read the prior and the reference latents that `fit_prior` wrote.

    Raises
    ------
    UserError
        If a file is missing or not one of that step.
    """
    state, latents = _tensors(path), _tensors(reference_path(path))
    try:
        prior = from_state("mixture" if "log_weights" in state else "standard_normal", state)
        return prior, Reference(*(latents[name].numpy() for name in REFERENCE_KEYS))
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not a prior of astro_vae ({error}); run the step 'fit-prior' again") from None


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the step 'fit-prior'") from None
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a safetensors file ({error}); run the step 'fit-prior' again") from None
