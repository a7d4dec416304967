"""Read the spectrum files of SDSS, BOSS and eBOSS (spec-PLATE-MJD-FIBER.fits, full or lite)."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.spectra.spectrum import Spectrum
from astro_vae.surveys._fits_file import UnreadableFileError, check_rows, open_fits, packing
from astro_vae.surveys._sdss_sample import PIXEL_BITS

if TYPE_CHECKING:
    import numpy as np

NUMERIC = ("Z", "Z_ERR", "ZWARNING", "PLUG_RA", "PLUG_DEC")
ROW = (*NUMERIC, "CLASS", "SUBCLASS", "RUN2D", "SOURCETYPE", "OBJTYPE", "TARGETTYPE")
"""What is read of the catalogue's row, where the survey has it."""
TFORM = re.compile(r"(\d*)([LXBIJKAEDCMPQ])")
WIDTHS = {"L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "E": 4, "K": 8, "D": 8, "C": 8, "P": 8, "M": 16, "Q": 16}
NUMBERS = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
FITS_BLOCK = 2880  # bytes
NEEDED = ("flux", "loglam", "ivar", "and_mask")
MAX_PIXELS = 2**22  # of a spectrum; the longest echelle spectra have half a million


@dataclass(frozen=True)
class SpectrumFile:
    """A spectrum file in hand.

    Attributes
    ----------
    spectrum : Spectrum
        In 1e-17 erg / (s cm2 Angstrom), vacuum, as observed.
    row : dict
        Those of `ROW` that the catalogue has of the object; texts are stripped.
    """

    spectrum: Spectrum
    row: dict[str, Any] = field(default_factory=dict)


def read_spectrum_file(path: Path, bad_bits: tuple[str, ...] = ()) -> SpectrumFile:
    """Read a spectrum by the order of its HDUs: 1 is the spectrum, 2 the row of the catalogue.

    Names of HDUs are not looked at, those of columns in any case, and more columns than needed are ignored.

    Parameters
    ----------
    path : Path
    bad_bits : tuple of str
        Among `PIXEL_BITS`: pixels with one of them set in all exposures (`and_mask`) lose their weight.

    Raises
    ------
    UnreadableFileError
        If the file is empty, truncated, no FITS file or has not these tables.
    """
    size = path.stat().st_size
    if size % FITS_BLOCK and not packing(path):
        raise UnreadableFileError(f"truncated, or no FITS file: {size} bytes are not whole blocks of {FITS_BLOCK}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of surveys break small rules of the standard
        warnings.filterwarnings("error", message=".*truncated.*")
        with open_fits(path) as units:
            return SpectrumFile(_spectrum(units, bad_bits), _row(units[2], path))


def _spectrum(units: Any, bad_bits: tuple[str, ...]) -> Spectrum:
    import numpy as np

    if len(units) < 3:
        raise UnreadableFileError(f"{len(units)} HDUs: HDU 1 must be the spectrum, HDU 2 the catalogue's row")
    if _is_table(units[1]):
        check_rows(units[1], MAX_PIXELS)
    columns = _columns(units[1])
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise UnreadableFileError(f"HDU 1 is no spectrum: it has no column {', '.join(missing)}")
    loglam, flux, ivar = (_native(units[1].data[columns[name]]) for name in ("loglam", "flux", "ivar"))
    bits = np.int64(sum(1 << PIXEL_BITS[name] for name in bad_bits))
    bad = units[1].data[columns["and_mask"]].astype(np.int64) & bits != 0
    return Spectrum(10**loglam, flux, ivar).masked(bad)


def has_columns_of_sdss(unit: Any) -> bool:
    """Tell whether a unit of a FITS file is a table with the columns of a spectrum of SDSS."""
    return set(NEEDED) <= set(_columns(unit))


def _columns(unit: Any) -> dict[str, str]:
    """Return the names of columns by these in small letters; none where there is no table with a row."""
    return {name.lower(): name for name in getattr(unit.columns, "names", ())} if _is_table(unit) else {}


def _native(column: np.ndarray) -> np.ndarray:
    return column.astype("f8")


def _is_table(unit: Any) -> bool:
    return unit.header.get("XTENSION", "").strip() == "BINTABLE" and unit.header["NAXIS2"] > 0


def _row(unit: Any, path: Path) -> dict[str, Any]:
    if not _is_table(unit) or unit.header["NAXIS2"] != 1:
        raise UnreadableFileError("HDU 2 is not the one row of the catalogue")
    check_rows(unit, 1)
    row = _cells(unit, path)
    for name in NUMERIC:
        if isinstance(row.get(name), str):
            raise UnreadableFileError(f"HDU 2 is not the row of the catalogue: its {name} is no number")
    lacking = [name for name in ("CLASS", "Z", "ZWARNING") if name not in row]
    if lacking:
        raise UnreadableFileError(f"HDU 2 is not the row of the catalogue: it has no column {', '.join(lacking)}")
    return row


def _cells(unit: Any, path: Path) -> dict[str, Any]:
    """Read the few cells of `ROW` out of the hundreds of the row, which takes astropy longer than all the rest."""
    with (packing(path) or open)(path, "rb") as file:
        file.seek(unit.fileinfo()["datLoc"])
        data = file.read(unit.header["NAXIS1"])
    found, start = {}, 0
    for column in range(1, unit.header["TFIELDS"] + 1):
        name = str(unit.header.get(f"TTYPE{column}", "")).strip().upper()
        count, code = TFORM.match(unit.header[f"TFORM{column}"].strip()).groups()  # type: ignore[union-attr]
        length = -(-int(count or 1) // 8) if code == "X" else int(count or 1) * WIDTHS[code]
        if name in ROW:
            found[name] = _cell(data[start : start + length], code)
        start += length
    return found


def _cell(data: bytes, code: str) -> Any:
    """Return a text, or the first number of a cell."""
    import numpy as np

    if code == "A":
        return data.split(b"\0")[0].decode("ascii").strip()
    return np.frombuffer(data, NUMBERS[code])[0].item()
