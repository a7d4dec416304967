"""Bounds against models whose evidence is known in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from astro_vae.vae import objectives
from astro_vae.vae.posteriors import DiagonalGaussian
from astro_vae.vae.priors import LabelMixture

LOG_2PI = math.log(2 * math.pi)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass
class OneDimensional:
    """p(z) = N(0, 1), p(x | z) = N(z, 1), and a q(z | x) that is the same for every x."""

    mu: float
    sigma: float
    n_latents: int = 1
    n_labels: int = 0
    conditional: bool = False

    def encode(
        self, x: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> DiagonalGaussian:
        return DiagonalGaussian(torch.full_like(x, self.mu), torch.full_like(x, 2 * math.log(self.sigma)))

    def log_likelihood(self, x: Tensor, z: Tensor, label: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        return -0.5 * ((x - z) ** 2 + LOG_2PI).sum(dim=1)


MISMATCHED, EXACT = OneDimensional(0.2, 0.9), OneDimensional(0.5, math.sqrt(0.5))
LOG_EVIDENCE = -1.515512  # of x = 1


def ones(n: int) -> Tensor:
    return torch.ones(n, 1, dtype=torch.float64)


def test_the_mean_of_the_bound_of_one_draw() -> None:
    n = 200_000
    eps = torch.randn(n, 1, dtype=torch.float64, generator=generator())
    found = objectives.elbo(MISMATCHED, ones(n), None, eps)
    error = found.elbo.std().item() / math.sqrt(n)
    assert found.elbo.mean().item() == pytest.approx(-1.674299, abs=5 * error)
    assert torch.equal(found.objective, found.elbo)
    assert torch.allclose(found.elbo, found.reconstruction - found.kl.sum(dim=1))


@pytest.mark.parametrize(("draws", "bound"), [(1, -1.674299), (2, -1.5730), (5, -1.5341), (10, -1.5248)])
def test_the_importance_weighted_bound_tightens_as_it_should(draws: int, bound: float) -> None:
    values = objectives.importance_weighted_bound(MISMATCHED, ones(100_000), None, draws, generator())
    assert values.dtype == torch.float64
    error = values.std().item() / math.sqrt(len(values))
    assert values.mean().item() == pytest.approx(bound, abs=5 * error + 2e-4)


@pytest.mark.parametrize("draws", [1, 2, 50])
def test_with_the_exact_posterior_every_draw_gives_the_evidence(draws: int) -> None:
    values = objectives.importance_weighted_bound(EXACT, ones(7), None, draws, generator())
    assert values.tolist() == pytest.approx([LOG_EVIDENCE] * 7, abs=1e-6)


def test_the_prior_enters_the_importance_weights() -> None:
    """Under p(z) = N(m, s^2) the evidence of x is N(x; m, 1 + s^2)."""
    prior = LabelMixture(torch.zeros(1, 1), torch.full((1, 1, 1), 2.0), torch.full((1, 1, 1, 1), 0.5), torch.zeros(1))
    model = OneDimensional(1.5, 0.7)
    found = objectives.importance_weighted_bound(model, ones(2000), None, 300, generator(), prior.double())
    expected = -0.5 * (1 / 1.25 + math.log(1.25) + LOG_2PI)
    assert found.mean().item() == pytest.approx(expected, abs=0.01)


@dataclass
class Labelled:
    """x = m_y + W z + e with W (D, K) and noise of variance 0.3; the posteriors are diagonal, so mismatched."""

    conditional: bool = True
    n_labels: int = 2
    n_latents: int = 2

    def __post_init__(self) -> None:
        self.W = torch.tensor([[1.0, 0.8], [-0.5, 0.9], [0.3, 0.4]], dtype=torch.float64)
        self.means = torch.randn(2, 3, dtype=torch.float64, generator=generator(4))
        self.noise = 0.3
        self.precision = self.W.T @ self.W + self.noise * torch.eye(2, dtype=torch.float64)

    def encode(
        self, x: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> DiagonalGaussian:
        mu = torch.linalg.solve(self.precision, self.W.T @ (x - self.means[label]).T).T
        return DiagonalGaussian(mu, torch.log(self.noise / torch.diagonal(self.precision)).expand_as(mu))

    def log_likelihood(self, x: Tensor, z: Tensor, label: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        squares = (x - self.means[label] - z @ self.W.T) ** 2
        return -0.5 * (squares / self.noise + math.log(self.noise) + LOG_2PI).sum(dim=1)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Return log p(x | y), (B, C)."""
        covariance = self.W @ self.W.T + self.noise * torch.eye(3, dtype=torch.float64)
        return torch.stack([MultivariateNormal(m, covariance).log_prob(x) for m in self.means], dim=1)


def test_label_probabilities_by_bayes_rule() -> None:
    model = Labelled()
    x = 2 * torch.randn(200, 3, dtype=torch.float64, generator=generator())
    exact = model.log_evidence(x)
    found = objectives.label_log_evidence(model, x, 400, generator())
    assert found.shape == (200, 2)
    assert torch.allclose(found, exact, atol=0.15)
    odds, exact_odds = found[:, 1] - found[:, 0], exact[:, 1] - exact[:, 0]
    assert torch.allclose(odds, exact_odds, atol=1e-4)  # the gaps, with the same draws, are equal here


def test_the_best_diagonal_posterior_loses_what_the_correlation_is_worth() -> None:
    """The gap is (sum log M_jj - log |M|) / 2 for every object."""
    model, n = Labelled(), 40_000
    x = torch.randn(5, 3, dtype=torch.float64, generator=generator())
    label = torch.tensor([0, 1, 0, 1, 1])
    eps = torch.randn(5 * n, 2, dtype=torch.float64, generator=generator(2))
    found = objectives.elbo(model, x.repeat_interleave(n, 0), label.repeat_interleave(n), eps)
    values = found.elbo.reshape(5, n)
    gap = 0.5 * (torch.log(torch.diagonal(model.precision)).sum() - torch.logdet(model.precision)).item()
    assert gap > 0.03
    exact = model.log_evidence(x).gather(1, label[:, None])[:, 0]
    error = 5 * values.std(dim=1).max().item() / math.sqrt(n)
    assert (exact - values.mean(dim=1)).tolist() == pytest.approx([gap] * 5, abs=error)


def test_without_labels_in_the_model_the_prior_alone_tells_them() -> None:
    """One pass over the draws gives what a pass per label would."""
    means = torch.tensor([[[-1.0]], [[2.0]]], dtype=torch.float64)
    prior = LabelMixture(torch.zeros(2, 1), means, torch.full((2, 1, 1, 1), 0.5), torch.log(torch.tensor([0.5, 0.5])))
    model = OneDimensional(0.5, 1.0, n_labels=2)
    found = objectives.label_log_evidence(model, ones(2000), 300, generator(), prior)
    for y, mean in enumerate((-1.0, 2.0)):
        expected = -0.5 * ((1 - mean) ** 2 / 1.25 + math.log(1.25) + LOG_2PI)
        assert found[:, y].mean().item() == pytest.approx(expected, abs=0.01)


def test_a_power_of_the_likelihood_is_a_larger_noise() -> None:
    """p(x | z, y)^0.7 is, but for a constant, the Gaussian whose variance is larger by 1 / 0.7."""
    model, noisier = Labelled(), Labelled()
    noisier.noise = model.noise / 0.7
    x = torch.randn(50, 3, dtype=torch.float64, generator=generator())
    found = objectives.label_log_evidence(model, x, 3000, generator(), power=0.7)
    exact = noisier.log_evidence(x)
    odds, exact_odds = found[:, 1] - found[:, 0], exact[:, 1] - exact[:, 0]
    assert torch.allclose(odds, exact_odds, atol=0.2)
    plain = model.log_evidence(x)
    assert not torch.allclose(exact_odds, plain[:, 1] - plain[:, 0], atol=0.4)


@dataclass
class Tabulated:
    """The bound of every object is a row of a table; two latents share a divergence that is given too."""

    reconstruction: Tensor
    mu: Tensor
    n_labels: int
    n_latents: int = 2
    conditional: bool = True

    def encode(
        self, x: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> DiagonalGaussian:
        mu = self.mu[x[:, 0].long(), label]
        return DiagonalGaussian(mu, torch.zeros_like(mu))

    def log_likelihood(self, x: Tensor, z: Tensor, label: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        return self.reconstruction[x[:, 0].long(), label]


def tabulated(n: int, n_labels: int) -> tuple[Tabulated, Tensor, Tensor]:
    """Return a model, its bounds (B, C) and its divergences (B, C, K)."""
    reconstruction = torch.randn(n, n_labels, dtype=torch.float64, generator=generator())
    mu = torch.randn(n, n_labels, 2, dtype=torch.float64, generator=generator(2))
    kl = 0.5 * mu**2
    model = Tabulated(reconstruction.clone().requires_grad_(), mu.clone().requires_grad_(), n_labels)
    return model, reconstruction - kl.sum(dim=-1), kl


def partly(model: Tabulated, label: Tensor, frequencies: list[float], **options: float) -> objectives.Elbo:
    index = torch.arange(len(label), dtype=torch.float64)[:, None]
    log_frequencies = torch.log(torch.tensor(frequencies, dtype=torch.float64))
    return objectives.partly_labelled_elbo(
        model, index, label, torch.zeros(len(label), 2), log_frequencies=log_frequencies, **options
    )


def test_an_unlabelled_object_counts_with_the_sum_over_labels() -> None:
    model = Tabulated(torch.tensor([[-3.0, -4.2]]) - math.log(0.5), torch.zeros(1, 2, 2), 2)
    found = partly(model, torch.tensor([-1]), [0.5, 0.5])
    assert found.elbo.item() == pytest.approx(-2.736718, abs=1e-6)


def test_labelled_and_unlabelled_objects_in_one_batch() -> None:
    model, bounds, kl = tabulated(5, 3)
    label, frequencies = torch.tensor([2, -1, 0, -1, 1]), torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    found = partly(model, label, frequencies.tolist())
    joint = bounds + torch.log(frequencies)
    shares = torch.softmax(joint, dim=1)
    for i, y in enumerate(label.tolist()):
        expected = bounds[i, y] if y >= 0 else torch.logsumexp(joint[i], dim=0)
        weights = torch.eye(3, dtype=torch.float64)[y] if y >= 0 else shares[i]
        assert found.elbo[i].item() == pytest.approx(expected.item())
        assert found.objective[i].item() == pytest.approx(expected.item())
        assert found.reconstruction[i].item() == pytest.approx((weights @ model.reconstruction[i]).item())
        assert found.kl[i].tolist() == pytest.approx((weights @ kl[i]).tolist())
    found.objective.sum().backward()
    gradient = model.reconstruction.grad  # the shares of the labels, by the derivative of logsumexp
    assert torch.allclose(gradient[1], shares[1])
    assert torch.allclose(gradient[0], torch.eye(3, dtype=torch.float64)[2])


def test_a_label_of_frequency_zero_is_ruled_out() -> None:
    model, bounds, _ = tabulated(2, 2)
    found = partly(model, torch.tensor([-1, 1]), [1.0, 0.0])
    assert found.elbo[0].item() == pytest.approx(bounds[0, 0].item())
    found.objective.sum().backward()
    assert torch.isfinite(model.mu.grad).all()


def test_the_order_of_objects_does_not_matter() -> None:
    model, _, _ = tabulated(4, 2)
    label, order = torch.tensor([-1, 0, -1, 1]), torch.tensor([2, 0, 3, 1])
    log_frequencies = torch.log(torch.tensor([0.4, 0.6], dtype=torch.float64))
    index = torch.arange(4, dtype=torch.float64)[:, None]
    eps = torch.zeros(4, 2)
    plain = objectives.partly_labelled_elbo(model, index, label, eps, log_frequencies=log_frequencies)
    mixed = objectives.partly_labelled_elbo(model, index[order], label[order], eps, log_frequencies=log_frequencies)
    assert torch.allclose(plain.elbo[order], mixed.elbo)


@pytest.mark.parametrize("label", [[0, 1, 1], [-1, 1, -1]])
def test_the_divergence_is_weighted_in_the_objective_only(label: list[int]) -> None:
    model, _, _ = tabulated(3, 2)
    plain = partly(model, torch.tensor(label), [0.5, 0.5])
    weighted = partly(model, torch.tensor(label), [0.5, 0.5], beta=4.0)
    assert torch.equal(plain.elbo, weighted.elbo)
    expected = plain.reconstruction[1] - 4 * plain.kl[1].sum()
    assert weighted.objective[1].item() == pytest.approx(expected.item())
    assert (weighted.objective < plain.objective).all()


def test_free_nats_take_the_mean_over_the_batch_before_the_maximum() -> None:
    model, _, kl = tabulated(6, 1)
    means = kl[:, 0].mean(dim=0)
    free = means.mean().item()  # between the two latents
    found = partly(model, torch.zeros(6, dtype=torch.long), [1.0], free_nats=free)
    expected = model.reconstruction.mean() - torch.clamp(means, min=free).sum()
    assert found.objective.mean().item() == pytest.approx(expected.item())
    found.objective.mean().backward()
    gradient = model.mu.grad[:, 0]  # (B, K)
    idle, busy = int(means.argmin()), int(means.argmax())
    assert torch.equal(gradient[:, idle], torch.zeros(6, dtype=torch.float64))
    assert torch.allclose(gradient[:, busy], -model.mu[:, 0, busy].detach() / 6)


def test_draws_come_from_the_generator_alone() -> None:
    first, again, other = (
        objectives.importance_weighted_bound(MISMATCHED, ones(4), None, 3, generator(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
