"""Objects cut out of mosaics by a table of positions: the right pixels, the right sky, and why not."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astro_vae.errors import UserError
from astro_vae.settings import ExecutionSettings
from astro_vae.surveys import folder as survey
from astro_vae.surveys.candidate import Candidate

HEIGHT, WIDTH, PIXEL = 60, 90, 2.0
SIDE = 11


def header(ra: float = 150.0, dec: float = 20.0, **cards: Any) -> fits.Header:
    known = {
        "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": ra, "CRVAL2": dec, "CRPIX1": (WIDTH + 1) / 2,
        "CRPIX2": (HEIGHT + 1) / 2, "CDELT1": -PIXEL / 3600, "CDELT2": PIXEL / 3600, "CUNIT1": "deg", "CUNIT2": "deg",
        "RADESYS": "ICRS", "BUNIT": "JY/BEAM", "BMAJ": 6 / 3600, "BMIN": 5 / 3600, "BPA": 10.0,
    }
    return fits.Header(known | cards)


def numbered(seed: int = 0) -> np.ndarray:
    return (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) + 10_000 * seed).astype(np.float32)


def at(cards: fits.Header, *pixels: tuple[float, float]) -> pd.DataFrame:
    sky = WCS(cards).celestial.pixel_to_world(*np.array(pixels).T)
    return pd.DataFrame({"object_id": [f"J{i}" for i in range(len(pixels))], "RA": sky.ra.deg, "DEC": sky.dec.deg})


def read(place: Path, table: pd.DataFrame, **settings: Any) -> dict[str, Candidate]:
    table.to_csv(place / "positions.csv", index=False)
    source = survey.Source(
        survey="folder", path=str(place / "images"), catalog=str(place / "positions.csv"), cutout=SIDE, **settings
    )
    manifest = survey.obtain(source, place, execution=ExecutionSettings())
    return {c.object_id: c for c in survey.candidates(source, place, manifest)}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path


@pytest.mark.parametrize("axes", [(), (1, 1)], ids=["two axes", "four axes"])
@pytest.mark.parametrize("written", ["float", "scaled integers", "compressed"])
def test_the_pixels_around_a_position(place: Path, axes: tuple[int, ...], written: str) -> None:
    values, path = numbered().reshape(*axes, HEIGHT, WIDTH), place / "images" / "m.fits"
    if written == "compressed":
        fits.CompImageHDU(values.reshape(HEIGHT, WIDTH), header(), quantize_level=0).writeto(path)
    elif written == "float":
        fits.writeto(path, values, header())
    else:
        unit = fits.PrimaryHDU(values.astype(np.int16), header())
        unit.scale("int16", bzero=100, bscale=2)
        unit.writeto(path)
    one = read(place, at(header(), (40, 30)))["J0"]
    assert one.reason == ""
    tolerance = 1 if written == "scaled integers" else 0
    np.testing.assert_allclose(one.values, numbered()[25:36, 35:46], atol=tolerance)
    assert (one.unit, one.pixel_arcsec, one.north_deg) == ("Jy/beam", pytest.approx(PIXEL), pytest.approx(0, abs=0.01))
    assert one.beam == pytest.approx((6, 5, 10))
    assert one.extra == {"mosaic": "m.fits"}


def test_beyond_the_edge_is_missing(place: Path) -> None:
    fits.writeto(place / "images" / "m.fits", numbered(), header())
    found = read(place, at(header(), (2, 30), (89, 59), (-3, 30)))
    edge, corner = found["J0"].values, found["J1"].values
    assert np.isnan(edge[:, :3]).all()
    np.testing.assert_array_equal(edge[:, 3:], numbered()[25:36, :8])
    assert np.isfinite(corner).sum() == 36
    assert found["J2"].reason == "outside every mosaic"


def test_the_first_mosaic_with_a_value_is_taken(place: Path) -> None:
    holed = numbered(1)
    holed[:, :30] = np.nan
    fits.writeto(place / "images" / "a.fits", holed, header())
    fits.writeto(place / "images" / "b.fits", numbered(2), header())
    fits.writeto(place / "images" / "far.fits", numbered(3), header(ra=330.0, dec=-20.0))  # the other side of the sky
    table = pd.concat([at(header(), (50, 30), (10, 30)), at(header(ra=330.0, dec=-20.0), (50, 30))])
    table["object_id"] = ["both", "hole", "far"]
    found = read(place, table)
    assert {name: one.extra["mosaic"] for name, one in found.items()} == {
        "both": "a.fits", "hole": "b.fits", "far": "far.fits"
    }
    assert found["far"].values[5, 5] == numbered(3)[30, 50]
    (place / "images" / "b.fits").unlink()
    assert read(place, table)["hole"].reason == "off the field: a.fits has no value there"


def test_mosaics_that_cannot_be_used_are_rows(place: Path) -> None:
    folder = place / "images"
    fits.writeto(folder / "m.fits", numbered(), header())
    fits.writeto(folder / "plain.fits", numbered())
    fits.writeto(folder / "packed.fits.gz", numbered(), header())
    (folder / "cut.fits").write_bytes((folder / "m.fits").read_bytes()[:9000])
    found = read(place, at(header(), (50, 30)))
    assert found.pop("J0").values is not None
    told = {name: one.reason.partition(":")[0] for name, one in found.items()}
    assert told == {"cut.fits": "damaged or truncated FITS file", "packed.fits.gz": "packed mosaic",
                    "plain.fits": "mosaic without WCS"}


def test_cutouts_are_resampled_around_the_position(place: Path) -> None:
    turned = {"CDELT1": None, "CDELT2": None}
    c, s = math.cos(math.radians(30)) * PIXEL / 3600, math.sin(math.radians(30)) * PIXEL / 3600
    cards = header(CD1_1=-c, CD1_2=s, CD2_1=s, CD2_2=c)
    for name in turned:
        del cards[name]
    y, x = np.indices((HEIGHT, WIDTH))
    blob = np.exp(-((x - 40.3) ** 2 + (y - 30.4) ** 2) / 18).astype(np.float32)
    fits.writeto(place / "images" / "m.fits", blob, cards)
    one = read(place, at(cards, (40.3, 30.4)), grid_arcsec=3.0)["J0"]
    assert one.values.shape == (SIDE, SIDE)
    assert np.isfinite(one.values).all()
    weights = one.values / one.values.sum()
    assert [(weights * grid).sum() for grid in np.indices((SIDE, SIDE))] == pytest.approx([5, 5], abs=0.01)
    assert (one.pixel_arcsec, one.north_deg) == (pytest.approx(3.0), pytest.approx(0, abs=1e-6))


def test_tables_of_positions(place: Path) -> None:
    fits.writeto(place / "images" / "m.fits", numbered(), header())
    table = at(header(), (50, 30)).drop(columns="object_id").rename(columns={"RA": "RAJ2000", "DEC": "DEJ2000"})
    table = pd.concat([table.assign(label=" FRI ", z=0.1), pd.DataFrame({"RAJ2000": [400.0], "DEJ2000": [0.0]})])
    (one, bad) = read(place, table).values()
    assert one.object_id == "149.996748+20.000278"
    assert (one.label, one.extra["z"], one.extra["mosaic"]) == ("FRI", 0.1, "m.fits")
    assert bad.reason.startswith("no position: ra 400")
    for ending, form in (("fits", "fits"), ("vot", "votable"), ("ecsv", "ascii.ecsv")):
        path = place / f"t.{ending}"
        Table.from_pandas(at(header(), (50, 30))).write(path, format=form)
        source = survey.Source(survey="folder", path=str(place / "images"), catalog=str(path))
        assert [one.object_id for one in survey.positions(source)] == ["J0"]


def test_labels_of_a_second_table(place: Path) -> None:
    fits.writeto(place / "images" / "m.fits", numbered(), header())
    (place / "labels.csv").write_text("object_id,label\nJ1,FRII\n")
    found = read(place, at(header(), (50, 30), (30, 30)), labels=str(place / "labels.csv"))
    assert [one.label for one in found.values()] == ["", "FRII"]


def test_names_that_only_the_table_of_labels_has_are_rows(place: Path) -> None:
    fits.writeto(place / "images" / "m.fits", numbered(), header())
    (place / "labels.csv").write_text("object_id,label,code\nJ1,FRII,7\nnobody,FRI,8\n")
    found = read(place, at(header(), (50, 30), (30, 30)), labels=str(place / "labels.csv"))
    assert list(found) == ["J0", "J1", "nobody"]
    assert found["nobody"].reason == (
        f"no position: named in {place / 'labels.csv'}, but not in {place / 'positions.csv'}"
    )
    assert found["J1"].reason == ""
    assert (found["J1"].label, found["J1"].extra) == ("FRII", {"code": 7, "mosaic": "m.fits"})


def test_a_table_that_is_not_there_names_its_setting(place: Path) -> None:
    source = survey.Source(survey="folder", path=str(place), catalog=str(place / "none.csv"))
    with pytest.raises(UserError, match=r"none\.csv: no such file; set source\.catalog to your table of positions"):
        survey.positions(source)


def test_memory_stays_flat_on_a_mosaic_of_gigabytes(place: Path) -> None:
    side = 40_000  # 6.4 GB, of which the disk holds the header
    cards = header()
    cards.update({"CRPIX1": (side + 1) / 2, "CRPIX2": (side + 1) / 2})
    unit = fits.PrimaryHDU(np.zeros((1, 1), ">f4"), cards)
    unit.header["NAXIS1"] = unit.header["NAXIS2"] = side
    text = unit.header.tostring().encode()
    with (place / "images" / "m.fits").open("wb") as file:
        file.write(text)
        file.truncate(len(text) + 4 * side**2 + 2880 - 4 * side**2 % 2880)
    at(cards, (20_000, 20_000), (39_990, 10)).to_csv(place / "positions.csv", index=False)
    source = survey.Source(survey="folder", path=str(place / "images"), catalog=str(place / "positions.csv"))
    manifest = pd.DataFrame([{"path": "m.fits", "status": "ok", "reason": ""}])
    list(survey.candidates(source, place, manifest))  # what is imported on the way is not counted
    tracemalloc.start()
    found = list(survey.candidates(source, place, manifest))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.values.shape for one in found] == [(212, 212)] * 2
    assert peak < 10e6
