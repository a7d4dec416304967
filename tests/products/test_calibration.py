"""Coverage and displacement of latents against a linear Gaussian model, of which both are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from astro_vae.linear import Ppca, WeightedLinear
from astro_vae.products._inference import Inference
from astro_vae.products.calibration import ONE_SIGMA, coverage, displacement, redrawn_with_noise
from astro_vae.trained import TrainedModel
from astro_vae.vae.priors import StandardNormal

N, K, D = 4000, 2, 12
LABEL = np.zeros(N, np.int64)


@pytest.fixture
def inference() -> Inference:
    module = WeightedLinear((D,), K)
    module.path.loadings.copy_(torch.from_numpy(np.random.default_rng(1).normal(size=(K, D))))
    contract = {"kind": "spectrum", "labels": [], "shape": [D]}
    return Inference(TrainedModel(None, module, contract, StandardNormal(K)))  # type: ignore[arg-type]


@pytest.fixture
def seen() -> np.ndarray:
    """Give views of no flux: their inverse variances count, a third of which are 0."""
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.5, 30, (N, D)) * (rng.random((N, D)) > 1 / 3)
    return np.stack([np.zeros((N, D)), weight], axis=1).astype(np.float32)


def test_latents_of_a_linear_gaussian_model_lie_in_their_interval_as_often_as_they_should(
    inference: Inference, seen: np.ndarray
) -> None:
    z = np.random.default_rng(3).standard_normal((N, K)).astype(np.float32)
    found = coverage(inference, z, LABEL, seen, n=50)
    error = np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / N)
    assert abs(ONE_SIGMA - 0.6827) < 1e-4
    assert found["all"]["value"] == pytest.approx(ONE_SIGMA, abs=5 * error / np.sqrt(K))
    assert [one["value"] for one in found["per_latent"]] == pytest.approx([ONE_SIGMA] * K, abs=5 * error)
    assert found["per_latent"][0]["error"] == pytest.approx(error, rel=0.5)


def test_errors_that_are_half_of_the_truth_are_found_out(
    inference: Inference, seen: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = inference.encode
    monkeypatch.setattr(inference, "encode", lambda *given: (honest(*given)[0], honest(*given)[1] / 2))
    z = np.random.default_rng(3).standard_normal((N, K)).astype(np.float32)
    assert coverage(inference, z, LABEL, seen, n=10)["all"]["value"] == pytest.approx(2 * norm.cdf(0.5) - 1, abs=0.03)


def test_the_noise_is_that_of_the_inverse_variances_and_nothing_stands_where_they_are_zero(
    inference: Inference, seen: np.ndarray
) -> None:
    z = np.ones((N, K), np.float32)
    made = redrawn_with_noise(inference, z, LABEL, seen, seed=1)
    valid = seen[:, 1] > 0
    pull = (made[:, 0] - inference.decode(z, LABEL))[valid] * np.sqrt(seen[:, 1][valid])
    assert pull.std() == pytest.approx(1, abs=0.03)
    assert (made[:, 0][~valid] == 0).all()
    np.testing.assert_array_equal(made[:, 1], seen[:, 1])


def test_a_known_displacement(inference: Inference, seen: np.ndarray) -> None:
    few = np.stack([np.ones((5, D)), 4 * np.ones((5, D))], axis=1).astype(np.float32)
    other = few.copy()
    other[:, 0] += inference.decode(np.array([[1.0, 0.0]]), LABEL[:1])[0]
    found = displacement(inference, few, other, LABEL[:5])
    loadings = inference.module.path.loadings.numpy()
    covariance = np.linalg.inv(4 * loadings @ loadings.T + np.eye(K))
    expected = np.abs(covariance @ (4 * loadings @ loadings[0])) / np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found, np.tile(expected, (5, 1)), rtol=1e-4)
    assert (displacement(inference, few, few, LABEL[:5]) == 0).all()


def test_images_have_no_errors_to_draw_noise_from() -> None:
    contract = {"kind": "image", "labels": [], "shape": [3, 3]}
    images = Inference(TrainedModel(None, Ppca((3, 3), 1), contract, StandardNormal(1)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="inverse variances"):
        redrawn_with_noise(images, np.zeros((1, 1)), LABEL[:1], np.zeros((1, 3, 3), np.uint8), seed=1)
