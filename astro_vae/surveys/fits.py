"""Read a FITS image so that North is up and East is left, with what its header says of unit, beam and sky."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.surveys.candidate import NO_BEAM

if TYPE_CHECKING:
    import numpy as np

SQUARE = 0.01  # sides of a pixel may differ by this part and still be one number


class UnreadableImageError(Exception):
    """A file is no image that can be used; the message says why."""


@dataclass(frozen=True)
class FitsImage:
    """A FITS image in hand; see `Candidate` for the attributes.

    Attributes
    ----------
    values : ndarray of float32, shape (H, W)
        NaN is kept; mJy/beam is turned to Jy/beam.
    """

    values: np.ndarray
    unit: str = ""
    ra: float = math.nan
    dec: float = math.nan
    pixel_arcsec: float = math.nan
    north_deg: float = math.nan
    beam: tuple[float, float, float] = NO_BEAM


def read_fits_image(path: Path) -> FitsImage:
    """Read the first two-dimensional image of a FITS file.

    Rows and columns are turned round where that brings North up (to within 90 deg) and East left; a
    rotation that remains is told by `north_deg`. Without celestial WCS the image is taken as it lies.

    Raises
    ------
    UnreadableImageError
        If the file is empty, truncated, no FITS file or without an image.
    """
    if path.stat().st_size == 0:
        raise UnreadableImageError("empty file: 0 bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of surveys break small rules of the standard
        values, header = _first_image(path)
        values, scale = _physical(values, header)
        return _oriented(values, scale, header)


def _first_image(path: Path) -> tuple[np.ndarray, Any]:
    import numpy as np
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as units:
            for unit in units:
                if unit.is_image and unit.data is not None and unit.data.size:
                    values = np.squeeze(unit.data)  # radio images often have axes of frequency and polarisation
                    if values.ndim == 2:
                        return values.astype(np.float32), unit.header
    except Exception as error:  # damage shows in many ways: OSError, TypeError, ValueError, EOFError, zlib.error, …
        raise UnreadableImageError(_damage(path, error)) from None
    raise UnreadableImageError("no two-dimensional image in the FITS file")


def _damage(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(6)
    if start != b"SIMPLE" and start[:2] != b"\x1f\x8b":
        return f"not a FITS file: it starts with {start!r}"
    return f"damaged or truncated FITS file: {path.stat().st_size} bytes ({type(error).__name__}: {error})"


def _physical(values: np.ndarray, header: Any) -> tuple[np.ndarray, str]:
    """Return values and unit, surface brightnesses of radio images in Jy/beam."""
    unit = str(header.get("BUNIT", "")).strip()
    plain = unit.lower().replace(" ", "")
    if plain in ("mjy/beam", "mjy.beam-1", "mjybeam-1"):
        return values / 1000, "Jy/beam"
    return values, "Jy/beam" if plain in ("jy/beam", "jy.beam-1", "jybeam-1") else unit


def _oriented(values: np.ndarray, unit: str, header: Any) -> FitsImage:
    from astropy.wcs import WCS

    try:
        wcs = WCS(header).celestial
        matrix = wcs.pixel_scale_matrix  # deg per pixel
    except Exception:  # wcslib raises many kinds of errors on headers that it cannot use
        return FitsImage(values, unit)
    if wcs.naxis != 2 or not wcs.has_celestial:
        return FitsImage(values, unit)
    ra, dec = _centre(wcs, values.shape)
    values, north_deg = _north_up(values, matrix)
    return FitsImage(values, unit, ra, dec, _pixel_arcsec(matrix), north_deg, _beam(header, dec))


def _centre(wcs: Any, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the ICRS position (deg) of the centre of the image."""
    import numpy as np

    height, width = shape
    sky = wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs
    ra, dec = float(sky.ra.deg), float(sky.dec.deg)
    return (ra, dec) if np.isfinite([ra, dec]).all() else (math.nan, math.nan)


def _pixel_arcsec(matrix: np.ndarray) -> float:
    import numpy as np

    sides = np.hypot(*matrix) * 3600
    if abs(sides[0] - sides[1]) > SQUARE * sides.max():
        raise UnreadableImageError(f"pixels are not square: {sides[0]:.3g} x {sides[1]:.3g} arcsec")
    return float(sides.mean())


def _north_up(values: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """Turn columns and rows round where needed; return the values and the angle of North that remains."""
    import numpy as np

    to_pixel = np.linalg.inv(matrix)
    if np.linalg.det(matrix) > 0:  # East is right of North: the sky seen from outside
        values, to_pixel = values[:, ::-1], np.diag([-1, 1]) @ to_pixel
    north_deg = math.degrees(math.atan2(-to_pixel[0, 1], to_pixel[1, 1]))
    if abs(north_deg) > 90:
        values, north_deg = values[::-1, ::-1], north_deg - math.copysign(180, north_deg)
    return np.ascontiguousarray(values), round(north_deg, 9) + 0.0  # no -0.0


def _beam(header: Any, dec: float) -> tuple[float, float, float]:
    if all(f"BM{axis}" in header for axis in ("AJ", "IN")):
        return header["BMAJ"] * 3600, header["BMIN"] * 3600, float(header.get("BPA", 0.0))
    return first_beam(dec) if str(header.get("SURVEY", "")).strip().upper() == "FIRST" else NO_BEAM


def first_beam(dec: float) -> tuple[float, float, float]:
    """Return the restoring beam of the FIRST survey at a declination.

    It is round north of +4d33m21s, and longer in declination south of it and again south of -2d30m25s, where
    the VLA sees the field lower (Becker, White & Helfand 1995; White et al. 1997). Point sources in FIRST
    cutouts of the three strips measure 5.4 x 5.4, 6.5 x 5.5 and 6.6 x 5.5 arcsec and more.

    Parameters
    ----------
    dec : float
        Declination (deg).

    Returns
    -------
    (float, float, float)
        Major and minor axis (FWHM, arcsec), position angle (deg).
    """
    if math.isnan(dec):
        return NO_BEAM
    if dec >= 4 + 33 / 60 + 21 / 3600:
        return 5.4, 5.4, 0.0
    return (6.4, 5.4, 0.0) if dec >= -(2 + 30 / 60 + 25 / 3600) else (6.8, 5.4, 0.0)
