"""The view cuts to the grid and divides by the continuum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astro_vae.errors import UserError
from astro_vae.settings_spectra import GridSettings, SpectrumViewSettings
from astro_vae.spectra.resample import bin_centres
from astro_vae.spectra.view import frame_size, to_network, view

GRID = GridSettings(log_start=3.68, log_step=0.0005, bins=240)  # 4786 to 6305 Angstrom
SETTINGS = SpectrumViewSettings(grid=GRID)
MARGIN = 8


def stored(level: float = 4.0, sigma: float = 0.5) -> np.ndarray:
    flux = np.full(GRID.bins + 2 * MARGIN, level)
    return np.stack([flux, np.full_like(flux, sigma**-2)])[None]  # (1, 2, L)


def seen(values: np.ndarray, settings: SpectrumViewSettings = SETTINGS) -> np.ndarray:
    return view(values, pd.DataFrame(index=range(len(values))), settings, scaled=False)


def test_flux_is_normalised_and_weights_follow() -> None:
    made = seen(stored())
    assert made.shape == (1, 2, GRID.bins)
    assert made.dtype == np.float32
    assert frame_size(SETTINGS) == GRID.bins
    flux, weight = to_network(made)
    np.testing.assert_allclose(flux, 1)
    np.testing.assert_allclose(weight, (4 / 0.5) ** 2)


def test_the_central_bins_are_kept() -> None:
    values = stored()
    values[0, 0, MARGIN] = 8
    assert seen(values)[0, 0, 0] == 2


def test_bins_without_weight_are_zero_and_do_not_count() -> None:
    values = stored()
    values[0, :, MARGIN + 100] = [1e6, 0]
    made = seen(values)
    assert made[0, :, 100].tolist() == [0, 0]
    np.testing.assert_allclose(np.delete(made[0, 0], 100), 1)


def test_the_scale_does_not_depend_on_what_lies_outside_the_window() -> None:
    values, wave = stored(), bin_centres(GRID, MARGIN)
    values[0, 0, wave < 5300] = 9
    np.testing.assert_allclose(seen(values)[0, 0, -1], 1)


def test_where_the_window_is_not_covered_all_bins_count() -> None:
    values, wave = stored(), bin_centres(GRID, MARGIN)
    window = (wave > 5300) & (wave < 5850)
    values[0, 0, window] = 9
    values[0, 1, window & (wave > 5500)] = 0
    np.testing.assert_allclose(seen(values)[0, 0, 0], 1)
    values[0, 1] = 0
    assert not seen(values).any()


@pytest.mark.parametrize("level", [0.0, -5.0])
def test_a_spectrum_without_continuum_keeps_a_finite_scale(level: float) -> None:
    values = stored(level)
    wave = bin_centres(GRID)
    number = np.count_nonzero((wave >= 5300) & (wave <= 5850))
    sigma = 0.5 * 3 * np.sqrt(np.pi / 2 / number)  # 3 sigma of the median
    np.testing.assert_allclose(seen(values)[0, 0], level / sigma, rtol=1e-5)


def test_a_floor_of_the_error_limits_the_snr() -> None:
    made = seen(stored(), SETTINGS.model_copy(update={"max_snr": 2.0}))
    np.testing.assert_allclose(made[0, 1], 1 / ((0.5 / 4) ** 2 + 1 / 2**2), rtol=1e-6)


def test_spectra_that_are_too_short_are_refused() -> None:
    with pytest.raises(UserError, match=r"shorter than view\.grid\.bins = 240"):
        seen(stored()[..., :200])
