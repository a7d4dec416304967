"""Images brought to one grid and one beam keep what they measure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.wcs import WCS

from astro_vae.images.regrid import FWHM2, covariance, to_beam, to_grid

SIDE = 62
ARCSEC = np.diag([-1.5, 1.5])  # from columns and rows to East and North


def gaussian(beam: tuple[float, float, float], matrix: np.ndarray = ARCSEC, side: int = SIDE) -> np.ndarray:
    """Return the image of a point source of 1 Jy in Jy/beam: the beam with a peak of 1."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    sky = np.einsum("ij,jab->iab", matrix, np.stack([x, y]))  # East, North
    return np.exp(-np.einsum("iab,ij,jab->ab", sky, np.linalg.inv(covariance(beam)), sky) / 2).astype(np.float32)


def averaged(beam: tuple[float, float, float], pixel: float, side: int) -> np.ndarray:
    """Return the mean of the image over each of its pixels."""
    fine = gaussian(beam, np.diag([-pixel, pixel]) / 5, 5 * side)
    return fine.reshape(side, 5, side, 5).mean(axis=(1, 3))


def wcs(side: int, pixel: float, turn_deg: float = 0.0, projection: str = "TAN") -> WCS:
    made = WCS(naxis=2)
    made.wcs.ctype = [f"RA---{projection}", f"DEC--{projection}"]
    made.wcs.crval, made.wcs.crpix = (150, 30), ((side + 1) / 2,) * 2
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    made.wcs.cd = np.diag([-pixel, pixel]) / 3600 @ np.array([[c, -s], [s, c]])
    made.wcs.set()
    return made


def test_the_covariance_of_a_beam() -> None:
    np.testing.assert_allclose(covariance((8, 4, 0)) * FWHM2, [[16, 0], [0, 64]], atol=1e-9)  # long in the North
    np.testing.assert_allclose(covariance((8, 4, 90)) * FWHM2, [[64, 0], [0, 16]], atol=1e-9)
    assert covariance((8, 4, 45))[0, 1] > 0  # between North and East


@pytest.mark.parametrize(
    ("own", "common"),
    [((6, 5, 20), (9, 9, 0)), ((5.4, 5.4, 0), (6.8, 5.4, 0)), ((7, 5, 60), (10, 8, 110)), ((5, 5, 0), (5.3, 5.3, 0))],
)
@pytest.mark.parametrize("matrix", [ARCSEC, np.array([[-1.2, 0.6], [0.6, 1.2]]), np.diag([1.5, 2.0])],
                         ids=["usual", "turned", "oblong and mirrored"])
def test_a_point_source_gets_the_common_beam_and_keeps_its_flux(own: tuple, common: tuple, matrix: np.ndarray) -> None:
    made = to_beam(gaussian(own, matrix), own, common, matrix, per_beam=True)
    np.testing.assert_allclose(made, gaussian(common, matrix), atol=4e-3)


def test_an_extended_level_scales_with_the_beam_or_not_at_all() -> None:
    level = np.full((40, 40), 2.0, np.float32)
    assert to_beam(level, (5, 5, 0), (10, 10, 0), ARCSEC, per_beam=True) == pytest.approx(8.0)
    assert to_beam(level, (5, 5, 0), (10, 10, 0), ARCSEC, per_beam=False) == pytest.approx(2.0)


def test_missing_pixels_stay_missing_and_do_not_spread() -> None:
    level = np.full((40, 40), 2.0, np.float32)
    level[10:13, 20] = np.nan
    made = to_beam(level, (5, 5, 0), (10, 10, 0), ARCSEC, per_beam=False)
    assert np.array_equal(np.isnan(made), np.isnan(level))
    assert np.nanmax(abs(made - 2)) < 1e-5


def test_a_beam_that_is_not_inside_the_common_one_is_refused() -> None:
    image = gaussian((6, 6, 0))
    for own in ((11, 4, 0), (9, 9, 0)):
        with pytest.raises(ValueError, match="is larger than the common one"):
            to_beam(image, own, (8, 8, 0), ARCSEC, per_beam=True)
    with pytest.raises(ValueError, match="not known"):
        to_beam(image, (math.nan,) * 3, (8, 8, 0), ARCSEC, per_beam=True)
    assert to_beam(image, (8, 8, 0), (8, 8, 0), ARCSEC, per_beam=True) is image


@pytest.mark.parametrize("pixel", [1.0, 1.8, 3.0])
@pytest.mark.parametrize("turn_deg", [0.0, 30.0, 180.0])
def test_a_source_keeps_its_place_direction_and_brightness_on_the_new_grid(pixel: float, turn_deg: float) -> None:
    beam = (18.0, 9.0, 30.0)
    old = wcs(SIDE, 1.5, turn_deg, "SIN")
    made, new = to_grid(gaussian(beam, old.wcs.cd * 3600), old, pixel)
    assert made.shape == (round(SIDE * 1.5 / pixel),) * 2
    expected = averaged(beam, pixel, len(made)) if pixel > 1.5 else gaussian(beam, np.diag([-pixel, pixel]), len(made))
    inner = slice(len(made) // 4, -(len(made) // 4))
    np.testing.assert_allclose(made[inner, inner], expected[inner, inner], atol=0.02 if pixel > 1.5 else 2e-3)
    assert new.pixel_to_world((len(made) - 1) / 2, (len(made) - 1) / 2).ra.deg == pytest.approx(150, abs=1e-8)


def test_an_image_on_the_grid_is_left_alone() -> None:
    image, old = gaussian((6, 6, 0)), wcs(SIDE, 1.5)
    assert to_grid(image, old, 1.5) == (image, old)
    assert to_grid(image, wcs(SIDE, 1.5, 10.0), 1.5)[0] is not image


def test_missing_pixels_take_no_others_with_them() -> None:
    image = gaussian((9, 9, 0))
    image[5:9, 5:9] = np.nan
    for pixel in (1.0, 3.0):
        made, _ = to_grid(image, wcs(SIDE, 1.5), pixel)
        lost = np.isnan(made).sum() * pixel**2 / 1.5**2  # in old pixels
        assert 16 <= lost < 70
        assert np.isfinite(made[made.shape[0] // 2]).all()
