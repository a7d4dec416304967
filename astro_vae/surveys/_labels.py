"""Read a person's own table of labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

NAME_COLUMNS = ("file", "object_id")
KNOWN = (*NAME_COLUMNS, "label", "ra", "dec", "redshift", "z", "ebv")
"""Columns that say more than a column of the user's own; they are known in any case."""


def read_labels(path: Path, wanted: tuple[str, ...] = ("label",)) -> dict[str, dict[str, Any]]:
    """Return the other columns of a table of labels by the name of the file; numbers where a column has only numbers.

    Columns of `KNOWN` have small letters, however the table writes them.

    Parameters
    ----------
    path : Path
        A CSV table.
    wanted : tuple of str
        Columns of which it has at least one.

    Raises
    ------
    UserError
        If it is no CSV table, lacks a column that it needs, or has two rows for one name.
    """
    table = _read_csv(path)
    key = next((name for name in NAME_COLUMNS if name in table), None)
    if key is None or not any(name in table for name in wanted):
        found, one = ", ".join(map(str, table.columns)), "' or '".join(wanted)
        commas = "; are its columns separated by commas?" if len(table.columns) == 1 else ""
        raise UserError(f"{path}: needs a column '{one}' and a column 'file' or 'object_id'; found: {found}{commas}")
    table = table.dropna(subset=[key])
    if table[key].duplicated().any():
        raise UserError(f"{path}: '{table[key][table[key].duplicated()].iloc[0]}' has two rows; keep one of them")
    if "label" in table:
        table["label"] = table["label"].fillna("").str.strip()
    table.columns = [str(name).strip().replace("/", "_") for name in table.columns]  # "/" would nest a column
    return {str(row[key]): _without(row, NAME_COLUMNS) for row in table.to_dict("records")}


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        header = [str(name) for name in pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns]
        ours = {name: name.strip().lower() for name in header if name.strip().lower() in KNOWN}
        ours = {name: small for name, small in ours.items() if name == small or small not in header}
        texts = {name: str for name, small in ours.items() if small in (*NAME_COLUMNS, "label")}
        return pd.read_csv(path, dtype=texts, encoding="utf-8-sig").rename(columns=ours)
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path}: no such file; set source.labels to your table of labels, or leave it out") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV table: {error}") from None


def _without(row: Mapping[Any, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items() if name not in names}
