"""Count how many training objects have a valid value of each datum, by label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from astro_vae import kinds
from astro_vae.objects import open_objects
from astro_vae.settings import AnyViewSettings
from astro_vae.steps._examples import read_split
from astro_vae.steps._training_data import label_index

BLOCK = 256  # objects in memory at a time


def count_valid(objects: Path, split: Path, view: AnyViewSettings, labels: Sequence[str]) -> np.ndarray:
    """Return how many objects of the training part have a weight at each datum: int32 (C + 1, *shape).

    A row per label, and a last one of all that are trained on, the unlabelled among them. Augmented examples are not
    counted: they are the same objects again.

    Parameters
    ----------
    objects, split : Path
        The files of the steps prepare and split; the objects have inverse variances.
    view : AnyViewSettings
    labels : sequence of str
        Of the model.
    """
    opened, parts = open_objects(objects), read_split(split)
    room = kinds.kind(opened.attributes["kind"]).view
    counts: np.ndarray | None = None
    for table, values in opened.blocks(BLOCK):
        _, weight = room.to_network(room.view(values, table, view, scaled=bool(opened.attributes["scaled"])))
        numbers = label_index(table["label"].to_numpy(), labels)
        known = (numbers >= 0) | (table["label"] == "").to_numpy()
        trained = known & (table["object_id"].map(parts) == "train").to_numpy()  # what pandas gives is read-only
        if counts is None:
            counts = np.zeros((len(labels) + 1, *weight.shape[1:]), np.int32)
        for number in range(len(labels)):
            counts[number] += (weight[trained & (numbers == number)] > 0).sum(axis=0)
        counts[-1] += (weight[trained] > 0).sum(axis=0)
    assert counts is not None  # there are examples, so there are objects
    return counts
