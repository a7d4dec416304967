"""Spectra before the judge: noise and masks of others, and nothing of their own that is better."""

from __future__ import annotations

import numpy as np

from astro_vae.spectra.judge import CHANNELS, conditions, observed, shown, veiled

N, BINS = 400, 50


def spectra(flux: float, ivar: float) -> np.ndarray:
    return np.stack([np.full((N, BINS), flux), np.full((N, BINS), ivar)], axis=1).astype(np.float32)


def test_a_generated_spectrum_gets_noise_and_mask_of_a_real_one() -> None:
    ivar = conditions(spectra(1, 25))
    ivar[:, :5] = 0
    made = np.full((N, BINS), 2.0, np.float32)
    made[:, 10:12] = np.nan
    seen = observed(made, ivar, np.random.default_rng(1))
    masked = np.isin(np.arange(BINS), [0, 1, 2, 3, 4, 10, 11])
    assert (seen[:, :, masked] == 0).all()
    np.testing.assert_array_equal(seen[:, 1, ~masked], 25)
    flux = seen[:, 0, ~masked]
    assert abs(flux.mean() - 2) < 5 * 0.2 / np.sqrt(flux.size)
    assert abs(flux.std() - 0.2) < 5 * 0.2 / np.sqrt(2 * flux.size)


def test_a_veil_brings_noise_up_to_that_of_another_spectrum_and_never_takes_any_away() -> None:
    seen, other = spectra(0, 4), np.full((N, BINS), 1.0, np.float32)
    other[:, 20:30], other[:, 40:] = 100, 0
    seen[:, :, :3] = 0
    found = veiled(seen, other, np.random.default_rng(1))
    assert (found[:, :, :3] == 0).all()
    assert (found[:, :, 40:] == 0).all()
    np.testing.assert_array_equal(found[:, 0, 20:30], 0)  # its own noise is more than that of the other
    np.testing.assert_allclose(found[:, 1, 20:30], 4)
    np.testing.assert_allclose(found[:, 1, 30:40], 1)
    added = found[:, 0, 30:40]  # the variance rises from 1/4 to 1
    assert abs(added.var() - 0.75) < 5 * 0.75 * np.sqrt(2 / added.size)


def test_the_judge_sees_flux_and_mask_but_not_how_large_errors_are() -> None:
    a, b = spectra(3, 1), spectra(3, 100)
    a[:, :, :7] = b[:, :, :7] = 0
    np.testing.assert_array_equal(shown(a), shown(b))
    assert shown(a).shape == (N, CHANNELS, BINS)
    np.testing.assert_allclose(shown(a)[0, :, 0], [0, 0])
    np.testing.assert_allclose(shown(a)[0, :, -1], [np.arcsinh(3), 1], rtol=1e-6)
