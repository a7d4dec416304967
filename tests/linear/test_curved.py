"""A path with bends: without them it is the linear one, and with them it follows data that bend."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from astro_vae.linear import WeightedLinear
from astro_vae.vae.curved_path import BEND, SATURATION, CurvedPath, bends_and_products
from astro_vae.vae.linear_path import LinearPath

N, D, K = 300, 30, 2


def surface(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return data on a surface that folds and twists a little, and inverse variances, some of them zero."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(N, K)) * [2, 1]
    features = np.column_stack([z, 0.3 * np.abs(z[:, 0]), 0.3 * np.prod(z, axis=1)])
    x = 1 + features @ np.random.default_rng(2).normal(size=(4, D)) * 0.3
    weight = np.full((N, D), 1e4) * (rng.uniform(size=(N, D)) > 0.1)
    return np.where(weight > 0, x + 0.01 * rng.normal(size=x.shape), 0), weight


def chi2(model: WeightedLinear, x: np.ndarray, weight: np.ndarray) -> float:
    """Return chi-square per valid datum."""
    data, ivar = torch.from_numpy(x), torch.from_numpy(weight)
    redrawn = model.double().decode(model.double().encode(data, weight=ivar).mu)
    return float((ivar * (data - redrawn) ** 2).sum() / (ivar > 0).sum())


def test_bends_and_products_have_their_values() -> None:
    z = torch.tensor([[3.0, -4.0, 0.0]], dtype=torch.float64)
    s = z[0] / torch.sqrt(1 + z[0] ** 2 / SATURATION**2)
    expected = [(9 + BEND) ** 0.5, (16 + BEND) ** 0.5, BEND**0.5, s[0] * s[1], 0.0, 0.0]
    assert bends_and_products(z)[0].tolist() == pytest.approx([float(v) for v in expected], abs=1e-12)
    far = bends_and_products(1e6 * z)[0, 3]
    assert far.item() == pytest.approx(-(SATURATION**2), rel=1e-6)


def test_without_bends_it_is_the_linear_path() -> None:
    x, weight = (torch.from_numpy(a[:20]) for a in surface())
    linear, curved = LinearPath(D, K).double(), CurvedPath(D, K).double()
    with torch.no_grad():
        linear.loadings.copy_(torch.randn(K, D, generator=torch.Generator().manual_seed(1)))
        curved.loadings.copy_(linear.loadings)
    expected, found = linear.posterior(x, weight), curved.posterior(x, weight)
    assert torch.allclose(found.mu, expected.mu, rtol=0, atol=1e-6)
    assert torch.allclose(found.log_var, expected.log_var, rtol=0, atol=1e-6)


def test_a_fold_is_followed_on_data_that_were_not_fitted() -> None:
    (x, weight), (new, new_weight) = surface(1), surface(3)
    linear, bent = (WeightedLinear.fit(x, weight, K, method=method) for method in ("em_pca", "curved_pca"))
    assert chi2(bent, new, new_weight) < 0.1 * chi2(linear, new, new_weight)


def test_latents_are_found_again() -> None:
    """Objects decoded from known latents have them inside the errors."""
    x, weight = surface()
    model = WeightedLinear.fit(x, weight, K, method="curved_pca").double()
    draws = torch.Generator().manual_seed(1)
    truth = torch.randn(400, K, generator=draws, dtype=torch.float64)
    ivar = torch.full((400, D), 1e4, dtype=torch.float64)
    seen = model.decode(truth) + torch.randn(400, D, generator=draws, dtype=torch.float64) / 100
    found = model.encode(seen, weight=ivar)
    inside = ((found.mu - truth).abs() < found.sigma).double().mean().item()
    assert inside == pytest.approx(0.683, abs=0.05)


def test_a_model_with_bends_comes_back_from_its_state() -> None:
    x, weight = surface()
    model = WeightedLinear.fit(x, weight, K, method="curved_pca")
    again = WeightedLinear((D,), K, bent=True)
    again.load_state_dict(model.state_dict())
    z: Tensor = torch.randn(3, K, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again.decode(z), model.decode(z))
