"""Scores against known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astro_vae import kinds
from astro_vae import model as models
from astro_vae.images.measure import trivial
from astro_vae.products import scores
from astro_vae.products._inference import Inference
from astro_vae.products.ordinary import Ordinary
from astro_vae.products.priors import Reference, load_prior
from astro_vae.products.residuals import Residuals


def seen(inference, z: np.ndarray, row: np.ndarray, reference: Reference, neighbours: int = 2) -> scores.Seen:
    n = len(z)
    images = np.zeros((n, 16, 16), np.uint8)
    ordinary = Ordinary(reference, Residuals(np.zeros((16, 16), np.float32), None), neighbours)
    return scores.Seen(images, np.zeros(n, np.int64), z, row, inference, ordinary)


@pytest.fixture
def inference(survey) -> Inference:
    return Inference(models.load(survey.model("pca")), load_prior(survey.prior("pca"))[0])


def test_copies_of_the_object_itself_are_no_neighbours(inference: Inference) -> None:
    places = np.array([0, 0, 1, 2, 5], np.float32)
    z = places[:, None] * np.ones((1, 3), np.float32)
    reference = Reference(z, np.zeros(5, np.int64), np.array([7, 7, 1, 2, 3]))
    origin = np.zeros((2, 3), np.float32)
    found = scores.nearest_neighbours(seen(inference, origin, np.array([7, 99]), reference))
    root = np.sqrt(3)
    # the object in row 7 is compared with those at 1 and 2, a foreign one at the same place with the two copies
    np.testing.assert_allclose(found, [1.5 * root, 0], atol=1e-6)


def test_fewer_references_than_neighbours_are_enough(inference: Inference) -> None:
    reference = Reference(np.eye(3, dtype=np.float32), np.zeros(3, np.int64), np.arange(3))
    found = scores.nearest_neighbours(seen(inference, np.zeros((1, 3), np.float32), np.array([9]), reference, 50))
    np.testing.assert_allclose(found, [1.0], atol=1e-6)


def test_the_local_outlier_factor_asks_how_dense_it_is_around(inference: Inference) -> None:
    rng = np.random.default_rng(1)
    dense, sparse = rng.normal(0, 0.1, (200, 3)), rng.normal(20, 2, (200, 3))
    objects = np.concatenate([dense, sparse]).astype(np.float32)
    copies = Reference(np.repeat(objects, 5, axis=0), np.zeros(2000, np.int64), np.repeat(np.arange(400), 5))
    z = np.array([[0, 0, 0], [1, 1, 1], [20, 20, 20], [22, 20, 20]], np.float32)
    middle, beside, far_middle, spread = scores.local_outlier_factor(seen(inference, z, np.full(4, 999), copies, 10))
    # copies of one object are one object: a place between copies is no denser than one between objects
    assert middle == pytest.approx(1, abs=0.15)
    assert far_middle == pytest.approx(1, abs=0.15)
    assert beside > 3  # 17 sigma from the dense ones
    assert spread < 1.3  # farther from its neighbours, who are as far from theirs


def test_few_references_are_enough_for_local_outlier_factors(inference: Inference) -> None:
    copies = Reference(np.eye(3, dtype=np.float32), np.zeros(3, np.int64), np.zeros(3, np.int64))
    assert np.isfinite(scores.local_outlier_factor(seen(inference, np.ones((1, 3), np.float32), np.array([9]), copies)))


def test_images_have_no_runs_of_residuals() -> None:
    image, spectrum = (set(scores.scores_of(kinds.kind(name))) for name in ("image", "spectrum"))
    assert spectrum - image == {"residual_runs"}
    assert spectrum == set(scores.SCORES)


def test_an_outlier_is_highest_in_every_latent_score(inference: Inference, survey) -> None:
    reference = load_prior(survey.prior("pca"))[1]
    z = np.concatenate([reference.z[reference.label == 0][:20], np.full((1, 3), 9, np.float32)])
    one = seen(inference, z, np.full(21, 10_000), reference)
    for name in ("latent_density", "isolation_forest", "nearest_neighbours", "local_outlier_factor"):
        assert scores.SCORES[name].function(one).argmax() == 20, name


def test_reconstruction_is_the_likelihood_per_pixel(inference: Inference) -> None:
    reference = Reference(np.eye(3, dtype=np.float32), np.zeros(3, np.int64), np.arange(3))
    z = np.zeros((1, 3), np.float32)
    variance = float(inference.module.noise)
    squares = (inference.decode(z, np.zeros(1, int))[0] ** 2).mean()  # the image is black
    expected = 0.5 * (squares / variance + np.log(2 * np.pi * variance))
    found = scores.reconstruction(seen(inference, z, np.zeros(1, int), reference))
    assert found[0] == pytest.approx(expected, rel=1e-4)


def test_percentiles_share_ties_and_keep_what_is_not_known() -> None:
    found = scores.percentile(np.array([1.0, 3, 3, 9, np.nan]))
    np.testing.assert_allclose(found, [0, 0.5, 0.5, 1, np.nan])


def test_fisher_puts_one_extreme_score_before_two_high_ones() -> None:
    percentiles = pd.DataFrame({"a": [1.0, 0.9, *[0.2] * 99], "b": [0.5, 0.9, *[0.2] * 99]})
    found = scores.fisher(percentiles, len(percentiles))
    assert found[0] == pytest.approx(-(np.log(0.5 / 101) + np.log(50.5 / 101)) / 2)
    assert found[0] > found[1] > found[2]


def test_trivial_scores_take_the_peak_where_no_flux_is_known() -> None:
    table = pd.DataFrame({"total_flux": [np.nan, np.nan], "peak_flux": [1.0, 2.0], "n_nonzero": [5, 6]})
    made = trivial(table)
    assert list(made["trivial_flux"]) == [1.0, 2.0]
    assert made["trivial_size"].isna().all()
    assert list(made["trivial_nonzero"]) == [5.0, 6.0]
