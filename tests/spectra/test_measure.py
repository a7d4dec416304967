"""Lines, indices and S/N of spectra with known ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from astro_vae.settings_spectra import GridSettings
from astro_vae.spectra.broad import fit_broad
from astro_vae.spectra.lines import LINES, Fitted, bpt_class, fit_lines, ratios
from astro_vae.spectra.measure import COLUMNS, indices, line_class, measure, measure_noise, signal_to_noise
from astro_vae.spectra.resample import bin_centres
from astro_vae.spectra.spectrum import Spectrum

FLUXES = {"ha": 300.0, "nii": 90.0, "hb": 100.0, "oiii": 150.0, "oii": 200.0, "sii_6718": 50.0, "sii_6733": 40.0}


def lines_of(fluxes: dict[str, float]) -> dict[float, float]:
    """Return the flux of each component by its wavelength."""
    return {
        wave: flux * share for name, flux in fluxes.items()
        for wave, share in zip(LINES[name].waves_aa, LINES[name].shares, strict=True)
    }


Fit = Callable[..., tuple[dict[str, Fitted], float]]


@pytest.fixture
def fitted(galaxy: Callable[..., Spectrum]) -> Fit:
    def fit(**known: object) -> tuple[dict[str, Fitted], float]:
        rest = galaxy(lines=lines_of(FLUXES), **known).cleaned().at_rest(0.1)
        return fit_lines(rest.wave_aa, rest.flux, rest.ivar)

    return fit


def test_line_fluxes_widths_and_errors_are_found(fitted: Fit) -> None:
    found = [fitted(seed=seed, level=10.0, snr=20.0) for seed in range(30)]
    for name, flux in FLUXES.items():
        measured = np.array([lines[name].flux for lines, _ in found])
        errors = np.array([lines[name].flux_err for lines, _ in found])
        assert measured.mean() == pytest.approx(flux, abs=5 * errors.mean() / math.sqrt(30) + 0.01 * flux)
        assert measured.std(ddof=1) == pytest.approx(errors.mean(), rel=0.7)
        ew = np.array([lines[name].ew_aa for lines, _ in found])
        np.testing.assert_allclose(ew.mean(), flux / (10 * 1.1), rtol=0.05)  # the continuum in the rest frame
    assert np.median([sigma for _, sigma in found]) == pytest.approx(150, rel=0.2)


def test_a_line_that_is_not_there_has_no_flux(fitted: Fit) -> None:
    found = np.array([fitted(seed=seed)[0]["oi"] for seed in range(30)])
    pull = found[:, 0] / found[:, 1]
    assert abs(pull.mean()) < 5 / math.sqrt(30)


def test_lines_outside_the_spectrum_are_not_known(fitted: Fit, galaxy: Callable[..., Spectrum]) -> None:
    found, sigma = fitted(high=6000.0)
    assert math.isnan(found["ha"].flux)
    assert found["hb"].flux > 0
    assert math.isfinite(sigma)
    rest = galaxy(low=8000.0).cleaned().at_rest(0.0)
    found, sigma = fit_lines(rest.wave_aa, rest.flux, rest.ivar)
    assert all(math.isnan(line.flux) for line in found.values())
    assert math.isnan(sigma)


def classed(n2: float, o3: float, significance: float = 20.0) -> str:
    """Class lines of these ratios without a continuum under them."""
    fluxes = {"ha": 300.0, "nii": 300.0 * 10**n2, "hb": 100.0, "oiii": 100.0 * 10**o3}
    lines = {name: Fitted(flux, flux / significance, math.inf, 0.0) for name, flux in fluxes.items()}
    return bpt_class(lines)


@pytest.mark.parametrize(
    ("n2", "o3", "expected"),
    [(-0.5, -0.3, "star-forming"), (-1.5, 0.7, "star-forming"), (-0.2, -0.1, "composite"), (0.0, 1.0, "Seyfert"),
     (-1.0, 1.2, "Seyfert"), (0.2, 0.3, "LINER"), (0.6, -0.5, "LINER")],
)
def test_classes_by_the_ratios_of_lines(n2: float, o3: float, expected: str) -> None:
    assert classed(n2, o3) == expected
    assert classed(n2, o3, significance=2.0) == "weak lines"


def test_classes_need_all_four_lines() -> None:
    lines = {name: Fitted(1.0, 0.1, 1.0, 0.1) for name in ("ha", "nii", "hb")}
    assert bpt_class(lines | {"oiii": Fitted(*[math.nan] * 4)}) == ""


def test_ratios_are_corrected_for_what_stars_absorb() -> None:
    lines = {name: Fitted(10.0, 0.1, 2.0, 0.1) for name in ("ha", "nii", "hb", "oiii")}  # continua of 5 per Angstrom
    assert ratios(lines) == pytest.approx((math.log10(10 / 16.5),) * 2)


def flat(slope: float = 0.0) -> Spectrum:
    wave = 10 ** np.arange(3.55, 3.8, 1e-4)
    return Spectrum(wave, 5 + slope * (wave - 5000), np.full(len(wave), 4.0))


def test_indices_of_a_straight_continuum() -> None:
    found = indices(flat(0.001))
    for name in ("hdelta_a", "mgb", "nad"):
        assert found[name] == pytest.approx(0, abs=5e-3)
    ratio = (4050 / 3900) ** 2  # of flux per unit of frequency
    assert indices(flat())["d4000"] == pytest.approx(ratio, rel=1e-3)


def test_indices_and_their_errors_by_simulation() -> None:
    spectrum = flat()
    inside = (spectrum.wave_aa > 5161.6) & (spectrum.wave_aa < 5194.1)  # Mg b, in vacuum
    flux = np.where(inside, 4.0, 5.0)
    rng = np.random.default_rng(1)
    drawn = [
        indices(Spectrum(spectrum.wave_aa, flux + 0.5 * rng.standard_normal(len(flux)), spectrum.ivar))
        for _ in range(200)
    ]
    # The red side band overlaps with the band, and is lower for it.
    clean = indices(Spectrum(spectrum.wave_aa, flux, spectrum.ivar))
    assert 4 < clean["mgb"] < 32.5 * 0.2
    for name in ("mgb", "d4000", "hdelta_a"):
        values = np.array([one[name] for one in drawn])
        assert values.mean() == pytest.approx(clean[name], abs=5 * clean[f"{name}_err"] / math.sqrt(200))
        assert values.std(ddof=1) == pytest.approx(clean[f"{name}_err"], rel=0.25)


def test_indices_that_are_not_covered_are_not_known() -> None:
    spectrum = flat()
    found = indices(Spectrum(spectrum.wave_aa, spectrum.flux, np.where(spectrum.wave_aa < 4200, 0, spectrum.ivar)))
    assert math.isnan(found["d4000"])
    assert math.isnan(found["hdelta_a_err"])
    assert math.isfinite(found["mgb"])


def test_noise_and_snr_are_medians_over_what_is_valid() -> None:
    assert measure_noise(np.array([0, 0.25, 0.25, 1])) == 2
    assert math.isnan(measure_noise(np.zeros(3)))
    spectrum = Spectrum(np.arange(1.0, 5), np.array([1.0, 2, 3, 99]), np.array([1.0, 1, 1, 0]))
    assert signal_to_noise(spectrum) == 2


def test_all_columns_are_measured(galaxy: Callable[..., Spectrum]) -> None:
    grid = GridSettings(log_start=3.62, log_step=0.0004, bins=300)
    ivar = np.ones(310)
    ivar[:35] = 0
    rest = galaxy().cleaned().at_rest(0.1)
    found = measure(np.full(310, 7.0), ivar, native=rest, wave_aa=bin_centres(grid, 5), margin=5)
    assert list(found) == list(COLUMNS)
    assert found["coverage"] == 0.9
    assert found["continuum"] == 7
    assert found["snr"] == pytest.approx(20, rel=0.05)
    assert found["warning"] == ""
    assert found["line_class"] == "weak lines"


@pytest.mark.parametrize(("log_start", "said"), [(3.65, "no valid bin from 5300 to 5850 Angstrom"), (4.0, "")])
def test_a_missing_continuum_is_doubtful_where_the_grid_has_it(
    galaxy: Callable[..., Spectrum], log_start: float, said: str
) -> None:
    wave = bin_centres(GridSettings(log_start=log_start, log_step=0.0004, bins=300))
    ivar = np.where(wave < 5290, 1.0, 0.0) if said else np.ones(300)
    found = measure(np.full(300, 7.0), ivar, native=galaxy().cleaned().at_rest(0.1), wave_aa=wave, margin=0)
    assert found["warning"] == said


@pytest.mark.parametrize("redshift", [0.1, 0.5])
def test_a_broad_line_is_told_from_narrow_ones(galaxy: Callable[..., Spectrum], redshift: float) -> None:
    rest = galaxy(lines=lines_of(FLUXES), redshift=redshift).cleaned().at_rest(redshift)
    assert not fit_broad(rest, 150.0).found
    assert line_class(rest) == ("star-forming" if redshift == 0.1 else "")
    wide = galaxy(lines={6564.61: 2000.0, 4862.68: 700.0}, sigma_kms=1800.0, redshift=redshift)
    both = Spectrum(rest.wave_aa, rest.flux + wide.at_rest(redshift).flux, rest.ivar)
    found = fit_broad(both, 150.0)
    assert found.found
    expected = (2000 if redshift == 0.1 else 700) / (2 * 10 * (1 + redshift))
    assert found.ew_aa == pytest.approx(expected, rel=0.15)
    assert found.sigma_kms == pytest.approx(1800, rel=0.25)
    assert line_class(both) == "broad-line"
