"""Encode and score new objects with a trained model, by the same functions as the workflow.

>>> opened = open_result("results/config/simulated/cvae")               # doctest: +SKIP
>>> table = latents_of(opened, ["mine/a.fits", "more/"]).table           # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import model as models
from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.products import anomalies, latents
from astro_vae.products._given import Given, given
from astro_vae.products._inference import Inference
from astro_vae.products.catalog import WRITERS, read_catalog, read_meta, write_catalog
from astro_vae.products.ordinary import Ordinary
from astro_vae.products.priors import Reference, load_prior
from astro_vae.products.residuals import FILE
from astro_vae.products.residuals import load as load_residuals
from astro_vae.products.scores import scores_of as scores_of_kind
from astro_vae.settings import ProductSettings
from astro_vae.trained import TrainedModel
from astro_vae.vae.priors import Prior

LATENTS, ANOMALIES = "latents.parquet", "anomalies.parquet"
RANK = {"rank": Column("Rank among the given objects, 1 is the strangest; -1 where refused", ucd="meta.record")}


@dataclass(frozen=True)
class Result:
    """A folder of the workflow: a model with what its products say of the survey that it was trained on.

    Attributes
    ----------
    folder : Path
        That of latents.parquet and the others.
    model : TrainedModel
    prior : Prior
        The fitted one.
    reference : Reference
        Latents of training examples, which scores compare with.
    settings : ProductSettings
        By which the survey's own objects were looked at.
    temperature : float
        Of the calibrated label probabilities; NaN where the catalog of the survey is not there.
    """

    folder: Path
    model: TrainedModel
    prior: Prior
    reference: Reference
    settings: ProductSettings
    temperature: float

    def inference(self) -> Inference:
        """Return the model under its prior, with draws from their start: the same objects get the same figures."""
        return Inference(self.model, self.prior, seed=latents.SEED, refine=self.settings.refine)


@dataclass(frozen=True)
class NewTable:
    """A table of new objects, the description of its columns, and what holds for the whole."""

    table: pd.DataFrame
    columns: dict[str, Column]
    meta: dict[str, Any]


def open_result(folder: Path | str) -> Result:
    """Open a folder of the workflow, `results/<run>/<survey>/<model>` or `model/` in it.

    Raises
    ------
    UserError
        If there is no trained model with its prior.
    """
    model = models.load(folder)
    place = model.folder.parent if model.folder.name == "model" else model.folder
    prior, reference = load_prior(place / models.PRIOR)
    known = [read_meta(place / name) for name in (LATENTS, ANOMALIES) if (place / name).is_file()]
    meta = {name: value for one in known for name, value in one.items()}
    how = {name: meta[name] for name in (*latents.HOW, *anomalies.HOW) if name in meta}
    settings = anomalies.ways(ProductSettings(**how), model.kind)
    return Result(place, model, prior, reference, settings, meta.get("temperature", math.nan))


def latents_of(
    result: Result, places: Sequence[Path | str], *, known: Mapping[str, Any] | None = None,
    allow_mismatch: bool = False,
) -> NewTable:
    """Return the latent catalog of new objects.

    It has the columns of the workflow's catalog and `status`; refused objects stand at the end with their reason.
    Objects are taken in blocks, so the memory does not grow with them, but for the rows of the table.

    Parameters
    ----------
    result : Result
    places : sequence of Path or str
        Images or spectra, as the model was trained on, folders of them, or one object file.
    known : mapping, optional
        What the files do not say: `labels` (a CSV, with the redshifts of spectra); of images `pixel_arcsec`, `beam`,
        `unit`, see the survey `folder`; of spectra `wavelengths`, `wavelength_unit`, `flux_unit`, see
        `spectra_folder`.
    allow_mismatch : bool
        Take objects that differ from those of the training.

    Raises
    ------
    UserError
        If nothing can be used, or all differ from the objects of the training.
    """
    with given(result.model, [Path(p) for p in places], known=known, allow_mismatch=allow_mismatch) as found:
        table, columns = _catalog(result, found)
        made = _with_refused(table.assign(status="ok"), found.refused)
        return NewTable(made, columns, _meta(result, latents.HOW))


def scores_of(
    result: Result, places: Sequence[Path | str], *, known: Mapping[str, Any] | None = None,
    allow_mismatch: bool = False,
) -> NewTable:
    """Return the scores of new objects, the strangest first; parameters as of `latents_of`.

    It has the columns of the workflow's ranking, `status` and `reason`. `rank` counts the given objects; the
    percentiles behind `combined` and `why` are those among the objects of the survey that the model was trained
    on, so that a single object has them too.

    Raises
    ------
    UserError
        As of `latents_of`, or if the ranking of that survey is not there.
    """
    among = _ranked(result)
    residuals = load_residuals(result.folder / FILE, result.model.kind)
    ordinary = Ordinary(result.reference, residuals, result.settings.neighbours)
    with given(result.model, [Path(p) for p in places], known=known, allow_mismatch=allow_mismatch) as found:
        views, kept, inference = found.views, found.kept, result.inference()
        label = np.zeros(len(views), np.int64)
        if inference.labels:
            label[kept] = inference.label_numbers(_catalog(result, found)[0]["label_predicted"])
        scores = anomalies.score(inference, ordinary, views, label, result.settings.rotations, kept)
        objects = views.table[kept].reset_index(drop=True)
        ranking = anomalies.ranking(
            objects, scores, label[kept], inference, result.settings.combined, among, runs=residuals.runs
        )
        told = objects.loc[ranking["row"], ["status", "reason"]].reset_index(drop=True)
        made = _with_refused(pd.concat([ranking.drop(columns="row"), told], axis=1), found.refused)
        columns = {**views.objects.columns, **anomalies.columns(views.kind), **RANK}
        return NewTable(made, columns, _meta(result, anomalies.HOW))


def encode_new(model: Path, places: Sequence[Path], *, out: Path, **options: Any) -> None:
    """Write the latent catalog of new objects in the format of the ending of `out`; see `latents_of`."""
    _write(latents_of, model, places, out, options)


def score_new(model: Path, places: Sequence[Path], *, out: Path, **options: Any) -> None:
    """Write the scores of new objects in the format of the ending of `out`; see `scores_of`."""
    _write(scores_of, model, places, out, options)


def _write(
    function: Callable[..., NewTable], model: Path, places: Sequence[Path], out: Path, options: Mapping[str, Any]
) -> None:
    if out.suffix not in WRITERS:
        raise UserError(f"{out}: tables are not written as '{out.suffix}'; known: {', '.join(WRITERS)}")
    made = function(open_result(model), places, **options)
    write_catalog(made.table, made.columns, out, formats=(out.suffix,), meta=made.meta)
    refused = int((made.table["status"] == "refused").sum())
    print(f"{out}: {len(made.table) - refused} objects, and {refused} refused")


def _catalog(result: Result, found: Given) -> tuple[pd.DataFrame, dict[str, Column]]:
    views, inference = found.views, result.inference()
    known = inference.label_numbers(views.table["label"])
    seen = latents.look_at_all(views, inference, known, result.settings, found.kept)
    if inference.labels and math.isnan(result.temperature):
        print(f"{result.folder / LATENTS}: not there, so the calibrated probabilities are not known")
    return latents.catalog(views.table[found.kept], views.objects, seen, inference, result.temperature)


def _ranked(result: Result) -> pd.DataFrame:
    """Return scores and measured columns of the survey's own objects."""
    scores = read_catalog(result.folder / ANOMALIES)[["object_id", *scores_of_kind(result.model.kind)]]
    catalog = read_catalog(result.folder / LATENTS)
    measured = [name for name in result.model.kind.measure.EXTREMES if name in catalog]
    return scores.merge(catalog[["object_id", *measured]], on="object_id")


def _with_refused(table: pd.DataFrame, refused: pd.DataFrame) -> pd.DataFrame:
    """Put the refused objects behind the table: numbers NaN (whole ones -1), texts empty."""
    rows = refused.assign(status="refused", part="new", group=-1)
    rows = rows[[name for name in table if name in rows]].reindex(columns=table.columns)
    if rows.empty:
        return table
    for name, kind in table.dtypes.items():
        if pd.api.types.is_integer_dtype(kind):
            rows[name] = rows[name].fillna(-1).astype(kind)
        elif not pd.api.types.is_numeric_dtype(kind):
            rows[name] = rows[name].astype(object).fillna("")
    return pd.concat([table, rows.astype(table.dtypes.to_dict())], ignore_index=True)


def _meta(result: Result, how: Sequence[str]) -> dict[str, Any]:
    known = {"model": result.model.contract["weights"], "trained_on": result.model.contract["survey"]}
    return {**known, **{name: getattr(result.settings, name) for name in how}}


