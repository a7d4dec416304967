"""Say what of a candidate image is stored, and when it is refused."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from astro_vae.columns import Alike, Column
from astro_vae.errors import RefusedError
from astro_vae.images.measure import measure, measure_noise, measure_scaled
from astro_vae.settings_images import PrepareSettings

COLUMNS = {
    "pixel_arcsec": Column("Side of a pixel", "arcsec", "instr.pixel"),
    "bmaj_arcsec": Column("Major axis of the beam (FWHM)", "arcsec", "instr.beam;phys.angSize.smajAxis"),
    "bmin_arcsec": Column("Minor axis of the beam (FWHM)", "arcsec", "instr.beam;phys.angSize.sminAxis"),
    "bpa_deg": Column("Position angle of the beam, from North through East", "deg", "instr.beam;pos.posAng"),
    "north_deg": Column("Angle of North from the direction of growing rows, towards East", "deg", "pos.posAng"),
}
"""Columns of what is known of an image before it is measured."""
ALIKE = {
    "pixel_arcsec": Alike("pixel scale", "arcsec"),
    "bmaj_arcsec": Alike("major axis of the beam", "arcsec"),
    "bmin_arcsec": Alike("minor axis of the beam", "arcsec"),
}
"""Columns in which new objects must be like those of the training, to about what an augmentation does to sizes."""
VALUES_DEPEND_ON = ()
"""Settings that change the values that are stored: none, they are those of the survey."""


class Known(Protocol):
    """What a survey says of an image."""

    values: Any
    ra: float
    pixel_arcsec: float
    beam: tuple[float, float, float]
    north_deg: float


def stored_shape(settings: PrepareSettings) -> tuple[int, ...]:
    """Return the shape of what is stored of each image."""
    return settings.size, settings.size


def stored_bytes(settings: PrepareSettings, *, scaled: bool) -> int:
    """Return how much is stored of each image, not compressed (bytes)."""
    return settings.size**2 * (1 if scaled else 4)


def lenient(settings: PrepareSettings) -> PrepareSettings:
    """Return the settings without limits on quality, where any image does."""
    return settings.model_copy(update={"min_snr": 0.0})


def grid(settings: PrepareSettings) -> dict[str, Any]:
    """Return the pixels of what is stored."""
    return {"size": settings.size}


def known(candidate: Known) -> dict[str, Any]:
    """Return the values of `COLUMNS`."""
    bmaj, bmin, bpa = candidate.beam
    return {
        "pixel_arcsec": candidate.pixel_arcsec, "bmaj_arcsec": bmaj, "bmin_arcsec": bmin, "bpa_deg": bpa,
        "north_deg": candidate.north_deg,
    }


def take(
    candidate: Known, settings: PrepareSettings, *, scaled: bool
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what is stored of an image, and what is measured in it.

    Parameters
    ----------
    candidate : Known
    settings : PrepareSettings
    scaled : bool
        The image is an 8-bit one.

    Returns
    -------
    layers : dict
        `values`, (size, size): float32, or uint8 if `scaled`.
    columns : dict
        Of `measure.COLUMNS`.

    Raises
    ------
    RefusedError
        With the reason why the image cannot be used.
    """
    image = candidate.values
    if not scaled and math.isnan(candidate.ra) and math.isnan(candidate.pixel_arcsec):
        raise RefusedError("header without WCS: neither position nor pixel scale")
    noise = math.nan if scaled or not np.isfinite(image).any() else float(measure_noise(image, settings.noise))
    if reason := refusal(image, settings, noise=noise, scaled=scaled):
        raise RefusedError(reason)
    how: dict[str, Any] = {
        "pixel_arcsec": candidate.pixel_arcsec, "north_deg": candidate.north_deg, "field": settings.field,
    }
    measured = measure_scaled(image, **how) if scaled else measure(image, noise=noise, beam=candidate.beam, **how)
    warnings = (_without_wcs(candidate, scaled), measured["warning"])
    measured["warning"] = "; ".join(text for text in warnings if text)
    return {"values": cut(image, settings.size, scaled=scaled)}, measured


def _without_wcs(candidate: Known, scaled: bool) -> str:
    if scaled:
        return ""
    if math.isnan(candidate.pixel_arcsec):
        return "no pixel scale: sizes and integrated fluxes are not known"
    return "no position: header without WCS" if math.isnan(candidate.ra) else ""


def cut(values: np.ndarray, size: int, *, scaled: bool) -> np.ndarray:
    """Return the central square of an image, filled up where the image is smaller.

    Parameters
    ----------
    values : ndarray, shape (H, W)
    size : int
        Side of the square (pixel).
    scaled : bool
        The image is an 8-bit one.

    Returns
    -------
    ndarray, shape (size, size)
        float32 filled up with NaN, or uint8 filled up with 0 if `scaled`. A crop of it to H pixels, by
        the same rule, is the image again.
    """
    out = np.zeros((size, size), np.uint8) if scaled else np.full((size, size), np.nan, np.float32)
    (source_rows, rows), (source_columns, columns) = (_overlap(side, size) for side in values.shape)
    out[rows, columns] = values[source_rows, source_columns]
    return out


def _overlap(side: int, size: int) -> tuple[slice, slice]:
    """Return where the central part lies in `side` pixels, and where it goes in `size` pixels."""
    kept = min(side, size)
    source, target = (side - kept) // 2, (size - kept) // 2
    return slice(source, source + kept), slice(target, target + kept)


def refusal(values: np.ndarray, settings: PrepareSettings, *, noise: float, scaled: bool) -> str:
    """Say why an image cannot be used; empty if it can.

    Parameters
    ----------
    values : ndarray, shape (H, W)
        The whole image, before the cut.
    settings : PrepareSettings
    noise : float
        In the unit of the values; not used if `scaled`.
    scaled : bool
        The image is an 8-bit one, of which the survey has cut off the noise.
    """
    if values.ndim != 2:
        return f"not a two-dimensional image: shape {values.shape}"
    if min(values.shape) < settings.field:
        height, width = values.shape
        return f"too small: {height} x {width} pixels, prepare.field needs {settings.field}"
    field = cut(values, settings.field, scaled=scaled)
    missing = float(np.mean(np.isnan(field)))
    if missing == 1:
        return "off the survey's field: no pixel of the field has a value"
    if missing > settings.max_nan_fraction:
        return f"NaN in the field: {missing:.1%} of its pixels"
    peak, low = float(np.nanmax(field)), float(np.nanmin(field))
    if peak == low:
        return f"empty: every pixel of the field is {peak:g}"
    return "" if scaled else _faint(peak, noise, settings.min_snr)


def _faint(peak: float, noise: float, min_snr: float) -> str:
    if not noise > 0:
        return "no noise: the background is constant, so that no threshold can be set"
    if peak < min_snr * noise:
        return f"too faint: the peak in the field is {peak / noise:.1f} sigma, prepare.min_snr asks for {min_snr:g}"
    return ""
