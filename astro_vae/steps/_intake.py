"""Take a survey's candidates one by one: keep or refuse each, and remember a row of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from astro_vae.columns import COLUMNS as FIRST
from astro_vae.columns import Column
from astro_vae.kinds import Kind
from astro_vae.settings import PrepareSettings

if TYPE_CHECKING:
    from astro_vae.surveys.candidate import Candidate

COLUMNS = {
    "published_part": Column("Part of the split that the survey published; empty where none"),
    "pixel_arcsec": Column("Side of a pixel", "arcsec", "instr.pixel"),
    "bmaj_arcsec": Column("Major axis of the beam (FWHM)", "arcsec", "instr.beam;phys.angSize.smajAxis"),
    "bmin_arcsec": Column("Minor axis of the beam (FWHM)", "arcsec", "instr.beam;phys.angSize.sminAxis"),
    "bpa_deg": Column("Position angle of the beam, from North through East", "deg", "instr.beam;pos.posAng"),
    "north_deg": Column("Angle of North from the direction of growing rows, towards East", "deg", "pos.posAng"),
}
WARNING = "warning"  # a key of the measurements; it becomes the reason of an object that is kept


class Intake:
    """Keep or refuse candidates, and gather the object table.

    Parameters
    ----------
    kind : Kind
    settings : PrepareSettings
    scaled, unit : bool, str
        Of the file; a candidate that differs is refused.
    """

    def __init__(self, kind: Kind, settings: PrepareSettings, *, scaled: bool, unit: str) -> None:
        self._cut, self._measure = kind.cut, kind.measure
        self._settings, self._scaled, self._unit = settings, scaled, unit
        self._rows: list[dict[str, Any]] = []
        self._extras: dict[str, None] = {}  # in the order of their appearance
        self._images: dict[bytes, str] = {}
        self._names: set[str] = set()
        self._kept = 0

    def take(self, candidate: Candidate) -> np.ndarray | None:
        """Remember the candidate's row; return what is stored of its values, None if it is refused."""
        noise = self._noise(candidate)
        reason = self._refusal(candidate, noise)
        row = _known(candidate) | self._extra(candidate)
        self._names.add(candidate.object_id)
        if reason or candidate.values is None:
            self._rows.append(row | {"status": "refused", "reason": reason, "row": -1})
            return None
        measured = self._measured(candidate, noise)
        warnings = [text for text in (_without_wcs(candidate), measured.pop(WARNING, "")) if text]
        self._rows.append(row | measured | {"status": "ok", "reason": "; ".join(warnings), "row": self._kept})
        self._kept += 1
        return self._cut.cut(candidate.values, self._settings.size, scaled=self._scaled)

    def _noise(self, candidate: Candidate) -> float:
        if candidate.values is None or candidate.scaled or not np.isfinite(candidate.values).any():
            return math.nan
        return float(self._measure.measure_noise(candidate.values, self._settings.noise))

    def _refusal(self, candidate: Candidate, noise: float) -> str:
        """Say why the candidate is refused; empty if it is kept. An image that is kept is remembered."""
        if candidate.object_id in self._names:
            return "duplicate name: the first object of this name is kept"
        if candidate.values is None or candidate.reason:
            return candidate.reason or "unreadable"
        if candidate.scaled != self._scaled or candidate.unit != self._unit:
            return f"another unit: '{candidate.unit}' in a survey in '{self._unit}'"
        if not candidate.scaled and math.isnan(candidate.ra) and math.isnan(candidate.pixel_arcsec):
            return "header without WCS: neither position nor pixel scale"
        reason = self._cut.refusal(candidate.values, self._settings, noise=noise, scaled=self._scaled)
        return reason or self._twin(candidate)

    def _twin(self, candidate: Candidate) -> str:
        digest = hashlib.sha256(np.ascontiguousarray(candidate.values).tobytes()).digest()
        other = self._images.setdefault(digest, candidate.object_id)
        return "" if other == candidate.object_id else f"duplicate image: the same pixels as {other}"

    def _measured(self, candidate: Candidate, noise: float) -> dict[str, Any]:
        scale = {"pixel_arcsec": candidate.pixel_arcsec, "north_deg": candidate.north_deg}
        if self._scaled:
            return dict(self._measure.measure_scaled(candidate.values, field=self._settings.field, **scale))
        return dict(self._measure.measure(
            candidate.values, noise=noise, beam=candidate.beam, field=self._settings.field, **scale
        ))

    def _extra(self, candidate: Candidate) -> dict[str, Any]:
        """Return the survey's or the user's own columns, renamed where a column of ours has the name."""
        ours = {**FIRST, **COLUMNS, **self._measure.COLUMNS}
        extra = {f"user_{name}" if name in ours else name: value for name, value in candidate.extra.items()}
        self._extras.update(dict.fromkeys(extra))
        return extra

    def table(self) -> pd.DataFrame:
        """Return the object table: a row per candidate, in the order in which they came."""
        measured = [name for name in self._measure.COLUMNS if name != WARNING]
        columns = {name: [row.get(name) for row in self._rows] for name in FIRST | COLUMNS}
        columns |= {name: [row.get(name, math.nan) for row in self._rows] for name in measured}
        columns |= {name: _alike([row.get(name) for row in self._rows]) for name in self._extras}
        return pd.DataFrame(columns)

    def columns(self, survey: Mapping[str, Column]) -> dict[str, Column]:
        """Return the description of each column of the table."""
        users = {name: Column("Column of the survey's or the user's own table") for name in self._extras}
        return {**users, **survey, **COLUMNS, **self._measure.COLUMNS}


def _known(candidate: Candidate) -> dict[str, Any]:
    bmaj, bmin, bpa = candidate.beam
    return {
        "object_id": candidate.object_id, "ra": candidate.ra, "dec": candidate.dec, "label": candidate.label,
        "published_part": candidate.part, "pixel_arcsec": candidate.pixel_arcsec, "bmaj_arcsec": bmaj,
        "bmin_arcsec": bmin, "bpa_deg": bpa, "north_deg": candidate.north_deg,
    }


def _without_wcs(candidate: Candidate) -> str:
    if candidate.scaled:
        return ""
    if math.isnan(candidate.pixel_arcsec):
        return "no pixel scale: sizes and integrated fluxes are not known"
    return "no position: header without WCS" if math.isnan(candidate.ra) else ""


def _alike(values: list[Any]) -> list[Any]:
    """Return the values of one column as one type: text where any is text, otherwise numbers."""
    if any(isinstance(value, str) for value in values):
        return ["" if _missing(value) else str(value) for value in values]
    if all(isinstance(value, (bool, int, np.integer)) for value in values):
        return [int(value) for value in values]
    return [math.nan if _missing(value) else float(value) for value in values]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
