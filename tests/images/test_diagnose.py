"""What a model draws is measured as the images are: a model that draws its image again measures the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astro_vae.images.diagnose import COLUMNS, NAMES, diagnose
from astro_vae.images.measure import measure
from astro_vae.images.view import physical, view
from astro_vae.settings_images import ViewSettings

NOISE, PIXEL, BEAM = 1e-4, 1.8, (5.4, 5.4, 0.0)


def image(scale: float = 1.0) -> np.ndarray:
    """Draw a double source, 212 pixels wide."""
    y, x = np.indices((212, 212)) - 105.5
    blobs = np.exp(-((y - 12) ** 2 + x**2) / 18) + 0.6 * np.exp(-((y + 12) ** 2 + x**2) / 18)
    return (0.05 * scale * blobs).astype(np.float32)


def table(n: int) -> pd.DataFrame:
    beam = dict(zip(("bmaj_arcsec", "bmin_arcsec", "bpa_deg"), BEAM, strict=True))
    return pd.DataFrame({"noise": NOISE, "pixel_arcsec": PIXEL, "north_deg": 0.0, "las_arcsec": 60.0, **beam}, range(n))


@pytest.mark.parametrize("settings", [
    {}, {"scaling": "sqrt"}, {"scaling": "asinh"}, {"scaling": "log"}, {"size": 75, "method": "resample"},
])
def test_a_perfect_model_measures_what_the_image_measures(settings: dict[str, Any]) -> None:
    images, looked = np.stack([image(), image(0.1)]), ViewSettings(**settings)
    seen = view(images, table(2), looked, scaled=False)
    found = diagnose(images, table(2), looked, (seen + 0.5) / 256, scaled=False)
    assert list(found) == list(COLUMNS)
    for i, one in enumerate(images):
        known = measure(one, noise=NOISE, beam=BEAM, pixel_arcsec=PIXEL, field=150, north_deg=0)
        # A grey value is a 255th of the peak; a sum of many of them, and of larger pixels, is off by more.
        for name, tolerance in {"peak_flux": 0.05, "total_flux": 0.05, "las_arcsec": 0.1, "axis_ratio": 0.1}.items():
            assert found[f"model_{name}"][i] == pytest.approx(known[name], rel=tolerance), name
        assert found["model_n_components"][i] == known["n_components"] == 2


def test_half_the_brightness_is_half_the_flux() -> None:
    images, looked = image()[None], ViewSettings()
    seen = view(images, table(1), looked, scaled=False) / 255
    whole, half = (diagnose(images, table(1), looked, part * seen, scaled=False) for part in (1, 0.5))
    for name in ("model_peak_flux", "model_total_flux"):
        assert half[name][0] == pytest.approx(whole[name][0] / 2, rel=0.01)


@pytest.mark.parametrize(("scaled", "scaling"), [(True, "linear"), (False, "zscale")])
def test_what_has_no_scale_of_brightness_has_no_flux(scaled: bool, scaling: str) -> None:
    images, looked = image()[None], ViewSettings(scaling=scaling)
    stored = (255 * images / images.max()).astype(np.uint8) if scaled else images
    seen = (255 * images[:, 58:154, 58:154] / images.max()).astype(np.uint8)
    found = diagnose(stored, table(1), looked, seen / 255, scaled=scaled)
    assert math.isnan(found["model_peak_flux"][0])
    assert math.isnan(found["model_total_flux"][0])
    assert found["model_las_arcsec"][0] > 40
    assert found["model_n_components"][0] == 2


def test_a_black_picture_has_no_size() -> None:
    found = diagnose(image()[None], table(1), ViewSettings(), np.zeros((1, 96, 96)), scaled=False)
    assert math.isnan(found["model_las_arcsec"][0])
    assert found["model_n_nonzero"][0] == 0
    assert set(found) == {f"model_{name}" for name in NAMES}


def test_the_view_is_taken_back() -> None:
    images = image()[None]
    images[:, 105, 105] = np.nan
    for scaling in ("linear", "sqrt", "log", "asinh"):
        looked = ViewSettings(scaling=scaling)
        seen = view(images, table(1), looked, scaled=False)
        back = physical(seen / 255, images, table(1), looked)
        true = images[:, 58:154, 58:154]
        bright = true > 10 * NOISE
        assert bright.sum() > 100
        error = np.abs(back - true)[bright] / np.nanmax(true)
        assert error.max() < {"linear": 1 / 255, "sqrt": 2 / 255}.get(scaling, 0.05)
