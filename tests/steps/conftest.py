"""Small object files, with the columns that the step prepare writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astro_vae.images.cut import COLUMNS as KNOWN
from astro_vae.images.measure import COLUMNS as MEASURED
from astro_vae.objects import FIRST_COLUMNS, Writer
from astro_vae.steps._intake import COLUMNS, WARNING


@pytest.fixture
def blobs() -> Callable[..., np.ndarray]:
    """Give a function that makes small images of double sources."""
    return _blobs


def _blobs(n: int, size: int = 40, *, dtype: str = "float32", seed: int = 1) -> np.ndarray:
    """Make n images of two Gaussian lobes each: (n, size, size), peak 1 or 255, noise where physical."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    places = rng.uniform(-size / 6, size / 6, (n, 2, 2))
    heights = rng.uniform(0.4, 1, (n, 2))
    images = np.zeros((n, size, size))
    for lobe in range(2):
        dy, dx = y - places[:, lobe, :1, None], x - places[:, lobe, 1:, None]
        images += heights[:, lobe, None, None] * np.exp(-(dx**2 + dy**2) / 8)
    images /= images.max(axis=(1, 2), keepdims=True)
    if dtype == "uint8":
        return (255 * images).astype(np.uint8)
    return (images + rng.normal(0, 0.01, images.shape)).astype(np.float32)


@pytest.fixture
def write_objects(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes an object file of these images; other arguments are columns."""

    def write(images: np.ndarray, labels: Sequence[str] | None = None, **columns: Any) -> Path:
        n = len(images)
        names = [f"J{i:03d}" for i in range(n)]
        table = pd.DataFrame({"object_id": names, "ra": 10.0 * np.arange(n) % 360, "dec": 0.0})
        table = table.assign(label=["FRI", "FRII"] * (n // 2) + ["FRI"] * (n % 2) if labels is None else labels)
        table = table.assign(status="ok", reason="", row=np.arange(n))[list(FIRST_COLUMNS)]
        described = {**COLUMNS, **KNOWN, **{name: column for name, column in MEASURED.items() if name != WARNING}}
        known = {"published_part": "", "noise": 0.01, "las_arcsec": 30.0, "pixel_arcsec": 1.8}
        table = table.assign(**(dict.fromkeys(described, np.nan) | known | columns))
        path = tmp_path / "objects.h5"
        attributes = {
            "kind": "image", "survey": "blobs", "unit": "Jy/beam", "scaled": images.dtype == np.uint8,
            "labels": sorted(set(table["label"]) - {""}),
        }
        with Writer(path, images.shape[1:], str(images.dtype), attributes) as writer:
            writer.append(images)
            writer.table(table, described)
        return path

    return write


@pytest.fixture
def write_split(tmp_path: Path) -> Callable[[Sequence[str]], Path]:
    """Give a function that writes the parts of the objects J000, J001, … as split.csv."""

    def write(parts: Sequence[str]) -> Path:
        path = tmp_path / "split.csv"
        names = [f"J{i:03d}" for i in range(len(parts))]
        pd.DataFrame({"object_id": names, "group": range(len(parts)), "part": parts, "reason": ""}).to_csv(path)
        return path

    return write
