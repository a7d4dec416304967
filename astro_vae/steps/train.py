"""Train one model of the settings and write it with all that its user must know."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astro_vae import __version__, model, plan
from astro_vae.errors import UserError
from astro_vae.files import atomic, step_lock
from astro_vae.linear import Ppca, WeightedLinear
from astro_vae.settings import ExecutionSettings
from astro_vae.settings_models import ModelSettings, PcaSettings, VaeSettings
from astro_vae.steps._checkpoint import Checkpoint
from astro_vae.steps._coverage import count_valid
from astro_vae.steps._curves import draw_curves
from astro_vae.steps._device import matmul_precision, open_fabric, ran_on
from astro_vae.steps._loop import fit
from astro_vae.steps._objective import validate
from astro_vae.steps._scratch import staged
from astro_vae.steps._training_data import TrainingData, network_input, open_training_data
from astro_vae.steps.inputs import TrainingInputs
from astro_vae.trained import CONTRACT, Model
from astro_vae.vae.likelihoods import LIKELIHOODS
from astro_vae.vae.vae import FILL_COMPONENTS, Vae

PATHS = {"linear": "em_pca", "curved": "curved_pca"}
"""The model that each path of a network begins from."""
BEGINNING = 512
"""Augmented examples whose mean the decoder of a network begins from, where its likelihood needs that."""


def train(settings: ModelSettings, inputs: TrainingInputs, *, out: Path, execution: ExecutionSettings) -> None:
    """Train a model and write `out`: weights.safetensors, model.json, history.csv and curves.png.

    Where data have inverse variances, coverage.safetensors says how many training objects have each datum.
    Checkpoints lie in `checkpoints/` beside `out` while the training lasts; the same call goes on from the
    last one, and on a processor the result is the same, byte for byte, as without an interruption.

    Parameters
    ----------
    settings : VaeSettings or PcaSettings
    inputs : TrainingInputs
    out : Path
        Folder of the trained model.
    execution : ExecutionSettings

    Raises
    ------
    UserError
        If the inputs do not fit together or to the settings, the training diverges, or another process is
        training the same model.
    SystemExit
        After a checkpoint, if the process is asked to stop (SIGTERM, SIGINT).
    """
    with step_lock(out.parent, "train"), staged(inputs.augmented, execution.scratch) as near:
        data = open_training_data(settings.labels, replace(inputs, augmented=near))
        check_weights(settings, data)
        print(_summary(data), flush=True)
        contract = {
            **data.contract, "labels": list(data.labels), "frequencies": data.frequencies.tolist(),
            "training_objects": data.counts.tolist(), "settings": settings.model_dump(mode="json"),
            "astro_vae": __version__,
        }
        checkpoints = out.parent / "checkpoints"
        if isinstance(settings, PcaSettings):
            trained = fit_linear(settings, data)
        else:
            trained = _fit_vae(settings, data, contract, checkpoints, execution)
        coverage = count_valid(inputs, data.labels) if data.weighted else None
        _write(out, trained, {**contract, "threshold": threshold(trained.network, data)}, coverage)
        shutil.rmtree(checkpoints, ignore_errors=True)


def check_weights(settings: ModelSettings, data: TrainingData) -> None:
    """Refuse a model that needs inverse variances where the data have none."""
    if isinstance(settings, PcaSettings):
        needing, remedy = settings.type != "pca" and f"type: {settings.type}", "pca"
    else:
        needing = LIKELIHOODS[settings.likelihood].weighted and f"likelihood: {settings.likelihood}"
        remedy = "another likelihood"
    if needing and not data.weighted:
        raise UserError(
            f"model with {needing}: it needs an inverse variance for every datum, and these data have none; "
            f"take {remedy}"
        )


@dataclass(frozen=True)
class Trained:
    """A trained model, its history, after how many examples it was best, and what it ran on."""

    network: Model
    history: list[dict[str, float]]
    best_at: int
    machine: dict[str, Any]


def _fit_vae(
    settings: VaeSettings, data: TrainingData, contract: Mapping[str, Any], checkpoints: Path,
    execution: ExecutionSettings,
) -> Trained:
    torch.manual_seed(settings.train.seed)
    network = untrained(settings, data)
    some = data.images(data.examples.order(settings.train.seed)[:BEGINNING])
    network.start_at(float(network_input(torch.from_numpy(some))[0].mean()))
    if settings.network.path != "none":
        method = PATHS[settings.network.path]
        start = weighted_linear(method, data, settings.latents, settings.network.path_examples, settings.train.seed)
        network.start_from(start.path)
    if settings.network.fill == "infill":
        components = weighted_linear("infill_pca", data, FILL_COMPONENTS, 0, settings.train.seed)
        network.fill_from(components.path)
    checkpoint = Checkpoint(checkpoints, _fingerprint(contract, network), execution.checkpoint_minutes)
    fabric = open_fabric(network, settings.train.precision, execution)
    with matmul_precision(settings.train.precision):
        machine = ran_on(fabric)
        training = fit(network, data, settings, fabric, checkpoint=checkpoint, execution=execution)
    return Trained(network.cpu().eval(), training.history, training.best_at, machine)


def untrained(settings: VaeSettings, data: TrainingData) -> Vae:
    """Return the network of the settings for these data, or raise a `UserError` where it does not suit them."""
    try:
        return model.build_network(settings, shape=data.contract["shape"], n_labels=len(data.labels))
    except ValueError as error:
        raise UserError(f"model.network or model.likelihood does not suit these data: {error}") from None


def fit_linear(settings: PcaSettings, data: TrainingData) -> Trained:
    """Fit a model without a network to its examples, in one go."""
    images, copies = _to_fit(data, settings.latents, settings.examples, settings.seed)
    network: Model
    if settings.type == "pca":
        x, _ = network_input(images)
        network = Ppca.fit(x.numpy(), settings.latents, n_labels=len(data.labels), seed=settings.seed)
    else:
        network = _components(settings.type, images, settings.latents, copies, data, settings.seed)
    row = {"examples": len(images), **validate(network, data.validation, data.frequencies, seed=settings.seed)}
    return Trained(network, [row], len(images), {"device": "cpu", "torch": torch.__version__, "numpy": np.__version__})


def weighted_linear(method: str, data: TrainingData, latents: int, examples: int, seed: int) -> WeightedLinear:
    """Fit components to examples with weights, as the path that a network starts from or as what fills its gaps."""
    images, copies = _to_fit(data, latents, examples, seed)
    return _components(method, images, latents, copies, data, seed)


def _components(
    method: str, images: Tensor, latents: int, copies: float, data: TrainingData, seed: int
) -> WeightedLinear:
    x, weight = network_input(images)
    assert weight is not None  # `check_weights` has seen to it
    return WeightedLinear.fit(
        x.numpy(), weight.numpy(), latents, method=method, n_labels=len(data.labels), seed=seed, copies=copies
    )


def _to_fit(data: TrainingData, latents: int, examples: int, seed: int) -> tuple[Tensor, float]:
    """Return what to find components of (n, *shape of the view), and how many of them show the same object.

    These are so many examples, or with 0 the objects of the training part themselves.
    """
    if examples:
        order = data.examples.order(seed)
        rows = order[data.kept[order]][:examples]
        images, copies = data.images(rows), len(rows) / len(np.unique(data.examples.parents[rows]))
    else:
        images, copies = data.part("train").images, 1.0
    smallest = min(len(images), network_input(torch.from_numpy(images[:1]))[0].numel())
    if latents >= smallest:
        raise UserError(
            f"model.latents = {latents} components need more than {smallest} examples and pixels; lower it, or raise "
            "model.examples"
        )
    return torch.from_numpy(images), copies


@torch.inference_mode()
def threshold(network: Model, data: TrainingData, n: int = 2048) -> float | None:
    """Return the brightness above which lie as many pixels of redrawn images as of the images above 0.

    The images of many surveys are cut off at a few sigma and are 0 below; a decoder leaves a faint ripple there.
    What it draws is cut off at this level in turn. It is 0 for images that are nowhere 0, and None for data with
    inverse variances, which tell what is noise, so that nothing needs to be cut off.

    Parameters
    ----------
    network : Module
        A trained model.
    data : TrainingData
    n : int
        Examples to look at.
    """
    if data.weighted:
        return None
    known = data.targets >= 0
    rows = np.flatnonzero(known if known.any() else data.kept)[:n]
    draws, drawn, bright = torch.Generator().manual_seed(0), [], 0.0
    for some in np.array_split(rows, max(len(rows) // 256, 1)):
        x, _ = network_input(torch.from_numpy(data.images(some)))
        y = torch.from_numpy(data.targets[some])
        posterior = network.encode(x, y)
        eps = torch.randn(posterior.mu.shape, generator=draws)
        drawn.append(network.decode(posterior.sample(eps), y).flatten().numpy())
        bright += float((x > 0).double().mean()) * len(some) / len(rows)
    return max(float(np.quantile(np.concatenate(drawn), 1 - bright)), 0.0) if bright < 1 else 0.0


def _write(out: Path, trained: Trained, contract: Mapping[str, Any], coverage: np.ndarray | None) -> None:
    """Write the folder of a trained model; model.json comes last and says that it is complete."""
    (out / CONTRACT).unlink(missing_ok=True)
    table = pd.DataFrame(trained.history)
    with atomic(out / "history.csv") as partial:
        table.to_csv(partial, index=False)
    with atomic(out / "curves.png") as partial:
        draw_curves(partial, table)
    best = next(row for row in trained.history if row["examples"] == trained.best_at)
    figures = {
        "examples": trained.history[-1]["examples"], "best_at": trained.best_at, "active_units": best["active_units"],
        **{name: value for name, value in best.items() if name.startswith("validation_")},
    }
    model.save(out, trained.network, {**contract, "trained": figures, "ran_on": trained.machine}, coverage)
    print(
        f"train: best after {trained.best_at} of {figures['examples']} examples: validation ELBO "
        f"{best['validation_elbo']:.5g} nats, mean squared error {best['validation_mse']:.3g}", flush=True,
    )


def _fingerprint(contract: Mapping[str, Any], network: Model) -> str:
    """Say what a checkpoint must be of: these settings and data, this network, this version of the step."""
    return json.dumps({**contract, "step": plan.STEPS["train"].version, "network": repr(network)}, sort_keys=True)


def _summary(data: TrainingData) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in zip(data.labels, data.counts, strict=True))
    others = " and unlabelled ones" if (data.targets[data.kept] < 0).any() else ""
    return (
        f"train: {int(data.kept.sum())} examples of {counts or 'no labelled objects'}{others}, "
        f"{len(data.validation.images)} objects to validate on"
    )
