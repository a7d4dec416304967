"""Priors against torch's own distributions and samples from known mixtures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from astro_vae.vae.priors import PRIORS, LabelMixture, Prior, StandardNormal, from_state


def known_mixture() -> LabelMixture:
    """Two labels with two correlated components each, in three dimensions."""
    generator = torch.Generator().manual_seed(1)
    means = 3 * torch.randn(2, 2, 3, generator=generator)
    cholesky = torch.tril(0.4 * torch.randn(2, 2, 3, 3, generator=generator), -1) + 0.5 * torch.eye(3)
    return LabelMixture(
        torch.log(torch.tensor([[0.3, 0.7], [0.5, 0.5]])), means, cholesky, torch.log(torch.tensor([0.2, 0.8]))
    )


def reference(mixture: LabelMixture, y: int) -> MixtureSameFamily:
    parts = MultivariateNormal(mixture.means[y], scale_tril=mixture.cholesky[y])
    return MixtureSameFamily(Categorical(logits=mixture.log_weights[y]), parts)


def draw(prior: Prior, n: int, label: int | None) -> Tensor:
    return prior.sample(n, label, torch.Generator().manual_seed(5))


def test_the_standard_normal_has_its_density_and_radius() -> None:
    prior = StandardNormal(32)
    assert prior.log_prob(torch.zeros(1, 32)).item() == pytest.approx(-32 * 0.918939, abs=1e-4)
    squares = (draw(prior, 4000, None) ** 2).sum(dim=1)  # chi squared with 32 degrees of freedom
    assert squares.mean().item() == pytest.approx(32, abs=5 * math.sqrt(64 / 4000))
    assert squares.var().item() == pytest.approx(64, rel=0.15)


def test_a_single_component_at_the_origin_is_the_standard_normal() -> None:
    mixture = LabelMixture(torch.zeros(1, 1), torch.zeros(1, 1, 4), torch.eye(4)[None, None], torch.zeros(1))
    z = 3 * torch.randn(50, 4, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(mixture.log_prob(z, torch.zeros(50, dtype=torch.long)), StandardNormal(4).log_prob(z))
    assert torch.allclose(mixture.log_prob(z), StandardNormal(4).log_prob(z))


def test_the_density_of_each_label_and_of_an_unknown_one() -> None:
    mixture = known_mixture()
    z = 3 * torch.randn(60, 3, generator=torch.Generator().manual_seed(3))
    label = torch.arange(60) % 3 - 1
    found = mixture.log_prob(z, label)
    each = torch.stack([reference(mixture, y).log_prob(z) for y in (0, 1)])
    expected = [each[0], each[1], torch.logsumexp(each + mixture.log_frequencies[:, None], dim=0)]
    for y in (-1, 0, 1):
        assert torch.allclose(found[label == y], expected[y][label == y], atol=1e-4)
    assert torch.allclose(mixture.log_prob(z), expected[2], atol=1e-4)


@pytest.mark.parametrize("label", [0, 1, -1, None])
def test_samples_have_the_moments_of_the_mixture(label: int | None) -> None:
    mixture, n = known_mixture(), 20_000
    shares = [0.2, 0.8] if label in (-1, None) else [float(label == y) for y in (0, 1)]
    mean = sum(share * reference(mixture, y).mean for y, share in enumerate(shares))
    parts = [reference(mixture, y) for y in (0, 1)]
    square = sum(share * (p.variance + p.mean**2) for share, p in zip(shares, parts, strict=True))
    z = draw(mixture, n, label)
    assert z.shape == (n, 3)
    assert torch.allclose(z.mean(dim=0), mean, atol=5 * float(torch.sqrt((square - mean**2).max() / n)))
    assert torch.allclose((z**2).mean(dim=0), square, rtol=0.05, atol=0.05)
    assert torch.equal(z, draw(mixture, n, label))


def test_a_fit_recovers_density_and_covariance() -> None:
    truth = known_mixture()
    z, label = torch.cat([draw(truth, 4000, y) for y in (0, 1)]), torch.arange(2).repeat_interleave(4000)
    fitted = LabelMixture.fit(z.numpy(), label.numpy(), 2, frequencies=np.array([0.2, 0.8]), seed=1)
    for y in (0, 1):
        new = truth.sample(4000, y, torch.Generator().manual_seed(9))
        loss = truth.log_prob(new, torch.full((4000,), y)) - fitted.log_prob(new, torch.full((4000,), y))
        assert -0.01 < loss.mean().item() < 0.02  # the divergence of truth from fit, in nats
    again = LabelMixture.fit(z.numpy(), label.numpy(), 2, frequencies=np.array([0.2, 0.8]), seed=1)
    assert all(torch.equal(a, b) for a, b in zip(fitted.buffers(), again.buffers(), strict=True))


def test_a_label_with_few_latents_gets_fewer_components() -> None:
    z = np.random.default_rng(1).normal(size=(1020, 2))
    label = np.r_[np.zeros(1000, int), np.ones(10, int), np.full(10, -1)]
    mixture = LabelMixture.fit(z, label, 8, frequencies=np.array([0.5, 0.5]), seed=1)
    assert torch.isfinite(mixture.log_weights).sum(dim=1).tolist() == [8, 2]
    assert torch.exp(mixture.log_weights).sum(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert torch.isfinite(mixture.log_prob(torch.zeros(1, 2), torch.tensor([1]))).all()
    assert torch.isfinite(draw(mixture, 100, 1)).all()
    assert torch.isfinite(draw(mixture, 100, None)).all()


def test_a_label_without_latents_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two latents"):
        LabelMixture.fit(np.zeros((5, 2)), np.zeros(5, int), 1, frequencies=np.array([0.5, 0.5]), seed=1)


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_comes_back_from_a_file(name: str, tmp_path: Path) -> None:
    prior = {"standard_normal": StandardNormal(3), "mixture": known_mixture()}[name]
    save_file(prior.state_dict(), tmp_path / "prior.safetensors")
    again = from_state(name, load_file(tmp_path / "prior.safetensors"))
    assert type(again) is PRIORS[name]
    z = draw(prior, 10, 0)
    assert torch.equal(z, draw(again, 10, 0))
    assert torch.equal(prior.log_prob(z), again.log_prob(z))
