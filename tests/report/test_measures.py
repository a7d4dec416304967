"""Measures out of metrics.json."""

from __future__ import annotations

import math

from astro_vae.report.measures import Measure, best_of, flat, words


def test_flat_finds_every_number_with_its_error_and_median() -> None:
    found = flat({
        "type": "vae", "latents": 8, "labels": ["a"], "good": True,
        "test": {"mse": {"mean": 2.0, "error": 0.1, "median": 1.5, "n": 3}, "auc": {"value": 0.7, "error": None},
                 "none": {"mean": None, "error": None}, "accuracy": 0.9, "accuracy_error": 0.02},
    })
    assert list(found) == ["latents", "test.mse", "test.auc", "test.accuracy"]
    assert found["test.mse"] == Measure(2.0, 0.1, 1.5)
    assert found["test.accuracy"].error == 0.02
    assert math.isnan(found["test.auc"].error)


def test_best_follows_the_direction_of_the_measure() -> None:
    values = {"a": 1.0, "b": 2.0, "c": math.nan}
    assert best_of("test_mse", values) == "a"
    assert best_of("planted_auc", values) == "b"
    assert best_of("active_units", values) is None
    assert best_of("test_mse_mean_image", values) is None
    assert best_of("test_mse", {"a": 1.0, "b": 1.0}) is None


def test_names_in_words() -> None:
    assert words("test_mse") == "mean squared error, test"
    assert words("test_reduced_chi2_QSO") == "reduced chi-square, QSO, test"
    assert words("mse_per_label.FRI") == "mean squared error, FRI"
    assert words("label.log_loss_raw") == "log loss raw"
    assert words("hybrid_auc") == "hybrid AUC"
    assert words("negative_bound_50") == words("negative_bound") == "negative importance-weighted bound (nat)"
    assert words("label.accuracy_most_frequent") == "label accuracy of the most frequent"
