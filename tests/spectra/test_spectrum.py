"""From what was observed to the rest frame in vacuum."""

from __future__ import annotations

import numpy as np
import pytest

from astro_vae.spectra.spectrum import Spectrum, air_to_vacuum


def spectrum(**known: object) -> Spectrum:
    return Spectrum(**{"wave_aa": np.array([5000.0, 5001, 5002]), "flux": np.ones(3), "ivar": np.ones(3), **known})


def test_lines_in_air_have_their_vacuum_wavelengths() -> None:
    # Of the NIST database: [OIII], H-alpha, and Ca II K.
    np.testing.assert_allclose(
        air_to_vacuum(np.array([5006.843, 6562.79, 3933.66, 1500.0])), [5008.24, 6564.60, 3934.77, 1500], atol=0.01
    )


def test_air_to_vacuum_agrees_with_specutils() -> None:
    units = pytest.importorskip("astropy.units")
    utils = pytest.importorskip("specutils.utils.wcs_utils")
    wave = np.linspace(3000, 10_000, 50)
    np.testing.assert_allclose(air_to_vacuum(wave), utils.air_to_vac(wave * units.AA, method="Ciddor1996").value,
                               rtol=2e-8)  # one round of substitution less
    once = spectrum(in_air=True).in_vacuum()
    np.testing.assert_array_equal(once.in_vacuum().wave_aa, once.wave_aa)


def test_values_that_are_not_finite_lose_their_weight() -> None:
    made = spectrum(flux=np.array([np.nan, 2, 3]), ivar=np.array([1, np.inf, -1])).cleaned()
    np.testing.assert_array_equal(made.ivar, 0)
    np.testing.assert_array_equal(made.flux, 0)


def test_the_rest_frame_keeps_flux_and_significance() -> None:
    rest = spectrum().at_rest(0.5)
    np.testing.assert_allclose(rest.wave_aa * 1.5, [5000, 5001, 5002])
    np.testing.assert_allclose(np.trapezoid(rest.flux, rest.wave_aa), 2)
    np.testing.assert_allclose(rest.flux**2 * rest.ivar, 1)


@pytest.mark.parametrize("law", ["F99", "CCM89"])
def test_extinction_is_taken_out(law: str) -> None:
    wave = np.array([4400.0, 5500.0, 8000.0])
    made = spectrum(wave_aa=wave).without_extinction(0.1, law, 3.1)
    magnitudes = 2.5 * np.log10(made.flux)
    assert magnitudes[1] == pytest.approx(0.31, rel=0.03)  # A(V) = R(V) E(B-V)
    assert magnitudes[0] - magnitudes[1] == pytest.approx(0.1, rel=0.12)
    np.testing.assert_allclose(made.flux**2 * made.ivar, 1)
