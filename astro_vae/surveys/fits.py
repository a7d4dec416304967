"""Read a FITS image so that North is up and East is left, with what its header says of unit, beam and sky."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.surveys._fits_file import UnreadableFileError, check_size, image_unit, is_plane, open_fits
from astro_vae.surveys.candidate import NO_BEAM

if TYPE_CHECKING:
    import numpy as np
    from astropy.coordinates import SkyCoord

__all__ = [
    "FitsImage", "Treatment", "UnreadableFileError", "celestial", "first_beam", "image_names", "read_fits_image",
    "treated",
]

Beam = tuple[float, float, float]
SQUARE = 0.01  # sides of a pixel may differ by this part and still be one number
MAX_SIDE = 10_000  # of an image on a new grid


@dataclass(frozen=True)
class Treatment:
    """What is done to an image as it is read; by default nothing.

    Attributes
    ----------
    hdu : int or str, optional
        Number or name of the HDU; the first two-dimensional image unless given.
    beam : (float, float, float), optional
        In place of the header's.
    common_beam : (float, float, float), optional
        Beam to which the image is convolved.
    grid_arcsec : float, optional
        Side of the pixels to which it is resampled, North up.
    """

    hdu: int | str | None = None
    beam: Beam | None = None
    common_beam: Beam | None = None
    grid_arcsec: float | None = None


AS_IT_LIES = Treatment()


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


def read_fits_image(path: Path, treatment: Treatment = AS_IT_LIES) -> FitsImage:
    """Read an image of a FITS file, the first two-dimensional one unless `treatment` says which.

    Rows and columns are turned round where that brings North up (to within 90 deg) and East left; a
    rotation that remains is told by `north_deg`. Without celestial WCS the image is taken as it lies.

    Raises
    ------
    UnreadableFileError
        If the file is empty, truncated, no FITS file, without an image, larger than memory should hold, or
        cannot be treated as it should.
    """
    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of surveys break small rules of the standard
        with open_fits(path) as units:
            unit = image_unit(units, treatment.hdu)
            check_size(unit)
            values, header = np.squeeze(unit.data).astype(np.float32), unit.header
        try:
            return treated(values, header, celestial(header), treatment)
        except UnreadableFileError:
            raise
        except Exception as error:  # what a header says of the sky may be wrong in many ways
            raise UnreadableFileError(f"header that cannot be used ({type(error).__name__}: {error})") from None


def image_names(path: Path) -> tuple[str, ...]:
    """Return number and name of each two-dimensional image of a FITS file, or raise an `UnreadableFileError`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_fits(path) as units:
            return tuple(f"{i} {unit.name}".strip() for i, unit in enumerate(units) if is_plane(unit))


def celestial(header: Any) -> Any:
    """Return the WCS of the two celestial axes, None where there is none."""
    from astropy.wcs import WCS

    try:
        wcs = WCS(header).celestial
        wcs.pixel_scale_matrix  # noqa: B018  (an axis without a scale shows here)
    except Exception:  # wcslib raises many kinds of errors on headers that it cannot use
        return None
    return wcs if wcs.naxis == 2 and wcs.has_celestial else None


def treated(
    values: np.ndarray, header: Any, wcs: Any, treatment: Treatment, *, side: int | None = None,
    centre: SkyCoord | None = None,
) -> FitsImage:
    """Return pixels with their unit, position and beam, convolved and resampled where that is asked for.

    Parameters
    ----------
    values : ndarray of float32, shape (H, W)
    header : astropy.io.fits.Header
    wcs : astropy.wcs.WCS or None
        Of the pixels.
    treatment : Treatment
    side, centre : int, SkyCoord, optional
        Of the image on the new grid, where there is one; those of the pixels unless given.

    Raises
    ------
    UnreadableFileError
        If the image cannot be treated as it should.
    """
    values, unit = _physical(values, header)
    if wcs is None:
        if treatment.common_beam or treatment.grid_arcsec:
            raise UnreadableFileError("header without WCS: the image cannot be brought to one grid or beam")
        return FitsImage(values, unit)
    ra, dec = _centre(wcs, values.shape)
    beam = treatment.beam or _beam(header, dec)
    if treatment.common_beam:
        values, beam = _convolved(values, unit, beam, wcs, treatment.common_beam), treatment.common_beam
    if treatment.grid_arcsec:
        values, wcs = _resampled(values, unit, wcs, treatment.grid_arcsec, side, centre)
    matrix = wcs.pixel_scale_matrix  # deg per pixel
    values, north_deg = _north_up(values, matrix)
    return FitsImage(values, unit, ra, dec, _pixel_arcsec(matrix), north_deg, beam)


def _convolved(values: np.ndarray, unit: str, beam: Beam, wcs: Any, common: Beam) -> np.ndarray:
    from astro_vae.images.regrid import to_beam

    try:
        return to_beam(values, beam, common, wcs.pixel_scale_matrix * 3600, per_beam="beam" in unit.lower())
    except ValueError as error:
        raise UnreadableFileError(f"not convolved to source.common_beam: {error}") from None


def _resampled(
    values: np.ndarray, unit: str, wcs: Any, grid_arcsec: float, side: int | None, centre: SkyCoord | None
) -> tuple[np.ndarray, Any]:
    import numpy as np

    from astro_vae.images.regrid import to_grid

    area = abs(np.linalg.det(wcs.pixel_scale_matrix)) * 3600**2  # arcsec^2 of a pixel
    shape = np.hypot(*wcs.pixel_scale_matrix) * 3600 / grid_arcsec * values.shape[::-1]
    if side is None and shape.max() > MAX_SIDE:
        raise UnreadableFileError(f"{shape.max():.0f} pixels wide on a grid of {grid_arcsec:g} arcsec")
    per_pixel = unit.lower().replace(" ", "").endswith(("/pixel", "/pix", "pixel-1"))
    made, wcs = to_grid(values, wcs, grid_arcsec, side=side, centre=centre)
    return made * np.float32(grid_arcsec**2 / area) if per_pixel else made, wcs


def _physical(values: np.ndarray, header: Any) -> tuple[np.ndarray, str]:
    """Return values and unit, surface brightnesses of radio images in Jy/beam."""
    unit = str(header.get("BUNIT", "")).strip()
    plain = unit.lower().replace(" ", "")
    if plain in ("mjy/beam", "mjy.beam-1", "mjybeam-1"):
        return values / 1000, "Jy/beam"
    return values, "Jy/beam" if plain in ("jy/beam", "jy.beam-1", "jybeam-1") else unit


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
        raise UnreadableFileError(f"pixels are not square: {sides[0]:.3g} x {sides[1]:.3g} arcsec")
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


def _beam(header: Any, dec: float) -> Beam:
    if all(f"BM{axis}" in header for axis in ("AJ", "IN")):
        try:
            beam = float(header["BMAJ"]) * 3600, float(header["BMIN"]) * 3600, float(header.get("BPA", 0.0))
        except (TypeError, ValueError):
            return NO_BEAM
        return beam if min(beam[:2]) > 0 else NO_BEAM
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
