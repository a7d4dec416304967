"""Lay the models of a survey side by side, from comparison.csv."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from markupsafe import Markup

from astro_vae.report.charts import dots
from astro_vae.report.gather import SurveyResults
from astro_vae.report.measures import words
from astro_vae.report.thumbnails import figure
from astro_vae.report.words import measured, number

ERROR_SUFFIXES = ("_error", "_err")


def comparison_section(results: SurveyResults) -> dict[str, Any] | None:
    """Return what the template needs for the comparison; None where there is none."""
    if results.comparison is None:
        return None
    table = results.comparison
    columns = [str(c) for c in table if not _is_error(str(c), table)]
    picture = results.folder / "comparison.png"
    return {
        "words": "Means over objects with bootstrap errors over sources; the best value of a row of numbers "
        "means little where errors overlap.",
        "head": [words(column) for column in columns],
        "rows": [[_cell(table, column, i) for column in columns] for i in range(len(table))],
        "charts": [],
        "picture": {"address": figure(picture), "caption": "The models side by side."} if picture.is_file() else None,
    }


def _is_error(column: str, table: pd.DataFrame) -> bool:
    return any(column.endswith(s) and column.removesuffix(s) in table for s in ERROR_SUFFIXES)


def _cell(table: pd.DataFrame, column: str, row: int) -> Markup:
    value: Any = table[column].iloc[row]
    error: Any = next((table[column + s].iloc[row] for s in ERROR_SUFFIXES if column + s in table), math.nan)
    if isinstance(value, str):
        return number(value)
    return measured(float(value), float(error))


def chart(table: pd.DataFrame, column: str, *, title: str, mark: float | None = None) -> dict[str, Any] | None:
    """Draw one column of the comparison as dots with errors, a row per model."""
    if column not in table:
        return None
    error = next((table[column + s] for s in ERROR_SUFFIXES if column + s in table), pd.Series(math.nan, table.index))
    rows = list(zip(table.iloc[:, 0].astype(str), table[column].astype(float), error.astype(float), strict=True))
    svg = dots(rows, x_label=words(column), title=title, mark=mark)
    return {"title": title, "note": "", "svg": svg} if svg else None
