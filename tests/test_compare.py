"""The comparison of models."""

from __future__ import annotations

from pathlib import Path

import cv2
import pandas as pd
import pytest

from astro_vae.compare import compare, row_of
from astro_vae.files import write_json


def metrics(name: str, mse: float) -> dict:
    figure = {"mean": mse, "median": mse / 2, "error": mse / 10, "median_error": mse / 20, "n": 100}
    return {
        "model": name, "latents": 8, "parameters": 1000,
        "test": {"mse": figure, "mse_per_label": {"FRI": {**figure, "mean": 3 * mse}},
                 "mse_mean_image": {**figure, "mean": 2e-3},
                 "label": {"accuracy": {"value": 0.8, "error": 0.04, "n": 100}}},
        "samples": {}, "anomalies": {"hybrid": {"combined": {"auc": {"value": 0.7, "error": None, "n": 50}}}},
    }


def test_a_row_has_each_figure_with_its_error() -> None:
    row = row_of(metrics("cvae", 5e-4))
    assert row["test_mse"] == 5e-4
    assert row["test_mse_error"] == pytest.approx(5e-5)
    assert row["test_mse_median_error"] == pytest.approx(2.5e-5)
    assert row["test_mse_FRI"] == pytest.approx(1.5e-3)
    assert row["hybrid_auc"] == 0.7
    assert "sample_distance" not in row
    assert "hybrid_auc_error" not in row


def test_a_row_has_the_distances_of_measured_values() -> None:
    far, near = ({"all": {"value": value, "error": 0.01, "n": 90}} for value in (0.4, 0.1))
    samples = {"ks_distance": {**far, "width": {"value": 0.9}}, "ks_distance_of_real_test": near}
    row = row_of({**metrics("cvae", 5e-4), "samples": samples})
    assert (row["sample_distance"], row["sample_distance_error"], row["real_distance"]) == (0.4, 0.01, 0.1)
    assert "redrawn_distance" not in row


def test_compare_writes_numbers_and_a_picture(tmp_path: Path) -> None:
    paths = []
    for name, mse in (("cvae", 5e-4), ("pca", 1e-3)):
        write_json(tmp_path / name / "metrics.json", metrics(name, mse))
        paths.append(tmp_path / name / "metrics.json")
    compare(paths, out=tmp_path / "comparison.csv")
    table = pd.read_csv(tmp_path / "comparison.csv")
    assert list(table["model"]) == ["cvae", "pca"]
    assert all(pd.api.types.is_numeric_dtype(table[name]) for name in table.columns[1:])
    assert (tmp_path / "comparison.png").stat().st_size > 1000


def test_the_picture_of_many_models_leaves_no_empty_space_below_its_axes(tmp_path: Path) -> None:
    for i in range(24):
        write_json(tmp_path / f"m{i}" / "metrics.json", metrics(f"m{i}", 1e-3))
    compare([tmp_path / f"m{i}" / "metrics.json" for i in range(24)], out=tmp_path / "comparison.csv")
    picture = cv2.imread(str(tmp_path / "comparison.png"), cv2.IMREAD_GRAYSCALE)
    empty = (picture > 250).all(axis=1)
    longest = max(len(run) for run in "".join("x" if one else " " for one in empty).split())
    assert longest < 0.02 * len(picture)
