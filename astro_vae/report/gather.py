"""Gather what the steps wrote into one picture of a survey's results; what is not there is left out.

Nothing is computed here that a product already holds: this module only finds, reads and arranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from astro_vae.errors import UserError
from astro_vae.files import read_json
from astro_vae.objects import Objects, open_objects
from astro_vae.settings_models import LINEAR_TYPES

PARTS = ("train", "validation", "test", "dropped")


@dataclass
class ModelResults:
    """The products of one model; None or empty where a step did not write them.

    Attributes
    ----------
    contract : dict
        `model/model.json`.
    history : DataFrame or None
        `model/history.csv`, one row per evaluation.
    metrics : dict
        `metrics.json`.
    latents, ranking : DataFrame or None
        Rows of `latents.parquet` and `anomalies.parquet`, with `attrs["descriptions"]` of their columns; the
        ranking is sorted by rank.
    pictures : dict of str to Path
        PNG files of the model's folder by stem.
    """

    name: str
    folder: Path
    contract: dict[str, Any] = field(default_factory=dict)
    history: pd.DataFrame | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    latents: pd.DataFrame | None = None
    ranking: pd.DataFrame | None = None
    pictures: dict[str, Path] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """The model's entry of the settings, as its contract holds it."""
        return self.contract.get("settings") or {}

    @property
    def is_linear(self) -> bool:
        """Whether it is a linear baseline."""
        return bool(self.settings.get("type") in LINEAR_TYPES)


@dataclass
class SurveyResults:
    """Everything that a survey's folder holds, for the page."""

    name: str
    run: str
    folder: Path
    objects: Objects
    split: pd.DataFrame | None
    classifier: dict[str, Any]
    comparison: pd.DataFrame | None
    models: list[ModelResults]
    times: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """The table of objects with the part of each ("" where there is none)."""
        table = self.objects.table
        if self.split is None:
            return table.assign(part="")
        parts = self.split.drop_duplicates("object_id").set_index("object_id")["part"]
        return table.assign(part=table["object_id"].map(parts).fillna(""))


def gather(folder: Path, models: Sequence[str] = ()) -> SurveyResults:
    """Read the results of a survey.

    Parameters
    ----------
    folder : Path
        `results/<run>/<survey>`.
    models : sequence of str
        Names of the models, in the order of the page; those found in the folder unless given.

    Raises
    ------
    UserError
        If the folder has no object file, or a model that is asked for has no folder.
    """
    folder = Path(folder).resolve()
    names = list(models) or sorted(path.parent.parent.name for path in folder.glob("*/model/model.json"))
    for name in names:
        if not (folder / name).is_dir():
            raise UserError(f"{folder / name}: no such folder; train model '{name}' first")
    return SurveyResults(
        name=folder.name, run=folder.parent.name, folder=folder,
        objects=open_objects(folder / "objects.h5"),
        split=_csv(folder / "split.csv"),
        classifier=_json(folder / "classifier" / "classifier.json"),
        comparison=_csv(folder / "comparison.csv"),
        models=[_model(folder / name) for name in names],
        times=run_times(folder),
    )


def _model(folder: Path) -> ModelResults:
    return ModelResults(
        name=folder.name, folder=folder,
        contract=_json(folder / "model" / "model.json"),
        history=_csv(folder / "model" / "history.csv"),
        metrics=_json(_found(folder, "metrics.json")),
        latents=_parquet(_found(folder, "latents.parquet")),
        ranking=_ranking(_found(folder, "anomalies.parquet")),
        pictures={path.stem: path for path in sorted(folder.rglob("*.png")) if "checkpoints" not in path.parts},
    )


def _found(folder: Path, name: str) -> Path:
    """Return the file of that name in the folder or, failing that, one level below."""
    return next((path for path in [folder / name, *sorted(folder.glob(f"*/{name}"))] if path.is_file()), folder / name)


def _csv(path: Path) -> pd.DataFrame | None:
    if not path.is_file() or path.stat().st_size == 0:
        return None
    try:
        # An object may be called "NA" or "1e5": names and words stay as they are written.
        return pd.read_csv(path, dtype={"object_id": str, "label": str, "reason": str}, keep_default_na=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"{path}: not a CSV table ({error}); make it again by its step") from None


def _json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _parquet(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a Parquet table ({error}); make it again by its step") from None
    frame = table.to_pandas()
    frame.attrs["descriptions"] = {
        field.name: field.metadata[b"description"].decode() for field in table.schema
        if field.metadata and b"description" in field.metadata
    }
    return frame


def _ranking(path: Path) -> pd.DataFrame | None:
    table = _parquet(path)
    return None if table is None else table.sort_values("rank", kind="stable").reset_index(drop=True)


def run_times(folder: Path) -> pd.DataFrame:
    """Read what the workflow measured of each step: columns step, seconds, memory_mb.

    Snakemake writes a table per job, `benchmarks/<step>.tsv` in the survey's or the model's folder; the last
    row is the last repetition.
    """
    rows = []
    for path in sorted([*folder.glob("benchmarks/*.tsv"), *folder.glob("*/benchmarks/*.tsv")]):
        table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
        if {"s", "max_rss"} <= set(table.columns) and len(table):
            owner = path.parents[1]
            name = path.stem if owner == folder else f"{owner.name} / {path.stem}"
            rows.append((name, float(table["s"].iloc[-1]), float(table["max_rss"].iloc[-1])))
    return pd.DataFrame(rows, columns=["step", "seconds", "memory_mb"])
