"""Make the training part into many examples: each a transform of one parent, seen through the view."""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hdf5plugin
import numpy as np
import pandas as pd

from astro_vae import kinds
from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.files import atomic, checksum, step_lock
from astro_vae.objects import FIRST_COLUMNS, Objects, Writer, open_objects
from astro_vae.settings import AnyAugmentSettings, AnyViewSettings
from astro_vae.steps._examples import Maker, read_rows, read_split

BLOCK = 2048
TRIAL = 256
COLUMNS = {"parent": Column("Row of the parent in the values of the object file", ucd="meta.record")}


def augment(
    view: AnyViewSettings, augment: AnyAugmentSettings, *, objects: Path, split: Path, out: Path,
    threads: int | None = None,
) -> None:
    """Write `augment.total` examples of the training part, or their transforms alone.

    Parameters
    ----------
    view, augment : AnyViewSettings, AnyAugmentSettings
        With `augment.materialise` false only the transforms are written, and the examples are made
        during the training.
    objects, split : Path
        The files of the steps prepare and split.
    out : Path
        An object file: what a network sees, and a table with parent and transform of each example.
    threads : int, optional
        By default one per processor, two at most: more are not faster. The file does not depend on it.

    Raises
    ------
    UserError
        If the training part is empty, or the disk has no room.
    """
    opened = open_objects(objects)
    maker = open_maker(view, augment, opened, split, threads=threads)
    _say(estimate(maker), out, augment)
    attributes = {name: opened.attributes[name] for name in ("kind", "survey", "scaled", "labels")} | {
        "unit": "", "view": view.model_dump(mode="json"), "augment": augment.model_dump(mode="json"),
        "materialised": augment.materialise, "inputs": {"objects": checksum(objects), "split": checksum(split)},
    }
    with step_lock(out.parent, "augment"), atomic(out) as partial:
        _write(partial, maker, attributes, kinds.kind(attributes["kind"]).augment.COLUMNS)


def open_maker(
    view: AnyViewSettings, augment: AnyAugmentSettings, objects: Objects, split: Path, *, threads: int | None = None
) -> Maker:
    """Draw the transforms of all examples and return what makes the examples; see `augment`."""
    training = _training(objects, split)
    parents = assign(training, augment)
    transforms = _table(objects, _drawn(objects, training, parents, augment), materialise=augment.materialise)
    return Maker(objects, transforms, view, augment, threads=threads or min(2, len(os.sched_getaffinity(0))))


def _training(objects: Objects, split: Path) -> pd.DataFrame:
    """Return the object table's rows of the training part."""
    table = objects.usable
    training = table[(table["object_id"].map(read_split(split)) == "train").to_numpy()]
    if training.empty:
        raise UserError(f"{split}: no object of {objects.path} is in the training part; run the step 'split' again")
    return training


def assign(training: pd.DataFrame, settings: AnyAugmentSettings) -> np.ndarray:
    """Return the parent of each example (total,), in random order.

    Every object of a label is the parent of the same number of examples, up to one. With
    `settings.balance` so is every label; unlabelled objects keep their share.
    """
    rng = np.random.default_rng([settings.seed, 0])
    labels = training["label"].to_numpy()
    shares = np.full(len(training), 1 / len(training))
    if settings.balance and (labels != "").any():
        _, which, sizes = np.unique(labels[labels != ""], return_inverse=True, return_counts=True)
        shares[labels != ""] = np.mean(labels != "") / len(sizes) / sizes[which]
    # Largest remainders, drawn at random where they are equal, make the counts add up to the total.
    exact = shares * settings.total
    counts = np.floor(exact + 1e-9).astype(int)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-(exact - counts)[order].round(9), kind="stable")]
    counts[order[: settings.total - counts.sum()]] += 1
    return rng.permutation(np.repeat(training["row"].to_numpy(), counts))


def _drawn(
    objects: Objects, training: pd.DataFrame, parents: np.ndarray, settings: AnyAugmentSettings
) -> pd.DataFrame:
    """Return the transform of each example; what is mixed is mixed with objects of the training part."""
    room = kinds.kind(objects.attributes["kind"]).augment
    chosen: Any = settings  # of the kind that the room is of
    if "mate" not in room.PARENTS or not chosen.mix:
        return room.draw_transforms(parents, settings, seed=settings.seed)
    rows = np.sort(training["row"].to_numpy())
    labels = objects.usable["label"].to_numpy()[rows]
    mates = rows[room.nearest_mates(read_rows(objects, rows), labels, chosen.neighbours)]
    return room.draw_transforms(parents, settings, seed=settings.seed, mates=mates[np.searchsorted(rows, parents)])


def _table(objects: Objects, transforms: pd.DataFrame, *, materialise: bool) -> pd.DataFrame:
    """Return the table of the examples: `FIRST_COLUMNS`, then parent and transform."""
    parents = transforms["parent"].to_numpy()
    first = objects.usable.iloc[parents][["object_id", "ra", "dec", "label"]].reset_index(drop=True)
    numbers = pd.Series(parents).groupby(parents).cumcount()
    first["object_id"] = first["object_id"].astype(str) + "/" + numbers.astype(str)
    rows = np.arange(len(parents)) if materialise else np.full(len(parents), -1)
    first = first.assign(status="ok", reason="", row=rows)[list(FIRST_COLUMNS)]
    return pd.concat([first, transforms.reset_index(drop=True)], axis=1)


def _write(path: Path, maker: Maker, attributes: Mapping[str, Any], columns: Mapping[str, Column]) -> None:
    total = len(maker.transforms)
    one = maker.make([0])
    with Writer(path, one.shape[1:], str(one.dtype), attributes, dict(hdf5plugin.Zstd(clevel=1))) as writer:
        for start in range(0, total if attributes["materialised"] else 0, BLOCK):
            writer.append(maker.make(np.arange(start, min(start + BLOCK, total))))
        writer.table(maker.transforms, {**COLUMNS, **columns})


def estimate(maker: Maker) -> dict[str, float]:
    """Estimate what all examples take from a few of them: `bytes` in memory, `disk` in bytes, `seconds`."""
    total = len(maker.transforms)
    some = np.linspace(0, total - 1, min(TRIAL, total)).astype(int)
    maker.make(some[:1])  # the first call of a library pays for its start
    start = time.perf_counter()
    images = maker.make(some)
    packed = zlib.compress(images.tobytes(), 1)
    seconds = time.perf_counter() - start
    factor = total / len(some)
    return {"bytes": images.nbytes * factor, "disk": len(packed) * factor, "seconds": seconds * factor}


def _say(expected: Mapping[str, float], out: Path, settings: AnyAugmentSettings) -> None:
    """Print the estimate; refuse to start where the disk has no room."""
    size = f"{expected['bytes'] / 1e9:.2f} GB as bytes, about {expected['disk'] / 1e9:.2f} GB on disk"
    if not settings.materialise:
        print(f"{settings.total} examples, drawn during the training; a file would hold {size}")
        return
    print(f"{settings.total} examples: {size}, about {expected['seconds']:.0f} s", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free
    if 1.2 * expected["disk"] > free:
        raise UserError(
            f"{out}: the examples need about {expected['disk'] / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; "
            "make augment.total or view.size smaller, or set augment.materialise to false"
        )
