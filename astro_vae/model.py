"""A trained model on disk: a folder with weights.safetensors and model.json, the contract between model and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import nn

from astro_vae.errors import UserError
from astro_vae.files import atomic, checksum, read_json, write_json
from astro_vae.linear import Ppca, WeightedLinear
from astro_vae.section import validate
from astro_vae.settings_models import LINEAR_TYPES, ModelSettings, PcaSettings, VaeSettings
from astro_vae.trained import CONTRACT, Model, TrainedModel
from astro_vae.vae import priors
from astro_vae.vae.vae import Vae, build_vae

WEIGHTS, PRIOR, COVERAGE = "weights.safetensors", "prior.safetensors", "coverage.safetensors"


def build(settings: ModelSettings, *, shape: Sequence[int], n_labels: int) -> Model:
    """Return the untrained model that the settings describe.

    Parameters
    ----------
    settings : VaeSettings or PcaSettings
    shape : tuple of int
        Shape of one object as a network sees it.
    n_labels : int
        Labels known in training; without any, a model that is to be conditional is not.
    """
    if isinstance(settings, PcaSettings):
        if settings.type == "pca":
            return Ppca(tuple(shape), settings.latents, n_labels)
        return WeightedLinear(tuple(shape), settings.latents, n_labels, bent=settings.type == "curved_pca")
    return build_network(settings, shape=shape, n_labels=n_labels)


def build_network(settings: VaeSettings, *, shape: Sequence[int], n_labels: int) -> Vae:
    """Return the untrained autoencoder that the settings describe; see `build`."""
    network = settings.network
    return build_vae(
        shape, settings.latents, n_labels, conditional=settings.conditional and n_labels > 0, network=network.name,
        likelihood=settings.likelihood, channels=network.channels, hidden=network.hidden, dropout=network.dropout,
        path=network.path, floor=settings.error_floor, fill=network.fill,
    )


def save(folder: Path, module: Model, contract: Mapping[str, Any], coverage: np.ndarray | None = None) -> None:
    """Write weights.safetensors, then model.json, which says that the folder is complete.

    Parameters
    ----------
    folder : Path
    module : Module
        As `build` makes it from `contract["settings"]`.
    contract : mapping
        JSON values: at least `kind`, `scaled`, `shape`, `view`, `labels`, `frequencies` and `settings`;
        `unit`, `ranges` and `prepare` besides, for new objects (`astro_vae.products.new_objects`).
    coverage : ndarray, shape (C + 1, *shape), optional
        See `TrainedModel`; it is written as coverage.safetensors.
    """
    (folder / CONTRACT).unlink(missing_ok=True)
    save_weights(folder / WEIGHTS, module)
    checksums = {"weights": checksum(folder / WEIGHTS)}
    if coverage is not None:
        with atomic(folder / COVERAGE) as partial:
            partial.write_bytes(serialise({"coverage": torch.from_numpy(coverage)}))
        checksums["coverage"] = checksum(folder / COVERAGE)
    write_json(folder / CONTRACT, {**contract, **checksums})


def save_weights(path: Path, module: nn.Module) -> None:
    """Write the state of a module as safetensors."""
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    with atomic(path) as partial:
        partial.write_bytes(serialise(tensors))  # the file that safetensors itself writes is for its owner's eyes only


def load(folder: Path | str, *, device: str = "cpu") -> TrainedModel:
    """Load a trained model.

    Parameters
    ----------
    folder : Path or str
        The folder of model.json, or the one above it.
    device : str
        Where it computes.

    Raises
    ------
    UserError
        If there is no model, or its files are damaged or do not belong together.
    """
    folder = _folder(Path(folder))
    contract = read_json(folder / CONTRACT)
    weights = folder / WEIGHTS
    if not weights.is_file() or checksum(weights) != contract.get("weights"):
        raise UserError(f"{weights}: missing, damaged or not of this {CONTRACT}; run the step 'train' again")
    model = PcaSettings if contract["settings"]["type"] in LINEAR_TYPES else VaeSettings
    settings = validate(model, contract["settings"], origin=f"{folder / CONTRACT}, settings")
    module = build(settings, shape=contract["shape"], n_labels=len(contract["labels"]))
    try:
        module.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        raise UserError(f"{weights}: does not fit {CONTRACT} ({error}); train the model again") from None
    module = module.to(device).eval().requires_grad_(False)
    prior = _load_prior(folder, module.n_latents).to(device)
    return TrainedModel(folder, module, contract, prior, _load_coverage(folder, contract))


def _load_coverage(folder: Path, contract: Mapping[str, Any]) -> np.ndarray | None:
    """Return how many training objects have each datum; None where the contract says nothing of it."""
    if "coverage" not in contract:
        return None
    path = folder / COVERAGE
    if not path.is_file() or checksum(path) != contract["coverage"]:
        raise UserError(f"{path}: missing, damaged or not of this {CONTRACT}; run the step 'train' again")
    return load_file(path)["coverage"].numpy()


def _load_prior(folder: Path, n_latents: int) -> priors.Prior:
    """Return the fitted prior that lies beside the model, or N(0, I)."""
    path = next((p for p in (folder / PRIOR, folder.parent / PRIOR) if p.is_file()), None)
    if path is None:
        return priors.StandardNormal(n_latents)
    try:
        state = load_file(path)
        return priors.from_state("mixture" if "log_weights" in state else "standard_normal", state)
    except (KeyError, SafetensorError) as error:
        raise UserError(f"{path}: not a prior, or damaged ({error}); run the step 'fit-prior' again") from None


def _folder(folder: Path) -> Path:
    for place in (folder, folder / "model"):
        if (place / CONTRACT).is_file():
            return place
    found = "an unfinished training" if (folder / "checkpoints").is_dir() else "no model"
    raise UserError(f"{folder}: {found} here ({CONTRACT} is missing); run the step 'train', or give another folder")
