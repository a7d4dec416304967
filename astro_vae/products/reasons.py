"""Say in words why an object ranks where it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from astro_vae.products.scores import SCORES, percentile

HIGH = 0.95  # percentile from which a score is worth a word
EXTREME = 0.98

Extremes = Mapping[str, tuple[str, str]]
Remarks = Mapping[str, Sequence[str]]


def reasons(
    percentiles: pd.DataFrame, table: pd.DataFrame, extremes: Extremes, among: pd.DataFrame | None = None,
    remarks: Remarks = MappingProxyType({}),
) -> list[str]:
    """Say of each object in which scores it is high, what is extreme about it, and what makes it doubtful.

    `remarks` has, by score, what else is to be said of each object that is high in it.
    """
    known = [name for name in extremes if name in table and (among is None or name in among)]
    measured = {name: percentile(table[name].to_numpy(float), column_of(among, name)) for name in known}
    words = []
    for i in range(len(table)):
        high = percentiles.iloc[i].sort_values(ascending=False)
        remark = {str(name): remarks[str(name)][i] if str(name) in remarks else "" for name in high.index}
        parts = [_said(SCORES[str(n)].words, p, remark[str(n)]) for n, p in high.items() if p >= HIGH]
        if not parts:
            first = str(high.index[0])
            parts = [_said(f"highest in {first.replace('_', ' ')}", high.iloc[0], remark[first])]
        parts += _extremes(table.iloc[i], {name: values[i] for name, values in measured.items()}, extremes)
        if table["reason"].iloc[i]:
            parts.append(f"doubtful: {table['reason'].iloc[i]}")
        words.append("; ".join(parts))
    return words


def main(why: str) -> str:
    """Return the first of the reasons that `reasons` gave, in a few words: its remark where it has one.

    >>> main("a run of residuals stands out (percentile 98): excess of flux at 4492 +- 4 Angstrom; small break")
    'excess of flux at 4492 \u00b1 4 \u00c5'
    """
    words, _, remark = why.partition("; ")[0].partition("): ")
    return (remark or words.partition(" (percentile ")[0]).replace("+-", "\u00b1").replace("Angstrom", "\u00c5")


def _said(words: str, fraction: float, remark: str) -> str:
    return f"{words} ({_percentile(fraction)})" + (f": {remark}" if remark else "")


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


def column_of(table: pd.DataFrame | None, name: str) -> np.ndarray | None:
    """Return a column as floats; None where there is no table."""
    return None if table is None else table[name].to_numpy(float)
