"""The simulated spectra: the numbers asked for, and measures that agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astro_vae.spectra.lines import LINES, Fitted, fit_lines
from astro_vae.spectra.measure import DENSITY_UNIT, indices
from astro_vae.spectra.spectrum import Spectrum
from astro_vae.surveys import _spectra_continua as continua
from astro_vae.surveys import _spectra_lines as lines
from astro_vae.surveys import _spectra_sky as telescope
from astro_vae.surveys import simulated_spectra
from astro_vae.surveys._spectra_objects import emitted
from astro_vae.surveys._spectra_population import CLASSES, HOSTS, Properties, draw_population
from astro_vae.surveys.candidate import Candidate

QUIET = telescope.Spectrograph(exposure_s=2700.0, sky_residual=0.0, masked_runs=0.0)
WAVE = 10 ** telescope.pixels(np.random.default_rng(0))


@pytest.fixture(scope="module")
def survey() -> ModuleType:
    return simulated_spectra


def population(*, labelled: int, anomalies: int = 0) -> pd.DataFrame:
    return draw_population(1, labelled=labelled, unlabelled=4, anomalies=anomalies, median_flux=16.0)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return population(labelled=1600, anomalies=280)


def test_the_numbers_that_were_asked_for(found: list[Candidate]) -> None:
    assert Counter(c.label for c in found) == dict.fromkeys(CLASSES, 2) | {"": 11}
    assert Counter(c.extra["anomaly_kind"] for c in found) == {"": 12, **dict.fromkeys(HOSTS, 1)}
    assert all(c.extra["is_anomaly"] == int(c.extra["anomaly_kind"] != "") for c in found)
    assert all(c.label in ("", c.extra["true_class"]) for c in found)
    assert all(set(c.extra) == set(simulated_spectra.COLUMNS) for c in found)


def test_spectra_have_position_redshift_and_unit(found: list[Candidate]) -> None:
    for c in found:
        assert c.values is not None
        assert c.values.wave_aa.shape == c.values.flux.shape == (3830,)
        assert np.diff(np.log10(c.values.wave_aa)) == pytest.approx(1e-4, abs=1e-6)
        assert c.unit == DENSITY_UNIT
        assert 120 <= c.ra <= 250
        assert 0 <= c.dec <= 60
        assert 0 < c.ebv <= 0.3
        wrong = c.extra["anomaly_kind"] == "wrong_redshift"
        assert (abs(c.redshift - c.extra["true_redshift"]) > 0.02) == wrong


def test_files_have_the_archive_s_form_and_do_not_tell_the_class(made: tuple[Path, pd.DataFrame]) -> None:
    folder, manifest = made
    for path in manifest["path"][:-1]:
        with fits.open(folder / path) as units:
            assert units[1].columns.names == ["flux", "loglam", "ivar", "and_mask", "or_mask", "wdisp", "sky", "model"]
            assert units[1].columns.formats == ["E", "E", "E", "J", "J", "E", "E", "E"]
            assert (units[2].data["CLASS"][0], units[2].data["ZWARNING"][0]) == ("GALAXY", 0)
        content = (folder / path).read_bytes()
        assert not any(name.encode() in content for name in (*CLASSES, *HOSTS))


def test_errors_are_those_of_the_noise() -> None:
    rng, flux = np.random.default_rng(1), 10 * (WAVE / 6000) ** 0.5
    seen = [telescope.observe(rng, WAVE, flux, QUIET) for _ in range(30)]
    pull = np.stack([(one.flux - one.model) * np.sqrt(one.ivar) for one in seen])
    assert pull.mean() == pytest.approx(0, abs=5 / np.sqrt(pull.size))
    assert pull.var() == pytest.approx(1, abs=5 * np.sqrt(2 / pull.size))
    assert np.corrcoef(pull[:, :-1].ravel(), pull[:, 1:].ravel())[0, 1] == pytest.approx(0, abs=5 / np.sqrt(pull.size))


def test_the_error_counts_photons_of_object_and_sky_and_the_detector() -> None:
    at = int(np.argmin(np.abs(WAVE - 5300)))  # no line of the sky
    seen = telescope.observe(np.random.default_rng(2), WAVE, np.full(len(WAVE), 20.0), QUIET)
    electrons = np.interp(WAVE[at], telescope.CURVES_AA, telescope.ELECTRONS)
    counted = electrons * (20.0 + seen.sky[at]) + telescope.READ_ELECTRONS**2
    assert 1 / seen.ivar[at] == pytest.approx(counted / electrons**2)


def test_the_sky_leaves_residuals_at_its_lines_alone() -> None:
    rng, flux = np.random.default_rng(3), np.full(len(WAVE), 10.0)
    dirty = telescope.Spectrograph(exposure_s=2700.0, sky_residual=0.05, masked_runs=0.0)
    seen = [telescope.observe(rng, WAVE, flux, dirty) for _ in range(30)]
    pull = np.stack([(one.flux - one.model) * np.sqrt(one.ivar) for one in seen])
    bright = np.stack([one.and_mask == 1 << 23 for one in seen])
    assert pull[:, (WAVE > 4450) & (WAVE < 5400)].var() == pytest.approx(1, abs=0.05)
    assert pull[:, np.abs(WAVE - 5578.8) < 3].var() > 4
    assert pull[bright & (WAVE > 8250)].var() > 1.3
    assert 0.01 < bright.mean() < 0.25


def test_bad_pixels_come_in_runs() -> None:
    spotted = telescope.Spectrograph(exposure_s=2700.0, sky_residual=0.0, masked_runs=4.0)
    rng, counts = np.random.default_rng(4), []
    for _ in range(50):
        seen = telescope.observe(rng, WAVE, np.full(len(WAVE), 10.0), spotted)
        bad = seen.ivar == 0
        assert np.array_equal(bad, seen.and_mask >> 24 & 1 == 1)
        counts.append(int((np.diff(np.concatenate([[0], bad])) == 1).sum()))
    assert np.mean(counts) == pytest.approx(4.0, abs=5 * np.sqrt(4 / 50))


def test_a_wrong_calibration_scales_flux_and_error() -> None:
    flux, step = np.full(len(WAVE), 10.0), np.where(WAVE > 6000, 2.0, 1.0)
    right = telescope.observe(np.random.default_rng(5), WAVE, flux, QUIET)
    wrong = telescope.observe(np.random.default_rng(5), WAVE, flux, QUIET, step)
    assert wrong.flux == pytest.approx(step * right.flux)
    assert wrong.ivar == pytest.approx(right.ivar / step**2)


def fitted(known: Properties, redshift: float = 0.1, brightness: float = 300.0) -> dict[str, Fitted]:
    """Observe an object far brighter than those of the survey, and fit the lines over its own continuum."""
    rng, dark = np.random.default_rng(6), Properties(**(vars(known) | {"gas_ha_ew_aa": 0.0, "blr_ew_aa": 0.0}))
    seen = telescope.observe(rng, WAVE, brightness * emitted(known, WAVE, redshift), QUIET)
    continuum = brightness * (emitted(dark, WAVE, redshift) - 1)
    return fit_lines(*_at_rest(Spectrum(WAVE, seen.flux - continuum, seen.ivar), redshift))[0]


def _at_rest(spectrum: Spectrum, redshift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rest = spectrum.at_rest(redshift)
    return rest.wave_aa, rest.flux, rest.ivar


@pytest.mark.parametrize("ebv", [0.0, 0.5])
def test_lines_are_recovered_with_their_ratios(ebv: float) -> None:
    known = Properties(age_gyr=5.0, young_share=0.6, young_age_gyr=0.1, gas_sigma_kms=120.0, gas_ebv=ebv,
                       gas_ha_ew_aa=60.0, gas_log_nii_ha=-0.6, gas_log_oiii_hb=-0.07)
    got = fitted(known)
    for above, below, ratio in (("ha", "hb", 2.86), ("nii", "ha", 10**-0.6), ("oiii", "hb", 10**-0.07),
                                ("sii_6718", "sii_6733", 0.56 / 0.44)):
        dust = continua.reddened(np.array([LINES[above].waves_aa[0], LINES[below].waves_aa[0]]), ebv)
        expected_ratio, seen = ratio * dust[0] / dust[1], got[above].flux / got[below].flux
        error = seen * np.hypot(got[above].flux_err / got[above].flux, got[below].flux_err / got[below].flux)
        assert seen == pytest.approx(expected_ratio, abs=4 * error)


def test_doublets_have_the_ratios_of_their_transitions() -> None:
    for active in (False, True):
        ratios = lines.narrow_ratios(-0.3, 0.4, active=active)
        assert ratios["oiii_5008"] / ratios["oiii_4960"] == pytest.approx(2.98)
        assert ratios["nii_6585"] / ratios["nii_6550"] == pytest.approx(3.05)
        assert ratios["ha"] / ratios["hb"] == pytest.approx(2.86)


def test_a_line_has_its_flux_and_width_whatever_the_resolution() -> None:
    wave = np.arange(6400.0, 6700.0, 0.2)
    seen = lines.emission(wave, {"ha": 7.0}, 300.0, np.full(len(wave), 400.0))
    mean = np.average(wave, weights=seen)
    assert seen.sum() * 0.2 == pytest.approx(7.0, rel=1e-6)
    assert np.sqrt(np.average((wave - mean) ** 2, weights=seen)) == pytest.approx(6564.61 * 500 / 299792.458, rel=1e-4)


def index(known: Any) -> dict[str, float]:
    return indices(Spectrum(continua.TABLE_AA, known, np.ones_like(known)))


def test_the_break_grows_with_age_and_balmer_lines_peak_between() -> None:
    ages = (0.01, 0.1, 0.5, 3.0, 12.0)
    found = [index(continua.population(age)) for age in ages]
    breaks = [one["d4000"] for one in found]
    assert breaks == sorted(breaks)
    assert breaks[0] < 1.1
    assert 1.8 < breaks[-1] < 2.2
    balmer = [one["hdelta_a"] for one in found]
    assert int(np.argmax(balmer)) == 2
    assert balmer[2] > 5
    assert balmer[-1] < 0
    assert [one["mgb"] for one in found] == sorted(one["mgb"] for one in found)


def test_a_black_body_obeys_wien() -> None:
    peak = continua.TABLE_AA[np.argmax(continua.black_body(continua.TABLE_AA, 6000.0))]
    assert peak * 6000 == pytest.approx(2.897772e7, rel=1e-3)


def test_populations_lie_where_their_class_does(truth: pd.DataFrame) -> None:
    n2, o3 = truth["gas_log_nii_ha"], truth["gas_log_oiii_hb"]
    below_kauffmann = (n2 < 0.05) & (o3 < 0.61 / (n2.where(n2 < 0.05) - 0.05) + 1.3)
    above_kewley = (n2 >= 0.47) | (o3 > 0.61 / (n2 - 0.47) + 1.19)
    forming, narrow = (truth["true_class"] == name for name in CLASSES[1:3])
    assert below_kauffmann[forming].mean() > 0.99
    assert above_kewley[narrow].mean() > 0.9
    assert (truth.loc[truth["true_class"] == "quiescent", "gas_ha_ew_aa"] == 0).all()
    assert ((truth["blr_sigma_kms"] > 0) == (truth["true_class"] == CLASSES[3])).all()
    assert truth["true_redshift"].between(0.02, 0.28).all()
    right = truth[truth["anomaly_kind"] != "wrong_redshift"]
    pull = (right["redshift"] - right["true_redshift"]) / right["redshift_err"]
    assert pull.std() == pytest.approx(1, abs=5 / np.sqrt(2 * len(right)))
    assert truth["redshift"].between(0.019, 0.281).all()
    assert truth["true_flux"].median() == pytest.approx(16, rel=0.06)


def test_anomalies_befall_the_hosts_that_they_can(truth: pd.DataFrame) -> None:
    odd = truth[truth["is_anomaly"] == 1]
    assert Counter(odd["anomaly_kind"]) == dict.fromkeys(HOSTS, 40)
    for kind, rows in odd.groupby("anomaly_kind"):
        assert set(rows["true_class"]) == set(HOSTS[str(kind)])


def test_an_object_depends_on_seed_class_and_number_alone() -> None:
    few, many = population(labelled=8), population(labelled=80)
    same = [i for i in range(len(few)) if few["true_class"][i] == many["true_class"][i]]
    assert same
    drop = ["label"]
    assert few.loc[same].drop(columns=drop).equals(many.loc[same].drop(columns=drop))
