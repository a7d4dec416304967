"""Rank the objects by how strange they are to a model, and say in words why."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from astro_vae import model as models
from astro_vae.columns import Column
from astro_vae.files import atomic, step_lock, write_text
from astro_vae.kinds import Kind
from astro_vae.products._inference import Inference
from astro_vae.products._views import Views
from astro_vae.products.catalog import read_catalog, write_catalog
from astro_vae.products.gallery import draw_redrawn, short
from astro_vae.products.priors import Reference, load_prior
from astro_vae.products.scores import SCORES, Seen, described, fisher, forests, percentile
from astro_vae.settings import ProductSettings

HIGH = 0.95  # percentile from which a score is worth a word
EXTREME = 0.98
MIN_RADIUS_ARCSEC = 15.0
GALLERY = "The strangest objects, and what the model makes of them"

HOW = ("rotations", "neighbours", "combined", "refine")
"""Settings that a ranking is made with and keeps, so that new objects can be judged in the same way."""
Extremes = Mapping[str, tuple[str, str]]
KEPT = ("object_id", "ra", "dec", "label", "part", "group")
BEFORE = {
    "rank": Column("Rank, 1 is the strangest", ucd="meta.record"),
    "combined": Column("Fisher's combination of scores: mean of -log(share of objects as strange)", "", "stat.value"),
}
AFTER = {
    "label_predicted": Column("Label under which the object was judged", ucd="src.class"),
    "part": Column("Part of the split: train, validation, test or dropped", ucd="meta.code"),
    "group": Column("Group of the split: objects of one piece of sky", ucd="meta.id"),
    "why": Column("Why it ranks where it does, in words", ucd="meta.note"),
}


def columns(kind: Kind) -> dict[str, Column]:
    """Return the description of the columns of a ranking of objects of a kind."""
    scores = {name: Column(described(name, kind), one.unit, "stat.value") for name, one in SCORES.items()}
    return {**BEFORE, **scores, **kind.measure.TRIVIAL, **AFTER}


def rank(
    settings: ProductSettings, *, model: Path, prior: Path, latents: Path, objects: Path, split: Path, out: Path
) -> None:
    """Write the ranking (FITS, Parquet, CSV), DS9 regions and a gallery of the strangest objects.

    Every object is judged under its predicted label, whether or not the survey gives one, so that
    knowing a label makes no object less strange. Each score is averaged over `settings.rotations` turns;
    those of `settings.combined` are combined by Fisher's method and make the rank.

    Parameters
    ----------
    settings : ProductSettings
    model, prior, latents : Path
        Of the steps train, fit-prior and encode (Parquet).
    objects, split : Path
        The files of the steps prepare and split.
    out : Path
        The FITS table; .parquet, .csv, .reg and .png are written beside it.
    """
    trained = models.load(model)
    fitted, reference = load_prior(prior)
    inference = Inference(trained, fitted, refine=settings.refine)
    with step_lock(out.parent, "rank"):
        views = Views(objects, split, trained)
        label = _labels(read_catalog(latents), views.table, inference)
        scores = score(inference, reference, views, label, settings)
        table = ranking(views.table, scores, label, inference, settings.combined)
        order = table["row"].to_numpy()
        table = table.drop(columns="row")
        known, how = {**views.objects.columns, **columns(views.kind)}, {name: getattr(settings, name) for name in HOW}
        write_catalog(table, known, out, formats=(".fits", ".parquet", ".csv"), meta=how)
        write_regions(table.head(settings.top), views.table.iloc[order], out.with_suffix(".reg"))
        top = order[: settings.top]
        titles = [f"{number}: {short(name)}" for number, name in enumerate(table["object_id"].head(settings.top), 1)]
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
    inference: Inference, reference: Reference, views: Views, label: np.ndarray, settings: ProductSettings,
    rows: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return each score of `SCORES`, the mean over rotations: (N,) by name; 0 outside the mask `rows` (N,)."""
    found = {name: np.zeros(len(views)) for name in SCORES}
    turns = views.kind.orient.number(settings.rotations)
    trees = forests(reference)
    for block in views.blocks(rows):
        started = time.perf_counter()
        for turned in block.rotations(settings.rotations):
            z, _ = inference.encode(turned, label[block.rows])
            seen = Seen(turned, label[block.rows], z, block.table["row"].to_numpy(), inference, reference, trees,
                        settings.neighbours)
            for name, one in SCORES.items():
                found[name][block.rows] += one.function(seen) / turns
        rate = len(block.rows) / (time.perf_counter() - started)
        print(f"rank: {block.rows[-1] + 1} of {len(views)} objects, {rate:.0f} per second", flush=True)
    return found


def ranking(
    table: pd.DataFrame, scores: Mapping[str, np.ndarray], label: np.ndarray, inference: Inference,
    combined: Sequence[str], among: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the table of the ranking, the strangest first; `row` is the place in the table of objects.

    Percentiles are those among the objects themselves, or among others: `among` has the scores and the measured
    columns of these.
    """
    percentiles = pd.DataFrame({name: percentile(values, _column(among, name)) for name, values in scores.items()})
    made = table[[name for name in KEPT if name in table]].reset_index(drop=True)
    made.insert(0, "combined", fisher(percentiles[list(combined)], len(table if among is None else among)))
    for name, values in scores.items():
        made[name] = values
    measure = inference.kind.measure
    made = pd.concat([made, measure.trivial(table).reset_index(drop=True)], axis=1)
    if inference.labels:
        made["label_predicted"] = np.array(inference.labels, dtype=object)[label]
    made["why"] = reasons(percentiles, table.reset_index(drop=True), measure.EXTREMES, among)
    made["row"] = np.arange(len(made))
    made = made.sort_values(["combined", "object_id"], ascending=[False, True], kind="stable").reset_index(drop=True)
    made.insert(0, "rank", np.arange(1, len(made) + 1))
    return made


def _column(among: pd.DataFrame | None, name: str) -> np.ndarray | None:
    return None if among is None else among[name].to_numpy(float)


def reasons(
    percentiles: pd.DataFrame, table: pd.DataFrame, extremes: Extremes, among: pd.DataFrame | None = None
) -> list[str]:
    """Say of each object in which scores it is high, what is extreme about it, and what makes it doubtful."""
    known = [name for name in extremes if name in table and (among is None or name in among)]
    measured = {name: percentile(table[name].to_numpy(float), _column(among, name)) for name in known}
    words = []
    for i in range(len(table)):
        high = percentiles.iloc[i].sort_values(ascending=False)
        parts = [f"{SCORES[str(n)].words} ({_percentile(p)})" for n, p in high.items() if p >= HIGH]
        if not parts:
            parts = [f"highest in {str(high.index[0]).replace('_', ' ')} ({_percentile(high.iloc[0])})"]
        parts += _extremes(table.iloc[i], {name: values[i] for name, values in measured.items()}, extremes)
        if table["reason"].iloc[i]:
            parts.append(f"doubtful: {table['reason'].iloc[i]}")
        words.append("; ".join(parts))
    return words


def _percentile(fraction: float) -> str:
    """Return "percentile 97", "percentile 99.6"."""
    percent = min(100 * fraction, 99.9)
    return f"percentile {percent:.1f}" if percent >= 99 else f"percentile {percent:.0f}"


def _extremes(row: pd.Series, percentiles: Mapping[str, float], extremes: Extremes) -> list[str]:
    found = []
    for name, (highest, lowest) in extremes.items():
        p = percentiles.get(name, np.nan)
        words = highest if p >= EXTREME else lowest if p <= 1 - EXTREME else ""
        if words:
            found.append(words.format(row[name]))
    return found


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
