"""Distances between distributions of measured values: two Gaussians that differ by a known shift."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astro_vae.products.distances import Distances


def measured(shift: float, labels: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(int(100 * shift))
    n = 300 * len(labels)
    label = np.repeat(labels, 300)
    # what is measured differs by label, so that labels must be held apart
    return pd.DataFrame({
        "width": rng.normal(shift, 1, n) + 50 * (label == "b"), "hardly": np.nan, "label": label, "group": np.arange(n),
    })


def test_the_distance_of_measured_values_is_taken_label_by_label() -> None:
    real = measured(0, ["a", "b"])
    distances = Distances(measured(1, ["a", "b"]), real, 50)
    found, mean = distances.by_value(), distances.mean()
    expected = 0.3829  # of two Gaussians that differ by 1: 2 Phi(1/2) - 1
    assert set(found) == {"width", "hardly"}
    for name in ("a", "b"):
        figure = found["width"][name]
        assert abs(figure["value"] - expected) < 5 * figure["error"]
        assert 0.01 < figure["error"] < 0.08
        assert figure["median_made"] - figure["median_real"] == pytest.approx(1, abs=0.4)
        assert found["hardly"][name]["value"] is None
    assert mean["value"] == pytest.approx(np.mean([found["width"][name]["value"] for name in "ab"]))


def test_without_labels_there_is_one_distance_per_value() -> None:
    real = measured(0, ["a"]).assign(label="")
    found = Distances(real, real, 10).by_value()
    assert found["width"]["value"] == 0
    assert found["hardly"]["value"] is None
