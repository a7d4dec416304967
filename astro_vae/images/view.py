"""Turn physical images into what a network sees: threshold, mask, scale, crop.

This is the last act of augment, encode and score alike, so that training and use cannot drift apart. With
the default settings it is the recipe behind the published MiraBest images (Porter & Scaife 2023,
arXiv:2305.11108), bit for bit.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd

from astro_vae.errors import UserError
from astro_vae.settings_images import ViewSettings

BLOCK = 32  # images at a time: what is between input and output then stays in the cache of the processor


ELEMENTS = "pixels"
"""What the elements of `shape` are called."""
BYTES = 1  # of an element of a view, in memory


def shape(settings: ViewSettings) -> tuple[int, ...]:
    """Return the shape of one object as a network sees it."""
    return settings.size, settings.size


def frame_size(settings: ViewSettings) -> int:
    """Return the side (pixel) of the smallest input that `view` takes."""
    return settings.frame


def is_crop_only(settings: ViewSettings, scaled: bool) -> bool:
    """Tell whether the view of 8-bit images is their central crop and nothing else.

    A transform can then go straight to `settings.size`, since nothing outside the crop matters.
    """
    if not scaled or settings.scaling != "linear" or settings.method != "crop" or settings.size > settings.frame:
        return False
    if (settings.frame - settings.size) % 2:  # two crops in a row would then not be centred like one
        return False
    if settings.mask == "none":
        return True
    inside = bool(central(_disc(settings.frame, settings.frame / 2), settings.size).all())
    return settings.mask == "disc" and inside


def view(values: np.ndarray, table: pd.DataFrame, settings: ViewSettings, *, scaled: bool) -> np.ndarray:
    r"""Return what a network sees of each image.

    In this order: crop to the frame; set pixels at or below `threshold_sigma` times the noise to zero;
    mask; scale to

    .. math:: u = \lfloor 255\, s((x - x_{min}) / (x_{max} - x_{min})) \rfloor

    with minimum and maximum over the pixels that the mask keeps and s the stretch; crop or resample to
    `size`. The fraction is cut off, not rounded. Pixels outside the mask, and NaN, are 0. Images that the
    survey has `scaled` already are only cropped, masked and, where asked, stretched.

    Parameters
    ----------
    values : ndarray, shape (B, H, H)
        Physical values (Jy/beam), or uint8 if `scaled`; H at least the frame.
    table : DataFrame, B rows
        `noise` (same unit as the values; not used if `scaled`); `las_arcsec` and `pixel_arcsec` for the
        mask of angular size, where an object without a size gets the inscribed disc.
    settings : ViewSettings
    scaled : bool
        The values are 8-bit images that the survey has already clipped and scaled.

    Returns
    -------
    ndarray, shape (B, size, size), uint8

    Raises
    ------
    UserError
        If the images are smaller than the frame, the frame is smaller than the crop, a noise is missing,
        or a z-scale is asked for images without their noise.
    """
    _check(values, table, settings, scaled)
    out = np.empty((len(values), settings.size, settings.size), np.uint8)
    for start in range(0, len(values), BLOCK):
        rows = slice(start, start + BLOCK)
        frames = central(values[rows], settings.frame)
        kept = _kept(table.iloc[rows], settings)
        if scaled:
            grey = _stretched_grey(frames, kept, settings)
        else:
            grey = _grey(frames, table["noise"].to_numpy(float)[rows], kept, settings)
        out[rows] = _sized(grey, settings)
    return out


def physical(seen: np.ndarray, values: np.ndarray, table: pd.DataFrame, settings: ViewSettings) -> np.ndarray:
    """Return views, or what a model makes of them, in the unit of the images that they are views of.

    Parameters
    ----------
    seen : ndarray, shape (B, size, size)
        Values from 0 to 1.
    values, table, settings
        What `view` makes the views of these objects from.

    Returns
    -------
    ndarray, shape (B, size, size), float64
        NaN where the z-scale has clipped the brightest pixels, so that what they were cannot be told.
    """
    if settings.scaling == "zscale":
        return np.full(seen.shape, np.nan)
    frames, kept = central(values, settings.frame).astype(np.float64), _kept(table, settings)
    shown = _shown(frames, table["noise"].to_numpy(float), kept, settings)
    low, high = _extremes(np.where(shown, frames, 0), kept)
    return low + (high - low) * _unstretched(seen.astype(np.float64), settings)


def to_network(seen: np.ndarray) -> tuple[np.ndarray, None]:
    """Return bytes, or values in [0, 1], as a network takes them: float32 (B, size, size); pixels have no weights."""
    values = np.asarray(seen, dtype=np.float32)
    return (values / np.float32(255) if seen.dtype == np.uint8 else values), None


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Return the views of no object, for a network that sees this shape: uint8 (0, *shape)."""
    return np.empty((0, *shape), np.uint8)


def fault(seen: np.ndarray, shape: tuple[int, ...]) -> str:
    """Say why these are no views for a network that sees this shape; "" where they are."""
    if seen.shape[1:] != shape:
        return f"images of shape {seen.shape[1:]} given to a model of {shape}"
    if seen.dtype == np.uint8 or not seen.size or (seen.min() >= 0 and seen.max() <= 1):
        return ""
    return f"image values from {seen.min():.4g} to {seen.max():.4g} given to a model of values in [0, 1]"


def central(values: np.ndarray, size: int) -> np.ndarray:
    """Return the central (..., size, size) of images (..., H, W), as a view of their memory."""
    top, left = ((side - size) // 2 for side in values.shape[-2:])
    return values[..., top : top + size, left : left + size]


def _check(values: np.ndarray, table: pd.DataFrame, settings: ViewSettings, scaled: bool) -> None:
    side = min(values.shape[-2:])
    if side < settings.frame:
        raise UserError(f"images of {side} pixels are smaller than view.frame = {settings.frame}; set it to {side}")
    if settings.method == "crop" and settings.size > settings.frame:
        raise UserError(
            f"view.size = {settings.size} cannot be cropped from view.frame = {settings.frame}; "
            "make it smaller, or set view.method to resample"
        )
    if scaled and settings.scaling == "zscale":
        raise UserError("view.scaling = zscale needs the noise, and these 8-bit images have lost it; use asinh")
    if not scaled and settings.threshold_sigma >= 0:
        bad = np.flatnonzero(~np.isfinite(table["noise"].to_numpy(float)))
        if len(bad):
            name = table["object_id"].iloc[bad[0]] if "object_id" in table else f"image {bad[0]}"
            raise UserError(f"{name}: its noise is not known; prepare it again, or set view.threshold_sigma to -1")


def _disc(size: int, radius: float | np.ndarray) -> np.ndarray:
    """Return the pixels (size, size) within `radius` of the published centre, (size/2, size/2)."""
    squares = (np.arange(size) - size // 2) ** 2
    return squares[:, None] + squares <= np.asarray(radius) ** 2


def _kept(table: pd.DataFrame, settings: ViewSettings) -> np.ndarray:
    """Return the pixels that the mask keeps, (frame, frame) or (B, frame, frame)."""
    if settings.mask == "none":
        return np.ones((settings.frame, settings.frame), bool)
    inscribed = settings.frame / 2
    if settings.mask == "disc":
        return _disc(settings.frame, inscribed)
    sizes = np.ceil(table["las_arcsec"].to_numpy(float) / table["pixel_arcsec"].to_numpy(float))
    radii = np.fmin(np.ceil(sizes / 2), inscribed)  # of the published notebook; NaN gives the inscribed disc
    return _disc(settings.frame, radii[:, None, None])


def _grey(frames: np.ndarray, noise: np.ndarray, kept: np.ndarray, settings: ViewSettings) -> np.ndarray:
    """Scale physical frames (B, F, F) to uint8, already cropped where the method is to crop."""
    bright = _shown(frames, noise, kept, settings)
    x = np.zeros_like(frames)
    np.copyto(x, frames, where=bright)
    if settings.scaling == "zscale":
        (low, high), shown = _zscale_limits(frames, kept), bright
    else:
        (low, high), shown = _extremes(x, kept), kept
    if settings.method == "crop":  # what follows acts on each pixel alone, so only those that stay need it
        x, shown = central(x, settings.size), central(shown, settings.size)
    contrast = np.where(high > low, high - low, 1)  # an image without contrast is black
    x = np.clip((x - low) / contrast, 0, 1)
    return (255 * _stretch(x, settings)).astype(np.uint8) * shown


def _shown(frames: np.ndarray, noise: np.ndarray, kept: np.ndarray, settings: ViewSettings) -> np.ndarray:
    """Return the pixels (B, F, F) that are not set to zero."""
    bright = np.isfinite(frames) & kept
    if settings.threshold_sigma >= 0:
        limit = (settings.threshold_sigma * noise).astype(frames.dtype)
        bright &= frames > limit[:, None, None]
    return bright


def _extremes(x: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return minimum and maximum of each image over the kept pixels, (B, 1, 1)."""
    outside = np.where(kept, x.dtype.type(0), x.dtype.type(np.inf))  # ten times as fast as the argument `where`
    return (x + outside).min(axis=(1, 2), keepdims=True), (x - outside).max(axis=(1, 2), keepdims=True)


def _zscale_limits(frames: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of IRAF's z-scale for each frame, from the kept pixels before the threshold."""
    from astropy.visualization import ZScaleInterval

    masks = np.broadcast_to(kept, frames.shape)
    limits = [ZScaleInterval().get_limits(frame[mask]) for frame, mask in zip(frames, masks, strict=True)]
    low, high = np.array(limits, dtype=frames.dtype).T[:, :, None, None]
    return low, high


def _stretched_grey(frames: np.ndarray, kept: np.ndarray, settings: ViewSettings) -> np.ndarray:
    """Mask 8-bit frames, and stretch them unless the stretch is linear."""
    if settings.scaling != "linear":
        frames = (255 * _stretch(frames / np.float32(255), settings)).astype(np.uint8)
    return frames * kept


def _stretch(x: np.ndarray, settings: ViewSettings) -> np.ndarray:
    """Stretch values in [0, 1] to values in [0, 1]."""
    if settings.scaling == "sqrt":
        return np.sqrt(x)
    if settings.scaling == "log":
        return np.log1p(x / settings.stretch) / _at_one(np.log1p, settings.stretch, x.dtype)
    if settings.scaling == "asinh":
        return np.arcsinh(x / settings.stretch) / _at_one(np.arcsinh, settings.stretch, x.dtype)
    return x


def _unstretched(u: np.ndarray, settings: ViewSettings) -> np.ndarray:
    """Take back what `_stretch` does to values in [0, 1]."""
    if settings.scaling == "sqrt":
        return u**2
    if settings.scaling == "log":
        return settings.stretch * np.expm1(u * np.log1p(1 / settings.stretch))
    if settings.scaling == "asinh":
        return settings.stretch * np.sinh(u * np.arcsinh(1 / settings.stretch))
    return u


def _at_one(function: np.ufunc, stretch: float, dtype: np.dtype) -> np.ndarray:
    # As an array of the same type, so that the brightest pixel divides by itself and gives 1, not 1 - 1e-7.
    return function(np.ones(1, dtype) / stretch)


def _sized(grey: np.ndarray, settings: ViewSettings) -> np.ndarray:
    """Crop or resample (B, F, F) to (B, size, size)."""
    if settings.method == "crop":
        return central(grey, settings.size)
    shrinks = settings.size < settings.frame
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    sides = (settings.size, settings.size)
    return np.stack([cv2.resize(image, sides, interpolation=method) for image in grey])
