"""Rank the objects by how strange they are to a model, and say in words why."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import model as models
from astro_vae.columns import Column
from astro_vae.files import atomic, step_lock, write_text
from astro_vae.kinds import Kind
from astro_vae.products._inference import Inference
from astro_vae.products._views import Views
from astro_vae.products.catalog import read_catalog, write_catalog
from astro_vae.products.gallery import draw_redrawn, titles_of
from astro_vae.products.ordinary import Ordinary
from astro_vae.products.priors import load_prior
from astro_vae.products.reasons import column_of, reasons
from astro_vae.products.residuals import FILE, calibrate, save
from astro_vae.products.scores import SCORES, Seen, described, fisher, percentile, scores_of
from astro_vae.settings import ProductSettings

MIN_RADIUS_ARCSEC = 15.0
GALLERY = "The strangest objects, and what the model makes of them"

HOW = ("rotations", "neighbours", "combined", "refine")
"""Settings that a ranking is made with and keeps, so that new objects can be judged in the same way."""
KEPT = ("object_id", "ra", "dec", "label", "part", "group")
BEFORE = {
    "rank": Column("Rank, 1 is the strangest", ucd="meta.record"),
    "combined": Column("Fisher's combination of scores: mean of -log(share of objects as strange)", "", "stat.value"),
}
MEAN = "trivial_mean"
TRIVIAL = {
    MEAN: Column("Trivial score: misfit of the mean training object, scaled as fits best", "", "stat.value"),
}
AFTER = {
    "label_predicted": Column("Label under which the object was judged", ucd="src.class"),
    "part": Column("Part of the split: train, validation, test or dropped", ucd="meta.code"),
    "group": Column("Group of the split: objects of one piece of sky", ucd="meta.id"),
    "why": Column("Why it ranks where it does, in words", ucd="meta.note"),
}


def columns(kind: Kind) -> dict[str, Column]:
    """Return the description of the columns of a ranking of objects of a kind."""
    scores = {name: Column(described(name, kind), one.unit, "stat.value") for name, one in scores_of(kind).items()}
    return {**BEFORE, **scores, **kind.residuals.COLUMNS, **TRIVIAL, **kind.measure.TRIVIAL, **AFTER}


def ways(settings: ProductSettings, kind: Kind) -> ProductSettings:
    """Return the settings with the scores that make the rank: those that they name, or what the kind is best with."""
    return settings.model_copy(update={"combined": settings.combined or kind.fit.COMBINED})


def rank(
    settings: ProductSettings, *, model: Path, prior: Path, latents: Path, objects: Path, split: Path, out: Path
) -> None:
    """Write the ranking (FITS, Parquet, CSV), DS9 regions and a gallery of the strangest objects.

    Every object is judged under its predicted label, whether or not the survey gives one, so that
    knowing a label makes no object less strange. Each score is averaged over `settings.rotations` turns;
    those of `settings.combined`, or of the kind's `fit` where it names none, are combined by Fisher's method and
    make the rank.

    Parameters
    ----------
    settings : ProductSettings
    model, prior, latents : Path
        Of the steps train, fit-prior and encode (Parquet).
    objects, split : Path
        The files of the steps prepare and split.
    out : Path
        The FITS table; .parquet, .csv, .reg and .png are written beside it, and residuals.safetensors: what
        ordinary objects' residuals are like.
    """
    trained = models.load(model)
    fitted, reference = load_prior(prior)
    inference, settings = Inference(trained, fitted, refine=settings.refine), ways(settings, trained.kind)
    with step_lock(out.parent, "rank"):
        views = Views(objects, split, trained)
        label = _labels(read_catalog(latents), views.table, inference)
        ordinary = Ordinary(reference, calibrate(inference, views, label), settings.neighbours)
        save(ordinary.residuals, out.with_name(FILE))
        scores = score(inference, ordinary, views, label, settings.rotations)
        table = ranking(views.table, scores, label, inference, settings.combined, runs=ordinary.residuals.runs)
        order = table["row"].to_numpy()
        table = table.drop(columns="row")
        known, how = {**views.objects.columns, **columns(views.kind)}, {name: getattr(settings, name) for name in HOW}
        write_catalog(table, known, out, formats=(".fits", ".parquet", ".csv"), meta=how)
        write_regions(table.head(settings.top), views.table.iloc[order], out.with_suffix(".reg"))
        top = order[: settings.top]
        titles = titles_of(table.head(settings.top), views.kind.draw.TITLE)
        draw_redrawn(inference, views, top, label[top], out.with_suffix(".png"), titles=titles, suptitle=GALLERY)
    first = table.iloc[0]
    print(f"{out.name}: {len(table)} objects ranked; the strangest is {first['object_id']}: {first['why']}")


def _labels(catalog: pd.DataFrame, table: pd.DataFrame, inference: Inference) -> np.ndarray:
    """Return the number of each object's predicted label, (N,)."""
    if not inference.labels:
        return np.zeros(len(table), np.int64)
    predicted = catalog.set_index("object_id")["label_predicted"]
    return inference.label_numbers(table["object_id"].map(predicted))


def score(
    inference: Inference, ordinary: Ordinary, views: Views, label: np.ndarray, rotations: int,
    rows: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return what the model says of each object of the mask `rows` (N,), or of all: a row each, in their order.

    The columns are those of `SCORES` that the kind has, the mean over rotations; where residuals stand out,
    `COLUMNS` of the kind's `residuals`; and the misfit of the mean object.
    """
    turns = views.kind.orient.number(rotations)
    found = []
    for block in views.blocks(rows):
        started = time.perf_counter()
        sums: dict[str, np.ndarray] = {}
        for number, turned in enumerate(block.rotations(rotations)):
            z, _ = inference.encode(turned, label[block.rows])
            seen = Seen(turned, label[block.rows], z, block.table["row"].to_numpy(), inference, ordinary)
            for name, one in scores_of(views.kind).items():
                sums[name] = sums.get(name, 0) + one.function(seen) / turns
            if number == 0:
                as_it_lies = _as_it_lies(seen)
        found.append(pd.DataFrame({**sums, **as_it_lies}))
        rate = len(block.rows) / (time.perf_counter() - started)
        print(f"rank: {block.rows[-1] + 1} of {len(views)} objects, {rate:.0f} per second", flush=True)
    return pd.concat(found, ignore_index=True)


def _as_it_lies(seen: Seen) -> dict[str, np.ndarray]:
    """Return what is told of an object in one orientation: where residuals stand out, and the trivial score."""
    residuals = seen.ordinary.residuals
    places = residuals.runs.places(seen.views, seen.redrawn) if residuals.runs else {}
    return {**places, MEAN: seen.inference.kind.fit.misfit_of_scaled_mean(seen.views, residuals.mean)}


def ranking(
    table: pd.DataFrame, found: pd.DataFrame, label: np.ndarray, inference: Inference, combined: Sequence[str],
    among: pd.DataFrame | None = None, *, runs: Any = None,
) -> pd.DataFrame:
    """Return the table of the ranking, the strangest first; `row` is the place in the table of objects.

    `found` is what `score` returned. Percentiles are those among the objects themselves, or among others: `among` has
    the scores and the measured columns of these. `runs`, the filters over residuals, name places in the reasons.
    """
    names = [name for name in found if name in SCORES]
    percentiles = pd.DataFrame({name: percentile(found[name].to_numpy(), column_of(among, name)) for name in names})
    made = table[[name for name in KEPT if name in table]].reset_index(drop=True)
    made.insert(0, "combined", fisher(percentiles[list(combined)], len(table if among is None else among)))
    measure = inference.kind.measure
    made = pd.concat([made, found, measure.trivial(table).reset_index(drop=True)], axis=1)
    if inference.labels:
        made["label_predicted"] = np.array(inference.labels, dtype=object)[label]
    remarks = runs.words(found, table.reset_index(drop=True)) if runs else {}
    made["why"] = reasons(percentiles, table.reset_index(drop=True), measure.EXTREMES, among, remarks)
    made["row"] = np.arange(len(made))
    made = made.sort_values(["combined", "object_id"], ascending=[False, True], kind="stable").reset_index(drop=True)
    made.insert(0, "rank", np.arange(1, len(made) + 1))
    return made


def write_regions(table: pd.DataFrame, objects: pd.DataFrame, path: Path) -> None:
    """Write a circle for each object with a position, as DS9 regions in ICRS; without any, a file that says so.

    Parameters
    ----------
    table : DataFrame
        Rows of the ranking.
    objects : DataFrame
        The same objects in the object table, for their sizes; it may have more rows.
    path : Path
    """
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity
    from regions import CircleSkyRegion, RegionMeta, Regions

    sizes = objects.set_index("object_id")["las_arcsec"] if "las_arcsec" in objects else pd.Series(dtype=float)
    circles = []
    for row in table[table["ra"].notna() & table["dec"].notna()].itertuples():
        radius = np.fmax(sizes.get(row.object_id, np.nan) / 2, MIN_RADIUS_ARCSEC)
        centre = SkyCoord(row.ra, row.dec, unit="deg", frame="icrs")
        name = str(row.object_id).replace("{", "(").replace("}", ")")
        circles.append(CircleSkyRegion(centre, Quantity(radius, "arcsec"), RegionMeta({"text": f"{row.rank}: {name}"})))
    if not circles:
        write_text(path, "# Region file format: DS9\n# none of the objects has a position\nicrs\n")
        return
    with atomic(path) as partial:
        Regions(circles).write(partial, format="ds9")
