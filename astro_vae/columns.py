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
