"""What is measured on views of spectra: lines and a break that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from astro_vae.settings_spectra import SpectrumViewSettings
from astro_vae.spectra.resample import bin_centres
from astro_vae.spectra.traits import TRAITS, traits

VIEW = SpectrumViewSettings()


def spectrum(*, ha_ew: float = 20.0, break_: float = 1.5, covered_to: float = 1e4) -> np.ndarray:
    """Return a view with H-alpha, [NII] of half its flux and a break in the flux per unit of frequency."""
    wave = bin_centres(VIEW.grid)
    flux = np.where(wave > 3990, 1, 1 / break_) * (4000 / wave) ** 2
    for centre, share in ((6564.61, 1.0), (6585.27, 0.5), (6549.85, 0.5 / 3.05)):
        width = centre * 150 / 299_792.458
        line = np.exp(-0.5 * ((wave - centre) / width) ** 2) / (width * math.sqrt(2 * math.pi))
        flux = flux + share * ha_ew * (4000 / 6564.61) ** 2 * line
    ivar = np.where(wave < covered_to, 1e6, 0)
    return np.stack([np.where(ivar > 0, flux, 0), ivar]).astype(np.float32)


def test_known_lines_and_break_are_found_on_the_bins() -> None:
    found = traits(np.stack([spectrum(), spectrum(ha_ew=60, break_=1.2)]), VIEW)
    assert list(found) == list(TRAITS)
    np.testing.assert_allclose(found["d4000"], [1.5, 1.2], rtol=0.01)
    np.testing.assert_allclose(found["ha_ew"], [20, 60], rtol=0.05)
    # 1.3 Angstrom of stellar absorption are added to H-alpha
    np.testing.assert_allclose(found["log_nii_ha"], np.log10([10 / 21.3, 30 / 61.3]), atol=0.03)


def test_a_ratio_of_lines_within_the_noise_is_not_measured() -> None:
    seen = spectrum(ha_ew=0.5)
    seen[1] = np.where(seen[1] > 0, 400, 0)
    found = traits(seen[None], VIEW).iloc[0]
    assert np.isnan(found["log_nii_ha"])
    assert np.isfinite(found["ha_ew"])


def test_what_is_not_covered_is_not_measured() -> None:
    found = traits(spectrum(covered_to=6000)[None], VIEW).iloc[0]
    assert np.isnan(found["ha_ew"])
    assert np.isnan(found["log_nii_ha"])
    assert found["d4000"] == pytest.approx(1.5, rel=0.01)
