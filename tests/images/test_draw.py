"""Pictures: North up, East left, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from astro_vae.images import draw


def read(png: bytes) -> np.ndarray:
    """Return the brightness of a PNG, row 0 above."""
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).sum(axis=2)


def test_a_thumbnail_has_north_up_and_east_left() -> None:
    image = np.zeros((30, 40), np.uint8)
    image[28, 3] = 255  # North and East: last rows, first columns
    brightness = read(draw.thumbnail(image))
    assert brightness.shape == (30, 40)
    assert np.unravel_index(brightness.argmax(), brightness.shape) == (1, 3)
    assert draw.thumbnail(image / 255) == draw.thumbnail(image)


def test_brighter_pixels_are_drawn_brighter() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    brightness = read(draw.thumbnail(ramp))[0].astype(int)
    assert np.all(np.diff(brightness) >= 0)
    assert brightness[-1] - brightness[0] > 500


def test_a_grid_is_written_whole_and_the_same_each_time(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (5, 24, 24), dtype=np.uint8)
    for name in ("a.png", "b.png"):
        draw.grid(
            tmp_path / name, images, titles=list("abcde"), columns=3, row_labels=["x", "y"], suptitle="five",
            north_deg=0.0, pixel_arcsec=1.8,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    height, width = read((tmp_path / "a.png").read_bytes()).shape
    assert width > height


def test_a_grid_of_floats_and_of_no_title(tmp_path: Path) -> None:
    draw.grid(tmp_path / "one.png", np.zeros((1, 8, 8)))
    draw.grid(
        tmp_path / "two.png", np.ones((2, 8, 8)), rows=1, north_deg=np.array([0.0, np.nan]),
        pixel_arcsec=np.array([1.8, np.nan]),
    )
    assert (tmp_path / "one.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("number", "rows", "columns", "expected"),
    [(9, None, None, (3, 3)), (7, None, None, (3, 3)), (9, 2, None, (2, 5)), (9, None, 5, (2, 5)), (3, 2, 2, (2, 2))],
)
def test_layout(number: int, rows: int | None, columns: int | None, expected: tuple[int, int]) -> None:
    assert draw._layout(number, rows, columns) == expected


@pytest.mark.parametrize(
    ("north_deg", "north", "east"), [(0, (0, 1), (-1, 0)), (90, (-1, 0), (0, -1)), (180, (0, -1), (1, 0))]
)
def test_the_compass_shows_where_north_and_east_are(north_deg: float, north: tuple, east: tuple) -> None:
    axes = Figure().subplots()
    draw.compass(axes, north_deg)
    arrows = [np.subtract(arrow.xy, arrow.xyann) / draw.ARROW for arrow in axes.texts if arrow.get_text() == ""]
    np.testing.assert_allclose(arrows, [north, east], atol=1e-12)
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["N", "E"]
    for text in axes.texts:
        assert np.all((np.array(text.get_position()) > 0) & (np.array(text.get_position()) < 1))


def test_no_compass_and_no_scale_where_the_sky_is_unknown() -> None:
    axes = Figure().subplots()
    draw.compass(axes, np.nan)
    draw.scale_bar(axes, np.nan, 96)
    assert not axes.texts
    assert not axes.lines


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    axes = Figure().subplots()
    draw.scale_bar(axes, 1.8, 96)
    (bar,), (text,) = axes.lines, axes.texts
    assert text.get_text() == '60"'
    assert np.ptp(bar.get_xdata()) * 96 * 1.8 == pytest.approx(60)


@pytest.mark.parametrize(("value", "expected"), [(69.1, 60), (60, 60), (59, 30), (19.9, 10), (25, 20), (0.35, 0.3)])
def test_round_angles(value: float, expected: float) -> None:
    assert draw._round_down(value) == pytest.approx(expected)
