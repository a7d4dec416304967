"""Probabilistic principal components against their closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.distributions import MultivariateNormal

from astro_vae.linear import Ppca
from astro_vae.vae import objectives
from astro_vae.vae.priors import LabelMixture

N, SHAPE, K = 300, (2, 3), 2
D = math.prod(SHAPE)


def data() -> Tensor:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, D)) @ rng.normal(size=(D, D)) + rng.normal(size=D)
    return torch.from_numpy(x).reshape(N, *SHAPE)


@pytest.fixture
def x() -> Tensor:
    return data()


@pytest.fixture
def model() -> Ppca:
    return Ppca.fit(data().numpy(), K).double()


def eigenvalues(x: Tensor) -> Tensor:
    """Return those of the covariance with 1/N in front, falling."""
    return torch.linalg.eigvalsh(torch.cov(x.flatten(1).T, correction=0)).flip(0)


def test_the_noise_is_the_mean_of_the_eigenvalues_left_over(model: Ppca, x: Tensor) -> None:
    values = eigenvalues(x)
    assert model.variances.tolist() == pytest.approx(values[:K].tolist(), rel=1e-5)
    assert model.noise.item() == pytest.approx(values[K:].mean().item(), rel=1e-5)


def test_the_likelihood_at_its_highest(model: Ppca, x: Tensor) -> None:
    values, noise = eigenvalues(x), model.noise
    expected = -0.5 * (D * math.log(2 * math.pi) + values[:K].log().sum() + (D - K) * noise.log() + D)
    assert model.log_evidence(x).mean().item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_evidence_is_that_of_the_gaussian(model: Ppca, x: Tensor) -> None:
    W = model.decode(torch.eye(K, dtype=torch.float64)).flatten(1) - model.centre  # (K, D)
    covariance = W.T @ W + model.noise * torch.eye(D, dtype=torch.float64)
    expected = MultivariateNormal(model.centre, covariance).log_prob(x.flatten(1))
    assert torch.allclose(model.log_evidence(x), expected, rtol=0, atol=1e-4)


def test_the_posterior_is_exact_so_every_draw_gives_the_evidence(model: Ppca, x: Tensor) -> None:
    generator = torch.Generator().manual_seed(1)
    for draws in (1, 3):
        found = objectives.importance_weighted_bound(model, x, None, draws, generator)
        assert torch.allclose(found, model.log_evidence(x), rtol=0, atol=1e-4)


def test_spread_and_divergence_of_the_latents(model: Ppca, x: Tensor) -> None:
    """Var = 1 - s^2 / l_j and mean KL = log(l_j / s^2) / 2 over the data that it was fitted to."""
    posterior = model.encode(x)
    ratio = model.noise / model.variances
    assert posterior.mu.var(dim=0, correction=0).tolist() == pytest.approx((1 - ratio).tolist(), rel=1e-4)
    assert posterior.kl_standard_normal().mean(dim=0).tolist() == pytest.approx((-0.5 * ratio.log()).tolist(), rel=1e-4)


def test_the_noise_is_the_expected_residual_not_the_residual_of_the_mean(model: Ppca, x: Tensor) -> None:
    posterior = model.encode(x)
    eps = torch.randn(2000, N, K, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    residuals = (x - model.decode(posterior.sample(eps).flatten(0, 1)).reshape(2000, N, *SHAPE)) ** 2
    plug_in = ((x - model.decode(posterior.mu)) ** 2).mean().item()
    assert residuals.mean().item() == pytest.approx(model.noise.item(), rel=0.01)
    assert plug_in < 0.95 * model.noise.item()


def test_fewer_data_than_dimensions_leave_empty_directions_in_the_noise() -> None:
    wide = torch.from_numpy(np.random.default_rng(2).normal(size=(20, 50)))
    found = Ppca.fit(wide, 3)
    assert found.noise.item() == pytest.approx(eigenvalues(wide)[3:].mean().item(), rel=1e-4)


def test_large_data_go_by_random_projections_to_the_same_answer() -> None:
    rng = np.random.default_rng(3)
    signal = (rng.normal(size=(700, 8)) * np.geomspace(20, 4, 8)) @ rng.normal(size=(8, 1200))
    large = signal + rng.normal(size=(700, 1200))
    exact = np.linalg.svd(large - large.mean(axis=0), compute_uv=False) ** 2 / len(large)
    found = Ppca.fit(large.astype(np.float32), 4, seed=1)
    assert found.variances.tolist() == pytest.approx(exact[:4].tolist(), rel=1e-3)
    assert found.noise.item() == pytest.approx(exact[4:].sum() / (1200 - 4), rel=1e-3)
    again = Ppca.fit(large.astype(np.float32), 4, seed=1)
    assert torch.equal(found.components, again.components)


def test_data_without_noise_keep_finite_probabilities() -> None:
    flat = np.random.default_rng(4).normal(size=(50, 2)) @ np.random.default_rng(5).normal(size=(2, 6))
    found = Ppca.fit(flat, 2)
    assert torch.isfinite(found.log_evidence(torch.from_numpy(flat).float())).all()


def test_labels_are_known_through_the_prior_only(model: Ppca, x: Tensor) -> None:
    labelled = Ppca.fit(x.numpy(), K, n_labels=2).double()
    means = torch.tensor([[[2.0, 0.0]], [[-2.0, 0.0]]], dtype=torch.float64)
    cholesky = 0.5 * torch.eye(K, dtype=torch.float64).expand(2, 1, K, K)
    prior = LabelMixture(torch.zeros(2, 1), means, cholesky, torch.log(torch.tensor([0.5, 0.5])))
    found = objectives.label_log_evidence(labelled, x, 200, torch.Generator().manual_seed(1), prior)
    side = labelled.encode(x).mu[:, 0]
    clear = side.abs() > 0.5
    assert torch.equal((found[:, 0] > found[:, 1])[clear], (side > 0)[clear])
    assert torch.equal(labelled.encode(x, torch.zeros(N, dtype=torch.long)).mu, model.encode(x).mu)


def test_a_model_comes_back_from_bytes(model: Ppca, x: Tensor) -> None:
    again = Ppca(SHAPE, K).double()
    again.load_state_dict(load(save({k: v.contiguous() for k, v in model.state_dict().items()})))
    assert torch.equal(again.log_evidence(x), model.log_evidence(x))
    assert torch.equal(again.decode(again.encode(x).mu), model.decode(model.encode(x).mu))


def test_more_components_than_data_are_refused(x: Tensor) -> None:
    with pytest.raises(ValueError, match="more than 6 data and dimensions"):
        Ppca.fit(x.numpy(), 6)


def test_weights_of_perfect_data_change_nothing_and_gaps_do_not_count(model: Ppca, x: Tensor) -> None:
    weight = torch.full_like(x, 1e12)
    exact, weighted = model.encode(x), model.encode(x, weight=weight)
    assert torch.allclose(weighted.mu, exact.mu, rtol=0, atol=1e-6)
    assert torch.allclose(weighted.log_var, exact.log_var, rtol=0, atol=1e-6)
    weight[:, 0, 0] = 0
    changed = x.clone()
    changed[:, 0, 0] = math.nan
    assert torch.equal(model.encode(changed, weight=weight).mu, model.encode(x, weight=weight).mu)
