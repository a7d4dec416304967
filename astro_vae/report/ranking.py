"""Show the anomaly rankings: a table per model with pictures, scores and reasons, to sort and filter."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.report.charts import histogram
from astro_vae.report.gather import ModelResults, SurveyResults
from astro_vae.report.objects_section import UNLABELLED, label_groups
from astro_vae.report.thumbnails import Sheets, figure
from astro_vae.report.words import number, plural

ROWS = 500
STRIP = 8
PREFIX, TRIVIAL_PREFIX = "score_", "trivial_"


@dataclass(frozen=True)
class Cell:
    """A number of the table: what is shown, what it is sorted by, and its share of the way to the top."""

    text: Any
    value: str
    share: str = ""


def shown_ids(models: Iterable[ModelResults]) -> list[str]:
    """Return the objects that any ranking of the page shows, without repetition."""
    found: dict[str, None] = {}
    for model in models:
        if model.ranking is not None:
            found |= dict.fromkeys(model.ranking["object_id"].head(ROWS))
    return list(found)


def score_columns(ranking: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the columns of the scores, combined first, and of the trivial scores."""
    names = [str(name) for name in ranking.columns]
    scores = [name for name in names if name.startswith(PREFIX)]
    return [*(n for n in names if n == "combined"), *scores], [n for n in names if n.startswith(TRIVIAL_PREFIX)]


def rankings_section(results: SurveyResults, sheets: Sheets) -> list[dict[str, Any]]:
    """Return what the template needs for each model that has a ranking."""
    parts = results.table.drop_duplicates("object_id").set_index("object_id")["part"]
    return [_one(model, sheets, parts) for model in results.models if model.ranking is not None]


def strip(model: ModelResults, sheets: Sheets) -> list[dict[str, Any]]:
    """Return the first objects of a ranking, for the summary."""
    assert model.ranking is not None
    return [
        {"picture": sheets.picture(row["object_id"]), "rank": int(row["rank"]), "object_id": row["object_id"],
         "reason": row.get("reason") or ""}
        for row in model.ranking.head(STRIP).to_dict("records")
    ]


def _one(model: ModelResults, sheets: Sheets, parts: pd.Series) -> dict[str, Any]:
    ranking = model.ranking
    assert ranking is not None
    scores, plain = score_columns(ranking)
    labels = ranking["label"].fillna("") if "label" in ranking else pd.Series("", index=ranking.index)
    table = ranking.assign(label=labels, part=ranking["object_id"].map(parts).fillna(""))
    left = len(table) - ROWS
    return {
        "name": model.name, "words": plural(len(table), "object"), "columns": _columns(scores, plain),
        "rows": _rows(table.head(ROWS), _shares(table, scores), scores, plain, sheets),
        "labels": list(label_groups(table)), "parts": [p for p in table["part"].unique() if p],
        "left": f"The first {ROWS} are shown; {plural(left, 'more row')} in anomalies.csv." if left > 0 else "",
        "charts": _charts(table), "picture": _gallery(model),
    }


def _columns(scores: list[str], plain: list[str]) -> list[dict[str, Any]]:
    def column(name: str, title: str, *, numeric: bool = True, sortable: bool = True) -> dict[str, Any]:
        return {"name": name, "title": title, "numeric": numeric, "sortable": sortable}

    return [
        column("rank", "1 is the most anomalous"),
        column("", "what the model saw", numeric=False, sortable=False),
        column("object", "name in the survey", numeric=False),
        column("label", "given by the survey or the user", numeric=False),
        column("part", "training objects are known to the model", numeric=False),
        *(column(score_words(name), "higher is more anomalous") for name in scores),
        *(column(score_words(name), "a trivial score, for comparison") for name in plain),
        column("reason", "which score stands out, and how", numeric=False),
    ]


def score_words(name: str) -> str:
    """Turn the name of a column into words."""
    return name.removeprefix(PREFIX).removeprefix(TRIVIAL_PREFIX).replace("_", " ")


def _shares(table: pd.DataFrame, scores: list[str]) -> dict[str, np.ndarray]:
    """Return, for each score, the fraction of objects that lie at or below each object (N,)."""
    return {name: table[name].rank(pct=True).to_numpy() for name in scores}


def _rows(
    table: pd.DataFrame, shares: dict[str, np.ndarray], scores: list[str], plain: list[str], sheets: Sheets
) -> list[dict[str, Any]]:
    return [
        {
            "rank": int(row["rank"]), "object_id": row["object_id"], "label": row["label"], "part": row["part"],
            "position": _position(row.get("ra"), row.get("dec")), "picture": sheets.picture(row["object_id"]),
            "scores": [_cell(row[name], shares[name][i]) for name in scores],
            "plain": [_cell(row[name]) for name in plain], "reason": row.get("reason") or "",
        }
        for i, row in enumerate(table.to_dict("records"))
    ]


def _cell(value: float, share: float = math.nan) -> Cell:
    value = float(value)
    return Cell(number(value), f"{value:.6g}", "" if math.isnan(share) else f"{share:.3f}")


def _position(ra: float | None, dec: float | None) -> str:
    if ra is None or dec is None or not (math.isfinite(ra) and math.isfinite(dec)):
        return "position unknown"
    return f"{ra:.5f} {dec:+.5f} deg (ICRS)"


def _charts(table: pd.DataFrame) -> list[dict[str, Any]]:
    if "combined" not in table or len(table) < 20:
        return []
    groups = {n: rows["combined"].to_numpy(float) for n, rows in label_groups(table).items() if len(rows) >= 5}
    svg = histogram(groups, x_label="combined score", title="Combined score by label")
    return [{"title": "Combined score", "note": f"by label ({UNLABELLED}: where nothing is known)", "svg": svg}]


def _gallery(model: ModelResults) -> dict[str, str] | None:
    path = model.pictures.get("anomalies")
    return {"address": figure(path), "caption": f"The most anomalous objects by {model.name}."} if path else None
