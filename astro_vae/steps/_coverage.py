"""Count how many training objects have a valid value of each datum, by label."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from astro_vae import kinds
from astro_vae.objects import open_objects
from astro_vae.steps._blocks import BLOCK_ROWS
from astro_vae.steps._examples import view_rows, with_parts
from astro_vae.steps._training_data import label_index
from astro_vae.steps.inputs import TrainingInputs


def count_valid(inputs: TrainingInputs, labels: Sequence[str]) -> np.ndarray:
    """Return how many objects of the training part have a weight at each datum: int32 (C + 1, *shape).

    A row per label, and a last one of all that are trained on, the unlabelled among them. Augmented examples are not
    counted: they are the same objects again. A block of objects is in memory at a time.

    Parameters
    ----------
    inputs : TrainingInputs
        Its objects have inverse variances.
    labels : sequence of str
        Of the model.
    """
    opened = open_objects(inputs.objects)
    table = with_parts(opened, inputs.split)
    table = table[(table["part"] == "train") & table["label"].isin([*labels, ""])]
    numbers = label_index(table["label"].to_numpy(), labels)
    to_network = kinds.kind(opened.attributes["kind"]).view.to_network

    def counted(start: int) -> np.ndarray:
        rows = slice(start, start + BLOCK_ROWS)
        valid = to_network(view_rows(opened, table.iloc[rows], inputs.view))[1] > 0
        return np.stack([*(valid[numbers[rows] == n].sum(axis=0) for n in range(len(labels))), valid.sum(axis=0)])

    return reduce(np.add, map(counted, range(0, len(table), BLOCK_ROWS))).astype(np.int32)
