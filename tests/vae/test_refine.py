"""Refined latents against the closed form of a linear decoder."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from astro_vae.linear import WeightedLinear
from astro_vae.vae.refine import Refined, refined
from astro_vae.vae.vae import build_vae

N, D, K = 12, 20, 3


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, K)) @ rng.normal(size=(K, D)) + 0.1 * rng.normal(size=(N, D))
    weight = rng.uniform(50, 150, (N, D)) * (rng.uniform(size=(N, D)) > 0.3)
    return torch.from_numpy(np.where(weight > 0, x, np.nan)), torch.from_numpy(weight)


def test_a_linear_decoder_gives_the_exact_posterior_from_anywhere(data: tuple[Tensor, Tensor]) -> None:
    x, weight = data
    model = WeightedLinear.fit(x.numpy(), weight.numpy(), K).double()
    expected = model.encode(x, weight=weight)
    found = refined(model, x, weight, torch.full((N, K), 3.0, dtype=torch.float64))
    assert torch.allclose(found.mu, expected.mu, rtol=0, atol=1e-8)
    assert torch.allclose(found.log_var, expected.log_var, rtol=0, atol=1e-8)


class Exponential(torch.nn.Module):
    """x_i = exp(a_i z)."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = torch.linspace(-1, 1, D, dtype=torch.float64)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return torch.exp(z * self.rates)


def test_a_curved_decoder_is_followed_to_its_minimum() -> None:
    model, truth = Exponential(), torch.tensor([[-1.5], [0.3], [2.0]], dtype=torch.float64)
    x, weight = model.decode(truth), torch.full((3, D), 1e8, dtype=torch.float64)
    found = refined(model, x, weight, torch.zeros(3, 1, dtype=torch.float64), steps=20)
    assert torch.allclose(found.mu, truth, rtol=0, atol=1e-6)


def test_a_step_too_far_is_not_taken() -> None:
    model = Exponential()
    x, weight = torch.full((1, D), 5.0, dtype=torch.float64), torch.full((1, D), 1e4, dtype=torch.float64)
    start = torch.tensor([[0.1]], dtype=torch.float64)

    def cost(z: Tensor) -> float:
        return float((weight * (x - model.decode(z)) ** 2).sum() + (z**2).sum())

    values = [cost(refined(model, x, weight, start, steps=steps).mu) for steps in range(8)]
    assert values[0] == cost(start)
    assert all(after <= before for before, after in itertools.pairwise(values))


def test_the_floor_weakens_bright_data() -> None:
    model = Exponential()
    x, weight = model.decode(torch.tensor([[1.0]], dtype=torch.float64)), torch.full((1, D), 1e6, dtype=torch.float64)
    start = torch.tensor([[1.0]], dtype=torch.float64)
    sharp, blunt = (refined(model, x, weight, start, floor=floor).sigma.item() for floor in (0.0, 0.1))
    precision = (model.rates**2 * x**2 / (1e-6 + (0.1 * x) ** 2)).sum() + 1
    assert blunt == pytest.approx(precision.item() ** -0.5, rel=1e-6)
    assert sharp < blunt / 10


def test_a_refined_model_has_the_posterior_of_its_decoder(data: tuple[Tensor, Tensor]) -> None:
    x, weight = (part.float() for part in data)
    torch.manual_seed(1)
    model = build_vae((D,), K, network="dense", hidden=(8,), likelihood="gaussian_ivar").eval()
    with torch.no_grad():
        found = Refined(model, 60).encode(x, weight=weight)
    z = found.mu.clone().requires_grad_()
    cost = -2 * model.log_likelihood(x, z, weight=weight).sum() + (z**2).sum()
    (gradient,) = torch.autograd.grad(cost, z)
    assert gradient.abs().max() < 0.05 * weight.max()
    encoded = model.encode(x, weight=weight).mu
    before = -2 * model.log_likelihood(x, encoded, weight=weight) + (encoded**2).sum(dim=1)
    after = -2 * model.log_likelihood(x, z, weight=weight) + (z**2).sum(dim=1)
    assert (after < before).all()
    assert found.sigma.max() < 1  # never wider than the prior


def test_weights_are_needed() -> None:
    model = build_vae((D,), K, network="dense", hidden=(8,), likelihood="gaussian_ivar")
    with pytest.raises(ValueError, match="which is not given"):
        Refined(model, 1).encode(torch.zeros(1, D))
