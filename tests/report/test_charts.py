"""Charts: axes with known ticks, marks where they belong."""

from __future__ import annotations

import re

import numpy as np
import pytest

from astro_vae.report.charts import Plot, Series, histogram, lines, log_ticks, scatter, tick_text, ticks
from astro_vae.report.sky import mollweide, sky_map


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-1, 1, [-1, -0.5, 0, 0.5, 1]), (0, 400_000, [0, 1e5, 2e5, 3e5, 4e5])],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    np.testing.assert_allclose(ticks(low, high), expected, atol=1e-12)
    assert not np.signbit(ticks(low, high)[np.isclose(ticks(low, high), 0)]).any()


def test_log_ticks_are_1_2_5() -> None:
    np.testing.assert_allclose(10 ** log_ticks(0.9, 2.1), [10, 20, 50, 100], rtol=1e-12)
    np.testing.assert_allclose(10 ** log_ticks(-0.1, 4.0), [1, 10, 100, 1000, 10000], rtol=1e-12)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.2, "0.2"), (1500, "1500"), (15_000, "15k"), (-20_000, "-20k"), (2e6, "2M"), (1e-4, "1e-4")],
)
def test_tick_text(value: float, text: str) -> None:
    assert tick_text(value) == text


def test_ends_of_the_range_lie_on_the_frame() -> None:
    plot = Plot((0, 10), (0, 1), size=(560, 250))
    np.testing.assert_allclose(plot.px(np.array([0, 10])), [58, 546])
    np.testing.assert_allclose(plot.py(np.array([0, 1])), [208, 12])


def test_lines_leave_out_what_is_not_finite_and_what_is_not_settled() -> None:
    x = np.arange(11.0)
    y = np.where(x == 0, 1e6, np.where(x == 5, np.nan, x))
    svg = lines([Series("a<b", x, y)], x_label="x", y_label="y", title="t", settled=0.1)
    points = re.findall(r'points="([^"]+)"', svg)[0].split()
    assert len(points) == 9
    assert "a&lt;b" in svg
    assert lines([Series("none", x, np.full(11, np.nan))], x_label="x", y_label="y", title="t") == ""


def test_histogram_counts_every_object_once() -> None:
    values = 10.0 ** np.linspace(0, 2, 100)
    svg = histogram([Series("a", values, values)], x_label="x", title="t", log=True)
    heights = [float(p.split(",")[1]) for p in re.findall(r'points="([^"]+)"', svg)[0].split()]
    zero, top = heights[0], 12.0
    counts = (zero - np.array(heights[1:-1:2])) / (zero - top) * 1.05 * 4
    assert counts.sum() == pytest.approx(100, abs=0.5)


def test_scatter_has_a_point_per_object_and_a_ring_per_mark() -> None:
    x = np.arange(5.0)
    svg = scatter([Series("a", x, x)], x_label="x", y_label="y", title="t", rings=Series("", x[:2], x[:2]))
    assert svg.count("h0") == 5
    assert svg.count('class="ring"') == 2


def test_mollweide_of_known_positions() -> None:
    x, y = mollweide(np.array([180, 180, 180, 180, 270, 0.0]), np.array([0, 90, -90, 30, 0, 0.0]))
    np.testing.assert_allclose(y, [0, 1, -1, 0.4039728, 0, 0], atol=1e-4)  # sin(theta), 2 theta + sin 2 theta = pi/2
    np.testing.assert_allclose(x, [0, 0, 0, 0, -1, 2], atol=1e-12)  # East, growing right ascension, to the left


def test_sky_map_without_positions_is_empty() -> None:
    assert sky_map([Series("a", np.full(3, np.nan), np.zeros(3))], title="t") == ""
    assert sky_map([Series("a", np.array([10.0]), np.zeros(1))], title="t").count("h0") == 1
