"""Diagonal Gaussian posteriors against closed forms and Monte Carlo."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from astro_vae.vae.posteriors import DiagonalGaussian


def gaussian(mu: list[float], sigma: list[float]) -> DiagonalGaussian:
    mean, deviation = (torch.tensor([values], dtype=torch.float64) for values in (mu, sigma))
    return DiagonalGaussian(mean, 2 * torch.log(deviation))


def test_the_divergence_of_a_known_gaussian() -> None:
    # the reverse divergence would be 0.443147, log-variance taken for log-sigma 0.306853
    assert gaussian([1.0], [2.0]).kl_standard_normal().item() == pytest.approx(1.306853, abs=1e-6)


def test_the_divergence_and_its_gradient_vanish_at_the_prior() -> None:
    mu, log_var = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    kl = DiagonalGaussian(mu, log_var).kl_standard_normal()
    kl.sum().backward()
    for value in (kl, mu.grad, log_var.grad):
        assert torch.equal(value, torch.zeros(2, 3))


def test_the_divergence_is_never_negative_even_beside_the_prior() -> None:
    generator = torch.Generator().manual_seed(1)
    for scale in (1e-4, 1e-2, 1.0, 5.0):
        mu, log_var = scale * torch.randn(2, 1000, 3, generator=generator)
        assert (DiagonalGaussian(mu, log_var).kl_standard_normal() >= 0).all(), scale


def test_gradients_of_the_divergence() -> None:
    mu = torch.tensor([[0.3, -2.0]], dtype=torch.float64, requires_grad=True)
    sigma = torch.tensor([[0.5, 3.0]], dtype=torch.float64, requires_grad=True)
    DiagonalGaussian(mu, 2 * torch.log(sigma)).kl_standard_normal().sum().backward()
    assert torch.allclose(mu.grad, mu)
    assert torch.allclose(sigma.grad, sigma - 1 / sigma)


def test_the_divergence_equals_its_monte_carlo_mean_and_adds_up_over_latents() -> None:
    q = gaussian([0.5, -1.0, 0.0], [0.3, 1.5, 1.0])
    z = q.sample(torch.randn(200_000, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))
    prior = Normal(torch.tensor(0.0, dtype=torch.float64), 1.0)
    ratios = q.log_prob(z) - prior.log_prob(z).sum(dim=-1)
    error = ratios.std().item() / math.sqrt(len(ratios))
    assert q.kl_standard_normal().sum().item() == pytest.approx(ratios.mean().item(), abs=5 * error)


def test_density_and_samples_are_those_of_the_gaussian() -> None:
    q = gaussian([0.5, -1.0], [0.3, 1.5])
    z = torch.tensor([[[0.1, 0.2]], [[3.0, -4.0]]], dtype=torch.float64)  # (S, B, K)
    assert torch.allclose(q.log_prob(z), Normal(q.mu, q.sigma).log_prob(z).sum(dim=-1))
    eps = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    assert torch.allclose(q.sample(eps), torch.tensor([[0.8, -4.0]], dtype=torch.float64))
