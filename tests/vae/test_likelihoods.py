"""Likelihoods against closed forms, quadrature and tables."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from astro_vae.vae.likelihoods import LIKELIHOODS, SERIES_BELOW, Bernoulli, ContinuousBernoulli, Gaussian, GaussianIvar

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
    weight = torch.ones_like(x) if likelihood.weighted else None
    whole = likelihood.log_prob(x, parameters, weight)
    assert whole.shape == (4,)
    assert likelihood.mean(parameters).shape == x.shape
    halves = (slice(0, 1), slice(1, None))
    parts = [
        likelihood.log_prob(x[:, half], parameters[:, half], None if weight is None else weight[:, half])
        for half in halves
    ]
    assert torch.allclose(whole, parts[0] + parts[1])
    masked = likelihood.log_prob(x, parameters, torch.zeros_like(x))
    assert torch.equal(masked, torch.zeros_like(masked))


def test_known_inverse_variances_give_the_normal_density() -> None:
    x, mean, ivar = double(1.0, 3.0), double(0.0, 1.0), double(1.0, 0.25)
    # N(1; 0, 1) is exp(-1.418939), N(3; 1, 2^2) is exp(-2.112086)
    value = GaussianIvar().log_prob(x, mean, ivar).item()
    assert value == pytest.approx(-1.418939 - 2.112086, abs=1e-6)
    sigma = 1 / ivar.sqrt()
    assert value == pytest.approx(torch.distributions.Normal(mean, sigma).log_prob(x).sum().item(), abs=1e-12)


@pytest.mark.parametrize("unseen", [0.0, 1e30, math.nan])
def test_a_datum_without_weight_adds_nothing_not_even_the_logarithm(unseen: float) -> None:
    likelihood, mean = GaussianIvar(0.01), double(0.5, 0.5).requires_grad_()
    with_it = likelihood.log_prob(double(1.0, unseen), mean, double(4.0, 0.0))
    without = likelihood.log_prob(double(1.0), double(0.5), double(4.0))
    assert with_it.item() == without.item()
    with_it.sum().backward()
    assert mean.grad[0, 1] == 0
    assert torch.isfinite(mean.grad).all()


def test_an_object_without_any_datum_has_probability_one() -> None:
    assert GaussianIvar().log_prob(double(1.0, 2.0), double(0.0, 0.0), double(0.0, 0.0)).item() == 0


def test_the_fractional_floor_adds_to_the_variance() -> None:
    x, mean, ivar = double(2.2), double(2.0), double(1 / 0.03**2)
    expected = torch.distributions.Normal(mean, math.hypot(0.03, 0.02 * 2.0)).log_prob(x).item()
    assert GaussianIvar(0.02).log_prob(x, mean, ivar).item() == pytest.approx(expected, abs=1e-12)


def test_true_errors_give_a_chi_square_of_one_per_datum() -> None:
    draws = torch.Generator().manual_seed(1)
    ivar = 0.1 + torch.rand(200, 100, generator=draws, dtype=torch.float64)
    x = torch.randn(200, 100, generator=draws, dtype=torch.float64) / ivar.sqrt()
    constant = GaussianIvar().log_prob(torch.zeros_like(x), torch.zeros_like(x), ivar)
    chi2 = 2 * (constant - GaussianIvar().log_prob(x, torch.zeros_like(x), ivar)) / 100
    assert chi2.mean().item() == pytest.approx(1, abs=5 * math.sqrt(2 / 20_000))


def test_a_change_of_unit_shifts_the_density_by_its_logarithm() -> None:
    x, mean, ivar = double(1.0, 3.0, 5.0), double(0.0, 1.0, 2.0), double(1.0, 0.25, 0.0)
    in_other_unit = GaussianIvar().log_prob(x / 10, mean / 10, ivar * 100).item()
    assert in_other_unit - GaussianIvar().log_prob(x, mean, ivar).item() == pytest.approx(2 * math.log(10), abs=1e-9)


def test_known_errors_cannot_do_without_weights() -> None:
    with pytest.raises(ValueError, match="inverse variance"):
        GaussianIvar().log_prob(double(1.0), double(1.0))
