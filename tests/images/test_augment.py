"""Transforms of images: exact where they can be, known answers elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astro_vae.errors import UserError
from astro_vae.images.augment import COLUMNS, apply, draw_transforms, matrices, turn
from astro_vae.images.view import central
from astro_vae.settings_images import AugmentSettings

SETTINGS = AugmentSettings()


def still(n: int = 1, **columns: object) -> pd.DataFrame:
    """Transforms that change nothing but what is named."""
    nothing = {
        "parent": 0, "angle_deg": 0.0, "flip": False, "shift_x": 0.0, "shift_y": 0.0, "size_scale": 1.0,
        "flux_factor": 1.0, "noise_sigma": 0.0, "noise_seed": 1,
    }
    return pd.DataFrame(nothing | columns, index=range(n))


def random_images(n: int, size: int, dtype: str = "float32", seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, 255, (n, size, size)).astype(dtype)


def counter_clockwise(image: np.ndarray, quarters: int) -> np.ndarray:
    """Turn an image whose row 0 lies below by quarter turns."""
    return np.rot90(image[::-1], quarters)[::-1]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize(("size", "out_size"), [(20, 20), (21, 21), (20, 13), (21, 12), (212, 150), (150, 96)])
@pytest.mark.parametrize("flip", [False, True])
def test_quarter_turns_and_mirrors_are_exact(
    dtype: str, interpolation: str, size: int, out_size: int, flip: bool
) -> None:
    image = random_images(1, size, dtype)
    settings = AugmentSettings.model_validate({"interpolation": interpolation})
    transforms = still(5, angle_deg=[0.0, 90.0, 180.0, 270.0, 360.0], flip=flip)
    turned = apply(image, np.zeros(5, int), transforms, settings, out_size=out_size)
    start = image[0][:, ::-1] if flip else image[0]
    expected = [central(counter_clockwise(start, quarters), out_size) for quarters in range(5)]
    assert turned.dtype == image.dtype
    np.testing.assert_array_equal(turned, expected)


@pytest.mark.parametrize("out_size", [40, 31])
def test_any_transform_of_a_plane_is_the_plane_that_geometry_says(out_size: int) -> None:
    # Linear interpolation is exact on a plane, so the pixel values say where each pixel came from.
    size, drawn = 60, draw_transforms(np.zeros(40, int), AugmentSettings(shift_px=3, size_scale=0.2), seed=4)
    y, x = np.indices((size, size)).astype(np.float32)
    planes = np.stack([x, y])
    came_x = apply(planes, np.zeros(40, int), drawn, SETTINGS, out_size=out_size)
    came_y = apply(planes, np.ones(40, int), drawn, SETTINGS, out_size=out_size)
    start, middle = (size - out_size) // 2, (size - 1) / 2
    for i, row in enumerate(drawn.itertuples()):
        # A point of the parent, followed forwards: mirrored, turned, scaled, shifted.
        px, py = came_x[i, 15, 20] - middle, came_y[i, 15, 20] - middle
        px, angle = (-px if row.flip else px), np.deg2rad(row.angle_deg)
        gone_x = row.size_scale * (px * np.cos(angle) - py * np.sin(angle)) + row.shift_x + middle - start
        gone_y = row.size_scale * (px * np.sin(angle) + py * np.cos(angle)) + row.shift_y + middle - start
        assert (gone_x, gone_y) == pytest.approx((20, 15), abs=2e-3)


def test_a_turn_goes_from_north_through_east() -> None:
    image = np.zeros((1, 21, 21), np.float32)
    image[0, 18, 10] = 1  # North of the centre
    east = turn(image, 90, out_size=21)
    assert np.argwhere(east[0]).tolist() == [[10, 2]]  # columns run towards West


def test_whole_shifts_are_exact() -> None:
    image = random_images(1, 30)
    moved = apply(image, np.zeros(1, int), still(shift_x=3.0, shift_y=-2.0), SETTINGS, out_size=30)
    np.testing.assert_array_equal(moved[0, :28, 3:], image[0, 2:, :27])
    assert not moved[0, 28:].any()
    assert not moved[0, :, :3].any()


def test_there_and_back_is_where_it_was() -> None:
    y, x = np.indices((81, 81)) - 40
    blob = np.exp(-((x - 6) ** 2 + (y + 3) ** 2) / 60).astype(np.float32)[None]
    back = turn(turn(blob, 33.0, out_size=81), -33.0, out_size=81)
    # Each interpolation widens the blob, of variance 30, by at most a quarter: so its peak sinks.
    np.testing.assert_allclose(back[0, 15:66, 15:66], blob[0, 15:66, 15:66], atol=2 * 0.25 / 30)


def test_maps_of_no_transform_are_the_crop() -> None:
    np.testing.assert_array_equal(matrices(still(), 212, 150)[0], [[1, 0, 31], [0, 1, 31]])
    np.testing.assert_array_equal(matrices(still(), 21, 12)[0], [[1, 0, 4], [0, 1, 4]])


def test_maps_of_quarter_turns_are_whole_numbers() -> None:
    maps = matrices(still(3, angle_deg=[90.0, 180.0, 270.0]), 21, 21)
    np.testing.assert_array_equal(
        maps, [[[0, 1, 0], [-1, 0, 20]], [[-1, 0, 20], [0, -1, 20]], [[0, -1, 20], [1, 0, 0]]]
    )


def test_draws_stay_in_their_ranges_and_fill_them() -> None:
    settings = AugmentSettings(rotate_deg=180, shift_px=2, size_scale=0.1, flux_scale=0.3, noise_sigma=0.5)
    drawn = draw_transforms(np.arange(20_000), settings, seed=1)
    assert list(drawn.columns) == list(COLUMNS)
    ranges = {"angle_deg": (0, 180), "shift_x": (-2, 2), "shift_y": (-2, 2), "size_scale": (0.9, 1.1)}
    for name, (low, high) in ranges.items():
        assert drawn[name].between(low, high).all()
        assert drawn[name].mean() == pytest.approx((low + high) / 2, abs=5 * (high - low) / np.sqrt(12 * 20_000))
        assert drawn[name].std() == pytest.approx((high - low) / np.sqrt(12), rel=0.03)
    assert np.abs(np.log10(drawn["flux_factor"])).max() == pytest.approx(0.3, rel=0.01)
    assert drawn["flip"].mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(20_000))
    assert (drawn["noise_sigma"] == 0.5).all()
    assert drawn["noise_seed"].is_unique
    correlation = drawn.drop(columns=["parent", "noise_sigma"]).astype(float).corr().to_numpy()
    np.testing.assert_allclose(correlation, np.eye(7), atol=5 / np.sqrt(20_000))


def test_nothing_is_drawn_where_nothing_is_asked() -> None:
    settings = AugmentSettings(rotate_deg=0, flip=False, shift_px=0, size_scale=0)
    drawn = draw_transforms(np.arange(3), settings, seed=1)
    image = random_images(3, 20)
    np.testing.assert_array_equal(apply(image, np.arange(3), drawn, settings, out_size=20), image)


def test_a_row_depends_on_seed_and_number_alone() -> None:
    settings = AugmentSettings(noise_sigma=0.5)
    drawn = draw_transforms(np.arange(10), settings, seed=7)
    pd.testing.assert_frame_equal(draw_transforms(np.arange(4), settings, seed=7), drawn.iloc[:4])
    assert not np.allclose(draw_transforms(np.arange(10), settings, seed=8)["angle_deg"], drawn["angle_deg"])
    images, noise = random_images(10, 40), np.linspace(1, 2, 10)
    together = apply(images, np.arange(10), drawn, settings, out_size=30, noise=noise)
    for i in (0, 7):
        alone = apply(images[[i]], np.zeros(1, int), drawn.iloc[[i]], settings, out_size=30, noise=noise[[i]])
        np.testing.assert_array_equal(alone[0], together[i])


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("n", [0, 1, 7, 50])
def test_any_number_of_images_is_transformed(dtype: str, n: int) -> None:
    images, rows = random_images(5, 40, dtype), np.arange(n) % 5
    made = apply(images, rows, draw_transforms(rows, SETTINGS, seed=1), SETTINGS, out_size=32)
    turned = turn(images[rows], 30.0, out_size=32)
    assert made.shape == turned.shape == (n, 32, 32)
    assert made.dtype == turned.dtype == images.dtype


def test_noise_and_flux_scale_are_physical() -> None:
    images, noise = np.ones((2, 64, 64), np.float32), np.array([0.1, 0.3])
    transforms = still(2, noise_sigma=[0.0, 2.0], flux_factor=[5.0, 3.0], noise_seed=[1, 2])
    out = apply(images, np.arange(2), transforms, SETTINGS, out_size=64, noise=noise)
    np.testing.assert_array_equal(out[0], 5)
    n = out[1].size
    assert out[1].mean() == pytest.approx(3, abs=5 * 0.6 / np.sqrt(n))
    assert out[1].std() == pytest.approx(0.6, rel=5 / np.sqrt(2 * n))
    again = apply(images, np.arange(2), transforms, SETTINGS, out_size=64, noise=noise)
    np.testing.assert_array_equal(again, out)


def test_noise_without_its_size_is_an_error() -> None:
    with pytest.raises(ValueError, match="noise of the parents is not given"):
        apply(np.ones((1, 8, 8), np.float32), np.zeros(1, int), still(noise_sigma=1.0), SETTINGS, out_size=8)


@pytest.mark.parametrize("column", ["noise_sigma", "flux_factor"])
def test_images_without_flux_scale_refuse_physical_changes(column: str) -> None:
    images = random_images(1, 20, "uint8")
    with pytest.raises(UserError, match=r"augment\.noise_sigma and augment\.flux_scale need physical values"):
        apply(images, np.zeros(1, int), still(**{column: 0.5}), SETTINGS, out_size=20)


def test_missing_pixels_do_not_spread() -> None:
    holed = random_images(2, 40)
    holed[0, 20, 20:23] = [np.nan, np.inf, -np.inf]
    before = holed.copy()
    filled = np.nan_to_num(holed, posinf=0, neginf=0)
    rows = np.array([0, 1, 0])
    drawn = draw_transforms(rows, SETTINGS, seed=1)
    out = apply(holed, rows, drawn, SETTINGS, out_size=40)
    np.testing.assert_array_equal(out, apply(filled, rows, drawn, SETTINGS, out_size=40))
    np.testing.assert_array_equal(turn(holed, 30, out_size=40), turn(filled, 30, out_size=40))
    np.testing.assert_array_equal(holed, before)


def test_turns_by_right_angles_are_exact() -> None:
    images = random_images(3, 25, "uint8")
    for k in range(4):
        turned = turn(images, 90.0 * k, out_size=15)
        np.testing.assert_array_equal(turned, [central(counter_clockwise(image, k), 15) for image in images])


def test_each_image_turns_by_its_own_angle() -> None:
    images = random_images(2, 20)
    turned = turn(images, np.array([90.0, 0.0]), out_size=20)
    np.testing.assert_array_equal(turned, [counter_clockwise(images[0], 1), images[1]])
