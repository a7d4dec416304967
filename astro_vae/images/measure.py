"""Measure an image: noise, flux densities, sizes, direction, number of components.

Flux densities use the object's own beam and pixel, angles run from North through East. Images that their
survey has scaled to 8 bits have no flux scale: their physical columns are NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from astropy.stats import mad_std, sigma_clipped_stats

from astro_vae.columns import Column
from astro_vae.images._source import Source, count_components, extent, find_source, moments
from astro_vae.images.view import central

THRESHOLD_SIGMA = 3.0
SIGNIFICANT_SIGMA = 5.0
RESOLVED_OUT_ARCSEC = 120.0  # the VLA in its B configuration at 1.4 GHz loses flux of larger structures

COLUMNS = {
    "noise": Column("Noise of the cutout", "Jy/beam", "stat.stdev;phot.flux.density;em.radio"),
    "peak_flux": Column("Brightest pixel of the source", "Jy/beam", "phot.flux.density;stat.max;em.radio"),
    "total_flux": Column(
        "Flux density of the source, integrated above 3 sigma in the field", "Jy", "phot.flux.density;em.radio"
    ),
    "total_flux_err": Column(
        "Error of total_flux from the noise; without that of the calibration", "Jy",
        "stat.error;phot.flux.density;em.radio",
    ),
    "snr": Column("Brightest pixel of the source by the noise", "", "stat.snr"),
    "las_arcsec": Column(
        "Largest angular size: between pixels of the source above 3 sigma, beam included", "arcsec", "phys.angSize"
    ),
    "axis_ratio": Column("Minor by major axis from second moments, beam included", "", "phys.size.axisRatio"),
    "position_angle_deg": Column("Position angle of the long axis, North through East", "deg", "pos.posAng"),
    "axis_angle_deg": Column(
        "Direction of the long axis in the image, from its upward side counter-clockwise", "deg", "pos.posAng"
    ),
    "n_components": Column("Peaks of the source that stand out by 5 sigma and 1 % of the brightest", "", "meta.number"),
    "n_nonzero": Column("Pixels above 3 sigma in the field (8-bit images: above zero)", "", "meta.number"),
    "warning": Column("What makes the measured values doubtful", "", "meta.note"),
}
"""Columns that `measure` and `measure_scaled` return."""

EXTREMES = {
    "las_arcsec": ("very large ({:.0f} arcsec)", ""),
    "n_components": ("{:.0f} components", ""),
    "total_flux": ("very bright ({:.3g} Jy)", ""),
    "axis_ratio": ("round for this survey (axis ratio {:.2f})", "very thin (axis ratio {:.2f})"),
}
"""What to say of an object by measured column: where it is among the highest, and where it is among the lowest."""

SHOWN = {
    "las_arcsec": "largest angular size (arcsec)", "snr": "peak over noise",
    "total_flux": "integrated flux density (Jy)", "n_nonzero": "pixels above the threshold",
}
"""Columns whose distribution says most of a survey, the best first, in words."""

TRIVIAL = {
    "trivial_flux": Column("Trivial score: integrated flux density; peak where that is not known", "", "stat.value"),
    "trivial_size": Column("Trivial score: largest angular size", "", "stat.value"),
    "trivial_nonzero": Column("Trivial score: pixels above the threshold", "", "stat.value"),
}
"""Columns that `trivial` returns."""


def trivial(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `TRIVIAL` of the objects of a table."""
    known = table.reindex(columns=["total_flux", "peak_flux", "las_arcsec", "n_nonzero"]).astype(float)
    flux = "peak_flux" if known["total_flux"].isna().all() else "total_flux"
    return pd.DataFrame({
        "trivial_flux": known[flux], "trivial_size": known["las_arcsec"], "trivial_nonzero": known["n_nonzero"],
    })


def measure_noise(image: np.ndarray, method: str) -> float:
    """Return the noise of an image over all its finite pixels; NaN if there are none.

    Parameters
    ----------
    image : ndarray, shape (H, W)
    method : {"sigma_clip", "mad", "edge"}
        Standard deviation after at most 5 rounds of clipping at 3 sigma about the median (that of the
        published MiraBest images); median absolute deviation times 1.4826; or standard deviation of the
        outermost ring, a tenth of the side wide.

    Returns
    -------
    float
        In the unit of the image.
    """
    if method == "edge":
        ring = np.ones(image.shape, bool)
        width = max(1, min(image.shape) // 10)
        ring[width:-width, width:-width] = False
        image = image[ring]
    pixels = image[np.isfinite(image)].astype(np.float64)
    if not len(pixels):
        return math.nan
    if method == "edge":
        return float(pixels.std())
    if method == "mad":
        return float(mad_std(pixels))
    return float(sigma_clipped_stats(pixels, sigma=3.0, maxiters=5, axis=0)[2])  # an axis makes it twice as fast


def measure(
    image: np.ndarray, *, noise: float, beam: tuple[float, float, float], pixel_arcsec: float, field: int,
    north_deg: float,
) -> dict[str, Any]:
    r"""Measure the source at the centre of a physical image.

    The flux density is the sum S over the pixels of the source, by the area of the beam in pixels, with the
    error of N pixels of noise that is correlated over a beam:

    .. math::
        F = S / A, \quad \sigma_F = \sigma \sqrt{N / A}, \quad
        A = \frac{\pi\, b_{maj} b_{min}}{4 \ln 2\, p^2}

    Parameters
    ----------
    image : ndarray, shape (H, W)
        Jy/beam.
    noise : float
        Jy/beam; see `measure_noise`.
    beam : (float, float, float)
        Full widths at half maximum of major and minor axis (arcsec), position angle (deg).
    pixel_arcsec : float
        Side of a pixel.
    field : int
        Side (pixel) of the central field in which sources are looked for.
    north_deg : float
        Angle of North from the direction of the rows, counter-clockwise as displayed; NaN where unknown.

    Returns
    -------
    dict
        A value for each of `COLUMNS`; NaN where it cannot be had.
    """
    frame = _field(image, field)
    source = find_source(frame, THRESHOLD_SIGMA * noise, SIGNIFICANT_SIGMA * noise)
    peak = float(frame[source.pixels].max() if source else frame.max())
    area = math.pi * beam[0] * beam[1] / (4 * math.log(2) * pixel_arcsec**2)
    known = bool(source) and area > 0
    return {
        "noise": float(noise),
        "peak_flux": peak,
        "total_flux": float(frame[source.pixels].sum(dtype=np.float64)) / area if known else math.nan,
        "total_flux_err": noise * math.sqrt(source.pixels.sum() / area) if known else math.nan,
        "snr": peak / noise if noise > 0 else math.nan,  # an image that was clipped to zero has no noise left
        **_shape(frame, source, pixel_arcsec, north_deg, SIGNIFICANT_SIGMA * noise),
        "n_nonzero": int((frame > THRESHOLD_SIGMA * noise).sum()),
    }


PHYSICAL = ("noise", "peak_flux", "total_flux", "total_flux_err", "snr")
NO_FLUX_SCALE = "8-bit image without a flux scale: physical columns are null"


def measure_scaled(
    image: np.ndarray, *, pixel_arcsec: float = math.nan, field: int | None = None, north_deg: float = math.nan
) -> dict[str, Any]:
    """Measure what an 8-bit image without a flux scale still tells; the physical columns are NaN.

    Images that were clipped have a background of zero; the background of others is told by its median and
    clipped standard deviation.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
    pixel_arcsec, field, north_deg
        See `measure`; `field` is the whole image unless given.
    """
    frame = _field(image, field or min(image.shape))
    _, level, spread = sigma_clipped_stats(frame.ravel(), sigma=3.0, maxiters=5, axis=0)
    source = find_source(frame, level + THRESHOLD_SIGMA * spread, level + SIGNIFICANT_SIGMA * spread)
    shape = _shape(frame, source, pixel_arcsec, north_deg, SIGNIFICANT_SIGMA * spread)
    return {
        **dict.fromkeys(PHYSICAL, math.nan),
        **shape,
        "n_nonzero": int((frame > level + THRESHOLD_SIGMA * spread).sum()),
        "warning": "; ".join(filter(None, (NO_FLUX_SCALE, shape["warning"]))),
    }


def _field(image: np.ndarray, field: int) -> np.ndarray:
    """Return the central field as float64, NaN as 0."""
    return np.nan_to_num(central(image, min(field, *image.shape)).astype(np.float64), posinf=0, neginf=0)


def _shape(
    frame: np.ndarray, source: Source, pixel_arcsec: float, north_deg: float, prominence: float
) -> dict[str, Any]:
    """Return sizes, angles, components and warnings, in the order of `COLUMNS`."""
    if not source:
        sizes = ("las_arcsec", "axis_ratio", "position_angle_deg", "axis_angle_deg")
        return {**dict.fromkeys(sizes, math.nan), "n_components": 0, "warning": "; ".join(source.warnings)}
    las_arcsec = extent(source.pixels) * pixel_arcsec
    axis_ratio, axis_angle = moments(frame, source.pixels)
    stands_out = max(prominence, 0.01 * frame[source.pixels].max())
    resolved_out = ["resolved out"] if las_arcsec > RESOLVED_OUT_ARCSEC else []
    return {
        "las_arcsec": las_arcsec,
        "axis_ratio": axis_ratio,
        "position_angle_deg": (axis_angle - north_deg) % 180,
        "axis_angle_deg": axis_angle,
        "n_components": count_components(frame, source.pixels, stands_out),
        "warning": "; ".join(source.warnings + resolved_out),
    }
