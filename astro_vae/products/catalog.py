"""Write one table as FITS, Parquet, VOTable or CSV, with units, descriptions and UCDs where they have a place."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.io.votable.exceptions import W03
from astropy.io.votable.tree import CooSys
from astropy.table import Table

from astro_vae.columns import COLUMNS, Column, ascii_text
from astro_vae.errors import UserError
from astro_vae.files import atomic

POSITION_UCDS = ("pos.eq.ra", "pos.eq.dec")


def write_catalog(
    table: pd.DataFrame, columns: Mapping[str, Column], out: Path, *,
    formats: Sequence[str] = (".fits", ".parquet", ".vot"), meta: Mapping[str, Any] | None = None,
) -> None:
    """Write a table in several formats beside each other, each whole or not at all.

    Parameters
    ----------
    table : DataFrame
    columns : mapping of str to Column
        Of the columns that `astro_vae.columns.COLUMNS` does not describe; one described by neither gets no words.
    out : Path
        Its suffix is replaced by each of `formats`.
    formats : sequence of str
        Among .fits, .parquet, .vot, .csv. A CSV has no place for units and descriptions.
    meta : mapping, optional
        What holds for the whole table; JSON values, of which FITS keeps numbers and words.

    Raises
    ------
    UserError
        If a format is not known.
    """
    described = {name: columns.get(name, COLUMNS.get(name, Column(""))) for name in table.columns}
    for suffix in formats:
        if suffix not in WRITERS:
            raise UserError(f"{out}: tables are not written as '{suffix}'; known: {', '.join(WRITERS)}")
        with atomic(out.with_suffix(suffix)) as partial:
            WRITERS[suffix](table, described, partial, dict(meta or {}))


def as_astropy(table: pd.DataFrame, columns: Mapping[str, Column], meta: Mapping[str, Any]) -> Table:
    """Return the table with units, descriptions and (in `meta["ucd"]` of a column) UCDs."""
    plain = _plain(table)
    made = Table(list(plain.values()), names=list(plain), meta=dict(meta), copy=False)  # tables of surveys are large
    for name in plain:
        made[name].description = columns[name].description
        made[name].unit = _unit(columns[name].unit)
        if columns[name].ucd:
            made[name].meta["ucd"] = columns[name].ucd
    return made


def _plain(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return each column as an array of numbers, truth values or (fixed width) text."""
    return {str(name): _text(column) if _is_text(column) else column.to_numpy() for name, column in table.items()}


def _is_text(column: pd.Series) -> bool:
    return column.dtype == object or pd.api.types.is_string_dtype(column)


def _text(column: pd.Series) -> np.ndarray:
    """Return text as bytes where it is ASCII, which take a quarter of the room, and as characters where it is not."""
    texts = ["" if pd.isna(value) else str(value) for value in column]
    return np.array(texts, dtype=np.bytes_ if all(map(str.isascii, texts)) else np.str_)


def _unit(unit: str) -> units.UnitBase | None:
    """Return the unit that astropy knows by this name, None where there is none (latents, nats)."""
    return units.Unit(unit, parse_strict="silent") if unit else None


def _write_fits(table: pd.DataFrame, columns: Mapping[str, Column], path: Path, meta: dict[str, Any]) -> None:
    """Write a binary table; descriptions and UCDs go to TCOMMn and TUCDn, by custom, since the standard has none."""
    plain = as_astropy(table, columns, {})
    for name in plain.colnames:
        if plain[name].dtype.kind == "U":  # FITS is ASCII
            plain[name] = np.array([ascii_text(one) for one in plain[name].tolist()], dtype=np.bytes_)
    plain.rename_columns(plain.colnames, [ascii_text(name) for name in plain.colnames])
    hdu = fits.table_to_hdu(plain)
    for number, name in enumerate(table.columns, start=1):
        # Cards of a keyword and a comment hold 68 characters; longer texts go on in CONTINUE cards.
        hdu.header[f"TCOMM{number}"] = ascii_text(columns[name].description)
        if columns[name].ucd:
            hdu.header[f"TUCD{number}"] = columns[name].ucd
    hdu.header["RADESYS"] = ("ICRS", "of the positions")
    for name, value in meta.items():
        if isinstance(value, (str, int, float)):
            hdu.header[f"HIERARCH {name}"] = ascii_text(value) if isinstance(value, str) else value
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


def _write_parquet(table: pd.DataFrame, columns: Mapping[str, Column], path: Path, meta: dict[str, Any]) -> None:
    """Write Parquet with unit, description and ucd in each field's metadata."""
    arrow = pa.Table.from_pandas(table.reset_index(drop=True), preserve_index=False)
    fields = []
    for field in arrow.schema:
        column = columns[field.name]
        words = {"description": column.description, "unit": column.unit, "ucd": column.ucd}
        fields.append(field.with_metadata({key: text for key, text in words.items() if text}))
    whole = {**(arrow.schema.metadata or {}), b"astro_vae": json.dumps(meta, sort_keys=True).encode()}
    pq.write_table(arrow.cast(pa.schema(fields, metadata=whole)), path, compression="zstd")


def _write_votable(table: pd.DataFrame, columns: Mapping[str, Column], path: Path, meta: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        # VOUnit deprecates them, but every reader knows them, and spectra are given in them.
        warnings.filterwarnings("ignore", "The unit '(erg|Angstrom)' has been deprecated", units.UnitsWarning)
        warnings.simplefilter("ignore", W03)  # a name with the blank of a label gets an identifier without
        _to_votable(as_astropy(table, columns, {}), path, meta)


def _to_votable(table: Table, path: Path, meta: Mapping[str, Any]) -> None:
    votable = from_table(table)
    frame = CooSys(ID="icrs", system="ICRS")
    votable.resources[0].coordinate_systems.append(frame)
    inner = votable.get_first_table()
    inner.description = "; ".join(f"{name}: {value}" for name, value in meta.items()) or None
    for field in inner.fields:
        if field.ucd and field.ucd.startswith(POSITION_UCDS):
            field.ref = frame.ID
    votable.to_xml(str(path), tabledata_format="binary2")


def _write_csv(table: pd.DataFrame, columns: Mapping[str, Column], path: Path, meta: dict[str, Any]) -> None:
    table.to_csv(path, index=False)


WRITERS = {".fits": _write_fits, ".parquet": _write_parquet, ".vot": _write_votable, ".csv": _write_csv}
"""Writer of each format by its suffix."""


def read_meta(path: Path) -> dict[str, Any]:
    """Return what holds for the whole of a table (Parquet) that `write_catalog` wrote."""
    found = (pq.read_schema(path).metadata or {}).get(b"astro_vae", b"{}")
    return dict(json.loads(found))


def read_catalog(path: Path) -> pd.DataFrame:
    """Read a table of a step (Parquet), or raise a `UserError` that names the file."""
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the step that makes it") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a Parquet table ({error}); make it again by its step") from None
