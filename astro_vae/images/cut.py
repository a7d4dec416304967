"""Say what of a candidate image is stored, and when it is refused."""

from __future__ import annotations

import numpy as np

from astro_vae.settings import PrepareSettings


def stored_shape(settings: PrepareSettings) -> tuple[int, ...]:
    """Return the shape of what is stored of each image."""
    return settings.size, settings.size


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
