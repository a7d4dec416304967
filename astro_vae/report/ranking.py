"""Show the anomaly rankings: a table per model with pictures, scores and reasons, to sort and filter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.products.reasons import main
from astro_vae.report.charts import histogram
from astro_vae.report.gather import ModelResults, SurveyResults
from astro_vae.report.measures import Measure, flat
from astro_vae.report.objects_section import by_label, label_groups
from astro_vae.report.summary import anomaly_sets
from astro_vae.report.thumbnails import Sheets, figure
from astro_vae.report.words import measured, number, plural

ROWS = 500
ALL_ROWS = 4000
"""Rows of all tables of a page: browsers take long with more."""
STRIP = 8
FIGURES = {"auc": "area under the curve", "recall_at_5_percent": "recall at 5 %", "recall_at_10_percent": "at 10 %"}
TRIVIAL = "trivial_"
PLANTED = "is_anomaly"  # column of a survey that knows the truth
NO_SCORES = ("rank", "ra", "dec", "group", "row", "combined")
PLACES = ("run_", "chi2_", "system_")  # begin the names of columns that say where in an object


LEADERS = 5


@dataclass(frozen=True)
class Cell:
    """A number of the table: what is shown, what it is sorted by, and its share of the way to the top."""

    text: Any
    value: str
    share: str = ""


def shown_ids(models: Iterable[ModelResults]) -> list[str]:
    """Return the objects that any ranking of the page shows, without repetition."""
    rankings = [model.ranking for model in models if model.ranking is not None]
    n = rows_shown(len(rankings))
    return list(dict.fromkeys(name for ranking in rankings for name in ranking["object_id"].head(n)))


def rows_shown(rankings: int) -> int:
    """Return how many rows of each of so many rankings a page shows."""
    return min(ROWS, ALL_ROWS // max(rankings, 1))


def score_columns(ranking: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the columns of the scores, combined first, and of the trivial scores.

    Whatever else is a number is a score, so that a new one appears on the page by itself.
    """
    names = [str(name) for name in ranking.select_dtypes("number") if name not in NO_SCORES]
    combined = ["combined"] if "combined" in ranking else []
    scores = [name for name in names if not name.startswith((TRIVIAL, *PLACES))]
    # A trivial score that this survey cannot have says nothing.
    plain = [name for name in names if name.startswith(TRIVIAL) and ranking[name].notna().any()]
    return [*combined, *scores], plain


def rankings_section(results: SurveyResults, sheets: Sheets) -> list[dict[str, Any]]:
    """Return what the template needs for each model that has a ranking."""
    known = results.table.drop_duplicates("object_id").set_index("object_id")
    ranked = [model for model in results.models if model.ranking is not None]
    return [_one(model, sheets, known, rows_shown(len(ranked))) for model in ranked]


def strip(model: ModelResults, sheets: Sheets) -> list[dict[str, Any]]:
    """Return the first objects of a ranking, for the summary."""
    assert model.ranking is not None
    return [
        {"picture": sheets.picture(row["object_id"]), "rank": int(row["rank"]), "object_id": row["object_id"],
         "reason": _why(row).split(";")[0]}
        for row in model.ranking.head(STRIP).to_dict("records")
    ]


def _one(model: ModelResults, sheets: Sheets, known: pd.DataFrame, n: int) -> dict[str, Any]:
    ranking = model.ranking
    assert ranking is not None
    scores, plain = score_columns(ranking)
    table = ranking.assign(label=_labels(ranking, known), part=ranking["object_id"].map(known["part"]).fillna(""))
    left = len(table) - n
    links = _links(known)
    return {
        "name": model.name, "words": plural(len(table), "object"),
        "columns": _columns(scores, plain, ranking.attrs.get("descriptions", {})),
        "rows": _rows(table.head(n), _shares(table, scores), scores, plain, sheets, links),
        "labels": list(label_groups(table)), "parts": [p for p in table["part"].unique() if p],
        "leaders": _leaders(table, scores, links),
        "left": f"The first {n} are shown; {plural(left, 'more row')} in anomalies.csv." if left > 0 else "",
        "charts": _charts(table), "found": _found(flat(model.metrics)), "picture": _gallery(model),
    }


def _labels(ranking: pd.DataFrame, known: pd.DataFrame) -> pd.Series:
    """Return the label of each object; planted anomalies, which have none, are called so."""
    labels = ranking["object_id"].map(known["label"]).fillna("")
    if PLANTED not in known:
        return labels
    planted = ranking["object_id"].map(known[PLANTED]).astype(str).str.lower().isin(["true", "1", "1.0"])
    return labels.mask(planted & (labels == ""), "planted")


def _links(known: pd.DataFrame) -> Mapping[str, str]:
    """Return the archive's page of each object; objects of older files have none."""
    return {str(name): str(link) for name, link in known["link"].items()} if "link" in known else {}


def _columns(scores: list[str], plain: list[str], meanings: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return name, meaning and use of each column of the table."""

    def column(name: str, title: str, *, numeric: bool = True, sortable: bool = True) -> dict[str, Any]:
        return {"name": name, "title": title, "numeric": numeric, "sortable": sortable}

    return [
        column("rank", "1 is the most anomalous"),
        column("", "what the model saw", numeric=False, sortable=False),
        column("object", "name in the survey", numeric=False),
        column("label", "given by the survey or the user", numeric=False),
        column("part", "training objects are known to the model", numeric=False),
        column("reason", "which score stands out, and how", numeric=False),
        *(column(score_words(name), meanings.get(name, "higher is more anomalous")) for name in scores),
        *(column(name.removeprefix(TRIVIAL), meanings.get(name, "a trivial score, for comparison")) for name in plain),
    ]


def score_words(name: str) -> str:
    """Turn the name of a column into words."""
    return ("trivial: " if name.startswith(TRIVIAL) else "") + name.removeprefix(TRIVIAL).replace("_", " ")


def _shares(table: pd.DataFrame, scores: list[str]) -> dict[str, np.ndarray]:
    """Return, for each score, the fraction of objects that lie at or below each object (N,)."""
    return {name: table[name].rank(pct=True).to_numpy() for name in scores}


def _rows(
    table: pd.DataFrame, shares: dict[str, np.ndarray], scores: list[str], plain: list[str], sheets: Sheets,
    links: Mapping[str, str],
) -> list[dict[str, Any]]:
    return [
        {
            "rank": int(row["rank"]), "object_id": row["object_id"], "label": row["label"], "part": row["part"],
            "link": _address(links.get(row["object_id"])),
            "position": _position(row.get("ra"), row.get("dec")), "picture": sheets.picture(row["object_id"]),
            "scores": [_cell(row[name], shares[name][i]) for name in scores],
            "plain": [_cell(row[name]) for name in plain], "reason": _why(row),
        }
        for i, row in enumerate(table.to_dict("records"))
    ]


def _leaders(table: pd.DataFrame, scores: list[str], links: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return, for each score, the objects that are highest in it, with their value and their main reason."""
    leaders = []
    for name in scores:
        first = table.sort_values([name, "object_id"], ascending=[False, True], kind="stable")
        first = first[first[name].notna()].head(LEADERS)
        leaders.append({"score": score_words(name), "objects": [
            {"object_id": row["object_id"], "link": _address(links.get(row["object_id"])), "rank": int(row["rank"]),
             "value": number(float(row[name])), "reason": main(_why(row))}
            for row in first.to_dict("records")
        ]})
    return leaders


def _address(link: Any) -> str:
    """Return an address as it may stand on a page: of the web, or none."""
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) else ""


def _why(row: Mapping[Any, Any]) -> str:
    """Return the reason in words; "" where the ranking has none."""
    return str(row.get("why") or "")


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
    svg = histogram(by_label(table, "combined", fewest=5), x_label="combined score", title="Combined score by label")
    return [{"title": "Combined score", "note": "", "svg": svg}]


def _found(measures: Mapping[str, Measure]) -> list[dict[str, Any]]:
    """Return, for each set of odd objects, how well each score tells them from ordinary ones."""
    tables = []
    for name in anomaly_sets(measures):
        prefix = f"anomalies.{name}."
        scores = dict.fromkeys(n.removeprefix(prefix).rsplit(".", 1)[0] for n in measures
                               if n.startswith(prefix) and n.endswith(".auc"))
        rows = [[score_words(s), *(_figure(measures.get(f"{prefix}{s}.{f}")) for f in FIGURES)] for s in scores]
        odd, ordinary = (measures.get(f"{prefix}{key}", Measure(0)).value for key in ("odd", "ordinary"))
        tables.append({
            "title": f"How well it finds: {name.replace('_', ' ')}", "head": ["score", *FIGURES.values()], "rows": rows,
            "words": f"{odd:.0f} odd objects against {ordinary:.0f} ordinary ones. Trivial scores need no model.",
        })
    return tables


def _figure(measure: Measure | None) -> Any:
    return measured(measure.value, measure.error) if measure else number(None)


def _gallery(model: ModelResults) -> dict[str, str] | None:
    path = model.pictures.get("anomalies")
    return {"address": figure(path), "caption": f"The most anomalous objects by {model.name}."} if path else None
