"""Small spectra with known lines and continua."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from astro_vae.spectra.spectrum import LIGHT_KMS, Spectrum


@pytest.fixture
def galaxy() -> Callable[..., Spectrum]:
    """Give a function that makes a spectrum with known lines."""
    return _galaxy


def _galaxy(
    *, lines: dict[float, float] | None = None, sigma_kms: float = 150.0, level: float = 10.0, snr: float = 20.0,
    redshift: float = 0.1, seed: int = 1, low: float = 3800.0, high: float = 9200.0,
) -> Spectrum:
    """Make a spectrum as observed, on pixels of 1e-4 dex: a flat continuum with lines of these fluxes by wavelength.

    Fluxes and wavelengths of the lines are those in the rest frame; noise is Gaussian.
    """
    wave = 10 ** np.arange(np.log10(low), np.log10(high), 1e-4)
    rest = wave / (1 + redshift)
    flux = np.full(len(wave), level)
    for centre, total in (lines or {}).items():
        width = sigma_kms / LIGHT_KMS * centre
        flux += total * np.exp(-0.5 * ((rest - centre) / width) ** 2) / (np.sqrt(2 * np.pi) * width) / (1 + redshift)
    noise = level / snr
    flux = flux + noise * np.random.default_rng(seed).standard_normal(len(wave))
    return Spectrum(wave, flux.astype(np.float32), np.full(len(wave), 1 / noise**2, np.float32))
