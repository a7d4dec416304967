"""Small drawings of spectra: nothing is lost, and they are small."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from astro_vae.spectra.outline import COLUMNS, SIZE, thumbnail


def spectrum(line: float, bins: int = 1000) -> np.ndarray:
    flux = np.full(bins, 1.0)
    flux[600] += line
    ivar = np.full(bins, 400.0)
    ivar[200:300] = 0
    return np.stack([flux, ivar])


def points(drawing: str) -> list[np.ndarray]:
    """Return the points of each line of the drawing, (n, 2)."""
    paths = {path.get("class"): path.get("d") for path in ElementTree.fromstring(drawing)}
    runs = [re.findall(r"-?\d+", run) for run in (paths["flux"] or "").split("M") if run]
    return [np.array(run, int).reshape(-1, 2).cumsum(axis=0) for run in runs]


def test_a_line_of_one_bin_is_drawn_and_a_gap_is_open() -> None:
    before, behind = points(thumbnail(spectrum(1.5)))
    assert before[-1, 0] < 0.22 * SIZE[0] < 0.3 * SIZE[0] < behind[0, 0]
    x, y = behind[behind[:, 1].argmin()]
    assert abs(x - (0.02 + 0.96 * 600 / 999) * SIZE[0]) <= 2
    assert y < 0.15 * SIZE[1] < 0.5 * SIZE[1] < np.median(behind[:, 1])
    assert max(len(before), len(behind)) <= 2 * COLUMNS


def test_what_leaves_the_drawing_is_marked() -> None:
    noise = 0.05 * np.random.default_rng(1).standard_normal(1000)
    assert 'class="beyond"' not in thumbnail(1 + noise)
    noise[600] = 40
    drawing = thumbnail(1 + noise)
    assert 'class="beyond"' in drawing
    assert min(run[:, 1].min() for run in points(drawing)) >= 0
    assert len(drawing) < 4000


def test_an_empty_spectrum_and_a_single_valid_bin_can_be_drawn() -> None:
    assert points(thumbnail(np.zeros((2, 300)))) == []
    one = np.zeros((2, 300))
    one[:, 7] = 1
    assert [len(run) for run in points(thumbnail(one))] == [2]
