"""What every survey hands over: one object at a time, with its values or the reason why not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

NO_BEAM = (math.nan, math.nan, math.nan)
PARTS = ("train", "validation", "test")
"""Of a split, as surveys publish it and tables of one's own name it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Block:
    """One of `total` blocks of a survey's objects, in their order; the first has the number 1."""

    number: int = 1
    total: int = 1

    def of(self, rows: Sequence[T]) -> Sequence[T]:
        """Return what of all the rows lies in this block: blocks differ in length by one at most."""
        return rows[(self.number - 1) * len(rows) // self.total : self.number * len(rows) // self.total]


WHOLE = Block()


@dataclass(frozen=True)
class Expected:
    """What a survey will hand over, as far as its settings tell it before anything is downloaded.

    Attributes
    ----------
    objects : int
        Candidates.
    bytes : int
        To be downloaded or written; 0 where files stay where they are.
    scaled : bool
        Its images are 8-bit ones.
    labels : int
        Different labels; 0 where they are not known beforehand.
    """

    objects: int
    bytes: int
    scaled: bool = False
    labels: int = 0


@dataclass
class Candidate:
    """One object of a survey, as measured.

    Attributes
    ----------
    object_id : str
        Unique in the survey.
    values : ndarray, shape (H, W), or Spectrum, or None
        Images have row 0 in the South, columns towards West; None where the object cannot be read.
    reason : str
        Why the object cannot be used; empty where it can.
    ra, dec : float
        Position of the object, or of the centre of the image (ICRS, deg).
    label : str
        Class; empty where unknown.
    unit : str
        Of the values; physical images of radio surveys are in "Jy/beam", spectra in the unit of
        `spectra.measure.DENSITY_UNIT`.
    scaled : bool
        The survey gives 8-bit images without a flux scale.
    pixel_arcsec : float
        Side of a pixel.
    beam : (float, float, float)
        Full widths at half maximum of major and minor axis (arcsec), position angle (deg, North through East).
    north_deg : float
        Angle of North from the direction of growing rows, towards East; NaN where unknown.
    redshift : float
        Of a spectrum; heliocentric.
    ebv : float
        Galactic colour excess E(B-V) of a spectrum that is not corrected for it (mag); NaN where unknown.
    part : str
        "train" or "test" where the survey published a split.
    extra : dict
        The survey's or the user's own columns.
    """

    object_id: str
    values: Any  # of the type that the kind has
    reason: str = ""
    ra: float = math.nan
    dec: float = math.nan
    label: str = ""
    unit: str = "Jy/beam"
    scaled: bool = False
    pixel_arcsec: float = math.nan
    beam: tuple[float, float, float] = NO_BEAM
    north_deg: float = math.nan
    redshift: float = math.nan
    ebv: float = math.nan
    part: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
