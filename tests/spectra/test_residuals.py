"""Runs of residuals against known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astro_vae.settings_spectra import GridSettings, SpectrumViewSettings
from astro_vae.spectra.lines import near_line
from astro_vae.spectra.resample import bin_centres, bin_edges
from astro_vae.spectra.residuals import COLUMNS, WIDTHS, Runs

VIEW = SpectrumViewSettings(grid=GridSettings(bins=400, log_start=3.65, log_step=0.0005))
WAVE, EDGES = bin_centres(VIEW.grid), bin_edges(VIEW.grid)
SIGMA = 0.1
NO_TABLE = pd.DataFrame(index=range(2))


def spectra(n: int, *, error: float = 0.0, brightness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Make flat spectra with noise and, in each bin, an error of the model: views (n, 2, L) and the model (n, L)."""
    rng = np.random.default_rng(1)
    model = np.full((n, len(WAVE)), brightness)
    flux = model * (1 + error * rng.standard_normal(model.shape)) + SIGMA * rng.standard_normal(model.shape)
    return np.stack([flux, np.full(model.shape, SIGMA**-2)], axis=1), model


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs.calibrate(*spectra(300), VIEW)


def test_filters_over_noise_are_calibrated_to_noise(runs: Runs) -> None:
    assert np.median(runs.model_error[0]) * 10 < 0.5  # by the brightness of 10 sigma
    # the greatest of 400 independent Gaussian values exceeds this in one case in ten
    expected = 3.65
    assert runs.usual[0] == pytest.approx(expected, abs=0.2)
    assert (np.diff(runs.usual[3:]) < 0).all()  # fewer independent runs are less extreme
    assert np.quantile(runs.score(*spectra(300)), 0.5) < 1 < runs.score(*spectra(300)).max()


def test_errors_of_the_model_are_found_as_a_fraction_of_the_flux() -> None:
    found = Runs.calibrate(*spectra(400, error=0.3), VIEW)
    assert np.median(found.model_error[0]) == pytest.approx(0.3, rel=0.05)
    assert found.usual[0] < 4.5  # so they make no object significant
    bright, model = spectra(400, error=0.3, brightness=10)
    assert np.abs(found.places(bright, model)["run_sigma"]).mean() < 4.5


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_run_is_found_with_its_place_width_and_sign(runs: Runs, width: int, sign: int) -> None:
    seen, model = spectra(1)
    seen[0, 0] = 1
    start = 150
    seen[0, 0, start : start + width] += sign * 50 * SIGMA / np.sqrt(width)
    found = {name: values[0] for name, values in runs.places(seen, model).items()}
    low, high = EDGES[start], EDGES[start + width]
    assert found["run_wave_aa"] == pytest.approx((low + high) / 2, abs=0.05 * (high - low))  # calibrations scatter
    assert found["run_width_aa"] == pytest.approx(high - low, rel=0.01)
    assert np.sign(found["run_sigma"]) == sign
    assert 25 < abs(found["run_sigma"]) < 50.1
    assert set(found) == set(COLUMNS)


def test_what_is_not_valid_does_not_count(runs: Runs) -> None:
    seen, model = spectra(2)
    seen[0, :, 100:200] = 0
    wild = seen.copy(), model.copy()
    wild[1][0, 100:200] = 1e6
    np.testing.assert_allclose(runs.score(*wild), runs.score(seen, model))
    blind = np.zeros_like(seen)
    np.testing.assert_array_equal(runs.score(blind, model), 0)
    assert np.isnan(runs.places(blind, model)["run_wave_aa"]).all()
    assert runs.words(pd.DataFrame(runs.places(blind, model)), NO_TABLE)["residual_runs"] == ["", ""]


def test_the_calibration_goes_through_a_file(runs: Runs) -> None:
    again = Runs.from_arrays(runs.arrays())
    seen, model = spectra(3)
    np.testing.assert_array_equal(again.score(seen, model), runs.score(seen, model))


def test_reasons_name_wavelength_line_and_the_stretch_of_the_chi_square(runs: Runs) -> None:
    seen, model = spectra(2)
    seen[0, 0] = 1
    middle = int(np.abs(WAVE - 5008.24).argmin())
    seen[0, 0, middle - 1 : middle + 2] += 3
    words = runs.words(pd.DataFrame(runs.places(seen, model)), NO_TABLE)
    place = (EDGES[middle - 1] + EDGES[middle + 2]) / 2
    assert words["residual_runs"][0].startswith(f"excess of flux at {place:.0f} +- 9 Angstrom, near [OIII] 5008, ")
    assert words["residual_runs"][0].endswith(" sigma")
    stretch = f"{EDGES[middle - 1]:.0f} to {EDGES[middle + 1]:.0f}"  # two of the three
    assert words["reconstruction"][0] == f"half of the chi-square from {stretch} Angstrom, near [OIII] 5008"
    assert words["reconstruction"][1] == ""  # noise is everywhere


def test_lines_of_a_galaxy_behind_are_named_with_its_redshift(runs: Runs) -> None:
    seen, model = spectra(2)
    shift = 1.15
    for line, height in ((4862.68, 4), (4960.30, 3), (5008.24, 9)):
        middle = int(np.abs(WAVE - line * shift).argmin())
        seen[0, 0, middle - 1 : middle + 2] += height * np.array([0.5, 1, 0.5])
    places = pd.DataFrame(runs.places(seen, model))
    assert places["system_shift"][0] == pytest.approx(shift, abs=0.002)
    assert np.isnan(places["system_shift"][1])
    said = runs.words(places, pd.DataFrame({"redshift": [0.1, 0.1]}))["residual_runs"]
    z = 1.1 * places["system_shift"][0] - 1
    assert said[0].startswith(f"3 lines as of a galaxy at z = {z:.4f}, excess of flux at 576")
    assert "galaxy" not in said[1]
    assert runs.words(places, NO_TABLE)["residual_runs"][0].startswith("3 lines as of a galaxy at 1.1")


def test_a_line_is_named_where_it_lies_inside() -> None:
    assert near_line(6560, 10) == "H-alpha"
    assert near_line(6500, 40) == ""
    assert near_line(5007, 1) == "[OIII] 5008"
    assert [near_line(wave, 3) for wave in (6376, 6367)] == ["[FeX] 6376", "[OI] 6366"]
