"""Take what a user gives to a trained model: files, folders or an object file, measured and refused as in training."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import surveys
from astro_vae.errors import UserError
from astro_vae.products._views import Views
from astro_vae.products.mismatch import differences, differences_of_each
from astro_vae.section import validate
from astro_vae.settings import section_class
from astro_vae.steps.prepare import prepare
from astro_vae.surveys._own_files import row
from astro_vae.trained import TrainedModel

OBJECT_FILES = (".h5", ".hdf5")


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
        Files of the kind that the model was trained on, folders of them, or one object file.
    known : mapping, optional
        What the files do not say: `labels`, the path of a table, and those that `TOLD` of the survey of own files of
        that kind names, as `unit` of images or `wavelengths` of spectra.
    allow_mismatch : bool
        Take objects that differ from those of the training; otherwise they are refused.

    Raises
    ------
    UserError
        If there are no such files, no object can be used, or all differ from those of the training.
    """
    with tempfile.TemporaryDirectory(prefix="astro_vae-") as scratch:
        if len(places) == 1 and Path(places[0]).suffix in OBJECT_FILES:
            objects = Path(places[0])
        else:
            objects = _prepared(model, places, Path(scratch), dict(known or {}))
        yield _judged(Views(objects, None, model), model, allow_mismatch=allow_mismatch)


def _prepared(model: TrainedModel, places: Sequence[Path], scratch: Path, known: Mapping[str, Any]) -> Path:
    """Make an object file of files, with the settings by which the objects of the training were prepared."""
    origin = f"{model.folder}/model.json, prepare"
    if not model.contract.get("prepare"):
        raise UserError(f"{origin}: missing, so new objects cannot be prepared alike; run the step 'train' again")
    settings = validate(section_class("prepare", model.contract["prepare"]), model.contract["prepare"], origin=origin)
    name, own = _own_files(model)
    for said in known:
        if said not in ("labels", *own.TOLD):
            raise UserError(
                f"{_option(said)}: the model was trained on objects of kind '{model.kind.name}', of whose files this "
                f"is not said; known: {_options(own.TOLD)}"
            )
    about = {**_alike(model), "survey": name, **known}
    top, manifest = listed([Path(place) for place in places], own, about)
    manifest.to_csv(scratch / "manifest.csv", index=False)
    objects = scratch / "objects.h5"
    source = validate(own.Source, {**about, "path": str(top)}, origin="the given files")
    prepare(source, settings, folder=top, manifest=scratch / "manifest.csv", out=objects)
    return objects


def _own_files(model: TrainedModel) -> tuple[str, ModuleType]:
    """Return the survey of a person's own files of the kind that the model was trained on, and its module."""
    name = surveys.OWN_FILES[model.kind.name]
    return name, surveys.survey(name)


def _alike(model: TrainedModel) -> dict[str, Any]:
    """Return how files were read for the training, where the survey says by which settings; nothing of their names."""
    source = model.contract.get("source") or {}
    reading = getattr(surveys.SURVEYS.get(source.get("survey", "")), "READING", ())
    return {name: source[name] for name in reading if name in source}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _options(names: Sequence[str]) -> str:
    """Return the options of the command line that say these settings, as a list in words."""
    *others, last = map(_option, names)
    return f"{', '.join(others)} or {last}"


def listed(places: Sequence[Path], own: ModuleType, about: Mapping[str, Any]) -> tuple[Path, pd.DataFrame]:
    """Return a folder above all files, and the manifest of these with paths below it.

    Parameters
    ----------
    places : sequence of Path
        Files, or folders of them.
    own : module
        The survey of a person's own files.
    about : mapping
        Settings of its source other than the path.
    """
    places = [place.expanduser().resolve() for place in places]
    folders = [place if place.is_dir() else place.parent for place in places]
    top = Path(os.path.commonpath(folders))
    rows: dict[str, dict[str, Any]] = {}
    for place in places:
        if place.is_dir():
            source = validate(own.Source, {**about, "path": str(place)}, origin="the given files")
            for path, fault in own.own_files(source).listed():
                below = (place / path).relative_to(top).as_posix()
                rows[below] = row(top, below, fault)
        else:
            _check_file(place)
            below = place.relative_to(top).as_posix()
            rows[below] = row(top, below)
    return top, pd.DataFrame(list(rows.values()))


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"{path}: no such file or folder")
    if path.suffix in OBJECT_FILES:
        raise UserError(f"{path}: an object file is given alone, without other files or folders")


def _judged(views: Views, model: TrainedModel, *, allow_mismatch: bool) -> Given:
    """Compare the objects with those of the training, and refuse those that differ or warn of them."""
    remedy = f"say it with {_options(_own_files(model)[1].TOLD)} where the files do not, or go on with --allow-mismatch"
    whole = "; ".join(differences(views.objects.attributes, model.contract))
    if whole and not allow_mismatch:
        raise UserError(f"these objects are unlike those that the model was trained on: {whole}; {remedy}")
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
            f"{views.table['object_id'].iloc[0]}: {each[0]}; {remedy}"
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
