"""A step whose results change must raise its version in `astro_vae.plan`, or nobody's results are made again.

`fingerprints.json` keeps a few figures of each step's output on the tiny run, with the version that made them.
After a change of results that is meant: raise the version, then run these tests with ASTRO_VAE_FINGERPRINTS=write.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from astro_vae.objects import open_objects
from astro_vae.plan import STEPS

KEPT = Path(__file__).with_name("fingerprints.json")

pytestmark = pytest.mark.slow

Figures = dict[str, float]


def _text(text: str) -> float:
    """Turn a text into a number that differs when the text does."""
    return float(int(hashlib.sha256(text.encode()).hexdigest()[:12], 16))


def _means(table: pd.DataFrame, *columns: str) -> Figures:
    return {name: float(np.nanmean(table[name])) for name in columns}


def _download(results: Path) -> Figures:
    manifest = pd.read_csv(results / "manifest.csv")
    return {"files": len(manifest), "bytes": float(manifest["bytes"].sum())}


def _prepare(results: Path) -> Figures:
    objects = open_objects(results / "objects.h5")
    measured = _means(objects.usable, "noise", "peak_flux", "total_flux", "las_arcsec", "n_nonzero")
    return {"kept": len(objects.usable), "mean": float(objects.read().mean()), **measured}


def _split(results: Path) -> Figures:
    return {"parts": _text((results / "split.csv").read_text())}


def _augment(results: Path) -> Figures:
    augmented = open_objects(results / "augmented.h5")
    return {"mean": float(augmented.read().mean()), **_means(augmented.table, "parent", "angle_deg", "size_scale")}


def _classifier(results: Path) -> Figures:
    return {"weights": float(len(load_file(results / "classifier" / "weights.safetensors")))}


def _train(results: Path) -> Figures:
    linear = pd.read_csv(results / "pca" / "model" / "history.csv").iloc[-1]
    network = pd.read_csv(results / "cvae" / "model" / "history.csv")
    return {"pca_elbo": linear["validation_elbo"], "pca_mse": linear["validation_mse"], "evaluations": len(network)}


def _fit_prior(results: Path) -> Figures:
    latents = load_file(results / "pca" / "reference.safetensors")
    return {name: float(np.abs(tensor).mean()) for name, tensor in latents.items()}


def _encode(results: Path) -> Figures:
    table = pd.read_parquet(results / "pca" / "latents.parquet")
    return {"columns": _text(",".join(table)), "z": float(table["z_mean_0"].abs().mean())}


def _generate(results: Path) -> Figures:
    samples = open_objects(results / "pca" / "samples.h5")
    return {"rows": len(samples.usable), "columns": _text(",".join(samples.table))}


def _rank(results: Path) -> Figures:
    table = pd.read_parquet(results / "pca" / "anomalies.parquet")
    return {"columns": _text(",".join(table)), "rows": len(table)}


def _evaluate(results: Path) -> Figures:
    metrics = json.loads((results / "pca" / "metrics.json").read_text())
    return {"keys": _text(",".join(metrics)), "mse": metrics["test"]["mse"]["mean"]}


def _compare(results: Path) -> Figures:
    return {"columns": _text(",".join(pd.read_csv(results / "comparison.csv")))}


FIGURES: dict[str, Callable[[Path], Figures]] = {
    "download": _download, "prepare": _prepare, "split": _split, "augment": _augment, "classifier": _classifier,
    "train": _train, "fit-prior": _fit_prior, "encode": _encode, "generate": _generate, "rank": _rank,
    "evaluate": _evaluate, "compare": _compare,
}


def test_every_step_has_figures() -> None:
    assert set(FIGURES) == set(STEPS) - {"report"}  # the page is tested by what stands on it


@pytest.mark.parametrize("step", FIGURES)
def test_results_change_only_with_the_version(finished: Any, step: str) -> None:
    found = {"version": STEPS[step].version, "figures": FIGURES[step](finished.results)}
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if os.environ.get("ASTRO_VAE_FINGERPRINTS") == "write":
        KEPT.write_text(json.dumps({**kept, step: found}, indent=1, sort_keys=True) + "\n")
        return
    assert step in kept, "no figures are kept for this step: see the head of this file"
    assert kept[step]["version"] == found["version"], "the version was raised: write the figures again"
    # processors differ in the last digits of a sum, not in the fourth
    assert found["figures"] == pytest.approx(kept[step]["figures"], rel=2e-3), "raise this step's version in plan.py"
