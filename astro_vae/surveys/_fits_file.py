"""Open a FITS file that may be damaged or made to do harm: say what it claims before a pixel of it is read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAX_BYTES = 2**29  # of an image or table that is read whole, and of a packed file when it is unpacked
CHUNK = 2**20
PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


class UnreadableFileError(Exception):
    """A file is no image or spectrum that can be used; the message says why."""


@contextmanager
def open_fits(path: Path) -> Iterator[Any]:
    """Open a FITS file; nothing but headers is read until its data are asked for.

    Raises
    ------
    UnreadableFileError
        If the file is empty, truncated, no FITS file, or unpacks to more than `MAX_BYTES`; damage that
        shows only while the file is open is told the same way.
    """
    from astropy.io import fits

    if path.stat().st_size == 0:
        raise UnreadableFileError("empty file: 0 bytes")
    try:
        if packing(path):
            _check_unpacked(path)
        with fits.open(path, memmap=False) as units:  # `section` of a unit reads what it needs
            yield units
    except UnreadableFileError:
        raise
    except Exception as error:  # damage shows in many ways: OSError, TypeError, ValueError, EOFError, zlib.error, …
        raise UnreadableFileError(_damage(path, error)) from None


def packing(path: Path) -> Any:
    """Return the function that opens a packed file; None where it is not packed, whatever its name says."""
    with path.open("rb") as file:
        start = file.read(6)
    if start[:2] == b"PK":  # astropy would unpack it to the disk
        raise UnreadableFileError("not a FITS file but a zip archive: unpack it")
    return next((opened for magic, opened in PACKED.items() if start.startswith(magic)), None)


def _check_unpacked(path: Path) -> None:
    """Unpack once, keeping nothing: a few kilobytes may unpack to more than there is memory."""
    size = 0
    with packing(path)(path, "rb") as stream:
        while block := stream.read(CHUNK):
            size += len(block)
            if size > MAX_BYTES:
                raise UnreadableFileError(f"packed file that unpacks to more than {MAX_BYTES >> 20} MiB: unpack it")


def _damage(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(6)
    if start != b"SIMPLE" and start[:2] != b"\x1f\x8b":
        return f"not a FITS file: it starts with {start!r}"
    return f"damaged or truncated FITS file: {path.stat().st_size} bytes ({type(error).__name__}: {error})"


def check_rows(unit: Any, most: int) -> None:
    """Refuse a table with more rows than `most`, or than the file has bytes for, before a row of it is read."""
    rows, width = int(unit.header["NAXIS2"]), int(unit.header["NAXIS1"])
    info = unit.fileinfo()
    path = Path(info["file"].name)
    size = path.stat().st_size
    if not packing(path) and info["datLoc"] + rows * width > size:
        raise UnreadableFileError(
            f"damaged or truncated FITS file: {size} bytes, and its header claims {rows} rows of {width} bytes"
        )
    if rows > most or rows * width > MAX_BYTES:
        raise UnreadableFileError(f"too large to be one object: {rows} rows of {width} bytes")


def image_unit(units: Any, hdu: int | str | None = None) -> Any:
    """Return the first two-dimensional image of an open file, or the one asked for by number or name.

    Axes of length 1 do not count: radio images often have axes of frequency and polarisation.

    Raises
    ------
    UnreadableFileError
        If there is none, or the file is shorter than its header claims.
    """
    if hdu is not None:
        try:
            chosen = units[hdu]
        except (KeyError, IndexError):
            raise UnreadableFileError(f"no HDU {hdu!r}; the file has {_contents(units)}") from None
        if not is_plane(chosen):
            raise UnreadableFileError(f"HDU {hdu!r} is no two-dimensional image; the file has {_contents(units)}")
    else:
        chosen = next((unit for unit in units if is_plane(unit)), None)
        if chosen is None:
            raise UnreadableFileError(f"no two-dimensional image in the FITS file: it has {_contents(units)}")
    _check_claim(chosen)
    return chosen


def is_plane(unit: Any) -> bool:
    """Tell whether an HDU holds an image of two axes longer than 1."""
    return bool(unit.is_image and unit.shape and sum(side != 1 for side in unit.shape) == 2 and 0 not in unit.shape)


def _contents(units: Any) -> str:
    said = []
    for i, unit in enumerate(units):
        what = "x".join(map(str, unit.shape)) or "empty" if unit.is_image else "table"
        said.append(f"{i} {unit.name or ''}".strip() + f" ({what})")
    return ", ".join(said)


def _check_claim(unit: Any) -> None:
    """Refuse a header that claims more than the file has; the data of packed images are checked by their size."""
    from astropy.io.fits import CompImageHDU

    claimed = claimed_bytes(unit)
    if isinstance(unit, CompImageHDU):
        if math.prod(unit.tile_shape) * abs(unit.header["BITPIX"]) // 8 > MAX_BYTES:
            raise UnreadableFileError(f"compressed image in tiles of more than {MAX_BYTES >> 20} MiB")
        return
    info = unit.fileinfo()
    path = Path(info["file"].name)
    size = path.stat().st_size
    if not packing(path) and info["datLoc"] + claimed > size:
        raise UnreadableFileError(
            f"damaged or truncated FITS file: {size} bytes, and its header claims {claimed} bytes of pixels"
        )


def claimed_bytes(unit: Any) -> int:
    """Return the size of an image as its header has it."""
    return math.prod(map(int, unit.shape)) * abs(int(unit.header.get("BITPIX", 8))) // 8


def check_size(unit: Any) -> None:
    """Refuse an image that is too large to be read whole."""
    if claimed_bytes(unit) > MAX_BYTES:
        shape = " x ".join(map(str, unit.shape))
        raise UnreadableFileError(
            f"too large to be one object: {shape} pixels; give the positions of objects in it by source.catalog"
        )
