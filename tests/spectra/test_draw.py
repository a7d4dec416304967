"""Pictures of spectra: gaps where nothing is valid, and the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from astro_vae.spectra.draw import grid, ways


def spectra(n: int = 3) -> np.ndarray:
    x = np.linspace(-1, 1, 300)
    flux = 1 + 0.3 * x + 3 * np.exp(-0.5 * (x / 0.01) ** 2) * np.arange(n)[:, None]
    ivar = np.full_like(flux, 400.0)
    ivar[:, 50:80] = 0
    return np.stack([flux, ivar], axis=1)


def test_a_grid_is_written_and_is_always_the_same(tmp_path: Path) -> None:
    wave = np.geomspace(3400, 8300, 300)
    for name in ("a.png", "b.png"):
        grid(tmp_path / name, spectra(), titles=["x", "y", "z"], wave_aa=wave, suptitle="three", row_labels=["r"])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    grid(tmp_path / "c.png", spectra()[:, 0], rows=1)
    assert cv2.imread(str(tmp_path / "c.png")).shape[1] > 3 * 300


def tinted(path: Path, more: int, less: int) -> int:
    """Return the number of pixels that have clearly more of a colour (blue 0, green 1, red 2) than of another."""
    picture = cv2.imread(str(path)).astype(int)
    return int((picture[..., more] - picture[..., less] > 50).sum())


def test_what_a_model_makes_of_a_spectrum_is_drawn_over_it(tmp_path: Path) -> None:
    seen = spectra(1)
    redrawn = np.linspace(0.2, 1.2, 300)[None, None]
    grid(tmp_path / "both.png", np.concatenate([seen, redrawn], axis=1))
    grid(tmp_path / "one.png", seen)
    assert tinted(tmp_path / "one.png", 2, 0) == 0
    assert tinted(tmp_path / "both.png", 2, 0) > 100  # orange


def test_ways_have_a_panel_each_and_a_colour_for_each_step(tmp_path: Path) -> None:
    values = np.linspace(1, 2, 3 * 5)[:, None].repeat(300, axis=1).reshape(3, 5, 300)
    values[0, :, :20] = np.nan
    wave = np.geomspace(1200, 8300, 300)
    known = {"names": ["x", "y", "z"], "steps": list("abcde"), "suptitle": "ways", "wave_aa": wave}
    ways(tmp_path / "a.png", values, **known)
    ways(tmp_path / "b.png", values, **known)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert tinted(tmp_path / "a.png", 0, 1) > 300  # the violet of the first step
    assert tinted(tmp_path / "a.png", 1, 0) > 300  # the green of the last
    ways(tmp_path / "c.png", values[:1], **{**known, "names": ["x"]})
    assert cv2.imread(str(tmp_path / "c.png")).shape[1] < cv2.imread(str(tmp_path / "a.png")).shape[1]


def test_a_line_that_leaves_its_panel_is_marked_on_the_edge(tmp_path: Path) -> None:
    flux = 1 + 0.05 * np.random.default_rng(0).standard_normal(300)
    grid(tmp_path / "inside.png", flux[None])
    flux[150] = 40
    grid(tmp_path / "beyond.png", flux[None])
    inside, beyond = (cv2.imread(str(tmp_path / name), 0) < 200 for name in ("inside.png", "beyond.png"))
    frame = np.flatnonzero(inside.sum(axis=1) > 200)[0]  # the upper edge of the panel
    assert not inside[:frame].any()
    assert 1 <= beyond[:frame].sum() <= 20  # half a triangle
