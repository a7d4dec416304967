"""Make examples of spectra: the transform, then the view."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astro_vae.settings_spectra import SpectrumAugmentSettings, SpectrumViewSettings
from astro_vae.spectra.augment import apply
from astro_vae.spectra.view import view as viewed


def make(
    values: np.ndarray, parent_rows: np.ndarray, table: pd.DataFrame, transforms: pd.DataFrame,
    view: SpectrumViewSettings, augment: SpectrumAugmentSettings, *, scaled: bool,
) -> np.ndarray:
    """Return what a network sees of each transform.

    Parameters
    ----------
    values : ndarray, shape (M, 2, L)
    parent_rows : ndarray of int, shape (n, 2)
        Rows of `values` of the parent and the mate of each transform.
    table : DataFrame, n rows
        Of the parents.
    transforms : DataFrame, n rows
    view, augment : SpectrumViewSettings, SpectrumAugmentSettings
    scaled : bool
        Spectra are never scaled.

    Returns
    -------
    ndarray, shape (n, 2, bins), float32
    """
    changed = apply(values, parent_rows, transforms, augment, grid=view.grid)
    return viewed(changed, table, view, scaled=scaled)
