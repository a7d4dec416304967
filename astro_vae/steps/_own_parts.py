"""Read a split of one's own: a table that gives objects their parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from astro_vae.errors import UserError
from astro_vae.surveys.candidate import PARTS

KEYS = (("object_id",), ("plate", "mjd", "fiber"))
"""Columns that name an object, the first of these that the table has."""


def own_parts(path: Path, column: str, objects: pd.DataFrame) -> np.ndarray:
    """Return the part that a table gives each object: (N,), "" where it names none.

    Parameters
    ----------
    path : Path
        CSV table with `column` and the columns of one of `KEYS`; an empty part counts as no row.
    column : str
    objects : DataFrame, N rows
        The usable objects.

    Raises
    ------
    UserError
        If the table cannot be read, lacks a column, gives an object two parts or another part than `PARTS`, or
        names none of the objects.
    """
    table = _read(path)
    key = next((names for names in KEYS if set(names) <= {*table} & {*objects}), None)
    if key is None or column not in table:
        raise UserError(
            f"{path}: needs a column '{column}' (split.column) and a column 'object_id', or plate, mjd and fiber where "
            f"the survey has them; found: {', '.join(map(str, table))}"
        )
    given = table[table[column] != ""]
    unknown = given[~given[column].isin(PARTS)]
    if len(unknown):
        raise UserError(
            f"{path}: '{column}' of {_names(unknown, key).iloc[0]} is '{unknown[column].iloc[0]}'; "
            f"it must be {', '.join(PARTS)}, or empty"
        )
    parts = given.assign(name=_names(given, key)).drop_duplicates(["name", column]).set_index("name")[column]
    if parts.index.duplicated().any():
        raise UserError(f"{path}: {parts.index[parts.index.duplicated()][0]} has two parts; keep one of its rows")
    found = _names(objects, key).map(parts).fillna("").to_numpy(object)
    if not (found != "").any():
        raise UserError(
            f"{path}: names none of the {len(objects)} objects, such as {_names(objects, key).iloc[0]}; "
            "give their parts, or leave split.table out"
        )
    return found


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, comment="#", keep_default_na=False, dtype=str, encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path}: no such file; set split.table to your table of parts, or leave it out") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV table: {error}") from None
    return table.apply(lambda column: column.str.strip())


def _names(table: pd.DataFrame, key: tuple[str, ...]) -> pd.Series:
    """Return one text per row that names its object; whole numbers alike, however they are written."""
    if len(key) == 1:
        return table[key[0]].astype(str)
    numbers = table[list(key)].apply(pd.to_numeric, errors="coerce").fillna(-1).astype(np.int64)
    return numbers.astype(str).agg("-".join, axis=1)
