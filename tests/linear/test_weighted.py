"""Weighted linear models against data that they must explain, and against least squares."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from astro_vae.linear import FITS, WeightedLinear
from astro_vae.linear.em_pca import em_pca, infill_pca, project
from astro_vae.linear.nmf import nmf

N, D, K = 60, 40, 3


def survey(noise: float = 0.0, gaps: float = 0.2, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return data of K components that are nowhere negative, inverse variances, and the data without gaps."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.1, 1, (N, K)) @ rng.uniform(0, 1, (K, D))
    sigma = rng.uniform(0.5, 2, (N, D)) * max(noise, 1e-3)
    weight = sigma**-2 * (rng.uniform(size=(N, D)) > gaps)
    x = truth + (noise > 0) * sigma * rng.normal(size=(N, D))
    return np.where(weight > 0, x, 0), weight, truth


@pytest.mark.parametrize("find", [em_pca, infill_pca])
def test_components_fill_the_gaps_of_data_without_noise(find) -> None:  # type: ignore[no-untyped-def]
    x, weight, truth = survey()
    options = {"n_fill": K} if find is infill_pca else {}
    mean, components = find(x, weight, K, iterations=200, **options)
    assert np.allclose(components @ components.T, np.eye(K), atol=1e-9)
    np.testing.assert_allclose(mean + project(x, weight, mean, components) @ components, truth, atol=1e-3)


def test_without_gaps_and_with_equal_errors_em_pca_is_pca() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N, D)) * np.geomspace(5, 0.1, D)
    mean, components = em_pca(x, np.ones_like(x), K, iterations=300)
    axes = np.linalg.svd(x - x.mean(axis=0))[2][:K]
    np.testing.assert_allclose(components.T @ components, axes.T @ axes, atol=1e-4)
    residual = (x - mean) - (x - mean) @ components.T @ components
    best = (x - x.mean(axis=0)) - (x - x.mean(axis=0)) @ axes.T @ axes
    assert (residual**2).sum() == pytest.approx((best**2).sum(), rel=1e-6)


def test_em_pca_looks_past_data_with_large_errors() -> None:
    x, weight, truth = survey(gaps=0)
    x[:, 5] += 100 * np.random.default_rng(4).normal(size=N)
    weight[:, 5] = 1e-8
    mean, components = em_pca(x, weight, K, iterations=200)
    others = np.arange(D) != 5
    found = mean + project(x, weight, mean, components) @ components
    np.testing.assert_allclose(found[:, others], truth[:, others], atol=1e-2)


def chi2(x: np.ndarray, weight: np.ndarray, components: np.ndarray) -> float:
    """Return the least chi-square over all projections."""
    found = project(x, weight, np.zeros(D), components) @ components
    return float((weight * (x - found) ** 2).sum())


def test_nmf_is_nowhere_negative_and_falls_in_chi_square() -> None:
    x, weight, _ = survey()
    values = [chi2(x, weight, nmf(x, weight, K, iterations=n)[1]) for n in (0, 10, 100, 1000)]
    assert all(after < before for before, after in itertools.pairwise(values))
    assert values[-1] < 1e-3 * values[0]
    mean, components = nmf(x, weight, K)
    assert (components >= 0).all()
    assert not mean.any()


def test_nmf_does_not_fit_what_lies_below_zero_nor_in_gaps() -> None:
    x, weight, _ = survey()
    changed = np.where(weight > 0, x, -1e6)
    np.testing.assert_array_equal(nmf(changed, weight, K)[1], nmf(x, weight, K)[1])


@pytest.mark.parametrize("method", sorted({*FITS} - {"curved_pca"}))
def test_encoding_is_the_projection_of_weighted_least_squares(method: str) -> None:
    x, weight, _ = survey(noise=1e-3)
    model = WeightedLinear.fit(x, weight, K, method=method).double()
    found = model.encode(torch.from_numpy(x), weight=torch.from_numpy(weight))
    centre, loadings = model.path.centre.numpy(), model.path.loadings.numpy()
    expected = [
        np.linalg.lstsq(np.sqrt(w)[:, None] * loadings.T, np.sqrt(w) * (row - centre), rcond=None)[0]
        for row, w in zip(x, weight, strict=True)
    ]
    np.testing.assert_allclose(found.mu.numpy(), expected, atol=2e-3)
    assert np.allclose(found.mu.numpy().mean(axis=0), 0, atol=1e-3)
    assert np.allclose(found.mu.numpy().std(axis=0), 1, atol=1e-2)


@pytest.mark.parametrize("method", FITS)
def test_errors_of_latents_are_those_of_repeated_measurements(method: str) -> None:
    x, weight, truth = survey(noise=1e-2)
    model = WeightedLinear.fit(x, weight, K, method=method).double()
    ivar = torch.from_numpy(weight)
    rng = np.random.default_rng(5)
    again = [truth + rng.normal(size=truth.shape) / np.sqrt(np.where(weight > 0, weight, 1)) for _ in range(60)]
    posteriors = [model.encode(torch.from_numpy(a), weight=ivar) for a in again]
    scatter = torch.stack([p.mu for p in posteriors]).std(dim=0)
    assert (scatter / posteriors[0].sigma).mean().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("method", FITS)
def test_the_same_seed_gives_the_same_model_in_the_shape_of_the_data(method: str) -> None:
    x, weight, _ = survey()
    first, second = (WeightedLinear.fit(x, weight, K, method=method, seed=3) for _ in range(2))
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    square = WeightedLinear.fit(x.reshape(N, 8, 5), weight.reshape(N, 8, 5), K, method=method, seed=3)
    assert square.decode(torch.zeros(2, K)).shape == (2, 8, 5)
    assert torch.equal(square.decode(torch.ones(1, K)).flatten(1), first.decode(torch.ones(1, K)))


def test_an_object_without_any_datum_keeps_the_prior() -> None:
    x, weight, _ = survey()
    found = WeightedLinear.fit(x, weight, K).encode(torch.zeros(1, D), weight=torch.zeros(1, D))
    assert not found.mu.any()
    assert not found.log_var.any()


def test_what_cannot_be_fitted_is_refused() -> None:
    x, weight, _ = survey()
    with pytest.raises(ValueError, match="more than 40 data"):
        WeightedLinear.fit(x, weight, D)
    with pytest.raises(ValueError, match="finite and not negative"):
        WeightedLinear.fit(x, -weight, K)
    with pytest.raises(ValueError, match="inverse variance"):
        WeightedLinear((D,), K).encode(torch.zeros(1, D))
