"""Pictures of spectra: gaps where nothing is valid, and the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from astro_vae.spectra.draw import grid, thumbnail, ways


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


def test_thumbnails_show_line_and_gap() -> None:
    picture = cv2.imdecode(np.frombuffer(thumbnail(spectra()[2]), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (96, 96)
    dark = picture < 200
    assert dark[:, 46:50].sum() > 40  # the line reaches from the bottom to the top
    assert not dark[:, 20:24].any()  # the gap
    empty = np.zeros((2, 300))
    assert np.frombuffer(thumbnail(empty), np.uint8).size > 0
