"""Figures of merit against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import ks_2samp

from astro_vae.products import statistics


@pytest.mark.parametrize(("shift", "expected"), [(0, 0.5), (1, 0.7602), (2, 0.9214)])
def test_auc_of_shifted_gaussians(shift: float, expected: float) -> None:
    rng = np.random.default_rng(1)
    ordinary, odd = rng.normal(0, 1, 20_000), rng.normal(shift, 1, 20_000)
    assert statistics.auc(ordinary, odd) == pytest.approx(expected, abs=0.013)


def test_auc_counts_ties_half_and_needs_both_sorts() -> None:
    assert statistics.auc(np.ones(3), np.ones(5)) == 0.5
    assert statistics.auc(np.array([0.0, 1]), np.array([1.0, 2])) == 0.875
    assert np.isnan(statistics.auc(np.ones(3), np.ones(0)))


def test_ks_distance_is_that_of_scipy_without_what_is_not_known() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=70).round(1), rng.normal(0.5, 1, 40).round(1)  # with ties
    assert statistics.ks_distance(np.append(a, np.nan), b) == pytest.approx(ks_2samp(a, b).statistic)
    assert statistics.ks_distance(a, a) == 0
    assert statistics.ks_distance(a, a + 100) == 1
    assert np.isnan(statistics.ks_distance(a, np.append(b[:4], np.nan)))


def test_recall_at_false_positives() -> None:
    ordinary = np.arange(100.0)  # the five highest are 95 to 99
    odd = np.array([94.0, 94.5, 95.5, 200])
    assert statistics.recall_at(ordinary, odd, 0.05) == 0.75
    assert statistics.recall_at(ordinary, odd, 0.10) == 1.0


def test_bootstrap_error_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(0, 2, 400)
    error = statistics.bootstrap(lambda rows: values[rows].mean(), np.arange(400), 2000)
    assert error == pytest.approx(values.std() / 20, rel=0.08)


def test_mean_and_median_have_their_own_errors() -> None:
    values = np.random.default_rng(1).normal(3, 2, 400)
    found = statistics.measure(values, np.arange(400), 2000)
    assert found["error"] == pytest.approx(2 / 20, rel=0.1)
    assert found["median_error"] == pytest.approx(np.sqrt(np.pi / 2) * 2 / 20, rel=0.25)


def test_bootstrap_draws_groups_whole() -> None:
    values = np.repeat(np.random.default_rng(1).normal(0, 2, 100), 4)  # four equal copies of each source
    grouped = statistics.bootstrap(lambda rows: values[rows].mean(), np.repeat(np.arange(100), 4), 2000)
    single = statistics.bootstrap(lambda rows: values[rows].mean(), np.arange(400), 2000)
    assert grouped / single == pytest.approx(2, rel=0.1)


def test_a_figure_of_nothing_is_null() -> None:
    nothing = np.zeros(0)
    none = {"mean": None, "median": None, "error": None, "median_error": None, "n": 0}
    assert statistics.measure(nothing, nothing, 10) == none
    assert statistics.estimate(lambda rows: 1.0, nothing, 10)["value"] is None


def test_temperature_of_an_overconfident_evidence_is_found() -> None:
    rng = np.random.default_rng(1)
    log_odds = rng.normal(0, 2, (20_000, 2))
    p = np.exp(log_softmax(log_odds, axis=1))
    truth = (rng.random(len(p)) > p[:, 0]).astype(int)
    temperature = statistics.fit_temperature(7 * log_odds, np.array([0.5, 0.5]), truth)
    assert temperature == pytest.approx(7, rel=0.06)


def test_temperature_without_two_labels_is_one() -> None:
    assert statistics.fit_temperature(np.zeros((3, 2)), np.array([0.5, 0.5]), np.zeros(3, int)) == 1.0


def test_tempered_evidence_is_bayes_at_one_and_the_frequencies_in_the_end() -> None:
    evidence, frequencies = np.array([[-3.0, -4.2]]), np.array([0.2, 0.8])
    weights = frequencies * np.exp(evidence[0])
    np.testing.assert_allclose(statistics.tempered(evidence, frequencies, 1)[0], weights / weights.sum())
    np.testing.assert_allclose(statistics.tempered(evidence, frequencies, 1e9)[0], frequencies)


def test_calibration_error_and_log_loss() -> None:
    p = np.array([[0.8, 0.2]] * 10)
    truth = np.array([0] * 6 + [1] * 4)  # right in 0.6 at a confidence of 0.8
    assert statistics.calibration_error(p, truth) == pytest.approx(0.2)
    assert statistics.log_loss(p, truth).mean() == pytest.approx(-0.6 * np.log(0.8) - 0.4 * np.log(0.2))
    assert statistics.reliability(p, truth) == [
        {"n": 10, "confidence": pytest.approx(0.8), "accuracy": pytest.approx(0.6)}
    ]


def test_inception_score_counts_the_clear_labels_that_occur() -> None:
    clear = np.eye(4)[np.arange(100) % 4]
    assert statistics.inception_score(clear) == pytest.approx(4, rel=1e-6)
    assert statistics.inception_score(clear[:1].repeat(100, axis=0)) == pytest.approx(1)  # one label only
    assert statistics.inception_score(np.full((100, 4), 0.25)) == pytest.approx(1)  # none is clear


def test_cross_entropy_is_least_at_the_image_itself() -> None:
    x = np.array([[[0.0, 0.5], [1.0, 0.25]]])
    least = np.log(2) - 0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    assert statistics.cross_entropy(x, x)[0] == pytest.approx(least, abs=1e-4)
    assert statistics.cross_entropy(x, np.full((2, 2), 0.5))[0] == pytest.approx(4 * np.log(2))
