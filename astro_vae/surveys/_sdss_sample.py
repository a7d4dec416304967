"""Say which spectra of SDSS are wanted: a table of plates, dates and fibres, or a query of the database."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from astro_vae.errors import UserError
from astro_vae.section import unknown
from astro_vae.surveys._own_tables import read_texts
from astro_vae.surveys.candidate import PARTS

if TYPE_CHECKING:
    import pandas as pd

NAMES = {
    "plate": ("plate", "plateid", "sdss_plate"), "mjd": ("mjd", "sdss_mjd"),
    "fiber": ("fiber", "fiberid", "sdss_fiber"), "run2d": ("run2d",),
}
KEYS = ("plate", "mjd", "fiber")
MOST = 1e6  # no plate, date or fibre is as high
FIRST_BOSS_PLATE = 3510  # earlier plates were observed with the SDSS-I spectrographs
PIXEL_BITS = {
    "NOPLUG": 0, "BADTRACE": 1, "BADFLAT": 2, "BADARC": 3, "MANYBADCOLUMNS": 4, "MANYREJECTED": 5, "LARGESHIFT": 6,
    "BADSKYFIBER": 7, "NEARWHOPPER": 8, "WHOPPER": 9, "SMEARIMAGE": 10, "SMEARHIGHSN": 11, "SMEARMEDSN": 12,
    "NEARBADPIXEL": 16, "LOWFLAT": 17, "FULLREJECT": 18, "PARTIALREJECT": 19, "SCATTEREDLIGHT": 20, "CROSSTALK": 21,
    "NOSKY": 22, "BRIGHTSKY": 23, "NODATA": 24, "COMBINEREJ": 25, "BADFLUXFACTOR": 26, "BADSKYCHI": 27,
    "REDMONSTER": 28,
}
"""Bits of the mask of pixels, SPPIXMASK; 0 to 12 are those of a fibre, and may be set on half of a spectrum."""
TEXTS = ("run2d", "specobjid", "bestobjid", "class", "subclass")


def check_bits(bits: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of bits of the mask of pixels, or raise a `ValueError` for one that is not known."""
    for bit in bits:
        if bit not in PIXEL_BITS:
            raise ValueError(unknown(bit, PIXEL_BITS).replace("setting", "bit"))
    return bits


def read_sample(
    path: Path, wanted: Collection[str] | None = None, named: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """Return the rows of `sample_rows`; a spectrum that is named twice is there once."""
    return sample_rows(path, wanted, named).drop_duplicates(list(KEYS), ignore_index=True)


def sample_rows(
    path: Path, wanted: Collection[str] | None = None, named: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """Read a table of spectra: columns plate, mjd and fiber, in any case, and what else is wanted.

    Parameters
    ----------
    path : Path
        A CSV, FITS, VOTable or ECSV table.
    wanted : collection of str, optional
        Lower-case names of further columns; all of them unless given.
    named : mapping of str to str
        Lower-case names of columns that it must have, and the setting that names each.

    Returns
    -------
    DataFrame
        With lower-case names; `run2d` is empty where the table has none. All but plate, mjd and fiber are texts.

    Raises
    ------
    UserError
        If there is no such file, or a column is missing or not a whole number.
    """
    ours = {other for others in NAMES.values() for other in others}
    columns, table = read_texts(
        path, setting="source.sample", what="plate, mjd and fiber",
        wanted=lambda name: wanted is None or clean(name) in ours | set(wanted),
    )
    found_columns = [clean(name) for name in columns]
    check_columns(found_columns, named, path)
    table.columns = [clean(name) for name in table.columns]
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise UserError(f"{path}: two columns are named '{twice}', in whatever case; rename one of them")
    for name, others in NAMES.items():
        found = next((other for other in others if other in table), None)
        if found is None and name != "run2d":
            commas = "; are its columns separated by commas?" if len(found_columns) == 1 else ""
            raise UserError(f"{path}: needs a column '{name}'; found: {', '.join(found_columns)}{commas}")
        table[name] = table[found].str.strip() if found else ""
    for name in KEYS:
        table[name] = _whole(table[name], path)
    for name in set(table.columns) - set(KEYS):
        table[name] = table[name].str.strip()
    table["run2d"] = table["run2d"].str.removesuffix(".0")  # of a column of numbers with gaps
    return table


def _whole(texts: pd.Series, path: Path) -> pd.Series:
    """Return a column as whole numbers."""
    import pandas as pd

    numbers = pd.to_numeric(texts, errors="coerce")
    wrong = ~((numbers >= 0) & (numbers < MOST) & (numbers % 1 == 0))
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise UserError(f"{path}: '{texts.name}' is '{texts[row]}' in row {row + 1}; it must be a whole number")
    return numbers.astype("int64")


def check_columns(found: Iterable[str], named: Mapping[str, str], origin: Path) -> None:
    """Raise a `UserError` for a column of a sample that a setting of `source` names and that is not there."""
    columns = list(found)
    for column, said in named.items():
        if column not in columns:
            raise UserError(f"{origin}: no column '{column}', which source.{said} names; found: {', '.join(columns)}")


def check_parts(sample: pd.DataFrame, column: str, origin: Path) -> None:
    """Raise a `UserError` for a cell of a sample that should name a part of a split and does not."""
    unknown_parts = sample[~sample[column].isin(("", *PARTS))]
    if len(unknown_parts):
        plate, mjd, fiber, part = unknown_parts.iloc[0][["plate", "mjd", "fiber", column]]
        raise UserError(f"{origin}: '{column}' of {plate}-{mjd}-{fiber} is '{part}'; it must be one of "
                        f"{', '.join(PARTS)}, or empty")


def clean(name: object) -> str:
    """Return the name of a column as samples have it here, however it is written in their files."""
    return str(name).strip().lower().replace("/", "_")  # "/" would nest a column


def typed(value: str, name: str) -> Any:
    """Return a cell of the sample as a number where it is one, unless its column is of texts."""
    if name in TEXTS:
        return value
    try:
        return float(value)
    except ValueError:
        return value


def query_sample(query: str, folder: Path, *, server: str, release: int) -> Path:
    """Ask the database once, and keep the query and the returned table beside each other.

    Parameters
    ----------
    query : str
        SQL of CasJobs or SkyServer that selects plate, mjd and fiberid.
    folder : Path
    server : str
        Address of SkyServer.
    release : int
        Data release.

    Returns
    -------
    Path
        The table, as CSV.

    Raises
    ------
    UserError
        If the server does not answer, refuses the query, or finds nothing.
    """
    from astro_vae.files import write_text

    name = query_name(query, release)
    table = folder / f"{name}.csv"
    if not table.is_file():
        write_text(folder / f"{name}.sql", query.strip() + "\n")
        write_text(table, _asked(query, server, release))
    return table


def query_name(query: str, release: int) -> str:
    """Return the name of the files of a query: another query, another name."""
    return f"query-dr{release}-{hashlib.sha256(query.strip().encode()).hexdigest()[:10]}"


def _asked(query: str, server: str, release: int) -> str:
    """Return the answer of the database as CSV."""
    import io

    from astroquery.sdss import SDSSClass, conf

    try:
        with conf.set_temp("skyserver_baseurl", server.rstrip("/")):
            found = SDSSClass().query_sql(query, data_release=release, cache=False, timeout=600)
    except Exception as error:  # astroquery passes on what its libraries raise: connection, HTTP status, parsing
        raise UserError(f"{server}: the query was not answered ({type(error).__name__}: {error}); try again, or "
                        "mend source.query") from None
    if found is None:
        raise UserError("source.query: the database has no such spectrum; make the query wider")
    text = io.StringIO()
    found.write(text, format="ascii.csv")
    return text.getvalue()
