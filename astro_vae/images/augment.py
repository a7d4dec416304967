"""Draw transforms of images, and carry them out with one interpolation each.

A transform mirrors the image (columns), turns it counter-clockwise as displayed, scales it and shifts it,
about the centre of the image; then noise and flux scale act in physical units. Quarter turns and mirrors
are exact permutations of the pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.settings_images import AugmentSettings

INTERPOLATIONS = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}

PARENTS = ("parent",)
"""Columns of the transforms that name rows of the objects."""

COLUMNS = {
    "parent": Column("Row of the parent in the values of the objects", "", "meta.record"),
    "angle_deg": Column("Angle of the turn, counter-clockwise as displayed (from North through East)", "deg"),
    "flip": Column("Mirrored, East and West exchanged, before the turn"),
    "shift_x": Column("Shift along the columns, to the right as displayed", "pix"),
    "shift_y": Column("Shift along the rows, upwards as displayed", "pix"),
    "size_scale": Column("Factor of the size"),
    "flux_factor": Column("Factor of the brightness"),
    "noise_sigma": Column("Standard deviation of the added noise, by the noise of the parent"),
    "noise_seed": Column("Seed of the added noise"),
}
"""Columns of the transforms."""


def draw_transforms(parents: np.ndarray, settings: AugmentSettings, *, seed: int) -> pd.DataFrame:
    """Draw one transform per parent.

    Parameters
    ----------
    parents : ndarray of int, shape (N,)
        Row of the parent of each example.
    settings : AugmentSettings
        The ranges; all draws are uniform.
    seed : int
        Row i depends on the seed and i alone, not on N.

    Returns
    -------
    DataFrame, N rows
        The columns of `COLUMNS`.
    """
    uniform = np.random.default_rng(seed).random((len(parents), 7)).T
    both_signs = 2 * uniform - 1
    return pd.DataFrame({
        "parent": np.asarray(parents, dtype=np.int64),
        "angle_deg": settings.rotate_deg * uniform[0],
        "flip": settings.flip & (uniform[1] < 0.5),
        "shift_x": settings.shift_px * both_signs[2],
        "shift_y": settings.shift_px * both_signs[3],
        "size_scale": 1 + settings.size_scale * both_signs[4],
        "flux_factor": 10 ** (settings.flux_scale * both_signs[5]),
        "noise_sigma": np.full(len(parents), settings.noise_sigma),
        "noise_seed": (uniform[6] * 2**53).astype(np.int64),
    })


def matrices(transforms: pd.DataFrame, in_size: int, out_size: int) -> np.ndarray:
    r"""Return the maps from output to input pixels (x, y), for `cv2.warpAffine` with WARP_INVERSE_MAP.

    With mirror F, turn R, scale s and shift t about the centre c of the input, whose central
    `out_size` pixels are kept,

    .. math:: x_{in} = c + F R^{-1} (x_{out} - c - t) / s

    Parameters
    ----------
    transforms : DataFrame, N rows
    in_size, out_size : int
        Sides (pixel) of input and output.

    Returns
    -------
    ndarray, shape (N, 2, 3), float64
    """
    columns = ("angle_deg", "flip", "size_scale", "shift_x", "shift_y")
    angle, flip, scale, right, up = (transforms[name].to_numpy(dtype=float) for name in columns)
    return _inverse_maps(angle, 1 - 2 * flip, scale, np.stack([right, up], axis=1), in_size=in_size, out_size=out_size)


def _inverse_maps(
    angle: np.ndarray, mirror: np.ndarray, scale: np.ndarray, shift: np.ndarray, *, in_size: int, out_size: int
) -> np.ndarray:
    cos, sin = _cos_sin(angle)
    linear = np.stack([mirror * cos, mirror * sin, -sin, cos], axis=1).reshape(-1, 2, 2)  # (N, 2, 2)
    linear /= scale[:, None, None]
    centre = (in_size - 1) / 2
    centre_out = centre - (in_size - out_size) // 2  # of the same point, after the crop that `view` makes
    offset = centre - linear @ (centre_out + shift)[:, :, None]  # (N, 2, 1)
    return np.concatenate([linear, offset], axis=2)


def _cos_sin(angle_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cosine and sine, exact at quarter turns."""
    quarter = angle_deg % 90 == 0
    angle = np.deg2rad(angle_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.where(quarter, np.rint(cos), cos), np.where(quarter, np.rint(sin), sin)


def apply(
    values: np.ndarray, parent_rows: np.ndarray, transforms: pd.DataFrame, settings: AugmentSettings, *,
    out_size: int, noise: np.ndarray | None = None,
) -> np.ndarray:
    """Carry out transforms, each with one interpolation.

    Parameters
    ----------
    values : ndarray, shape (M, H, H)
        Physical values, or uint8; NaN counts as 0. What lies outside is 0.
    parent_rows : ndarray of int, shape (n,)
        Row of `values` that each transform starts from.
    transforms : DataFrame, n rows
    settings : AugmentSettings
        Only its interpolation is used.
    out_size : int
        Side (pixel) of the result, whose centre is that of the input.
    noise : ndarray, shape (n,), optional
        Noise of the parent of each transform (unit of the values); needed where noise is added. What is
        added is white, from a generator of the row's own.

    Returns
    -------
    ndarray, shape (n, out_size, out_size), dtype of the values

    Raises
    ------
    UserError
        If noise or a flux scale is asked for 8-bit images.
    """
    _check_physical(values, transforms)
    images = _finite(values, parent_rows)
    maps = matrices(transforms, values.shape[-1], out_size)
    out = np.empty((len(images), out_size, out_size), values.dtype)
    _warp(images, maps, out, INTERPOLATIONS[settings.interpolation])
    _change_brightness(out, transforms, noise)
    return out


def turn(
    values: np.ndarray, angles_deg: np.ndarray | float, *, out_size: int, interpolation: str = "linear"
) -> np.ndarray:
    """Turn each image by its own angle.

    Parameters
    ----------
    values : ndarray, shape (B, H, H)
    angles_deg : ndarray, shape (B,), or float
        Counter-clockwise as displayed. By minus its `axis_angle_deg`, the long axis of a source comes to
        stand upright.
    out_size : int
        Side (pixel) of the result.
    interpolation : {"linear", "nearest", "cubic"}

    Returns
    -------
    ndarray, shape (B, out_size, out_size), dtype of the values
    """
    angles = np.broadcast_to(np.asarray(angles_deg, dtype=float), len(values))
    ones, still = np.ones(len(values)), np.zeros((len(values), 2))
    maps = _inverse_maps(angles, ones, ones, still, in_size=values.shape[-1], out_size=out_size)
    out = np.empty((len(values), out_size, out_size), values.dtype)
    _warp(_finite(values, np.arange(len(values))), maps, out, INTERPOLATIONS[interpolation])
    return out


def _check_physical(values: np.ndarray, transforms: pd.DataFrame) -> None:
    changed = (transforms["noise_sigma"] != 0) | (transforms["flux_factor"] != 1)
    if values.dtype == np.uint8 and changed.any():
        raise UserError(
            "augment.noise_sigma and augment.flux_scale need physical values, and this survey's images are scaled "
            "to 8 bits; set both to 0"
        )


def _finite(values: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Return the images of these rows, NaN and infinity replaced by 0: an interpolation would spread them."""
    if values.dtype == np.uint8:
        return [values[row] for row in rows]
    used = {row: values[row] for row in np.unique(rows).tolist()}
    for row, image in used.items():
        if not np.isfinite(image.sum()):
            used[row] = np.nan_to_num(image, posinf=0, neginf=0)
    return [used[row] for row in rows.tolist()]


def _warp(images: list[np.ndarray], maps: np.ndarray, out: np.ndarray, method: int) -> None:
    """Warp each image by its map into its place in `out` (n, size, size)."""
    cv2.setNumThreads(1)  # threads over images scale better than threads within one
    flags = method | cv2.WARP_INVERSE_MAP
    for image, inverse, target in zip(images, maps, out, strict=True):
        cv2.warpAffine(image, inverse, target.shape, target, flags, cv2.BORDER_CONSTANT, 0)


def _change_brightness(out: np.ndarray, transforms: pd.DataFrame, noise: np.ndarray | None) -> None:
    """Scale the brightness and add the noise, in place."""
    factor = transforms["flux_factor"].to_numpy()
    for row in np.flatnonzero(factor != 1):
        out[row] *= out.dtype.type(factor[row])
    sigma, seeds = transforms["noise_sigma"].to_numpy(), transforms["noise_seed"].to_numpy()
    for row in np.flatnonzero(sigma != 0):
        if noise is None:
            msg = "noise is to be added, and the noise of the parents is not given"
            raise ValueError(msg)
        rng = np.random.default_rng(seeds[row])
        out[row] += out.dtype.type(sigma[row] * noise[row]) * rng.standard_normal(out.shape[1:], np.float32)
