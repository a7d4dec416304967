"""Resampling keeps the flux, propagates errors, and agrees with specutils."""

from __future__ import annotations

import numpy as np
import pytest

from astro_vae.settings_spectra import GridSettings
from astro_vae.spectra.resample import bin_centres, bin_edges, pixel_edges, resample


def test_the_grid_is_that_of_the_published_study() -> None:
    centres, edges = bin_centres(GridSettings()), bin_edges(GridSettings())
    assert len(centres) == 1000
    np.testing.assert_allclose(centres[[0, -1]], 10 ** np.array([3.53, 3.53 + 999 * 0.00039]))
    np.testing.assert_allclose(np.sqrt(edges[1:] * edges[:-1]), centres)
    np.testing.assert_allclose(bin_centres(GridSettings(), 3)[3:-3], centres)


def test_pixel_edges_of_logarithmic_pixels_are_exact() -> None:
    log = 3.6 + 1e-4 * np.arange(50)
    np.testing.assert_allclose(pixel_edges(10**log), 10 ** np.append(log - 5e-5, log[-1] + 5e-5), rtol=1e-12)


def test_flux_is_kept_and_errors_add_in_quadrature() -> None:
    binned = resample(
        np.array([0.0, 1, 2, 3, 4]), np.array([1.0, 2, 3, 4]), np.array([1.0, 4, 1, 1]), np.array([0.0, 1.5, 4])
    )
    np.testing.assert_allclose(binned.flux * [1.5, 2.5], [1 + 1, 1 + 3 + 4])
    np.testing.assert_allclose(1 / binned.ivar, [(1 + 0.25 * 0.25) / 1.5**2, (0.25 * 0.25 + 1 + 1) / 2.5**2])
    np.testing.assert_allclose(binned.valid, 1)


def test_pixels_without_weight_do_not_count() -> None:
    binned = resample(np.array([0.0, 1, 2, 3]), np.array([1.0, 99, 3]), np.array([1.0, 0, 1]), np.array([0.0, 2, 3, 5]))
    np.testing.assert_allclose(binned.flux, [1, 3, 0])
    np.testing.assert_allclose(binned.ivar, [1, 1, 0])
    np.testing.assert_allclose(binned.valid, [0.5, 1, 0])
    np.testing.assert_allclose(binned.covered, [1, 1, 0])


def test_bins_that_the_spectrum_does_not_reach_are_empty() -> None:
    binned = resample(np.array([0.0, 1, 2]), np.ones(2), np.ones(2), np.array([10.0, 11, 12]))
    assert not any(np.any(part) for part in binned)


def test_covariances_with_neighbours_keep_the_error_of_a_mean() -> None:
    rng = np.random.default_rng(4)
    edges, out = np.arange(0.0, 41), np.linspace(0, 40, 12)
    flux, ivar = rng.normal(size=40), rng.uniform(0.5, 2, 40)
    shared = np.clip(np.minimum(edges[1:], out[1:, None]) - np.maximum(edges[:-1], out[:-1, None]), 0, None)
    weights = shared / shared.sum(axis=1, keepdims=True)  # (bins, pixels)
    covariance = weights / ivar @ weights.T
    own, folded = (resample(edges, flux, ivar, out, neighbours=chosen) for chosen in (False, True))
    np.testing.assert_allclose(1 / own.ivar, np.diag(covariance))
    np.testing.assert_allclose(1 / folded.ivar, covariance.sum(axis=1))
    np.testing.assert_allclose((1 / folded.ivar).mean() / len(out[1:]), (1 / ivar).mean() / 40)  # of the mean of all


def of_specutils(edges: np.ndarray, flux: np.ndarray, ivar: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, ...]:
    units = pytest.importorskip("astropy.units")
    specutils = pytest.importorskip("specutils")
    from astropy.nddata import InverseVariance
    from specutils.manipulation import FluxConservingResampler

    spectrum = specutils.Spectrum(
        spectral_axis=(edges[1:] + edges[:-1]) / 2 * units.AA, flux=flux * units.Jy,
        uncertainty=InverseVariance(ivar / units.Jy**2),
    )
    other = FluxConservingResampler()(spectrum, (out[1:] + out[:-1]) / 2 * units.AA)
    return other.flux.value, other.uncertainty.array


@pytest.mark.parametrize("step", [3.7, 1.3, 0.6, 40.0])
def test_it_agrees_with_specutils(step: float) -> None:
    rng = np.random.default_rng(2)
    edges, out = np.arange(3800.0, 4400, 1.3), np.arange(3850.0, 4350, step)  # specutils' edges are exact if linear
    flux, ivar = rng.normal(5, 1, len(edges) - 1), rng.uniform(0.5, 2, len(edges) - 1)
    binned, (their_flux, their_ivar) = resample(edges, flux, ivar, out), of_specutils(edges, flux, ivar, out)
    np.testing.assert_allclose(binned.flux, their_flux, rtol=1e-9)
    np.testing.assert_allclose(binned.ivar, their_ivar, rtol=1e-9)


def test_it_agrees_with_specutils_on_the_logarithmic_grid() -> None:
    rng = np.random.default_rng(3)
    edges, out = 10 ** np.arange(3.58, 3.66, 1e-4), 10 ** np.arange(3.6, 3.65, 0.00039)
    flux, ivar = rng.normal(5, 1, len(edges) - 1), rng.uniform(0.5, 2, len(edges) - 1)
    binned, (their_flux, their_ivar) = resample(edges, flux, ivar, out), of_specutils(edges, flux, ivar, out)
    np.testing.assert_allclose(binned.flux, their_flux, rtol=5e-4)  # specutils puts edges between centres
    np.testing.assert_allclose(binned.ivar, their_ivar, rtol=1e-3)
