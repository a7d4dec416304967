"""Read metrics.json as a flat list of measures, and find those that a reader asks for first.

The page shows whatever a model was measured by: a new measure appears in its tables without a change
here. Only the headline figures know their names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

VALUE_KEYS = ("value", "mean")


@dataclass(frozen=True)
class Measure:
    """A number with its error and median, NaN where they are not known."""

    value: float
    error: float = math.nan
    median: float = math.nan


def flat(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, Measure]:
    """Return every number of nested metrics by its dotted name; texts and lists are left out.

    >>> flat({"test": {"mse": {"mean": 2.0, "error": 0.1}, "n": 3}})["test.mse"].error
    0.1
    """
    return dict(_leaves(metrics, prefix))


def _leaves(metrics: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Measure]]:
    for key, value in metrics.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            measure = _measure(value)
            if measure is None:
                yield from _leaves(value, name)
            else:
                yield name, measure
        elif _is_number(value) and not (key.endswith("_error") and key.removesuffix("_error") in metrics):
            error = metrics.get(f"{key}_error")
            yield name, Measure(float(value), float(error) if _is_number(error) else math.nan)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _measure(entry: Mapping[str, Any]) -> Measure | None:
    """Return the measure that an entry with value (and error, median) is; None where it is a group."""
    value = next((entry[key] for key in VALUE_KEYS if _is_number(entry.get(key))), None)
    if value is None:
        return None
    error, median = entry.get("error"), entry.get("median")
    return Measure(float(value), *(float(v) if _is_number(v) else math.nan for v in (error, median)))


def find(measures: Mapping[str, Measure], *patterns: str) -> Measure | None:
    """Return the first measure whose name matches the first pattern that any matches."""
    for pattern in patterns:
        for name, measure in measures.items():
            if re.search(pattern, name) and math.isfinite(measure.value):
                return measure
    return None


def words(name: str) -> str:
    """Turn the dotted name of a measure into words: `test.mse_true_label` to "mse true label"."""
    return name.replace(".", ": ").replace("_", " ")
