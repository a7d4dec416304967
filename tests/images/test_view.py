"""What a network sees: the published recipe by hand, stretches by formula, masks by count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astro_vae.errors import UserError
from astro_vae.images.view import BLOCK, central, frame_size, is_crop_only, view
from astro_vae.settings_images import ViewSettings

NOISE = 1.5e-4


def table(n: int, **columns: object) -> pd.DataFrame:
    usual = {"noise": NOISE, "las_arcsec": np.nan, "pixel_arcsec": 1.8}
    return pd.DataFrame(usual | columns, index=range(n))


def sky(n: int = 1, size: int = 212, seed: int = 1) -> np.ndarray:
    """Noise and a bright blob at the centre of each image."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size)) - (size - 1) / 2
    blob = 0.02 * np.exp(-(x**2 + 2 * y**2) / 200)
    return (blob + NOISE * rng.standard_normal((n, size, size))).astype(np.float32)


def published(image: np.ndarray, noise: float) -> np.ndarray:
    """Follow the published recipe step by step, for one image."""
    image = image.copy()
    image[image <= 3 * noise] = 0
    start = (len(image) - 150) // 2
    crop = image[start : start + 150, start : start + 150]
    y, x = np.indices((150, 150))
    inside = (y - 75) ** 2 + (x - 75) ** 2 <= 75**2
    crop[~inside] = 0
    low, high = crop[inside].min(), crop[inside].max()
    return ((crop - low) / (high - low) * 255).astype(np.uint8)


def unit(values: np.ndarray, **settings: object) -> np.ndarray:
    """View small images without threshold and mask, whole."""
    size = values.shape[-1]
    given = {"size": size, "frame": size, "mask": "none", "threshold_sigma": -1} | settings
    return view(values, table(len(values)), ViewSettings.model_validate(given), scaled=False)


@pytest.mark.parametrize("size", [150, 212, 300])
def test_the_default_is_the_published_recipe(size: int) -> None:
    images = sky(BLOCK + 3, size)
    seen = view(images, table(len(images)), ViewSettings(size=150), scaled=False)
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen, [published(image, NOISE) for image in images])


def test_the_crop_to_the_size_is_the_centre_of_the_frame() -> None:
    whole = view(sky(2), table(2), ViewSettings(size=150), scaled=False)
    np.testing.assert_array_equal(view(sky(2), table(2), ViewSettings(), scaled=False), whole[:, 27:123, 27:123])


def test_each_image_has_its_own_noise() -> None:
    images = sky(2)
    seen = view(images, table(2, noise=[NOISE, 10 * NOISE]), ViewSettings(size=150), scaled=False)
    np.testing.assert_array_equal(seen[1], published(images[1], 10 * NOISE))


def test_the_input_stays_as_it_is() -> None:
    images = sky(1)
    before = images.copy()
    view(images, table(1), ViewSettings(), scaled=False)
    np.testing.assert_array_equal(images, before)


def test_grey_levels_are_cut_off_not_rounded() -> None:
    row = np.array([0, 0.0039, 0.5, 0.9999, 1, 0.25, 0.75, 0], np.float32)
    assert unit(np.tile(row, (1, 8, 1)))[0, 0].tolist() == [0, 0, 127, 254, 255, 63, 191, 0]


def test_pixels_at_the_threshold_are_dark() -> None:
    image = np.zeros((1, 8, 8), np.float32)
    image[0, 0, :4] = [0.75, 0.7500001, 1, -5]
    seen = view(image, table(1, noise=0.25), ViewSettings(size=8, frame=8, mask="none"), scaled=False)
    assert seen[0, 0, :4].tolist() == [0, 191, 255, 0]


@pytest.mark.parametrize("threshold", [3.0, -1.0])
def test_nan_and_infinity_count_as_zero(threshold: float) -> None:
    image = sky(1)
    image[0, 100, 100:103] = [np.nan, np.inf, -np.inf]
    clean, settings = np.nan_to_num(image, posinf=0, neginf=0), ViewSettings(threshold_sigma=threshold)
    seen, expected = (view(values, table(1), settings, scaled=False) for values in (image, clean))
    np.testing.assert_array_equal(seen, expected)
    zscaled = view(image, table(1), ViewSettings(scaling="zscale"), scaled=False)
    assert zscaled[0, 42, 42:45].tolist() == [0, 0, 0]
    assert zscaled[0, 42, 45] == 255


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_an_image_without_contrast_is_black(value: float) -> None:
    assert not unit(np.full((1, 8, 8), value, np.float32)).any()


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("linear", 0.25),
        ("sqrt", 0.5),
        ("log", np.log(1 + 0.25 / 0.1) / np.log(11)),
        ("asinh", np.arcsinh(2.5) / np.arcsinh(10)),
    ],
)
def test_stretches_by_their_formulae(scaling: str, expected: float) -> None:
    row = np.array([0, 0.25, 1, 0.1, 0.2, 0.4, 0.6, 0.8], np.float32)
    seen = unit(np.tile(row, (1, 8, 1)), scaling=scaling)[0, 0]
    assert seen[:3].tolist() == [0, int(255 * expected), 255]
    assert np.all(np.diff(seen[np.argsort(row)].astype(int)) > 0)


@pytest.mark.parametrize("scaling", ["linear", "sqrt", "log", "asinh", "zscale"])
def test_the_brightest_pixel_is_white_whatever_the_stretch(scaling: str) -> None:
    images = sky(20) * np.random.default_rng(2).uniform(0.5, 2, (20, 1, 1)).astype(np.float32)
    settings = ViewSettings.model_validate({"scaling": scaling})
    assert view(images, table(20), settings, scaled=False).max(axis=(1, 2)).tolist() == [255] * 20


def test_zscale_stretches_about_the_noise() -> None:
    linear, root, zscale = (
        view(sky(1), table(1), ViewSettings.model_validate({"scaling": name}), scaled=False)
        for name in ("linear", "sqrt", "zscale")
    )
    np.testing.assert_array_equal(zscale[linear > 127], 255)
    np.testing.assert_array_equal(zscale > 0, root > 0)  # the threshold acts all the same


def test_the_disc_of_the_frame() -> None:
    lit = view(np.full((1, 150, 150), 9, np.uint8), table(1), ViewSettings(size=150), scaled=True)
    assert np.count_nonzero(lit == 0) == 4837  # as in the published images


@pytest.mark.parametrize(("level", "scaling"), [(-1, "linear"), (1, "linear"), (1, "sqrt"), (-1, "asinh")])
def test_nothing_shines_outside_the_mask_when_there_is_no_threshold(level: float, scaling: str) -> None:
    settings = ViewSettings.model_validate({"size": 150, "threshold_sigma": -1, "scaling": scaling})
    seen = view(sky(1) + np.float32(level), table(1), settings, scaled=False)
    y, x = np.indices((150, 150)) - 75
    assert not seen[0][x**2 + y**2 > 75**2].any()
    assert np.median(seen[0][x**2 + y**2 <= 75**2]) > 0


def test_the_mask_of_angular_size() -> None:
    values = np.full((4, 150, 150), 9, np.uint8)
    rows = table(4, las_arcsec=[107.66, 1.8, np.nan, 900.0])
    seen = view(values, rows, ViewSettings(size=150, mask="angular_size"), scaled=True)
    y, x = np.indices((150, 150)) - 75
    for image, radius in zip(seen, (30, 1, 75, 75), strict=True):
        np.testing.assert_array_equal(image > 0, x**2 + y**2 <= radius**2)


def test_resampling_averages_pixels() -> None:
    blocks = np.arange(64, dtype=np.uint8).reshape(1, 8, 8) * 4
    settings = ViewSettings(size=8, frame=16, mask="none", method="resample")
    np.testing.assert_array_equal(view(blocks.repeat(2, 1).repeat(2, 2), table(1), settings, scaled=True), blocks)
    larger = view(blocks, table(1), ViewSettings(size=24, frame=8, mask="none", method="resample"), scaled=True)
    assert larger.shape == (1, 24, 24)


def test_scaled_images_are_cropped_and_masked_and_nothing_else() -> None:
    image = np.random.default_rng(1).integers(0, 200, (2, 150, 150), dtype=np.uint8)
    no_noise = pd.DataFrame({"noise": [np.nan, np.nan]})
    np.testing.assert_array_equal(view(image, no_noise, ViewSettings(), scaled=True), image[:, 27:123, 27:123])
    stretched = view(image, no_noise, ViewSettings(scaling="sqrt"), scaled=True)
    exact = 255 * np.sqrt(image[:, 27:123, 27:123] / 255)
    assert np.all((stretched <= exact + 1e-3) & (stretched > exact - 1.001))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, True),
        ({"size": 106}, True),
        ({"size": 108}, False),  # its corners lie outside the disc
        ({"size": 97}, False),  # the centres of frame and crop differ by half a pixel
        ({"size": 150, "mask": "none"}, True),
        ({"mask": "angular_size"}, False),
        ({"scaling": "asinh"}, False),
        ({"method": "resample"}, False),
    ],
)
def test_when_a_crop_is_all(settings: dict, expected: bool) -> None:
    chosen = ViewSettings.model_validate(settings)
    assert is_crop_only(chosen, True) is expected
    assert not is_crop_only(chosen, False)
    if expected:
        for side in (150, 151, 212):
            image = np.random.default_rng(1).integers(0, 256, (1, side, side), dtype=np.uint8)
            seen = view(image, table(1), chosen, scaled=True)
            np.testing.assert_array_equal(seen, central(image, chosen.size))


def test_the_frame_is_what_the_view_needs() -> None:
    assert frame_size(ViewSettings(frame=120, size=96)) == 120
    assert view(sky(1, 120), table(1), ViewSettings(frame=120), scaled=False).shape == (1, 96, 96)


def test_no_images_give_no_views() -> None:
    assert view(sky(0), table(0), ViewSettings(), scaled=False).shape == (0, 96, 96)


def test_what_cannot_be_viewed_is_said() -> None:
    with pytest.raises(UserError, match=r"images of 100 pixels are smaller than view\.frame = 150"):
        view(sky(1, 100), table(1), ViewSettings(), scaled=False)
    with pytest.raises(UserError, match=r"view\.size = 200 cannot be cropped from view\.frame = 150"):
        view(sky(1), table(1), ViewSettings(size=200), scaled=False)
    with pytest.raises(UserError, match="3C 66B: its noise is not known"):
        view(sky(1), table(1, noise=np.nan, object_id="3C 66B"), ViewSettings(), scaled=False)
    with pytest.raises(UserError, match=r"view\.scaling = zscale needs the noise"):
        view(sky(1).astype(np.uint8), table(1), ViewSettings(scaling="zscale"), scaled=True)
