"""The discrepancy of two samples against its expectation in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from astro_vae.vae.discrepancy import mmd

K = 6
ZERO = torch.zeros(1, K, dtype=torch.float64)


def normal(n: int, seed: int) -> Tensor:
    return torch.randn(n, K, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernel_mean(mean: float, variance: float) -> float:
    """Return E exp(-|d|^2 / K) for d ~ N(mean, variance) in each of K dimensions."""
    half = K / 2
    return (half / (half + variance)) ** (K / 2) * math.exp(-0.5 * K * mean**2 / (half + variance))


def test_of_normals_with_another_mean_and_variance() -> None:
    """N(0.5, 0.25 I) against N(0, I): 0.256098, and the bias of pairs of each point with itself."""
    n = 1000
    found = torch.stack([mmd(0.5 + 0.5 * normal(n, 2 * s), normal(n, 2 * s + 1)) for s in range(8)])
    within, prior, between = kernel_mean(0, 0.5), kernel_mean(0, 2), kernel_mean(0.5, 1.25)
    exact = within + prior - 2 * between
    assert exact == pytest.approx(0.256098, abs=1e-6)
    bias = (1 - within) / n + (1 - prior) / n
    error = found.std().item() / 8**0.5
    assert found.mean().item() == pytest.approx(exact + bias, abs=5 * error)


def test_of_two_samples_of_the_prior_only_the_bias_is_left() -> None:
    found = torch.stack([mmd(normal(64, 2 * s), normal(200, 2 * s + 1)) for s in range(100)])
    assert found.mean().item() == pytest.approx(0.01617, abs=5 * found.std().item() / 10)


def test_of_a_sample_with_itself_it_is_zero_and_of_one_far_away_the_sum_of_both() -> None:
    z = normal(20, 1)
    assert mmd(z, z).item() == pytest.approx(0, abs=1e-12)
    assert mmd(ZERO, ZERO + 100).item() == pytest.approx(2, abs=1e-12)


def test_shares_count_like_repetitions() -> None:
    z, prior = normal(2, 1), normal(5, 2)
    share = torch.tensor([0.75, 0.25], dtype=torch.float64)
    assert mmd(z, prior, share).item() == pytest.approx(mmd(z[[0, 0, 0, 1]], prior).item(), abs=1e-12)
