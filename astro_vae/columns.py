"""Say what a reader must know of a table's columns: description, unit and UCD."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """What a reader must know of a table's column."""

    description: str
    unit: str = ""
    ucd: str = ""


@dataclass(frozen=True)
class Alike:
    """In what new objects must be like those that a model was trained on: a column, by the range of its values.

    Attributes
    ----------
    words : str
        What the column is, for messages.
    unit : str
    part : float
        Values may lie outside the range by this part of the distance of its end from `zero`.
    zero : float
    """

    words: str
    unit: str = ""
    part: float = 0.05
    zero: float = 0.0

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """Return the limits of what is like a range."""
        return low - self.part * abs(low - self.zero), high + self.part * abs(high - self.zero)


COLUMNS = {
    "object_id": Column("Name of the object, unique in its survey", ucd="meta.id;meta.main"),
    "ra": Column("Right ascension (ICRS)", "deg", "pos.eq.ra;meta.main"),
    "dec": Column("Declination (ICRS)", "deg", "pos.eq.dec;meta.main"),
    "label": Column("Class given by the survey or the user; empty where unknown", ucd="src.class"),
    "status": Column("ok, or refused", ucd="meta.code.status"),
    "reason": Column("Why the object was refused, or a warning", ucd="meta.note"),
    "row": Column("Row of the values of this object; -1 where refused", ucd="meta.record"),
}

MODEL = "model_"
"""Prefix of the columns that are measured in what a model makes of an object."""


def modelled(columns: Mapping[str, Column], names: Iterable[str]) -> dict[str, Column]:
    """Return the columns of these names, as they are measured in what a model makes of an object."""
    return {
        f"{MODEL}{name}": Column(
            f"{columns[name].description}: in the reconstruction from the posterior mean", columns[name].unit,
            f"{columns[name].ucd};meta.modelled" if columns[name].ucd else "meta.modelled",
        )
        for name in names
    }


def ascii_text(text: str) -> str:
    r"""Return a text as FITS can hold it: without accents, and other letters by their numbers, so that none are alike.

    >>> ascii_text("S\u00e9rsic, H\u03b1")
    'Sersic, H\\u03b1'
    """
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return plain.encode("ascii", "backslashreplace").decode()
