"""FITS images: orientation, position, unit and beam, and what is said of files that are none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from astro_vae.surveys.fits import (
    Treatment,
    UnreadableFileError,
    first_beam,
    image_names,
    read_fits_image,
)

RA, DEC, SCALE = 150.25, 32.5, 1.8 / 3600
HEIGHT, WIDTH = 11, 9


def header(cd: list[list[float]] | None = None, **cards: Any) -> fits.Header:
    """Return a header of a TAN image around the position; `cd` in units of the pixel scale."""
    matrix = np.array(cd or [[-1, 0], [0, 1]]) * SCALE
    given = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": RA, "CRVAL2": DEC, "CRPIX1": (WIDTH + 1) / 2,
        "CRPIX2": (HEIGHT + 1) / 2, "CD1_1": matrix[0, 0], "CD1_2": matrix[0, 1], "CD2_1": matrix[1, 0],
        "CD2_2": matrix[1, 1], "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS", "BUNIT": "JY/BEAM",
    }
    return fits.Header(list((given | cards).items()))


def write(path: Path, values: np.ndarray, cards: fits.Header | None = None) -> Path:
    fits.PrimaryHDU(values, cards).writeto(path)
    return path


def marked(cards: fits.Header, north_arcsec: float, east_arcsec: float) -> np.ndarray:
    """Return an image with a bright pixel at an offset on the sky."""
    ra = RA + east_arcsec / 3600 / math.cos(math.radians(DEC))
    x, y = WCS(cards).world_to_pixel_values(ra, DEC + north_arcsec / 3600)
    values = np.zeros((HEIGHT, WIDTH), np.float32)
    values[round(float(y)), round(float(x))] = 1
    return values


@pytest.mark.parametrize(
    "cd", [[[-1, 0], [0, 1]], [[1, 0], [0, 1]], [[-1, 0], [0, -1]], [[1, 0], [0, -1]]],
    ids=["usual", "mirrored", "North down", "half turn"],
)
def test_north_is_up_and_east_left(tmp_path: Path, cd: list[list[float]]) -> None:
    cards = header(cd)
    image = read_fits_image(write(tmp_path / "a.fits", marked(cards, north_arcsec=5.4, east_arcsec=3.6), cards))
    assert np.argwhere(image.values == 1).tolist() == [[(HEIGHT - 1) // 2 + 3, (WIDTH - 1) // 2 - 2]]
    assert image.north_deg == 0
    assert (image.ra, image.dec) == (pytest.approx(RA, abs=1e-9), pytest.approx(DEC, abs=1e-9))
    assert image.pixel_arcsec == pytest.approx(1.8)


@pytest.mark.parametrize("turn_deg", [-80.0, -30.0, 30.0, 80.0, 120.0, 210.0])
@pytest.mark.parametrize("parity", [-1, 1])
def test_north_is_where_north_deg_says(tmp_path: Path, turn_deg: float, parity: int) -> None:
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    cards = header((np.array([[parity, 0], [0, 1]]) @ np.array([[c, -s], [s, c]])).tolist())
    image = read_fits_image(write(tmp_path / "a.fits", marked(cards, north_arcsec=7.2, east_arcsec=0), cards))
    assert -90 <= image.north_deg <= 90
    row, column = np.argwhere(image.values == 1)[0]
    up, left = row - (HEIGHT - 1) / 2, (WIDTH - 1) / 2 - column
    assert math.degrees(math.atan2(left, up)) == pytest.approx(image.north_deg, abs=10)  # of a pixel 4 away


def test_unit_beam_and_missing_pixels(tmp_path: Path) -> None:
    values = np.full((1, 1, HEIGHT, WIDTH), 5.0, np.float32)
    values[0, 0, 2, 3] = np.nan
    cards = header(BUNIT="mJy/beam", BMAJ=6.4 / 3600, BMIN=5.4 / 3600, BPA=12.0)
    image = read_fits_image(write(tmp_path / "a.fits", values, cards))
    assert image.unit == "Jy/beam"
    assert image.beam == pytest.approx((6.4, 5.4, 12.0))
    assert image.values.shape == (HEIGHT, WIDTH)
    assert image.values[0, 0] == np.float32(0.005)
    assert np.isnan(image.values[2, 3])


def test_positions_are_turned_to_icrs(tmp_path: Path) -> None:
    cards = header(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN", CRVAL1=0.0, CRVAL2=0.0)
    image = read_fits_image(write(tmp_path / "a.fits", np.ones((HEIGHT, WIDTH)), cards))
    assert (image.ra, image.dec) == (pytest.approx(266.40499, abs=1e-4), pytest.approx(-28.93617, abs=1e-4))


def test_without_wcs_the_image_is_taken_as_it_lies(tmp_path: Path) -> None:
    values = np.arange(HEIGHT * WIDTH, dtype=np.int16).reshape(HEIGHT, WIDTH)
    image = read_fits_image(write(tmp_path / "a.fits", values))
    assert np.array_equal(image.values, values)
    assert image.values.dtype == np.float32
    assert all(math.isnan(x) for x in (image.ra, image.dec, image.pixel_arcsec, image.north_deg, *image.beam))


def test_the_image_may_be_in_an_extension(tmp_path: Path) -> None:
    units = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns([]), fits.ImageHDU(np.ones((4, 4)), header())]
    fits.HDUList(units).writeto(tmp_path / "a.fits")
    assert read_fits_image(tmp_path / "a.fits").values.shape == (4, 4)


def test_files_that_are_no_images_say_why(tmp_path: Path) -> None:
    good = write(tmp_path / "good.fits", np.ones((100, 100)), header()).read_bytes()
    broken = {
        "empty": (b"", "empty file"),
        "text": (b"not the pixels that you look for\n", "not a FITS file: it starts with"),
        "cut": (good[: len(good) // 2], "truncated"), "cut in header": (good[:1000], "truncated"),
        "cut packed": (b"\x1f\x8b\x08" + bytes(20), "damaged"),
    }
    for name, (content, said) in broken.items():
        path = tmp_path / f"{name}.fits"
        path.write_bytes(content)
        with pytest.raises(UnreadableFileError, match=said):
            read_fits_image(path)
    table = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([])])
    table.writeto(tmp_path / "table.fits")
    with pytest.raises(UnreadableFileError, match="no two-dimensional image"):
        read_fits_image(tmp_path / "table.fits")
    with pytest.raises(UnreadableFileError, match="pixels are not square"):
        read_fits_image(write(tmp_path / "oblong.fits", np.ones((4, 4)), header([[-1, 0], [0, 1.5]])))


def test_first_beam_depends_on_declination(tmp_path: Path) -> None:
    assert [first_beam(dec)[:2] for dec in (30, 4.6, 4.5, -2.5, -2.6)] == [
        (5.4, 5.4), (5.4, 5.4), (6.4, 5.4), (6.4, 5.4), (6.8, 5.4)
    ]
    image = read_fits_image(write(tmp_path / "a.fits", np.ones((4, 4)), header(SURVEY="FIRST", CRVAL2=-5.0)))
    assert image.beam == (6.8, 5.4, 0.0)
    assert math.isnan(first_beam(math.nan)[0])


def test_the_image_is_chosen_by_number_or_name(tmp_path: Path) -> None:
    units = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((4, 4)), header(), name="SCI"),
             fits.ImageHDU(np.full((4, 4), 2.0), header(), name="ERR"), fits.ImageHDU(np.ones((3, 4, 4)), name="CUBE")]
    path = tmp_path / "a.fits"
    fits.HDUList(units).writeto(path)
    assert read_fits_image(path).values[0, 0] == 1
    for chosen in (2, "ERR", "err"):
        assert read_fits_image(path, Treatment(hdu=chosen)).values[0, 0] == 2
    for chosen, said in ((9, "no HDU 9; the file has 0 PRIMARY"), ("CUBE", r"no two-dim.*3 CUBE \(3x4x4\)")):
        with pytest.raises(UnreadableFileError, match=said):
            read_fits_image(path, Treatment(hdu=chosen))
    assert image_names(path) == ("1 SCI", "2 ERR")


def test_oblong_pixels_are_taken_on_a_grid(tmp_path: Path) -> None:
    path = write(tmp_path / "oblong.fits", np.ones((HEIGHT, WIDTH)), header([[-1, 0], [0, 1.5]]))
    image = read_fits_image(path, Treatment(grid_arcsec=1.8))
    assert image.values.shape == (round(HEIGHT * 1.5), WIDTH)
    assert image.pixel_arcsec == pytest.approx(1.8)


def test_the_common_beam_replaces_the_own_one(tmp_path: Path) -> None:
    values = np.zeros((HEIGHT, WIDTH), np.float32)
    values[5, 4] = 1
    cards = header(BMAJ=5.4 / 3600, BMIN=5.4 / 3600, BPA=0.0)
    path = write(tmp_path / "a.fits", values, cards)
    image = read_fits_image(path, Treatment(common_beam=(6.0, 6.0, 0.0)))
    assert image.beam == (6.0, 6.0, 0.0)
    assert image.values.sum() == pytest.approx((6 / 5.4) ** 2, rel=0.01)
    with pytest.raises(UnreadableFileError, match=r"not convolved to source\.common_beam: the beam, 5\.4 x 5\.4"):
        read_fits_image(path, Treatment(common_beam=(5.0, 5.0, 0.0)))
    with pytest.raises(UnreadableFileError, match="header without WCS"):
        read_fits_image(write(tmp_path / "b.fits", values), Treatment(grid_arcsec=2.0))


def test_values_per_pixel_grow_with_the_pixel(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", np.ones((HEIGHT, WIDTH)), header(BUNIT="Jy/pixel"))
    image = read_fits_image(path, Treatment(grid_arcsec=3.6))
    assert np.nanmedian(image.values) == pytest.approx(4, rel=0.01)
