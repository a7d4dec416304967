"""Read a person's own table in any format that astropy knows, with columns of plain numbers and texts."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

NOT_CSV = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".ecsv", ".vot", ".votable", ".xml")
"""Endings of tables whose format says itself what it is; all others are taken for CSV."""
PLACES = (".ra", ".dec")
"""Endings of the two columns (ICRS, deg) that a column of positions becomes, as astropy itself writes them."""


def read_own_table(path: Path, *, setting: str, what: str) -> Any:
    """Read a table: CSV, FITS, VOTable, ECSV and others.

    Columns of arrays are left out. Of astropy's own sorts of columns times become texts (ISO 8601, in their own
    scale), positions on the sky two columns with the endings of `PLACES`, and all others texts.

    Parameters
    ----------
    path : Path
    setting : str
        That names the table, for messages.
    what : str
        What the table is of, for messages.

    Returns
    -------
    astropy.table.Table

    Raises
    ------
    UserError
        If there is no such file, or it is no table.
    """
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tables break small rules of their standards
            table = Table.read(path)
            table.keep_columns([name for name in table.colnames if getattr(table[name], "ndim", 0) == 1])
            plain = _plain(table)
            plain.convert_bytestring_to_unicode()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; set {setting} to your table of {what}") from None
    except Exception as error:  # each format has its own errors
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: not a table that can be read (CSV, FITS, VOTable, ECSV): {first}") from None
    for name in plain.colnames[:1]:
        plain.rename_column(name, name.lstrip("\ufeff"))  # spreadsheets put a byte order mark in front of a CSV
    return plain


def read_texts(
    path: Path, *, setting: str, what: str, wanted: Callable[[str], bool] = lambda name: True
) -> tuple[list[str], pd.DataFrame]:
    """Return the names of all columns of a table, and those that are wanted as texts; empty where there is no value.

    Parameters
    ----------
    path : Path
        A CSV table, whose lines may be comments that begin with `#`, or by its ending one of `NOT_CSV`.
    setting, what : str
        As of `read_own_table`.
    wanted : function
        Tells by its name whether a column is wanted.

    Raises
    ------
    UserError
        As of `read_own_table`.
    """
    import pandas as pd

    if path.name.lower().endswith(NOT_CSV):
        table = read_own_table(path, setting=setting, what=what)
        columns = {name: _texts(table[name]) for name in table.colnames if wanted(name)}
        return table.colnames, pd.DataFrame(columns, dtype=str)
    how: dict[str, Any] = {"comment": "#", "keep_default_na": False, "dtype": str, "encoding": "utf-8-sig"}
    try:
        names = [str(name) for name in pd.read_csv(path, nrows=0, **how).columns]
        return names, pd.read_csv(path, usecols=wanted, **how)
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path}: no such file; set {setting} to your table of {what}") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV table: {error}") from None


def _plain(table: Any) -> Any:
    """Return the table with numbers and texts in the place of times, positions and other sorts of columns."""
    from astropy.table import Column, Table

    columns: dict[str, Any] = {}
    for name in table.colnames:
        column = table[name]
        if isinstance(column, Column) and column.dtype.kind in "biufUS":
            columns[name] = column
        else:
            columns |= _of_sky(name, column) or {name: _texts(column)}
    return Table(columns, copy=False)


def _of_sky(name: str, column: Any) -> dict[str, Any]:
    """Return right ascension and declination of a column of positions; nothing of one that has none."""
    import numpy as np
    from astropy.coordinates import ConvertError, SkyCoord

    if not isinstance(column, SkyCoord):
        return {}
    try:
        icrs = column.icrs
    except ConvertError:  # a frame that needs to know time and place of the observer
        return {}
    axes = (np.ma.filled(np.ma.asarray(getattr(angle, "unmasked", angle).deg), np.nan) for angle in (icrs.ra, icrs.dec))
    gaps = np.broadcast_to(getattr(column, "mask", False), column.shape)
    return {name + end: np.where(gaps, np.nan, axis) for end, axis in zip(PLACES, axes, strict=True)}


def _texts(column: Any) -> list[str]:
    """Return the values of a column as texts; empty where it has none."""
    import numpy as np
    from astropy.time import Time

    gaps = np.broadcast_to(getattr(column, "mask", False), (len(column),))
    values = column.isot if isinstance(column, Time) else column
    return ["" if gap or value is None else _text(value) for value, gap in zip(values, gaps, strict=True)]


def _text(value: Any) -> str:
    text = str(value).strip()
    return "" if text == "nan" else text
