"""Evidence and label probabilities against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from astro_vae.linear import Ppca
from astro_vae.products._inference import Inference
from astro_vae.trained import TrainedModel
from astro_vae.vae.priors import LabelMixture, StandardNormal

MEANS = torch.tensor([[[1.0, 0.0]], [[-0.5, 0.8]]])
FREQUENCIES = [0.3, 0.7]


@pytest.fixture
def inference() -> Inference:
    """Give a linear model with two latents, and a Gaussian prior per label."""
    rng = np.random.default_rng(1)
    data = (rng.normal(size=(300, 2)) @ rng.normal(size=(2, 9)) * 0.1 + rng.normal(0, 0.05, (300, 9)) + 0.5)
    module = Ppca.fit(data.reshape(300, 3, 3).astype(np.float32), 2, n_labels=2)
    prior = LabelMixture(
        torch.zeros(2, 1), MEANS, 0.8 * torch.eye(2).repeat(2, 1, 1, 1), torch.log(torch.tensor(FREQUENCIES))
    )
    contract = {"kind": "image", "labels": ["a", "b"], "frequencies": FREQUENCIES, "shape": [3, 3]}
    return Inference(TrainedModel(None, module, contract, prior))  # type: ignore[arg-type]


def exact_log_evidence(inference: Inference, x: np.ndarray) -> np.ndarray:
    """Return log p(x | y) = log N(x; m + W mu_y, W S_y W' + s2 I), (B, 2)."""
    module = inference.module
    w = (module.decode(torch.eye(2)) - module.decode(torch.zeros(1, 2))).reshape(2, 9).numpy().astype(float)
    centre = module.decode(torch.zeros(1, 2)).reshape(9).numpy().astype(float)
    covariance = 0.64 * w.T @ w + float(module.noise) * np.eye(9)
    means = [centre + mean[0].numpy().astype(float) @ w for mean in MEANS]
    return np.stack([multivariate_normal(mean, covariance).logpdf(x.reshape(len(x), 9)) for mean in means], axis=1)


def test_importance_weighted_evidence_is_the_closed_form(inference: Inference) -> None:
    z = np.random.default_rng(2).normal(0, 0.7, (20, 2)).astype(np.float32)
    x = inference.decode(z, np.zeros(20, int)) + np.random.default_rng(3).normal(0, 0.05, (20, 3, 3)).astype(np.float32)
    error = inference.ask(x, draws=300).log_evidence - exact_log_evidence(inference, x)
    assert np.abs(error).max() < 0.25
    assert abs(error.mean()) < 0.03


def test_the_same_draws_serve_every_label(inference: Inference) -> None:
    inference.prior = StandardNormal(2)
    x = np.random.default_rng(3).random((5, 3, 3)).astype(np.float32)
    evidence = inference.ask(x, draws=3).log_evidence
    np.testing.assert_array_equal(evidence[:, 0], evidence[:, 1])


def test_batches_change_nothing_but_the_draws(inference: Inference, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(3).random((7, 3, 3)).astype(np.float32)
    label = np.array([0, 1, 0, 1, 0, 1, 0])
    whole = [*inference.encode(x, label), inference.decode(inference.encode(x, label)[0], label)]
    monkeypatch.setattr("astro_vae.products._inference.BATCH", 3)
    parts = [*inference.encode(x, label), inference.decode(inference.encode(x, label)[0], label)]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_nothing_gives_nothing(inference: Inference) -> None:
    none = np.zeros((0, 3, 3), np.uint8)
    assert inference.encode(none, np.zeros(0, int))[0].shape == (0, 2)
    assert inference.decode(np.zeros((0, 2)), np.zeros(0, int)).shape == (0, 3, 3)
    assert inference.log_likelihood(none, np.zeros((0, 2)), np.zeros(0, int)).shape == (0,)
