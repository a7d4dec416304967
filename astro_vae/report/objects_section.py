"""Say what became of the survey's objects: counts, refusals, places on the sky, sizes and brightness."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from astro_vae import kinds
from astro_vae.objects import Objects
from astro_vae.report.charts import Series, histogram
from astro_vae.report.gather import PARTS, SurveyResults
from astro_vae.report.sky import sky_map
from astro_vae.report.words import number, plural

REFUSED_ROWS = 200
UNLABELLED = "unlabelled"
GREY = 6  # its number among the colours of the style sheet


def label_groups(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each label, the most frequent first and what has none last."""
    labels = table["label"].fillna("").replace("", UNLABELLED)
    order = sorted(labels.unique(), key=lambda name: (name == UNLABELLED, -int((labels == name).sum()), name))
    return {name: table[labels == name] for name in order}


def colour(name: str, names: Iterable[str]) -> int:
    """Return the colour of a label among labels: the same on the whole page, grey where nothing is known."""
    known = sorted(set(names) - {UNLABELLED})
    return GREY if name == UNLABELLED else known.index(name) % GREY


def by_label(table: pd.DataFrame, x: str, y: str | None = None, *, fewest: int = 1) -> list[Series]:
    """Return the columns of a table as a series per label; the unlabelled lie below, the rarest label above."""
    groups = label_groups(table)
    order = sorted(groups, key=lambda name: name != UNLABELLED)
    return [
        Series(name, groups[name][x].to_numpy(float), groups[name][y or x].to_numpy(float), colour(name, groups))
        for name in order if len(groups[name]) >= fewest
    ]


def objects_section(results: SurveyResults) -> dict[str, Any]:
    """Return what the template needs for the section on objects."""
    table = results.table
    kept = table[table["row"] >= 0]
    refused = table[table["row"] < 0]
    counts, head = _counts(kept)
    return {
        "words": _words(results, table, kept), "counts": counts, "counts_head": head,
        "sky": _sky(kept), "charts": _histograms(kept, results.objects),
        "refused": list(refused[["object_id", "reason"]].head(REFUSED_ROWS).itertuples(index=False, name=None)),
        "refused_words": _reasons(refused),
        "refused_left": f"{plural(len(refused) - REFUSED_ROWS, 'more row')} in objects.h5."
        if len(refused) > REFUSED_ROWS else "",
        "dropped": _dropped(results),
    }


def _words(results: SurveyResults, table: pd.DataFrame, kept: pd.DataFrame) -> Markup:
    # Beside each value of a spectrum stands its inverse variance, which is no further datum.
    weighted = results.objects.weighted
    shape = " by ".join(str(n) for n in results.objects.shape[1 if weighted else 0 :])
    each = "bins" if weighted else "pixels"
    unit = results.objects.attributes.get("unit") or "no unit"
    stored = "8-bit images that the survey has scaled" if results.objects.attributes.get("scaled") else f"in {unit}"
    return Markup("{} of {} have values, {} {} each, {}. Parts are divided by source, before augmentation.").format(
        number(len(kept)), plural(len(table), "candidate"), shape, each, stored)


def _counts(kept: pd.DataFrame) -> tuple[list[list[Any]], list[str]]:
    """Count the kept objects by label and part."""
    groups = label_groups(kept)
    parts = [part for part in PARTS if (kept["part"] == part).any()]
    rows = [[name, *(number(int((rows["part"] == part).sum())) for part in parts), number(len(rows))]
            for name, rows in groups.items()]
    total = [Markup("<b>all</b>"), *(number(int((kept["part"] == part).sum())) for part in parts), number(len(kept))]
    return [*rows, total], ["label", *parts, "all"]


def _reasons(refused: pd.DataFrame) -> str:
    """List how often each reason occurs; what follows its colon speaks of the single object."""
    short = refused["reason"].str.split(":").str[0]
    return ", ".join(f"{str(reason).strip()} ({n})" for reason, n in short.value_counts().head(8).items()) or "none"


def _dropped(results: SurveyResults) -> list[tuple[str, str]]:
    if results.split is None:
        return []
    dropped = results.split[results.split["part"] == "dropped"]
    reasons = dropped["reason"] if "reason" in dropped else pd.Series("", index=dropped.index)
    return list(zip(dropped["object_id"], reasons.fillna(""), strict=True))


def _sky(kept: pd.DataFrame) -> dict[str, Any] | None:
    svg = sky_map(by_label(kept, "ra", "dec"), title="Positions of the objects on the sky")
    return {"title": "Where they lie", "note": "", "svg": svg} if svg else None


def _histograms(kept: pd.DataFrame, objects: Objects) -> list[dict[str, Any]]:
    """Draw up to two histograms by label, of the first columns that are measured."""
    charts: list[dict[str, Any]] = []
    for column, words in kinds.kind(objects.attributes.get("kind", "image")).measure.SHOWN.items():
        if len(charts) == 2 or column not in kept or np.isfinite(kept[column].to_numpy(float)).mean() < 0.5:
            continue
        svg = histogram(by_label(kept, column, fewest=10), x_label=words, title=f"Histogram: {words}", log=True)
        if svg:
            charts.append({"title": words[0].upper() + words[1:], "note": "", "svg": svg})
    return charts
