"""Take a survey's candidates one by one: keep or refuse each, and remember a row of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from astro_vae.columns import COLUMNS as FIRST
from astro_vae.columns import Column
from astro_vae.errors import RefusedError
from astro_vae.kinds import Kind
from astro_vae.settings import AnyPrepareSettings

if TYPE_CHECKING:
    from astro_vae.surveys.candidate import Candidate

COLUMNS = {
    "published_part": Column("Part of the split that the survey published; empty where none"),
}
WARNING = "warning"  # a key of the measurements; it becomes the reason of an object that is kept


class Intake:
    """Keep or refuse candidates, and gather the object table.

    Parameters
    ----------
    kind : Kind
    settings : AnyPrepareSettings
    scaled, unit : bool, str
        Of the file; a candidate that differs is refused.
    """

    def __init__(self, kind: Kind, settings: AnyPrepareSettings, *, scaled: bool, unit: str) -> None:
        self._kind, self._cut, self._measure = kind.name, kind.cut, kind.measure
        self._own = {**COLUMNS, **kind.cut.COLUMNS}
        self._settings, self._scaled, self._unit = settings, scaled, unit
        self._rows: list[dict[str, Any]] = []
        self._extras: dict[str, None] = {}  # in the order of their appearance
        self._contents: dict[bytes, str] = {}
        self._names: set[str] = set()
        self._kept = 0

    def take(self, candidate: Candidate) -> dict[str, np.ndarray] | None:
        """Remember the candidate's row; return the layers that are stored of it, None if it is refused."""
        row = self._known(candidate) | self._extra(candidate)
        try:
            layers, measured = self._accepted(candidate)
        except RefusedError as refused:
            self._rows.append(row | {"status": "refused", "reason": str(refused), "row": -1})
            return None
        finally:
            self._names.add(candidate.object_id)
        warning = measured.pop(WARNING, "")
        self._rows.append(row | measured | {"status": "ok", "reason": warning, "row": self._kept})
        self._kept += 1
        return layers

    def _accepted(self, candidate: Candidate) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return layers and measurements, or raise a `RefusedError`; what is kept is remembered."""
        if candidate.object_id in self._names:
            raise RefusedError("duplicate name: the first object of this name is kept")
        if candidate.values is None or candidate.reason:
            raise RefusedError(candidate.reason or "unreadable")
        if candidate.scaled != self._scaled or candidate.unit != self._unit:
            raise RefusedError(f"another unit: '{candidate.unit}' in a survey in '{self._unit}'")
        layers, measured = self._cut.take(candidate, self._settings, scaled=self._scaled)
        digest = hashlib.sha256(candidate.values.tobytes()).digest()
        other = self._contents.setdefault(digest, candidate.object_id)
        if other != candidate.object_id:
            raise RefusedError(f"duplicate {self._kind}: the same pixels as {other}")
        return layers, measured

    def _known(self, candidate: Candidate) -> dict[str, Any]:
        return {
            "object_id": candidate.object_id, "ra": candidate.ra, "dec": candidate.dec, "label": candidate.label,
            "published_part": candidate.part, **self._cut.known(candidate),
        }

    def _extra(self, candidate: Candidate) -> dict[str, Any]:
        """Return the survey's or the user's own columns, renamed where a column of ours has the name."""
        ours = {**FIRST, **self._own, **self._measure.COLUMNS}
        extra = {f"user_{name}" if name in ours else name: value for name, value in candidate.extra.items()}
        self._extras.update(dict.fromkeys(extra))
        return extra

    def table(self) -> pd.DataFrame:
        """Return the object table: a row per candidate, in the order in which they came."""
        measured = [name for name in self._measure.COLUMNS if name != WARNING]
        columns = {name: [row.get(name) for row in self._rows] for name in FIRST | self._own}
        columns |= {name: [row.get(name, math.nan) for row in self._rows] for name in measured}
        columns |= {name: _alike([row.get(name) for row in self._rows]) for name in self._extras}
        return pd.DataFrame(columns)

    def columns(self, survey: Mapping[str, Column]) -> dict[str, Column]:
        """Return the description of each column of the table."""
        users = {name: Column("Column of the survey's or the user's own table") for name in self._extras}
        return {**users, **survey, **self._own, **self._measure.COLUMNS}


def _alike(values: list[Any]) -> list[Any]:
    """Return the values of one column as one type: text where any is text, otherwise numbers."""
    if any(isinstance(value, str) for value in values):
        return ["" if _missing(value) else str(value) for value in values]
    if all(isinstance(value, (bool, int, np.integer)) for value in values):
        return [int(value) for value in values]
    return [math.nan if _missing(value) else float(value) for value in values]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
