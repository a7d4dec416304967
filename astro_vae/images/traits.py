"""Measure views of images: a few numbers by which generated ones are held against real ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astro_vae.images.measure import measure_scaled
from astro_vae.settings_images import ViewSettings

TRAITS = {
    "extent": "largest extent (pixel)", "axis_ratio": "axis ratio", "n_components": "components",
    "n_nonzero": "pixels above the background", "total": "sum of the values",
}
"""What `traits` returns, in words."""


def traits(seen: np.ndarray, view: ViewSettings) -> pd.DataFrame:
    """Measure views (N, size, size) of bytes: a column for each of `TRAITS`, NaN where it cannot be had."""
    return pd.DataFrame([_of(image) for image in seen], columns=list(TRAITS))


def _of(image: np.ndarray) -> dict[str, float]:
    found = measure_scaled(image, pixel_arcsec=1.0)
    return {
        "extent": found["las_arcsec"], **{name: found[name] for name in ("axis_ratio", "n_components", "n_nonzero")},
        "total": float(image.sum(dtype=np.float64)),
    }
