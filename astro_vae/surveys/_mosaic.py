"""Cut objects out of large images by a table of positions; only the pixels that each needs are read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astro_vae.surveys._fits_file import UnreadableFileError, image_unit, open_fits, packing
from astro_vae.surveys.candidate import WHOLE, Block, Candidate
from astro_vae.surveys.fits import Treatment, celestial, treated

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

OUTSIDE = "outside every mosaic"
SAME_ARCSEC = 1.0  # a pixel's position, there and back; off the projection's own half of the sky it is not the same
SPARE = 1.5  # more than sqrt(2): pixels around a cutout that is resampled with a rotation


@dataclass
class Mosaic:
    """A large image: what its header says. The file is open only while pixels of it are asked for.

    Attributes
    ----------
    path : Path
    shape : (int, int)
        Rows and columns.
    leading : int
        Axes of length 1 before them.
    header, wcs : Header, WCS
    """

    path: Path
    hdu: int | str | None
    shape: tuple[int, int]
    leading: int
    header: Any
    wcs: Any
    _files: ExitStack = field(default_factory=ExitStack)
    _unit: Any = None

    @classmethod
    def look(cls, path: Path, hdu: int | str | None) -> Mosaic:
        """Read the header of a mosaic, or raise an `UnreadableFileError`."""
        if packing(path):
            raise UnreadableFileError("packed mosaic: unpack it (gunzip), so that parts of it can be read")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_fits(path) as units:
                unit = image_unit(units, hdu)
                header, wcs = unit.header.copy(), celestial(unit.header)
                if wcs is None:
                    raise UnreadableFileError("mosaic without WCS: positions have no place in it")
                if any(side != 1 for side in unit.shape[:-2]):
                    raise UnreadableFileError(f"the axes of the sky are not the last two: {unit.shape}")
                return cls(path, hdu, unit.shape[-2:], len(unit.shape) - 2, header, wcs)

    def pixels(self, sky: SkyCoord) -> np.ndarray:
        """Return columns and rows (N, 2) of positions; NaN for those outside the image."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = np.stack(self.wcs.world_to_pixel(sky), axis=-1)
            back = self.wcs.pixel_to_world(*found.T)
            inside = np.all((found > -0.5) & (found < np.array(self.shape[::-1]) - 0.5), axis=-1)  # (N,)
            inside[inside] = back[inside].separation(sky[inside]).arcsec < SAME_ARCSEC
        return np.where(inside[:, None], found, np.nan)

    def cutout(self, place: np.ndarray, side: int) -> tuple[np.ndarray, Any]:
        """Return the pixels (side, side) around a column and row, NaN beyond the edge, and their WCS."""
        from astropy.nddata import Cutout2D

        blank = np.broadcast_to(np.float32(0), self.shape)  # the geometry needs a shape, and no pixels
        cut = Cutout2D(blank, tuple(place), side, wcs=self.wcs, mode="partial", fill_value=np.nan)
        values = np.full((side, side), np.nan, np.float32)
        where = (0,) * self.leading + tuple(cut.slices_original)
        values[cut.slices_cutout] = self._open().section[where]
        return values, cut.wcs

    def _open(self) -> Any:
        if self._unit is None:
            self._unit = image_unit(self._files.enter_context(open_fits(self.path)), self.hdu)
        return self._unit

    def close(self) -> None:
        """Close the file; the next cutout opens it again."""
        self._unit = None
        self._files.close()


def cutouts(
    paths: Sequence[Path], objects: Sequence[Candidate], treatment: Treatment, *, side: int, top: Path,
    block: Block = WHOLE,
) -> Iterator[Candidate]:
    """Yield a candidate for each mosaic that cannot be used, then the objects with their pixels, or the reason why not.

    Parameters
    ----------
    paths : sequence of Path
        The mosaics; an object is taken from the first that covers its position with a value.
    objects : sequence of Candidate
        What the table says of them; those without a position have their reason.
    treatment : Treatment
    side : int
        Side of the cutouts (pixel); of the new grid where there is one.
    top : Path
        Folder below which the mosaics are named.
    block : Block
        Of the objects; what is to be said of the mosaics themselves is said with the first.
    """
    mosaics = []
    for path in paths:
        try:
            mosaics.append(Mosaic.look(path, treatment.hdu))
        except UnreadableFileError as error:
            if block.number == 1:
                yield Candidate(path.relative_to(top).as_posix(), None, reason=str(error))
    places = _places(mosaics, objects)  # of all, so that a block's are theirs to the last digit
    opened: Mosaic | None = None
    try:
        for i in block.of(range(len(objects))):
            known = objects[i]
            made = known if known.reason else replace(known, reason=OUTSIDE if mosaics else "no mosaic can be read")
            for m in np.flatnonzero(np.isfinite(places[:, i, 0])):
                if opened is not mosaics[m]:
                    if opened:
                        opened.close()
                    opened = mosaics[m]
                made = _cut(opened, places[m, i], known, treatment, side)
                if not made.reason:
                    break
            yield made
    finally:  # also where the caller wants no more
        if opened:
            opened.close()


def _places(mosaics: Sequence[Mosaic], objects: Sequence[Candidate]) -> np.ndarray:
    """Return column and row of each position in each mosaic, (M, N, 2); NaN where it is not in it."""
    from astropy.coordinates import SkyCoord

    good = np.array([not one.reason for one in objects], dtype=bool)
    places = np.full((len(mosaics), len(objects), 2), np.nan)
    if good.any():
        sky = SkyCoord([o.ra for o in objects if not o.reason], [o.dec for o in objects if not o.reason], unit="deg")
        for mosaic, found in zip(mosaics, places, strict=True):
            found[good] = mosaic.pixels(sky)
    return places


def _cut(mosaic: Mosaic, place: np.ndarray, known: Candidate, treatment: Treatment, side: int) -> Candidate:
    """Cut one object out; a candidate without values where the mosaic has none at its position."""
    from astropy.coordinates import SkyCoord

    try:
        values, wcs = mosaic.cutout(place, _read_side(mosaic, treatment, side))
        middle = values.shape[0] // 2
        if not np.isfinite(values[middle - 1 : middle + 2, middle - 1 : middle + 2]).any():
            return replace(known, reason=f"off the field: {mosaic.path.name} has no value there")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            centre = SkyCoord(known.ra, known.dec, unit="deg")
            image = treated(values, mosaic.header, wcs, treatment, side=side, centre=centre)
    except UnreadableFileError as error:
        return replace(known, reason=f"{mosaic.path.name}: {error}")
    except Exception as error:  # a file may be damaged in the middle, a header wrong in many ways
        return replace(known, reason=f"{mosaic.path.name}: damaged ({type(error).__name__}: {error})")
    return replace(
        known, values=image.values, reason="", unit=image.unit, pixel_arcsec=image.pixel_arcsec, beam=image.beam,
        north_deg=image.north_deg, extra={**known.extra, "mosaic": mosaic.path.name},
    )


def _read_side(mosaic: Mosaic, treatment: Treatment, side: int) -> int:
    """Return how many of the mosaic's pixels a cutout needs before it is resampled."""
    if not treatment.grid_arcsec:
        return side
    finest = float(np.hypot(*mosaic.wcs.pixel_scale_matrix).min()) * 3600
    return min(math.ceil(SPARE * side * treatment.grid_arcsec / finest) + 4, 4 * max(mosaic.shape))
