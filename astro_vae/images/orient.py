"""Look at images in several orientations: turned around the circle, or to their long axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from astro_vae.images.augment import turn
from astro_vae.images.view import frame_size, is_crop_only
from astro_vae.images.view import view as viewed
from astro_vae.settings_images import ViewSettings

ORIENTED = True
"""A source has no preferred orientation on the sky, so that one is looked at in several."""


def number(wanted: int) -> int:
    """Return in how many orientations an object is looked at where so many are wanted: as many."""
    return wanted


def orientations(
    values: np.ndarray, table: pd.DataFrame, settings: ViewSettings, n: int, *, scaled: bool
) -> Iterator[np.ndarray]:
    """Yield the views turned by n angles evenly around the circle, the first as they lie; see `view`."""
    for k in range(n):
        if k:
            yield turned(values, table, settings, 360 * k / n, scaled=scaled)
        else:
            yield viewed(values, table, settings, scaled=scaled)


def turned(
    values: np.ndarray, table: pd.DataFrame, settings: ViewSettings, angles_deg: np.ndarray | float, *, scaled: bool
) -> np.ndarray:
    """Return the views after a turn, counter-clockwise as displayed: uint8 (B, size, size).

    The stored values are turned, so that what lay outside the view comes in; the view is the last act.
    """
    direct = is_crop_only(settings, scaled)
    after = turn(values, angles_deg, out_size=settings.size if direct else frame_size(settings))
    return after if direct else viewed(after, table, settings, scaled=scaled)


def upright(
    values: np.ndarray, table: pd.DataFrame, settings: ViewSettings, *, scaled: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the views with the long axis upright and the brighter half above: uint8 (B, size, size).

    The second array, bool (B,), tells which objects have an axis; the others are as they lie.
    """
    unknown = pd.Series(np.nan, index=table.index)
    angles = table.get("axis_angle_deg", unknown).to_numpy(float)
    known = np.isfinite(angles)
    angles = np.where(known, -angles, 0.0)
    images = turned(values, table, settings, angles, scaled=scaled)
    middle = images.shape[1] // 2
    lower, upper = (half.sum(axis=(1, 2), dtype=np.int64) for half in (images[:, :middle], images[:, -middle:]))
    below = known & (lower > upper)
    if below.any():
        images = np.where(below[:, None, None], turned(values, table, settings, angles + 180, scaled=scaled), images)
    return images, known
