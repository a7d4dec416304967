"""Figures of a model against known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astro_vae.images.measure import TRIVIAL
from astro_vae.products import quality


def ranking() -> pd.DataFrame:
    """Make a ranking of 40 objects, the last the strangest; the last eight are hybrids, three of them in test."""
    n = 40
    scores = {name: np.arange(n, dtype=float) for name in ("combined", *quality.SCORES, *TRIVIAL)}
    label = np.array(["FRI", "FRII"] * 16 + ["hybrid"] * 8, dtype=object)
    part = np.array(["train", "test"] * 16 + ["train"] * 5 + ["test"] * 3, dtype=object)
    names = [f"J{i}" for i in range(n)]
    table = pd.DataFrame({"object_id": names, "label": label, "part": part, "group": np.arange(n)})
    return table.assign(rank=n - np.arange(n), **scores)


def test_labels_that_the_model_never_saw_count_in_all_parts() -> None:
    found = quality.finding_all(ranking(), ["FRI", "FRII"], ["FRI", "FRII"], 20)
    assert set(found) == {"hybrid"}
    assert (found["hybrid"]["ordinary"], found["hybrid"]["odd"]) == (16, 8)
    assert found["hybrid"]["combined"]["auc"]["value"] == 1.0
    assert found["hybrid"]["random"] == {"auc": 0.5, "recall_at_5_percent": 0.05, "recall_at_10_percent": 0.1}


def test_labels_that_it_was_trained_on_count_in_test_alone() -> None:
    found = quality.finding_all(ranking(), ["FRI", "FRII"], ["FRI", "FRII", "hybrid"], 20)
    assert found["hybrid"]["odd"] == 3


def test_planted_objects_are_counted_among_the_first_ranks() -> None:
    table = ranking().assign(is_anomaly=[0] * 36 + [1] * 3 + [0])  # ranks 2, 3 and 4
    found = quality.finding_all(table, ["FRI", "FRII"], ["FRI", "FRII"], 20)["planted"]
    assert found["first_n"]["value"] == pytest.approx(2 / 3)
    assert found["first_2n"]["value"] == 1.0
    assert found["first_n"]["random"] == pytest.approx(3 / 40)
    assert found["combined"]["auc"]["value"] == pytest.approx(36 / 37)


def test_a_score_that_was_not_measured_is_left_out() -> None:
    found = quality.finding_all(ranking().assign(trivial_flux=np.nan), ["FRI", "FRII"], ["FRI", "FRII"], 20)
    assert "trivial_flux" not in found["hybrid"]
    assert "trivial_size" in found["hybrid"]


def test_misfits_are_measured_for_each_label_that_occurs() -> None:
    values, label = np.array([1.0, 3.0, 5.0, 9.0]), np.array([0, 2, 0, 2])
    found = quality.per_label(values, label, ["FRI", "none", "FRII"], np.arange(4), 20)
    assert {name: figure["mean"] for name, figure in found.items()} == {"FRI": 3.0, "FRII": 6.0}
    assert found["FRI"]["n"] == 2


def test_agreement_is_over_the_labels_of_the_model() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.6, 0.1, 0.3], [0.2, 0.5, 0.3]])
    asked = np.array(["FRI", "FRII", "FRII", "FRI"], dtype=object)
    found = quality.agreement(p, ("hybrid", "FRI", "FRII"), ("FRI", "FRII"), asked, n=50)
    assert found["all"]["value"] == 1.0  # without the hybrids the first and third would be right too
    assert found["FRI"]["n"] == 2


def test_labelling_beside_the_most_frequent_label() -> None:
    p = np.array([[0.9, 0.1]] * 3 + [[0.4, 0.6]])
    found = quality.labelling(
        {"raw": p, "calibrated": p}, np.array([0, 0, 1, 1]), frequencies=np.array([0.7, 0.3]), groups=np.arange(4), n=50
    )
    assert found["accuracy"]["value"] == 0.75
    assert found["accuracy_most_frequent"]["value"] == 0.5
    assert found["log_loss_raw"]["mean"] == pytest.approx(-(2 * np.log(0.9) + np.log(0.1) + np.log(0.6)) / 4)
