"""Measurements of sources that are known: Gaussians, blobs on a real sky projection."""

from __future__ import annotations

import math
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS
from scipy.ndimage import gaussian_filter

from astro_vae.images._source import LINK_PX, count_components, extent, find_source, moments
from astro_vae.images.augment import turn
from astro_vae.images.measure import COLUMNS, measure, measure_noise, measure_scaled

NOISE = 1.5e-4
PIXEL = 1.8
BEAM = (5.4, 5.4, 0.0)


def gaussian(
    size: int = 212, *, peak: float, major: float, minor: float, position_angle: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Draw an elliptical Gaussian of these standard deviations (pixel), offset to North and East (pixel)."""
    y, x = np.indices((size, size)) - (size - 1) / 2
    north, east = y - offset[0], -x - offset[1]  # columns run towards West
    angle = np.deg2rad(position_angle)
    along, across = north * np.cos(angle) + east * np.sin(angle), east * np.cos(angle) - north * np.sin(angle)
    return (peak * np.exp(-(along**2) / (2 * major**2) - across**2 / (2 * minor**2))).astype(np.float32)


def measured(image: np.ndarray, *, north_deg: float = 0.0, beam: tuple = BEAM, pixel: float = PIXEL) -> dict:
    return measure(image, noise=NOISE, beam=beam, pixel_arcsec=pixel, field=150, north_deg=north_deg)


def sigma(fwhm_arcsec: float) -> float:
    return fwhm_arcsec / PIXEL / math.sqrt(8 * math.log(2))


@pytest.mark.parametrize("beam", [(5.4, 5.4, 0.0), (6.4, 5.4, 0.0), (6.8, 5.4, 20.0)])
def test_a_point_source_has_its_peak_as_flux_density(beam: tuple[float, float, float]) -> None:
    image = gaussian(211, peak=0.1, major=sigma(beam[0]), minor=sigma(beam[1]), position_angle=beam[2])
    found = measured(image, beam=beam)
    assert found["peak_flux"] == pytest.approx(0.1)
    assert found["snr"] == pytest.approx(0.1 / NOISE)
    # What lies below a level is that level's part of a Gaussian's flux.
    assert found["total_flux"] == pytest.approx(0.1 - 3 * NOISE, rel=5e-3)
    area = math.pi * beam[0] * beam[1] / (4 * math.log(2) * PIXEL**2)
    assert found["total_flux_err"] == pytest.approx(NOISE * math.sqrt(found["n_nonzero"] / area))
    assert found["n_components"] == 1
    assert found["warning"] == ""


def test_the_flux_density_needs_the_beam_of_the_object() -> None:
    image = gaussian(peak=0.1, major=6, minor=4)
    round_beam, long_beam = measured(image), measured(image, beam=(6.8, 5.4, 0))
    assert round_beam["total_flux"] / long_beam["total_flux"] == pytest.approx(6.8 / 5.4)
    for unknown in (measured(image, beam=(math.nan,) * 3), measured(image, pixel=math.nan)):
        assert math.isnan(unknown["total_flux"])
        assert math.isnan(unknown["total_flux_err"])
    assert round_beam["total_flux"] == pytest.approx(
        (0.1 - 3 * NOISE) * 2 * math.pi * 24 / (math.pi * 9 / (4 * math.log(2))), rel=2e-3
    )


def test_the_error_of_the_flux_density_is_its_scatter() -> None:
    # The noise of an interferometer has the beam as its autocorrelation; the source always fills the same pixels.
    rng, width = np.random.default_rng(1), sigma(5.4) / math.sqrt(2)
    disc = np.hypot(*(np.indices((64, 64)) - 31.5)) < 14
    fluxes = []
    for _ in range(200):
        noise = gaussian_filter(rng.standard_normal((64, 64)), width) * 2 * math.sqrt(math.pi) * width
        image = NOISE * (noise + np.where(disc, 100, -100))
        found = measure(image, noise=NOISE, beam=BEAM, pixel_arcsec=PIXEL, field=64, north_deg=0)
        fluxes.append(found["total_flux"])
    assert np.std(fluxes) == pytest.approx(found["total_flux_err"], rel=5 / math.sqrt(2 * 200))


@pytest.mark.parametrize("position_angle", [0, 30, 45, 90, 120, 175])
def test_position_angle_and_axis_ratio_of_an_ellipse(position_angle: float) -> None:
    found = measured(gaussian(peak=0.5, major=9, minor=4.5, position_angle=position_angle))
    assert found["axis_ratio"] == pytest.approx(0.5, abs=0.01)
    assert (found["position_angle_deg"] - position_angle + 90) % 180 == pytest.approx(90, abs=0.2)
    assert 0 <= found["position_angle_deg"] < 180


@pytest.mark.parametrize("rotation", [0.0, 25.0, -70.0])
def test_the_position_angle_is_that_of_the_sky(rotation: float) -> None:
    # Two blobs on a projection whose North is turned: astropy says at which angle one lies from the other.
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150, 40], [106.5, 106.5]
    angle = np.deg2rad(rotation)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs.wcs.cd = turned @ np.diag([-PIXEL, PIXEL]) / 3600
    first, second = (115.0, 98.0), (92.0, 108.0)  # x, y
    y, x = np.indices((212, 212))
    image = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in (first, second)).astype(np.float32)
    a, b = wcs.pixel_to_world(*first), wcs.pixel_to_world(*second)
    centre = wcs.pixel_to_world(105.5, 105.5)
    above = wcs.world_to_pixel(centre.directional_offset_by(0 * u.deg, 30 * u.arcsec))
    north_deg = math.degrees(math.atan2(-(above[0] - 105.5), above[1] - 105.5))
    found = measured(image, north_deg=north_deg)
    expected = a.position_angle(b).to_value("deg")
    assert (found["position_angle_deg"] - expected + 90) % 180 == pytest.approx(90, abs=0.2)
    assert found["n_components"] == 2


def test_a_turned_image_has_another_axis_angle_and_stands_upright_again() -> None:
    image = gaussian(peak=0.5, major=9, minor=4, position_angle=40)[None]
    assert measured(turn(image, 25, out_size=150)[0])["axis_angle_deg"] == pytest.approx(65, abs=0.3)
    upright = turn(image, -measured(image[0])["axis_angle_deg"], out_size=150)[0]
    assert (measured(upright)["axis_angle_deg"] + 90) % 180 == pytest.approx(90, abs=0.3)


def test_without_north_there_is_no_position_angle_but_an_axis() -> None:
    found = measured(gaussian(peak=0.5, major=9, minor=4, position_angle=40), north_deg=math.nan)
    assert math.isnan(found["position_angle_deg"])
    assert found["axis_angle_deg"] == pytest.approx(40, abs=0.3)


def test_the_largest_angular_size_is_that_between_the_outermost_pixels() -> None:
    image = np.zeros((151, 151), np.float32)
    image[60:63, 60:63] = image[84:87, 92:95] = 1  # corners (60, 60) and (86, 94)
    found = measure(image, noise=NOISE, beam=BEAM, pixel_arcsec=PIXEL, field=151, north_deg=0)
    assert found["las_arcsec"] == pytest.approx(PIXEL * math.hypot(26, 34), rel=1e-5)


def test_large_sources_are_resolved_out() -> None:
    lobes = gaussian(peak=0.1, major=3, minor=3, offset=(36, 0)) + gaussian(peak=0.1, major=3, minor=3, offset=(-36, 0))
    found = measured(lobes + gaussian(peak=0.02, major=1.3, minor=1.3))
    assert found["las_arcsec"] > 120
    assert found["warning"] == "resolved out"
    assert found["n_components"] == 3
    assert measured(gaussian(peak=0.1, major=4, minor=4))["warning"] == ""


def test_neighbours_do_not_belong_to_the_source() -> None:
    source = gaussian(peak=0.02, major=4, minor=2, position_angle=60)
    alone = measured(source)
    neighbour = gaussian(peak=0.5, major=1.3, minor=1.3, offset=(50, -20))
    beside = measured(source + neighbour)
    for name in ("peak_flux", "total_flux", "las_arcsec", "position_angle_deg", "n_components"):
        assert beside[name] == pytest.approx(alone[name], rel=1e-3)
    assert beside["warning"] == "brighter neighbour in the field"
    assert measured(source + neighbour / 100)["warning"] == ""


def blobs(**brightness: float) -> np.ndarray:
    """Draw squares of 3 x 3 pixels, named by their first row, with their middles in the middle column."""
    image = np.zeros((151, 151))
    for row, value in brightness.items():
        image[int(row[1:]) : int(row[1:]) + 3, 74:77] = value
    return image


def test_near_islands_belong_together_and_far_ones_only_as_lobes() -> None:
    near = {f"r{74 + 3 + int(LINK_PX) - 1}": 1}
    assert find_source(blobs(r74=1, **near), 0.5, 0.5).pixels.sum() == 18
    assert find_source(blobs(r74=1, r114=1), 0.5, 0.5).pixels.sum() == 9
    assert find_source(blobs(r74=1, r114=1, r39=1), 0.5, 0.5).pixels.sum() == 27
    assert find_source(blobs(r74=1, r114=1, r39=0.1), 0.05, 0.05).pixels.sum() == 9  # unlike each other
    assert find_source(blobs(r74=1, r114=0.04, r39=0.04), 0.03, 0.03).pixels.sum() == 9  # too faint for lobes


def test_sidelobes_of_a_bright_source_do_not_belong_to_it() -> None:
    core = gaussian(peak=1.0, major=1.3, minor=1.3)
    near = gaussian(peak=1.5e-3, major=1.3, minor=1.3, offset=(14, 0))
    assert measured(core + near)["las_arcsec"] == pytest.approx(measured(core)["las_arcsec"])
    assert measured(core + 10 * near)["las_arcsec"] > measured(core)["las_arcsec"] + 14


def test_sources_off_the_centre_or_cut_off_are_marked() -> None:
    assert measured(gaussian(peak=0.1, major=3, minor=3, offset=(40, 0)))["warning"] == "not at the centre"
    long = measured(gaussian(peak=0.1, major=60, minor=3))
    assert "reaches the edge of the field" in long["warning"]


def test_a_field_without_source() -> None:
    rng = np.random.default_rng(1)
    found = measured((NOISE / 2 * rng.standard_normal((212, 212))).astype(np.float32))
    assert found["n_components"] == 0
    assert math.isnan(found["total_flux"])
    assert math.isnan(found["las_arcsec"])
    assert found["warning"] == "no source found"
    assert found["snr"] < 3


def test_missing_pixels_count_as_dark() -> None:
    image = gaussian(peak=0.1, major=4, minor=4)
    image[:20] = np.nan
    image[50, 50] = np.inf
    assert measured(image)["total_flux"] == pytest.approx(measured(gaussian(peak=0.1, major=4, minor=4))["total_flux"])


def test_an_image_clipped_to_zero_has_no_signal_to_noise() -> None:
    image = gaussian(peak=0.1, major=4, minor=4)
    image[image < 0.01] = 0
    noise = measure_noise(image, "sigma_clip")
    assert noise == 0
    found = measure(image, noise=noise, beam=BEAM, pixel_arcsec=PIXEL, field=150, north_deg=0)
    assert math.isnan(found["snr"])
    assert found["total_flux_err"] == 0
    assert found["total_flux"] > 0.1


def test_every_column_is_measured_and_described() -> None:
    image = gaussian(peak=0.1, major=4, minor=4)
    results = [
        measured(image),
        measured(np.zeros_like(image)),
        measure_scaled(np.rint(2550 * image).astype(np.uint8)),
        measure_scaled(np.zeros((50, 50), np.uint8)),
    ]
    assert all(sorted(result) == sorted(COLUMNS) for result in results)
    for column in COLUMNS.values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            u.Unit(column.unit)
        assert column.description


def test_the_image_that_lost_its_flux_scale() -> None:
    image = gaussian(151, peak=255, major=6, minor=3, position_angle=30)
    clipped = np.where(image > 5, image, 0).astype(np.uint8)
    found = measure_scaled(clipped, pixel_arcsec=PIXEL, field=150, north_deg=0.0)
    assert all(math.isnan(found[name]) for name in ("noise", "peak_flux", "total_flux", "total_flux_err", "snr"))
    assert found["position_angle_deg"] == pytest.approx(30, abs=0.5)
    assert found["las_arcsec"] == pytest.approx(2 * 6 * math.sqrt(2 * math.log(51)) * PIXEL, rel=0.05)
    assert found["n_nonzero"] == np.count_nonzero(clipped)
    assert found["n_components"] == 1
    assert found["warning"] == "8-bit image without a flux scale: physical columns are null"
    unknown = measure_scaled(clipped)
    assert math.isnan(unknown["las_arcsec"])
    assert math.isnan(unknown["position_angle_deg"])
    assert unknown["axis_angle_deg"] == pytest.approx(30, abs=0.5)


def test_the_background_of_a_picture_is_not_a_source() -> None:
    rng = np.random.default_rng(1)
    picture = 40 + 3 * rng.standard_normal((150, 150)) + gaussian(150, peak=200, major=6, minor=3)
    found = measure_scaled(np.rint(picture).clip(0, 255).astype(np.uint8), pixel_arcsec=1.0, north_deg=0.0)
    assert found["n_components"] == 1
    assert found["las_arcsec"] < 50


@pytest.mark.parametrize("method", ["sigma_clip", "mad", "edge"])
def test_the_noise_of_noise(method: str) -> None:
    image = (NOISE * np.random.default_rng(1).standard_normal((300, 300))).astype(np.float32)
    # Clipping at 3 sigma takes the wings away: 0.9866 of the whole; the median deviation has 37 % efficiency.
    expected, pixels = (0.9866 if method == "sigma_clip" else 1) * NOISE, {"edge": 90_000 - 240**2}.get(method, 90_000)
    efficiency = 0.37 if method == "mad" else 1
    tolerance = 5 / math.sqrt(2 * pixels * efficiency) + (0.003 if method == "sigma_clip" else 0)
    assert measure_noise(image, method) == pytest.approx(expected, rel=tolerance)
    image[100:110, 100:110] += 1
    image[150, 150:160] = np.nan
    assert measure_noise(image, method) == pytest.approx(expected, rel=0.03)
    assert math.isnan(measure_noise(np.full((50, 50), np.nan), method))


def test_components_are_peaks_that_stand_out() -> None:
    profile = np.array([0, 5, 9, 5, 8, 4, 4.5, 1, 0, 3, 0])
    image = np.tile(profile, (3, 1))
    assert count_components(image, image > 0, 0.1) == 4
    assert count_components(image, image > 0, 1.0) == 3  # the shoulder of 4.5 stands out by 0.5
    assert count_components(image, image > 0, 3.5) == 2  # the peak of 8 stands out by 3; the other is an island
    assert count_components(image, np.zeros_like(image, bool), 0.1) == 0


def test_extent_of_pixels() -> None:
    pixels = np.zeros((50, 50), bool)
    pixels[10, 10] = True
    assert extent(pixels) == 0
    pixels[40, 50 - 1] = True
    assert extent(pixels) == pytest.approx(math.hypot(30, 39), rel=1e-5)


def test_moments_of_a_line() -> None:
    image = np.zeros((41, 41))
    image[20, 5:36] = 1
    ratio, angle = moments(image, image > 0)
    assert angle == pytest.approx(90)
    assert ratio < 0.05
