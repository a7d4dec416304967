"""Take what a user gives to a trained model: files, folders or an object file, measured and refused as in training."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.errors import UserError
from astro_vae.files import checksum
from astro_vae.products._views import Views
from astro_vae.products.mismatch import OWN_FILES, differences, differences_of_each
from astro_vae.section import validate
from astro_vae.settings import ExecutionSettings, section_class
from astro_vae.steps.prepare import prepare
from astro_vae.surveys import folder
from astro_vae.trained import TrainedModel

OBJECT_FILES = (".h5", ".hdf5")
OF_THE_FILES = ("path", "labels", "catalog", "endings", "follow_links")
"""Settings of the survey `folder` that speak of certain files, not of how any file is read."""
REMEDY = "say it with --unit, --pixel-arcsec or --beam where the files do not, or go on with --allow-mismatch"


@dataclass(frozen=True)
class Given:
    """What was given: usable objects, which of them the model takes, and the refused ones.

    Attributes
    ----------
    views : Views
        Of all that is usable; a warning stands in the column `reason`.
    kept : ndarray of bool, shape (len(views),)
        Objects that are like those of the training, or are taken all the same.
    refused : DataFrame
        Rows of the object table with `reason`.
    """

    views: Views
    kept: np.ndarray
    refused: pd.DataFrame


@contextlib.contextmanager
def given(
    model: TrainedModel, places: Sequence[Path], *, known: Mapping[str, Any] | None = None,
    allow_mismatch: bool = False,
) -> Iterator[Given]:
    """Open what the user gives, as the model sees it; what is made of files lies in a temporary folder meanwhile.

    Parameters
    ----------
    model : TrainedModel
    places : sequence of Path
        Images, folders of images, or one object file.
    known : mapping, optional
        Settings of the survey `folder` other than its path: labels, pixel_arcsec, beam, unit.
    allow_mismatch : bool
        Take objects that differ from those of the training; otherwise they are refused.

    Raises
    ------
    UserError
        If there are no images, no object can be used, or all differ from those of the training.
    """
    with tempfile.TemporaryDirectory(prefix="astro_vae-") as scratch:
        if len(places) == 1 and Path(places[0]).suffix in OBJECT_FILES:
            objects = Path(places[0])
        else:
            objects = _prepared(model, places, Path(scratch), dict(known or {}))
        yield _judged(Views(objects, None, model), model, allow_mismatch=allow_mismatch)


def _prepared(model: TrainedModel, places: Sequence[Path], scratch: Path, known: Mapping[str, Any]) -> Path:
    """Make an object file of images, with the settings by which the objects of the training were prepared."""
    if model.kind.name != folder.KIND:
        raise UserError(
            f"{places[0]}: the model was trained on objects of kind '{model.kind.name}', and of files only "
            f"those of kind '{folder.KIND}' are taken; make an object file of them by the step 'prepare'"
        )
    origin = f"{model.folder}/model.json, prepare"
    if not model.contract.get("prepare"):
        raise UserError(f"{origin}: missing, so new images cannot be prepared alike; run the step 'train' again")
    settings = validate(section_class("prepare", model.contract["prepare"]), model.contract["prepare"], origin=origin)
    top, manifest = listed([Path(place) for place in places])
    manifest.to_csv(scratch / "manifest.csv", index=False)
    source = validate(
        folder.Source, {**_alike(model), "survey": OWN_FILES, "path": str(top), **known}, origin="the given images"
    )
    objects = scratch / "objects.h5"
    prepare(source, settings, folder=top, manifest=scratch / "manifest.csv", out=objects)
    return objects


def _alike(model: TrainedModel) -> dict[str, Any]:
    """Return how images of a folder were read for the training, where it was on a folder; nothing of their names."""
    source = model.contract.get("source") or {}
    if source.get("survey") != OWN_FILES:
        return {}
    return {name: value for name, value in source.items() if name not in OF_THE_FILES}


def listed(places: Sequence[Path]) -> tuple[Path, pd.DataFrame]:
    """Return a folder above all images, and the manifest of these with paths below it."""
    places = [place.expanduser().resolve() for place in places]
    folders = [place if place.is_dir() else place.parent for place in places]
    top = Path(os.path.commonpath(folders))
    parts = []
    for place in places:
        if place.is_dir():
            source = folder.Source(survey=OWN_FILES, path=str(place))
            part = folder.obtain(source, place, execution=ExecutionSettings())
            parts.append(part.assign(path=[(place / path).relative_to(top).as_posix() for path in part["path"]]))
        else:
            parts.append(pd.DataFrame([_file(place, top)]))
    return top, pd.concat(parts).drop_duplicates("path").reset_index(drop=True)


def _file(path: Path, top: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path}: no such file or folder")
    if path.suffix in OBJECT_FILES:
        raise UserError(f"{path}: an object file is given alone, without other files or folders")
    return {
        "address": path.as_uri(), "path": path.relative_to(top).as_posix(), "bytes": path.stat().st_size,
        "checksum": f"sha256:{checksum(path)}", "status": "ok", "reason": "",
    }


def _judged(views: Views, model: TrainedModel, *, allow_mismatch: bool) -> Given:
    """Compare the objects with those of the training, and refuse those that differ or warn of them."""
    whole = "; ".join(differences(views.objects.attributes, model.contract))
    if whole and not allow_mismatch:
        raise UserError(f"these objects are unlike those that the model was trained on: {whole}; {REMEDY}")
    each = differences_of_each(views.table, model.contract)
    differs = each != ""
    table = views.objects.table
    refused = table[table["row"] < 0]
    if allow_mismatch:
        notes = np.array(["; ".join(filter(None, (whole, text))) for text in each], dtype=object)
        _warn(notes)
        views.table["reason"] = _joined(views.table["reason"], notes)
        return Given(views, np.ones(len(views), bool), refused)
    if differs.all():
        raise UserError(
            f"{len(views)} of {len(views)} objects are unlike those that the model was trained on; "
            f"{views.table['object_id'].iloc[0]}: {each[0]}; {REMEDY}"
        )
    unlike = views.table[differs].assign(reason=_unlike(each[differs]))
    if differs.any():
        print(f"{differs.sum()} of {len(views)} objects are refused; {unlike['object_id'].iloc[0]}: {each[differs][0]}")
    return Given(views, ~differs, pd.concat([refused, unlike]))


def _unlike(notes: np.ndarray) -> list[str]:
    return [f"unlike the training: {note}" if note else "" for note in notes]


def _joined(reasons: pd.Series, notes: np.ndarray) -> list[str]:
    """Put notes behind the warnings that objects have already."""
    return ["; ".join(filter(None, pair)) for pair in zip(reasons, _unlike(notes), strict=True)]


def _warn(notes: np.ndarray) -> None:
    told = np.flatnonzero(notes != "")
    if len(told):
        print(f"warning: {len(told)} of {len(notes)} objects are unlike those of the training: {notes[told[0]]}")
