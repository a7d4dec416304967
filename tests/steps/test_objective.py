"""What a training minimises, on a model that is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from astro_vae.linear import WeightedLinear
from astro_vae.steps._objective import Objective, validate
from astro_vae.steps._training_data import Part, network_input
from astro_vae.vae.discrepancy import mmd

N, D, K = 30, 12, 2
FREQUENCIES = np.zeros(0)
OPTIONS = {"beta": 1.0, "free_nats": 0.0}


@pytest.fixture
def batch() -> Tensor:
    """Return values with NaN where there is no datum, and their inverse variances: (N, 2, D)."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, K)) @ rng.normal(size=(K, D)) + 0.1 * rng.normal(size=(N, D))
    weight = np.where(rng.uniform(size=(N, D)) > 0.2, 100.0, 0.0)
    return torch.from_numpy(np.stack([np.where(weight > 0, x, np.nan), weight], axis=1).astype(np.float32))


@pytest.fixture
def model(batch: Tensor) -> WeightedLinear:
    return WeightedLinear.fit(batch[:, 0].numpy(), batch[:, 1].numpy(), K)


def loss(model: WeightedLinear, batch: Tensor, name: str, **options: float) -> float:
    objective = Objective(model, FREQUENCIES, name, **options)
    value, _ = objective(batch, torch.full((N,), -1), torch.Generator().manual_seed(1), **OPTIONS)
    return float(value)


def test_bytes_are_images_and_floats_have_weights(batch: Tensor) -> None:
    x, weight = network_input(torch.full((1, 2, 2), 51, dtype=torch.uint8))
    assert weight is None
    assert torch.equal(x, torch.full((1, 2, 2), 51.0) / 255)
    x, weight = network_input(batch)
    assert torch.equal(weight, batch[:, 1])
    assert x.shape == (N, D)


def test_info_vae_adds_the_discrepancy_of_the_drawn_latents(model: WeightedLinear, batch: Tensor) -> None:
    draws = torch.Generator().manual_seed(1)
    posterior = model.encode(batch[:, 0], weight=batch[:, 1])
    z = posterior.sample(torch.randn(N, K, generator=draws))
    discrepancy = mmd(z, torch.randn(200, K, generator=draws)).item()
    plain = loss(model, batch, "elbo")
    assert loss(model, batch, "info_vae", mmd_weight=0.0) == plain
    assert loss(model, batch, "info_vae", mmd_weight=1e4) - plain == pytest.approx(1e4 * K * discrepancy, rel=1e-3)


def test_an_autoencoder_counts_the_reconstruction_of_the_means_alone(model: WeightedLinear, batch: Tensor) -> None:
    x, weight = network_input(batch)
    expected = -model.log_likelihood(x, model.encode(x, weight=weight).mu, None, weight).mean().item()
    assert loss(model, batch, "autoencoder") == pytest.approx(expected, rel=1e-6)


def test_validation_leaves_out_data_without_weight(model: WeightedLinear, batch: Tensor) -> None:
    part = Part(None, batch.numpy(), np.full(N, -1))
    found = validate(model, part, FREQUENCIES, seed=1)
    x, weight = network_input(batch)
    redrawn = model.decode(model.encode(x, weight=weight).mu)
    each = [((x - redrawn)[i][weight[i] > 0] ** 2).mean().item() for i in range(N)]
    assert found["validation_mse"] == pytest.approx(np.mean(each), rel=1e-5)
    assert found["validation_elbo"] == pytest.approx(
        found["validation_reconstruction"] - found["validation_kl"], rel=1e-6
    )
    means = validate(model, part, FREQUENCIES, seed=1, drawn=False)
    assert means["validation_reconstruction"] > found["validation_reconstruction"]
