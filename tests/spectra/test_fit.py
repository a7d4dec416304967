"""Chi-square of reconstructions, and the mean spectrum, against hand-made answers."""

from __future__ import annotations

import numpy as np
import pytest

from astro_vae.spectra import draw, fit


@pytest.fixture
def seen() -> np.ndarray:
    """Make two views of four bins; the last bin of the first is not valid, nor any of the second."""
    flux = np.array([[1.0, 2, 3, 99], [5, 5, 5, 5]])
    ivar = np.array([[4.0, 1, 1, 0], [0, 0, 0, 0]])
    return np.stack([flux, ivar], axis=1).astype(np.float32)


def test_chi_square_counts_valid_bins_only(seen: np.ndarray) -> None:
    found = fit.misfit(seen, np.array([[0.5, 2, 5, 0], [0, 0, 0, 0]]))
    assert found[0] == pytest.approx((4 * 0.25 + 0 + 4) / 3)
    assert np.isnan(found[1])


def test_chi_square_of_noise_is_one() -> None:
    rng = np.random.default_rng(1)
    ivar = rng.uniform(1, 9, (50, 1000))
    flux = 3 + rng.standard_normal(ivar.shape) / np.sqrt(ivar)
    made = fit.misfit_of_mean(np.stack([flux, ivar], axis=1), np.full(1000, 3.0))
    assert made.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / ivar.size))


def test_the_mean_is_scaled_to_fit_best() -> None:
    flux, ivar = np.array([[2.0, 4, 9]]), np.array([[1.0, 1, 0]])
    found = fit.misfit_of_scaled_mean(np.stack([flux, ivar], axis=1), np.array([1.0, 2, 7]))
    assert found[0] == pytest.approx(0, abs=1e-12)
    off = fit.misfit_of_scaled_mean(np.stack([flux, ivar], axis=1), np.array([1.0, 1, 7]))
    assert off[0] == pytest.approx(((2 - 3) ** 2 + (4 - 3) ** 2) / 2)


def test_the_mean_is_over_valid_bins(seen: np.ndarray) -> None:
    more = np.array([[[3.0, 4, 5, 6], [1, 1, 1, 0]]], np.float32)
    np.testing.assert_array_equal(fit.mean(iter([seen, more])), np.float32([2, 3, 4, 0]))


def test_residuals_are_in_sigma_with_gaps(seen: np.ndarray) -> None:
    rows = dict(draw.beside(seen, np.zeros((2, 4), np.float32)))
    np.testing.assert_allclose(rows["residual (sigma)"][0], [2, 2, 3, np.nan])
