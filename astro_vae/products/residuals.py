"""What residuals of ordinary objects are like, for scores that compare with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from astro_vae.errors import UserError
from astro_vae.files import atomic
from astro_vae.kinds import Kind
from astro_vae.products._inference import Inference
from astro_vae.products._views import Views

FILE = "residuals.safetensors"
OBJECTS = 1000  # that residuals are calibrated on
MEAN = "mean"


@dataclass(frozen=True)
class Residuals:
    """What scores know of the objects that a model was trained and validated on.

    Attributes
    ----------
    mean : ndarray
        The mean object of the training part, shaped as the model sees it.
    runs : object or None
        Filters over residuals, calibrated on these objects; see `residuals` of the kind. None where it has none.
    """

    mean: np.ndarray
    runs: Any


def calibrate(inference: Inference, views: Views, label: np.ndarray) -> Residuals:
    """Look at the objects that the model was trained on, and at those of the validation part with its labels.

    Residuals are those of at most `OBJECTS` of them, evenly from the table.

    Parameters
    ----------
    inference : Inference
    views : Views
        Of a survey with its split.
    label : ndarray of int, shape (len(views),)
        The label under which each object is judged.
    """
    label_of_survey, part = (views.table[name].to_numpy(str) for name in ("label", "part"))
    known = np.isin(label_of_survey, [*inference.labels, ""]) if inference.labels else np.ones(len(views), bool)
    mean = views.kind.fit.mean(block.as_it_lies() for block in views.blocks(known & (part == "train")))
    filters = views.kind.residuals.RUNS
    if filters is None:
        return Residuals(mean, None)
    used = np.flatnonzero(known & np.isin(part, ["train", "validation"]))
    rows = np.zeros(len(views), bool)
    rows[used[np.linspace(0, len(used) - 1, min(OBJECTS, len(used))).astype(int)]] = True
    seen = views.images(rows)
    z, _ = inference.encode(seen, label[rows])
    return Residuals(mean, filters.calibrate(seen, inference.decode(z, label[rows]), views.settings))


def save(residuals: Residuals, path: Path) -> None:
    """Write them as a safetensors file."""
    arrays = {MEAN: residuals.mean, **(residuals.runs.arrays() if residuals.runs else {})}
    with atomic(path) as partial:
        partial.touch()  # the writer of safetensors alone would give the file to its owner only
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial)


def load(path: Path, kind: Kind) -> Residuals:
    """Read what `save` wrote.

    Raises
    ------
    UserError
        If the file is missing or not one of that step.
    """
    try:
        arrays = load_file(path)
        filters = kind.residuals.RUNS
        return Residuals(arrays.pop(MEAN), filters and filters.from_arrays(arrays))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the step 'rank'") from None
    except (OSError, KeyError, SafetensorError) as error:
        raise UserError(f"{path}: not residuals of astro_vae ({error}); run the step 'rank' again") from None
