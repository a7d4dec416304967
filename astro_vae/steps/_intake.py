"""Take a survey's candidates one by one: keep or refuse each, and remember a row of it.

That is done in two parts. What can be said of a candidate alone is found by `examine`, which several jobs may do
at once; whether one like it came before is known only to the `Intake`, which takes them in their order.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
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
    "link": Column("Address of an archive's page on the object; empty where none", ucd="meta.ref.url"),
}
OF_SPLIT = ("part", "group")  # columns that the split adds to all tables
WARNING = "warning"  # a key of the measurements; it becomes the reason of an object that is kept


@dataclass
class Examined:
    """A candidate as far as it alone says.

    Attributes
    ----------
    row : dict
        What was known of it: `object_id` and so on.
    extra : dict
        The survey's or the user's own columns.
    reason : str
        Why it cannot be used; empty where it can.
    measured : dict
        Measurements, and a `WARNING` where there is one.
    digest : str
        Of its values; empty where it cannot be used.
    layers : dict or None
        What is stored of it.
    """

    row: dict[str, Any]
    extra: dict[str, Any]
    reason: str = ""
    measured: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    layers: dict[str, np.ndarray] | None = None


def examine(
    kind: Kind, settings: AnyPrepareSettings, candidate: Candidate, *, scaled: bool, unit: str,
    link: Callable[[Candidate], str],
) -> Examined:
    """Cut and measure a candidate, or say why it is refused.

    Parameters
    ----------
    kind : Kind
    settings : AnyPrepareSettings
    candidate : Candidate
    scaled, unit : bool, str
        Of the file; a candidate that differs is refused.
    link : function
        From a candidate to the address of an archive's page on it.
    """
    ours = {*FIRST, *COLUMNS, *kind.cut.COLUMNS, *kind.measure.COLUMNS, *OF_SPLIT}
    found = Examined(
        _plain({
            "object_id": candidate.object_id, "ra": candidate.ra, "dec": candidate.dec, "label": candidate.label,
            "published_part": candidate.part, "link": link(candidate), **kind.cut.known(candidate),
        }),
        _plain({f"user_{name}" if name.lower() in ours else name: value for name, value in candidate.extra.items()}),
    )
    try:
        if candidate.values is None or candidate.reason:
            raise RefusedError(candidate.reason or "unreadable")
        if candidate.scaled != scaled or candidate.unit != unit:
            raise RefusedError(f"another unit: '{candidate.unit}' in a survey in '{unit}'")
        found.layers, measured = kind.cut.take(candidate, settings, scaled=scaled)
    except RefusedError as refused:
        found.reason = str(refused)
        return found
    found.measured, found.digest = _plain(measured), hashlib.sha256(candidate.values.tobytes()).hexdigest()
    return found


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as Python's own types."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}


@lru_cache(maxsize=1024)
def _one(text: str) -> str:
    """Return equal texts as one object: labels and reasons stand in many rows."""
    return text


class Intake:
    """Keep or refuse what was examined, and gather the object table.

    Parameters
    ----------
    kind : Kind
    """

    def __init__(self, kind: Kind) -> None:
        self._kind, self._measure = kind.name, kind.measure
        self._own = {**COLUMNS, **kind.cut.COLUMNS}
        self._rows: dict[str, _Values] = {}
        self._extras: dict[str, _Values] = {}  # in the order of their appearance
        self._contents: dict[bytes, str] = {}
        self._names: set[str] = set()
        self._users: list[str] = []
        self._taken = self._kept = 0

    def take(self, found: Examined) -> dict[str, np.ndarray] | None:
        """Remember the candidate's row; return the layers that are stored of it, None if it is refused."""
        reason = self._refusal(found)
        self._names.add(found.row["object_id"])
        state = {"status": "refused" if reason else "ok", "reason": reason, "row": -1 if reason else self._kept}
        measured = {} if reason else {**found.measured}
        state["reason"] = reason or measured.pop(WARNING, "")
        for rows, values in ((self._rows, found.row | measured | state), (self._extras, found.extra)):
            for name, value in values.items():
                rows.setdefault(name, _Values()).put(self._taken, value)
        self._taken += 1
        self._kept += not reason
        return None if reason else found.layers

    def _refusal(self, found: Examined) -> str:
        """Say why a candidate is refused; empty where it is kept, which is remembered."""
        name = found.row["object_id"]
        if name in self._names:
            return "duplicate name: the first object of this name is kept"
        if found.reason:
            return found.reason
        other = self._contents.setdefault(bytes.fromhex(found.digest), name)
        return f"duplicate {self._kind}: the same pixels as {other}" if other != name else ""

    def table(self) -> pd.DataFrame:
        """Return the object table, a row per candidate in the order in which they came, and forget the rows."""
        measured = [name for name in self._measure.COLUMNS if name != WARNING]
        names, self._users = [*(FIRST | self._own), *measured], list(self._extras)
        columns = {name: self._rows.pop(name, _Values()).filled(self._taken) for name in names}
        columns |= {name: _alike(self._extras.pop(name).filled(self._taken)) for name in self._users}
        self._names.clear()
        self._contents.clear()
        return pd.DataFrame(columns, copy=False)

    def columns(self, survey: Mapping[str, Column]) -> dict[str, Column]:
        """Return the description of each column of the table that was returned."""
        users = {name: Column("Column of the survey's or the user's own table") for name in self._users}
        return {**users, **survey, **self._own, **self._measure.COLUMNS}


class _Values:
    """A column that grows: floats are packed, which takes a quarter of the memory."""

    def __init__(self) -> None:
        self._data: array[float] | list[Any] = array("d")

    def put(self, row: int, value: Any) -> None:
        """Set the value of a row, the next one or a later one; those between are NaN."""
        self._pad(row)
        own: Any = _one(value) if type(value) is str else value
        if type(own) is not float and isinstance(self._data, array):
            self._data = list(self._data)
        self._data.append(own)

    def filled(self, length: int) -> np.ndarray | list[Any]:
        """Return so many values; those that were not set are NaN."""
        self._pad(length)
        return np.array(self._data) if isinstance(self._data, array) else self._data

    def _pad(self, length: int) -> None:
        self._data.extend([math.nan] * (length - len(self._data)))


def _alike(values: np.ndarray | list[Any]) -> np.ndarray | list[Any]:
    """Return the values of one column as one type: text where any is text, otherwise numbers."""
    if isinstance(values, np.ndarray):
        return values
    if any(isinstance(value, str) for value in values):
        return ["" if _missing(value) else str(value) for value in values]
    if all(isinstance(value, (bool, int, np.integer)) for value in values):
        return [int(value) for value in values]
    return [math.nan if _missing(value) else float(value) for value in values]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
