"""What of a spectrum is stored, and which are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from astro_vae.errors import RefusedError
from astro_vae.settings_spectra import GridSettings, SpectrumPrepareSettings
from astro_vae.spectra import cut
from astro_vae.spectra.resample import bin_centres, bin_edges
from astro_vae.spectra.spectrum import LIGHT_KMS, Spectrum

GRID = GridSettings(log_start=3.6, log_step=0.0005, bins=500)  # 3981 to 7080 Angstrom
SETTINGS = SpectrumPrepareSettings(grid=GRID, margin=10)
MakeGalaxy = Callable[..., Spectrum]


def candidate(spectrum: Spectrum, redshift: float = 0.1, ebv: float = math.nan) -> SimpleNamespace:
    return SimpleNamespace(values=spectrum, redshift=redshift, ebv=ebv)


def take(known: SimpleNamespace, **changed: object) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    return cut.take(known, SETTINGS.model_copy(update=changed), scaled=False)


def test_what_is_stored_has_a_margin_and_is_in_the_rest_frame(galaxy: MakeGalaxy) -> None:
    layers, measured = take(candidate(galaxy(lines={5008.24: 3000.0}, sigma_kms=100.0)))
    assert {name: layer.shape for name, layer in layers.items()} == dict.fromkeys(layers, cut.stored_shape(SETTINGS))
    assert [str(layers[name].dtype) for name in ("values", "ivar", "mask")] == ["float32", "float32", "uint8"]
    wave = bin_centres(GRID, 10)
    assert wave[np.argmax(layers["values"])] == pytest.approx(5008.24, rel=GRID.log_step * np.log(10) / 2)
    valid = layers["ivar"] > 0
    assert np.median(layers["values"][valid]) == pytest.approx(11, rel=0.02)  # 10 as observed
    np.testing.assert_array_equal(layers["mask"] == 0, valid)
    assert measured["snr"] == pytest.approx(20, rel=0.05)
    stored = cut.grid(SETTINGS)
    assert stored["bins"] == 520
    np.testing.assert_allclose(10 ** stored["log_start"], wave[0])


def test_line_flux_is_kept_from_observed_pixels_to_bins(galaxy: MakeGalaxy) -> None:
    layers, _ = take(candidate(galaxy(lines={5008.24: 3000.0}, sigma_kms=100.0)))
    wave, width = bin_centres(GRID, 10), np.diff(bin_edges(GRID, 10))
    near = np.abs(wave / 5008.24 - 1) < 1000 / LIGHT_KMS
    assert (layers["values"][near] - 11) @ width[near] == pytest.approx(3000, rel=0.02)


def test_sky_lines_and_ends_are_masked_with_their_reasons(galaxy: MakeGalaxy) -> None:
    layers, _ = take(candidate(galaxy(high=7000.0)), min_coverage=0.5)
    observed = bin_centres(GRID, 10) * 1.1
    sky = np.abs(observed - 5578.5) < 8
    assert (layers["mask"][sky] == cut.SKY_LINE | cut.INVALID).all()
    assert (layers["mask"][observed > 7010] == cut.OUTSIDE | cut.INVALID).all()
    assert not layers["values"][layers["mask"] > 0].any()
    clean, _ = take(candidate(galaxy(high=7000.0)), min_coverage=0.5, sky_lines=())
    assert not clean["mask"][sky].any()


def test_pixels_without_weight_or_value_do_not_count(galaxy: MakeGalaxy) -> None:
    spectrum = galaxy()
    flux, ivar = spectrum.flux.copy(), spectrum.ivar.copy()
    flux[1000:1100], ivar[1300:1400] = np.nan, 0
    flux[1300:1400] = 1e9
    layers, measured = take(candidate(replace(spectrum, flux=flux, ivar=ivar)))
    assert np.isfinite(layers["values"]).all()
    assert layers["values"].max() < 20
    assert 30 < (layers["mask"] == cut.INVALID).sum() < 50
    assert measured["coverage"] < 0.95


def test_extinction_is_taken_out_where_it_is_given(galaxy: MakeGalaxy) -> None:
    plain, _ = take(candidate(galaxy()))
    brighter, _ = take(candidate(galaxy(), ebv=0.1))
    ratio = brighter["values"] / np.where(plain["mask"] == 0, plain["values"], 1)
    at_v = np.abs(bin_centres(GRID, 10) * 1.1 - 5500) < 20
    np.testing.assert_allclose(np.median(ratio[at_v]), 10 ** (0.4 * 0.31), rtol=0.02)
    left, _ = take(candidate(galaxy(), ebv=0.1), extinction="none")
    np.testing.assert_array_equal(left["values"], plain["values"])


def test_wavelengths_in_air_come_out_in_vacuum(galaxy: MakeGalaxy) -> None:
    spectrum = galaxy(lines={5008.24: 3000.0}, sigma_kms=100.0)
    in_air = replace(spectrum, wave_aa=spectrum.wave_aa / 1.000277, in_air=True)
    vacuum, air = take(candidate(spectrum))[0], take(candidate(in_air))[0]
    np.testing.assert_allclose(air["values"], vacuum["values"], rtol=0.02, atol=0.5)
    assert np.argmax(air["values"]) == np.argmax(vacuum["values"])


def test_an_extinction_below_zero_is_refused(galaxy: MakeGalaxy) -> None:
    with pytest.raises(RefusedError, match="E\\(B-V\\) below zero: -999; leave it empty"):
        take(candidate(galaxy(), ebv=-999.0))


def test_the_pixel_at_which_wavelengths_turn_back_is_named(galaxy: MakeGalaxy) -> None:
    spectrum = galaxy()
    wave = spectrum.wave_aa.copy()
    wave[7] = wave[6]
    with pytest.raises(RefusedError, match=f"{wave[7]:.8g} follows {wave[6]:.8g} Angstrom in pixel 8"):
        take(candidate(replace(spectrum, wave_aa=wave)))


@pytest.mark.parametrize(
    ("change", "redshift", "settings", "reason"),
    [
        ({"ivar": 0.0}, 0.1, {}, "no valid pixel"),
        ({"flux": np.nan}, 0.1, {}, "no valid pixel"),
        ({}, math.nan, {}, "no redshift"),
        ({}, -9.0, {}, "no redshift: -9 is none"),
        ({}, 3.0, {}, r"outside the grid: .* \(.* Angstrom\) .* in the rest frame the spectrum goes from 9\d\d to"),
        ({}, 0.6, {}, "coverage too low: "),
        ({}, 0.1, {"min_snr": 40.0}, "S/N too low: "),
        ({"wave_aa": -1.0}, 0.1, {}, "wavelengths"),
    ],
)
def test_spectra_that_cannot_be_used_are_refused(
    galaxy: MakeGalaxy, change: dict[str, float], redshift: float, settings: dict[str, float], reason: str
) -> None:
    spectrum = galaxy()
    spectrum = replace(spectrum, **{name: np.full(len(spectrum.flux), value) for name, value in change.items()})
    with pytest.raises(RefusedError, match=reason):
        take(candidate(spectrum, redshift), **settings)
