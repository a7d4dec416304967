"""Make examples of images: the transform, then the view."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astro_vae.images.augment import apply
from astro_vae.images.view import frame_size, is_crop_only
from astro_vae.images.view import view as viewed
from astro_vae.settings_images import AugmentSettings, ViewSettings


def make(
    values: np.ndarray, parent_rows: np.ndarray, table: pd.DataFrame, transforms: pd.DataFrame,
    view: ViewSettings, augment: AugmentSettings, *, scaled: bool,
) -> np.ndarray:
    """Return what a network sees of each transform.

    Parameters
    ----------
    values : ndarray, shape (M, H, H)
    parent_rows : ndarray of int, shape (n, 1)
        Row of `values` of the parent of each transform.
    table : DataFrame, n rows
        Of the parents.
    transforms : DataFrame, n rows
    view, augment : ViewSettings, AugmentSettings
    scaled : bool
        The values are 8-bit images.

    Returns
    -------
    ndarray of uint8, shape (n, size, size)
    """
    parents = parent_rows[:, 0]
    if is_crop_only(view, scaled):
        return apply(values, parents, transforms, augment, out_size=view.size)
    noise = None if scaled else table["noise"].to_numpy()
    changed = apply(values, parents, transforms, augment, out_size=frame_size(view), noise=noise)
    return viewed(changed, _transformed(table, transforms), view, scaled=scaled)


def _transformed(table: pd.DataFrame, transforms: pd.DataFrame) -> pd.DataFrame:
    """Return the parents' table as the transforms leave it, as far as a view looks at it.

    The threshold follows the noise that is in the image: the added noise, and the background of a source
    that is made brighter. That of a fainter one stays at the survey's noise, so that its faint parts sink.
    """
    background = np.maximum(transforms["flux_factor"].to_numpy(), 1)
    noise = table["noise"].to_numpy() * np.hypot(background, transforms["noise_sigma"].to_numpy())
    las = table["las_arcsec"].to_numpy() * transforms["size_scale"].to_numpy()
    return table.assign(noise=noise, las_arcsec=las)
