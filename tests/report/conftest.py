"""A small folder of results, as the steps write it, without any model having been trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from astro_vae.columns import Column
from astro_vae.objects import Writer
from astro_vae.products.catalog import write_catalog

SIDE = 24
EXTRA = {"las_arcsec": Column("size", "arcsec"), "noise": Column("noise", "Jy/beam"), "pixel_arcsec": Column("p"),
         "snr": Column("peak over noise")}
VIEW = {"size": 16, "frame": 20, "threshold_sigma": -1.0}


def _images(n: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    angles, lengths = rng.uniform(0, np.pi, n), rng.uniform(2, 8, n)
    along = np.cos(angles)[:, None, None] * x + np.sin(angles)[:, None, None] * y
    across = -np.sin(angles)[:, None, None] * x + np.cos(angles)[:, None, None] * y
    return np.exp(-((along / lengths[:, None, None]) ** 2) - (across / 1.5) ** 2).astype("float32")


def _objects(path: Path, n: int, rng: np.random.Generator) -> pd.DataFrame:
    refused = np.arange(n) % 10 == 9
    table = pd.DataFrame({
        "object_id": [f"J{i:04d}<b>" for i in range(n)],
        "ra": rng.uniform(0, 360, n), "dec": rng.uniform(-30, 60, n),
        "label": np.where(np.arange(n) % 3 == 2, "", np.where(np.arange(n) % 3 == 1, "FRII", "FRI")),
        "status": np.where(refused, "refused", "ok"),
        "reason": np.where(refused, "NaN in the field: 12 of 400 pixels", ""),
        "row": np.where(refused, -1, np.cumsum(~refused) - 1),
        "las_arcsec": rng.lognormal(3.5, 0.5, n), "noise": 1e-4, "pixel_arcsec": 1.8, "snr": rng.lognormal(3, 1, n),
    })
    attributes = {"kind": "image", "survey": "simulated_radio", "unit": "Jy/beam", "scaled": False,
                  "labels": ["FRI", "FRII"], "software": {"astro_vae": "0.1.0", "numpy": "2.0"}}
    with Writer(path, (SIDE, SIDE), "float32", attributes) as writer:
        writer.append(_images(int((~refused).sum()), rng))
        writer.table(table, EXTRA)
    return table


def _model(folder: Path, kept: pd.DataFrame, rng: np.random.Generator, settings: dict[str, Any]) -> None:
    (folder / "model").mkdir(parents=True)
    contract = {"kind": "image", "labels": ["FRI", "FRII"], "settings": settings, "view": VIEW,
                "ran_on": {"device": "cpu", "torch": "2.6"}, "inputs": {"objects": "ab" * 32}}
    (folder / "model" / "model.json").write_text(json.dumps(contract))
    seen = np.arange(1, 9) * 1000
    history = {"examples": seen, "elbo": -9000 + 50 * np.log(seen), "kl": np.log(seen), "validation_elbo": 1.0 * -seen}
    pd.DataFrame(history).to_csv(folder / "model" / "history.csv", index=False)
    n = len(kept)
    z = rng.normal(size=(n, 4))
    latents = kept[["object_id", "label"]].assign(**{f"z_mean_{k}": z[:, k] for k in range(4)})
    latents.to_parquet(folder / "latents.parquet")
    scores = {name: rng.normal(size=n) for name in ("reconstruction", "latent_density")}
    ranking = kept[["object_id", "ra", "dec", "label"]].assign(
        combined=rng.permutation(n) / n, group=0, **scores, trivial_size=rng.lognormal(size=n), trivial_flux=np.nan)
    rank = ranking["combined"].rank(ascending=False).astype(int)
    ranking = ranking.assign(rank=rank, why="far from its neighbours; 3 components")
    columns = {"reconstruction": Column("Minus log likelihood per pixel")}
    write_catalog(ranking, columns, folder / "anomalies.fits", formats=(".parquet",))
    metrics = {
        "model": folder.name, "type": settings["type"], "latents": 8, "parameters": 12345, "labels": ["FRI", "FRII"],
        "test": {
            "objects": 9, "mse": {"mean": 5.2e-4, "error": 3e-5, "median": 3e-4, "n": 9},
            "mse_mean_image": {"mean": 2.2e-3, "error": 1e-4, "median": None, "n": 9},
            "active_units": {"value": 6, "of": 8, "n": 9},
            "label": {
                "accuracy": {"value": 0.85, "error": 0.03, "n": 9}, "log_loss_raw": {"mean": None, "n": 0},
                "reliability_raw": [{"n": n, "confidence": c, "accuracy": c - 0.1} for n, c in ((4, 0.6), (5, 1.0))],
            },
        },
        "samples": {
            "agreement": {"all": {"value": 0.9, "error": 0.01, "n": 200}},
            "ks_distance": {"all": {"value": 0.25, "error": 0.02, "n": 300}},
            "ks_distance_of_real_test": {"all": {"value": 0.125, "error": 0.02, "n": 300}},
        },
        "anomalies": {"planted": {
            "planted": 4, "ranked": n, "first_n": {"value": 0.5, "error": 0.25, "n": 4, "random": 0.1}, "ordinary": 32,
            "odd": 4, "combined": {"auc": {"value": 0.8, "error": 0.1, "n": 36}},
            "trivial_size": {"auc": {"value": 0.7, "error": 0.1, "n": 36}}, "random": {"auc": 0.5},
        }},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(folder / "samples.png")
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "train.tsv").write_text("s\th:m:s\tmax_rss\n125.0\t0:02:05\t812.5\n")


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., Path]:
    """Return the function that builds a folder of results and gives its path."""

    def build(n: int = 40, *, models: bool = True) -> Path:
        rng = np.random.default_rng(3)
        folder = tmp_path / "results" / "quick" / "radio"
        folder.mkdir(parents=True)
        table = _objects(folder / "objects.h5", n, rng)
        kept = table[table["row"] >= 0]
        part = np.where(np.arange(len(kept)) % 4 == 0, "test", "train")
        kept[["object_id"]].assign(group=0, part=part, reason="").to_csv(folder / "split.csv", index=False)
        if models:
            _model(folder / "vae8", kept, rng, {"type": "vae", "latents": 8, "network": {"name": "convolutional"}})
            _model(folder / "pca8", kept, rng, {"type": "pca", "latents": 8})
            comparison = {"model": ["vae8", "pca8"], "mse": [5.2e-4, 1e-3], "mse_error": [3e-5, 5e-5]}
            pd.DataFrame(comparison).to_csv(folder / "comparison.csv", index=False)
        return folder

    return build


@pytest.fixture
def damage() -> Callable[[Path], None]:
    """Return the function that truncates a file."""
    return lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


