"""Measure what a model makes of images as the images themselves are measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astro_vae.columns import MODEL, modelled
from astro_vae.images.measure import COLUMNS as MEASURED
from astro_vae.images.measure import measure, measure_scaled
from astro_vae.images.view import physical
from astro_vae.settings_images import ViewSettings

NAMES = ("peak_flux", "total_flux", "las_arcsec", "axis_ratio", "position_angle_deg", "n_components", "n_nonzero")
COLUMNS = modelled(MEASURED, NAMES)
"""Columns that `diagnose` returns."""


def diagnose(
    values: np.ndarray, table: pd.DataFrame, view: ViewSettings, redrawn: np.ndarray, *, scaled: bool
) -> dict[str, np.ndarray]:
    """Measure fluxes, sizes, direction and components of what a model makes of images.

    The scaling of the view is taken back, so that brightness compares, and pixels count above 3 times the noise of
    the object, as there. What lies beyond the view, the model has not seen: the flux of a source that is larger is
    that of its inner part.

    Parameters
    ----------
    values : ndarray, shape (B, H, H)
        As stored.
    table : DataFrame, B rows
        Noise, beam, pixel scale and direction of North.
    view : ViewSettings
        What the model saw.
    redrawn : ndarray, shape (B, size, size)
        Decoded means, from 0 to 1.
    scaled : bool
        The values are 8-bit images: fluxes are NaN, and so they are with a z-scale, which clips the brightest pixels.

    Returns
    -------
    dict of str to ndarray, shape (B,)
        A value for each of `COLUMNS`; NaN where it cannot be had.
    """
    seen = np.clip(redrawn, 0, 1)
    zoom = view.frame / view.size if view.method == "resample" else 1
    pixels = table["pixel_arcsec"].to_numpy(float) * zoom
    north = table["north_deg"].to_numpy(float)
    if scaled or view.scaling == "zscale":
        grey = (255 * seen).astype(np.uint8)
        rows = [
            measure_scaled(image, pixel_arcsec=pixel, north_deg=angle)
            for image, pixel, angle in zip(grey, pixels, north, strict=True)
        ]
    else:
        noise = table["noise"].to_numpy(float)
        beams = table[["bmaj_arcsec", "bmin_arcsec", "bpa_deg"]].to_numpy(float)
        rows = [
            measure(image, noise=sigma, beam=tuple(beam), pixel_arcsec=pixel, field=view.size, north_deg=angle)
            for image, sigma, beam, pixel, angle
            in zip(physical(seen, values, table, view), noise, beams, pixels, north, strict=True)
        ]
    found = pd.DataFrame(rows, columns=list(NAMES))
    return {f"{MODEL}{name}": found[name].to_numpy(float) for name in NAMES}
