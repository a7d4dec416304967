"""What a model is trained on: the examples with their labels, and the real objects that validate it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.files import checksum
from astro_vae.objects import Objects, open_objects
from astro_vae.settings import AnyViewSettings
from astro_vae.steps._examples import Examples, load_part, read_split
from astro_vae.steps.inputs import TrainingInputs


@dataclass(frozen=True)
class Part:
    """Real objects as a network sees them.

    Attributes
    ----------
    table : DataFrame
        Their rows of the object table.
    images : ndarray of uint8, shape (N, *shape)
    labels : ndarray of int64, shape (N,)
        Index into the labels of the model, -1 where unknown.
    """

    table: pd.DataFrame
    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class TrainingData:
    """The examples that count, addressed by how many were seen, and what goes with them.

    Attributes
    ----------
    examples : Examples
    kept : ndarray of bool, shape (N,)
        Examples whose label is one of `labels` or unknown.
    targets : ndarray of int64, shape (N,)
        Index into `labels`, -1 where unknown.
    labels : tuple of str
    counts : ndarray of int64, shape (C,)
        Labelled objects of the training part, not augmented.
    validation : Part
    contract : dict
        What a trained model must know of its data; JSON values.
    part : function
        Reads the objects of the part of this name, not transformed, whose label is one of `labels` or unknown.
    """

    examples: Examples
    kept: np.ndarray
    targets: np.ndarray
    labels: tuple[str, ...]
    counts: np.ndarray
    validation: Part
    contract: dict[str, Any]
    part: Callable[[str], Part]

    @property
    def frequencies(self) -> np.ndarray:
        """Natural frequencies of the labels, (C,), float64."""
        return self.counts / max(self.counts.sum(), 1)

    @property
    def weighted(self) -> bool:
        """Whether every datum has an inverse variance."""
        return network_input(torch.from_numpy(self.validation.images[:1]))[1] is not None

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Return these examples: uint8 (len(rows), *shape)."""
        return self.examples.batch(rows)


def open_training_data(wanted: Sequence[str], inputs: TrainingInputs) -> TrainingData:
    """Open what a model is trained on.

    Parameters
    ----------
    wanted : sequence of str
        Labels to train on, in this order; empty for all that the training part has.
    inputs : TrainingInputs

    Raises
    ------
    UserError
        If a wanted label has no training object, no example is left, nothing is there to validate on, or
        the examples were made with other settings or from other files.
    """
    examples = Examples.open(inputs.augmented, inputs.objects)
    checksums = {path.stem: checksum(path) for path in (inputs.objects, inputs.split, inputs.augmented)}
    _check_origin(examples, checksums, inputs)
    opened = open_objects(inputs.objects)
    labels, counts = _labels(wanted, opened, inputs.split)
    targets = label_index(examples.labels, labels)
    kept = (targets >= 0) | (examples.labels == "")
    part = partial(_read_part, inputs, labels)
    validation = part("validation")
    if not kept.any() or not len(validation.images):
        raise UserError(
            f"{inputs.split}: nothing to {'validate' if kept.any() else 'train'} on among the labels that the model "
            f"wants ({', '.join(labels)}) and the unlabelled; check model.labels and split.validation_fraction"
        )
    shape = network_input(torch.from_numpy(validation.images[:1]))[0].shape[1:]
    contract = {**_contract(opened, inputs.view), "shape": list(shape), "inputs": checksums}
    return TrainingData(examples, kept, targets, labels, counts, validation, contract, part)


def network_input(batch: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return values (B, *shape) and their weights: bytes are images without, floats (B, 2, *shape) have both."""
    return (batch.float() / 255, None) if batch.dtype == torch.uint8 else (batch[:, 0], batch[:, 1])


def label_index(names: Sequence[str] | np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Return the index of each name in `labels`, -1 where it is none of them: int64 (N,)."""
    number = {name: i for i, name in enumerate(labels)}
    return np.array([number.get(name, -1) for name in names], dtype=np.int64)


def _read_part(inputs: TrainingInputs, labels: Sequence[str], part: str) -> Part:
    """Return the objects of a part whose label is one of `labels` or unknown."""
    table, images = load_part(inputs.objects, inputs.split, part, inputs.view)
    numbers = label_index(table["label"].to_numpy(), labels)
    kept = table["label"].isin([*labels, ""]).to_numpy()
    return Part(table[kept].reset_index(drop=True), images[kept], numbers[kept])


class Stream:
    """The order in which examples come: one permutation after another, without end.

    An example's place depends on the seed and the number of examples before it alone, so a training goes
    on anywhere without having kept its place in a file.
    """

    def __init__(self, examples: Examples, kept: np.ndarray, seed: int) -> None:
        self._examples, self._kept, self._seed = examples, kept, seed
        self._length = int(kept.sum())
        self._epoch = -1
        self._order = np.empty(0, dtype=np.int64)

    def take(self, seen: int, count: int) -> np.ndarray:
        """Return the rows of the `count` examples that follow the first `seen`."""
        parts = []
        while count:
            epoch, place = divmod(seen, self._length)
            rows = self._permutation(epoch)[place : place + count]
            parts.append(rows)
            seen, count = seen + len(rows), count - len(rows)
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            order = self._examples.order((self._seed, epoch))
            self._epoch, self._order = epoch, order[self._kept[order]]
        return self._order


def _check_origin(examples: Examples, checksums: Mapping[str, str], inputs: TrainingInputs) -> None:
    """Refuse examples that were made with other settings or from other files."""
    attributes, augmented = examples.attributes, inputs.augmented
    for name in ("view", "augment"):
        asked = getattr(inputs, name).model_dump(mode="json")
        differing = [key for key in asked if attributes[name].get(key) != asked[key]]
        if differing:
            raise UserError(
                f"{augmented}: made with another {name}.{differing[0]} ({attributes[name].get(differing[0])}, "
                f"not {asked[differing[0]]}); run the step 'augment' again"
            )
    for name, made_of in attributes["inputs"].items():
        if made_of != checksums[name]:
            raise UserError(f"{augmented}: made of another file of {name} than this one; run the step 'augment' again")


def _labels(wanted: Sequence[str], objects: Objects, split: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the labels to train on, and how many training objects have each."""
    parts = read_split(split)
    in_training = objects.usable["object_id"].map(parts) == "train"
    found = objects.usable["label"][in_training].value_counts()
    known = [name for name in objects.attributes["labels"] if found.get(name, 0)]
    missing = [name for name in wanted if name not in known]
    if missing:
        raise UserError(
            f"model.labels: no training object of {objects.path} has the label '{missing[0]}'; "
            f"its labels: {', '.join(known) or 'none'}"
        )
    labels = tuple(wanted or known)
    return labels, np.array([found[name] for name in labels], dtype=np.int64)


def _contract(objects: Objects, view: AnyViewSettings) -> dict[str, Any]:
    """Return what a model must know of the objects: kind, survey, units, how they were prepared, and view."""
    known = {name: objects.attributes.get(name) for name in ("kind", "survey", "unit", "scaled", "grid")}
    pixels = objects.usable["pixel_arcsec"] if "pixel_arcsec" in objects.table else pd.Series(dtype=float)
    pixel = float(np.nanmedian(pixels)) if pixels.notna().any() else None
    made = objects.attributes.get("settings", {})
    compared = ranges(objects.usable, kinds.kind(objects.attributes["kind"]).cut.ALIKE)
    return {
        **known, "pixel_arcsec": pixel, "ranges": compared, "view": view.model_dump(mode="json"),
        **{name: made.get(name) for name in ("source", "prepare")},
    }


def ranges(table: pd.DataFrame, columns: Collection[str]) -> dict[str, list[float]]:
    """Return minimum and maximum of these columns, without those that nothing is known of."""
    known = {name: table[name].to_numpy(float) for name in columns if name in table and table[name].notna().any()}
    return {name: [float(np.nanmin(values)), float(np.nanmax(values))] for name, values in known.items()}
