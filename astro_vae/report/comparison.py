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
MANY = 8  # models, above which each has a row in place of a column
OTHER, FOLDED = "figures", "validation"
GROUPS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("test", ("test_",), ("",)), ("validation", ("validation_",), ("",)),
    ("samples", ("sample_", "classifier_", "redrawn_", "real_", "inception_"), ("",)),
    ("anomalies", ("",), ("_auc", "_recovered_first_n", "_recovered_first_2n")),
)
"""What groups of figures are called, and how the names of their columns begin and end."""


def comparison_section(results: SurveyResults) -> dict[str, Any] | None:
    """Return what the template needs for the comparison; None where there is none."""
    if results.comparison is None or "model" not in results.comparison:
        return None
    table = results.comparison.set_index("model")
    names = [str(name) for name in table if not _belongs_to_another(str(name), table)]
    picture, many = results.folder / "comparison.png", len(table) > MANY
    return {
        "words": "Means over objects with bootstrap errors over sources. The best value of each "
        f"{'column' if many else 'row'} is marked; where errors overlap, that says little.",
        "tables": _by_model(table, names) if many else [_by_figure(table, names)],
        "picture": {"address": figure(picture), "caption": "The models side by side."} if picture.is_file() else None,
    }


def _by_figure(table: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """Return one table with a row per figure and a column per model."""
    rows = [[words(name), *_cells(table, name)] for name in names]
    return {"title": "", "folded": False, "head": ["figure", *map(str, table.index)], "rows": rows}


def _by_model(table: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """Return a table per group of figures, with a row per model: many columns could not be held against each other."""
    tables = []
    for title, group in _grouped(names).items():
        columns = [_cells(table, name) for name in group]
        rows = [[str(model), *cells] for model, *cells in zip(table.index, *columns, strict=True)]
        ends = f", {title}"  # the title says it once
        tables.append({"title": title.capitalize(), "rows": rows, "folded": title == FOLDED,
                       "head": ["model", *(words(name).removesuffix(ends) for name in group)]})
    return tables


def _grouped(names: list[str]) -> dict[str, list[str]]:
    """Return the names of figures by what they are measured on, in their order."""
    titles = {name: next((t for t, begin, end in GROUPS if name.startswith(begin) and name.endswith(end)), "")
              for name in names}
    first = next((title for title in titles.values() if title), OTHER)  # what a model is, stands with its figures
    groups: dict[str, list[str]] = {}
    for name, title in titles.items():
        groups.setdefault(title or first, []).append(name)
    return groups


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
