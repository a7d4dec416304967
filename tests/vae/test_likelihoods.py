"""Likelihoods against closed forms, quadrature and tables."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from astro_vae.vae.likelihoods import LIKELIHOODS, SERIES_BELOW, Bernoulli, ContinuousBernoulli, Gaussian

# l, log C, mean and variance (None where not tabulated) of the continuous Bernoulli
CONTINUOUS_BERNOULLI = [
    (0.5, 0.693147, 0.5, 0.083333),
    (0.49, 0.693281, 0.496666, 0.083327),
    (0.25, 0.787195, 0.410239, 0.078535),
    (0.1, 1.010339, 0.330120, 0.066509),
    (0.01, 1.545198, 0.207418, None),
    (0.001, 1.934502, 0.143784, 0.019960),
]
GRID = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000


def double(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def density(likelihood: torch.nn.Module, logits: float) -> Tensor:
    """Return exp log_prob on the grid over [0, 1]."""
    return torch.exp(likelihood.log_prob(GRID[:, None], torch.full_like(GRID[:, None], logits)))


def test_gaussian_at_the_best_variance_has_its_known_value() -> None:
    likelihood = Gaussian(sigma=0.1, floor=0.0).double()
    value = likelihood.log_prob(double(0.1), double(0.0)).item()  # one datum with squared error 0.01
    assert -value == pytest.approx(-0.883647, abs=1e-6)


def test_gaussian_contains_the_constant_of_every_dimension() -> None:
    likelihood = Gaussian(sigma=1.0, floor=0.0).double()
    x = torch.zeros(2, 3, 4, dtype=torch.float64)
    assert likelihood.log_prob(x, x).tolist() == pytest.approx([-12 * 0.918939] * 2, abs=1e-5)


def test_the_best_sigma_is_the_root_mean_square_error() -> None:
    # a missing factor D would put it at the sum of squares, 4.0; a doubled logarithm at 0.02
    x = 0.2 * torch.ones(1, 100, dtype=torch.float64)
    likelihood = Gaussian(sigma=0.2, floor=0.0).double()
    likelihood.log_prob(x, torch.zeros_like(x)).sum().backward()
    assert likelihood.log_sigma.grad.item() == pytest.approx(0, abs=1e-4)  # in units of D = 100
    for other in (0.19, 0.21):
        worse = Gaussian(sigma=other, floor=0.0).double().log_prob(x, torch.zeros_like(x))
        assert worse < likelihood.log_prob(x, torch.zeros_like(x))


def test_the_floor_bounds_the_likelihood_of_perfect_data() -> None:
    likelihood = Gaussian(sigma=1e-30, floor=0.01).double()
    x = torch.zeros(1, 10, dtype=torch.float64)
    assert likelihood.log_prob(x, x).item() == pytest.approx(-10 * (math.log(0.01) + 0.918939), abs=1e-4)


def test_a_datum_of_weight_zero_does_not_count_and_leaves_no_nan() -> None:
    likelihood = Gaussian(sigma=0.5).double()
    x, mu = double(1.0, math.nan, 2.0), double(0.5, 0.0, 1.0).requires_grad_()
    value = likelihood.log_prob(x, mu, double(4.0, 0.0, 1.0))
    alone = likelihood.log_prob(x[:, ::2], mu[:, ::2], double(4.0, 1.0))
    assert torch.equal(value, alone)
    value.sum().backward()
    assert torch.isfinite(mu.grad).all()
    assert torch.isfinite(likelihood.log_sigma.grad)
    assert mu.grad[0, 1] == 0


def test_weights_are_inverse_variances_of_the_measurement() -> None:
    likelihood = Gaussian(sigma=0.3, floor=0.0).double()
    expected = torch.distributions.Normal(0.0, math.sqrt(0.09 + 0.25)).log_prob(double(0.7)).item()
    assert likelihood.log_prob(double(0.7), double(0.0), double(4.0)).item() == pytest.approx(expected)


def test_chi_squared_per_datum_is_one_under_the_truth() -> None:
    generator = torch.Generator().manual_seed(1)
    ivar = 0.5 + torch.rand(1, 40_000, dtype=torch.float64, generator=generator)
    scatter = torch.sqrt(0.04 + 1 / ivar)
    x = scatter * torch.randn(1, 40_000, dtype=torch.float64, generator=generator)
    likelihood = Gaussian(sigma=0.2, floor=0.0).double()
    constants = torch.log(scatter).sum() + 40_000 * 0.9189385332
    chi_squared = -2 * (likelihood.log_prob(x, torch.zeros_like(x), ivar) + constants) / 40_000
    assert chi_squared.item() == pytest.approx(1, abs=5 * math.sqrt(2 / 40_000))


def test_a_change_of_unit_shifts_the_density_by_its_jacobian() -> None:
    x, mu, ivar, c = double(1.0, 2.0, 5.0), double(0.5, 2.5, 4.0), double(4.0, 2.0, 0.0), 10.0
    before = Gaussian(sigma=0.5, floor=0.1).double().log_prob(x, mu, ivar)
    after = Gaussian(sigma=0.05, floor=0.01).double().log_prob(x / c, mu / c, ivar * c**2)
    assert (after - before).item() == pytest.approx(2 * math.log(c))


@pytest.mark.parametrize(("grey", "entropy"), [(0.5, 0.6931), (0.1, 0.3251), (0.0, 0.0)])
def test_bernoulli_on_grey_values_keeps_their_entropy(grey: float, entropy: float) -> None:
    logits = double(logit(grey) if grey else -800.0)
    assert -Bernoulli().log_prob(double(grey), logits).item() == pytest.approx(entropy, abs=1e-4)


def test_bernoulli_is_no_density_on_grey_values_but_the_continuous_one_is() -> None:
    assert density(Bernoulli(), logit(0.1)).mean().item() == pytest.approx(0.3641, abs=1e-4)
    for logits in (-30.0, logit(0.1), 0.0, 0.2, 5.0):
        assert density(ContinuousBernoulli(), logits).mean().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("l", "log_c", "mean", "variance"), CONTINUOUS_BERNOULLI)
def test_continuous_bernoulli_against_the_table(l: float, log_c: float, mean: float, variance: float | None) -> None:  # noqa: E741
    likelihood, h = ContinuousBernoulli(), logit(l)
    found = likelihood.log_prob(double(0.3), double(h)).item() - 0.3 * math.log(l) - 0.7 * math.log(1 - l)
    assert found == pytest.approx(log_c, abs=1e-6)
    assert likelihood.mean(double(h)).item() == pytest.approx(mean, abs=1e-6)
    mirrored = likelihood.log_prob(double(0.7), double(-h)).item()
    assert mirrored == pytest.approx(likelihood.log_prob(double(0.3), double(h)).item())
    if variance is not None:
        p = density(likelihood, h)
        assert ((GRID - mean) ** 2 * p[:]).mean().item() == pytest.approx(variance, abs=1e-6)


def test_the_mean_of_the_continuous_bernoulli_is_the_gradient_of_its_log_integral() -> None:
    h = torch.tensor([[-250.0, -3.0, -0.501, -0.499, 0.0, 0.01, 0.499, 0.501, 40.0]], dtype=torch.float64)
    h.requires_grad_()
    likelihood = ContinuousBernoulli()
    (-likelihood.log_prob(torch.zeros_like(h), h)).sum().backward()
    assert torch.allclose(h.grad, likelihood.mean(h).detach(), atol=1e-7)


def test_the_series_meets_the_closed_form() -> None:
    likelihood = ContinuousBernoulli()
    below, above = double(SERIES_BELOW * (1 - 1e-12)), double(SERIES_BELOW * (1 + 1e-12))
    assert torch.allclose(likelihood.mean(below), likelihood.mean(above), atol=1e-8, rtol=0)
    x = double(0.3)
    assert torch.allclose(likelihood.log_prob(x, below), likelihood.log_prob(x, above), atol=1e-9, rtol=0)


def test_dark_pixels_need_and_get_extreme_logits() -> None:
    h = torch.tensor([[-1e4, -250.0, 0.0, 250.0, 1e4]], requires_grad=True)
    likelihood = ContinuousBernoulli()
    assert likelihood.mean(h)[0, 1].item() == pytest.approx(0.004, abs=1e-6)
    likelihood.log_prob(torch.full_like(h, 0.004), h).sum().backward()
    likelihood.mean(h).sum().backward()
    assert torch.isfinite(h.grad).all()


def test_the_constant_of_a_dark_image_is_worth_thousands_of_nats() -> None:
    x, h = torch.zeros(1, 100, 100, dtype=torch.float64), torch.full((1, 100, 100), logit(0.001), dtype=torch.float64)
    difference = ContinuousBernoulli().log_prob(x, h) - Bernoulli().log_prob(x, h)
    assert difference.item() == pytest.approx(19_345, abs=1)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_objects_are_independent_and_dimensions_add_up(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    x, parameters = torch.rand(2, 4, 3, 5, dtype=torch.float64, generator=generator)
    likelihood = LIKELIHOODS[name]().double()
    whole = likelihood.log_prob(x, parameters)
    assert whole.shape == (4,)
    assert likelihood.mean(parameters).shape == x.shape
    parts = likelihood.log_prob(x[:, :1], parameters[:, :1]) + likelihood.log_prob(x[:, 1:], parameters[:, 1:])
    assert torch.allclose(whole, parts)
    masked = likelihood.log_prob(x, parameters, torch.zeros_like(x))
    assert torch.equal(masked, torch.zeros_like(masked))
