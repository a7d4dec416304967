"""Sheets of pictures: every object at its place, in the colours of its thumbnail."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from astro_vae.images import draw
from astro_vae.images.view import view
from astro_vae.objects import Writer, open_objects
from astro_vae.report.thumbnails import CELL, COLUMNS, figure, sheets
from astro_vae.settings_images import ViewSettings
from astro_vae.settings_spectra import GridSettings, SpectrumViewSettings

VIEW = ViewSettings(size=20, frame=20, threshold_sigma=-1)


def _decode(address: str) -> np.ndarray:
    png = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_each_object_is_shown_at_its_place(results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    objects = open_objects(results(models=False) / "objects.h5")
    wanted = objects.usable["object_id"].iloc[[0, 7, 30]].tolist()
    made = sheets(objects, [*wanted, "not there"], VIEW)
    assert [made.places[name] for name in wanted] == [(0, 0, 0), (0, 1, 0), (0, 2, 0)]
    assert "none" in made.picture("not there")
    sheet = _decode(made.addresses[0])
    assert sheet.shape[1] == COLUMNS * CELL
    table = objects.usable[objects.usable["object_id"] == wanted[1]]
    seen = view(objects.read("values", 7, 8), table, VIEW, scaled=False)[0]
    thumbnail = Image.open(io.BytesIO(draw.thumbnail(seen))).resize((CELL, CELL), Image.Resampling.LANCZOS)
    shown = sheet[:CELL, CELL : 2 * CELL]
    difference = shown - np.asarray(thumbnail.convert("RGB")).astype(int)
    assert np.abs(difference).mean() < 8  # of 255: the sheet has a palette of 256 colours


def test_more_objects_than_a_sheet_holds(results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astro_vae.report.thumbnails.ROWS", 1)
    objects = open_objects(results(models=False) / "objects.h5")
    made = sheets(objects, objects.usable["object_id"], VIEW)
    assert len(made.addresses) == 2
    assert list(made.places.values())[COLUMNS] == (1, 0, 0)


def test_large_figures_are_reduced(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (50, 400, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    assert _decode(figure(tmp_path / "a.png", width=100)).shape == (12, 100, 3)
    assert _decode(figure(tmp_path / "a.png")).shape == (50, 400, 3)


def test_spectra_are_drawn_in_lines_once_each(tmp_path: Path) -> None:
    table = pd.DataFrame({"object_id": ["a", "b", "c"], "ra": 1.0, "dec": 2.0, "label": "", "status": "ok",
                          "reason": "", "row": [0, 1, 2]})
    grid = GridSettings(bins=100, log_start=3.7, log_step=1e-3)
    attributes = {"kind": "spectrum", "unit": "1", "scaled": False, "software": {}, "grid": {**vars(grid), "margin": 0}}
    with Writer(tmp_path / "objects.h5", (2, 100), "float32", attributes) as writer:
        writer.append(np.ones((3, 2, 100), np.float32))
        writer.table(table, {})
    made = sheets(open_objects(tmp_path / "objects.h5"), ["c", "a"], SpectrumViewSettings(grid=grid))
    assert made.addresses == []
    assert made.drawings().count("<symbol id=") == 2
    assert 'href="#o1"' in made.picture("c")
    assert "none" in made.picture("b")
