"""Lay the models of a survey side by side, from comparison.csv: a row per figure, a column per model."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from markupsafe import Markup

from astro_vae.report.gather import SurveyResults
from astro_vae.report.measures import best_of, words
from astro_vae.report.thumbnails import figure
from astro_vae.report.words import measured, number

SUFFIXES = ("_error", "_median")


def comparison_section(results: SurveyResults) -> dict[str, Any] | None:
    """Return what the template needs for the comparison; None where there is none."""
    if results.comparison is None or "model" not in results.comparison:
        return None
    table = results.comparison.set_index("model")
    names = [str(name) for name in table if not _belongs_to_another(str(name), table)]
    picture = results.folder / "comparison.png"
    return {
        "words": "Means over objects with bootstrap errors over sources. The best value of each row is marked; "
        "where errors overlap, that says little.",
        "head": ["figure", *map(str, table.index)],
        "rows": [[words(name), *_cells(table, name)] for name in names],
        "picture": {"address": figure(picture), "caption": "The models side by side."} if picture.is_file() else None,
    }


def _belongs_to_another(name: str, table: pd.DataFrame) -> bool:
    return any(name.endswith(suffix) and name.removesuffix(suffix) in table for suffix in SUFFIXES)


def _cells(table: pd.DataFrame, name: str) -> list[Markup]:
    values = table[name].astype(float)
    errors = table[f"{name}_error"].astype(float) if f"{name}_error" in table else pd.Series(math.nan, table.index)
    whole = bool((values.dropna() % 1 == 0).all()) and errors.isna().all()
    best = best_of(name, {str(model): value for model, value in values.items()})
    cells = []
    for model, value, error in zip(values.index, values, errors, strict=True):
        text = number(int(value)) if whole and math.isfinite(value) else measured(value, error)
        cells.append(Markup('<span class="best">{}</span>').format(text) if str(model) == best else text)
    return cells
