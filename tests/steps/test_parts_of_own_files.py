"""A person's own folder, whatever its files, gives the same objects from one job and from many, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from PIL import Image

from astro_vae import surveys
from astro_vae.errors import UserError
from astro_vae.files import checksum
from astro_vae.objects import open_objects
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.settings_images import PrepareSettings
from astro_vae.settings_spectra import GridSettings, SpectrumPrepareSettings
from astro_vae.steps import prepare as step
from astro_vae.surveys import _mosaic, folder, spectra_folder
from astro_vae.surveys.candidate import Block

IMAGES = PrepareSettings(size=36, field=30)
SPECTRA = SpectrumPrepareSettings(grid=GridSettings(log_start=3.65, log_step=0.001, bins=150), margin=5)
HEADER = {
    "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 150.0, "CRVAL2": 20.0, "CDELT1": -5e-4, "CDELT2": 5e-4,
    "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS", "BUNIT": "JY/BEAM", "BMAJ": 0.0015, "BMIN": 0.0015, "BPA": 0.0,
}
Kept, Refused = list[str], dict[str, str]
Made = tuple[SourceSettings, Kept, Refused]


def blobs(shape: tuple[int, int], *pixels: tuple[int, int], seed: int = 0) -> np.ndarray:
    y, x = np.indices(shape)
    sources = sum(np.exp(-((x - column) ** 2 + (y - row) ** 2) / 8) for column, row in pixels)
    return (sources + np.random.default_rng(seed).normal(0, 0.01, shape)).astype(np.float32)


def header(shape: tuple[int, int]) -> fits.Header:
    return fits.Header(HEADER | {"CRPIX1": (shape[1] + 1) / 2, "CRPIX2": (shape[0] + 1) / 2})


def an_image(path: Path, seed: int) -> None:
    fits.writeto(path, blobs((40, 40), (20, 20), seed=seed), header((40, 40)))


def a_spectrum(path: Path, seed: int) -> None:
    wave = np.geomspace(4500.0, 7500, 400)
    flux = 5 + np.random.default_rng(seed).normal(0, 0.2, len(wave))
    Table({"wave": wave, "flux": flux, "error": np.full(len(wave), 0.2)}).write(path, overwrite=True)


def files(top: Path, write: Callable[[Path, int], None], ending: str) -> None:
    """Write nine files, of which the third is the first's twin, the sixth empty, and the eighth a link out of it."""
    (top / "deeper").mkdir(parents=True)
    for i in range(9):
        write(top / ("deeper" if i > 6 else "") / f"f{i}{ending}", 0 if i == 2 else i)
    (top / f"f5{ending}").write_bytes(b"")
    link = top / "deeper" / f"f7{ending}"
    link.rename(top.parent / link.name)
    link.symlink_to(top.parent / link.name)


def own_images(place: Path) -> Made:
    files(place / "images", an_image, ".fits")
    Image.fromarray(np.arange(1600, dtype=np.uint32).reshape(40, 40).astype(np.uint8)).save(place / "images" / "f3.png")
    (place / "labels.csv").write_text("file,label,flux,note\nf0,b,1,x\nlost,a,2,\nf3.fits,a,,y\nf8,a,3,\nf4.fits,,,z\n")
    source = folder.Source(survey="folder", path=str(place / "images"), labels=str(place / "labels.csv"))
    return source, ["deeper/f8", "f0", "f1", "f3.fits", "f4", "f6"], {
        "deeper/f7": "failed: a link that leads out", "f2": "duplicate image: the same pixels as f0",
        "f3.png": "another unit", "f5": "empty file", "lost": "missing: named in",
    }


def own_spectra(place: Path) -> Made:
    files(place / "spectra", a_spectrum, ".fits")
    a_spectrum(place / "spectra" / "f3.csv", 30)
    (place / "labels.csv").write_text(
        "file,label,z,note\nf0,b,0.01,x\nlost,a,0.02,\nf1,,0.01,\nf2,,0.01,\nf3.fits,a,0.03,y\nf3.csv,a,0.02,\n"
        "f5,,0.01,\nf6,b,none,\nf8,a,0.01,\n"
    )
    source = spectra_folder.Source(
        survey="spectra_folder", path=str(place / "spectra"), labels=str(place / "labels.csv")
    )
    return source, ["deeper/f8", "f0", "f1", "f3.csv", "f3.fits"], {
        "deeper/f7": "failed: a link that leads out", "f2": "duplicate spectrum: the same pixels as f0",
        "f4": "no redshift", "f5": "empty file", "f6": "no number in the table of labels",
        "lost": "missing: named in",
    }


def mosaics(place: Path) -> Made:
    shape, top = (80, 240), place / "images"
    pixels = [(30 + 30 * i, 40) for i in range(7)]
    top.mkdir()
    first = blobs(shape, *pixels, seed=1)
    first[:, 139:] = np.nan  # what lies here is taken from the second
    fits.writeto(top / "a.fits", first, header(shape))
    fits.writeto(top / "b.fits", blobs(shape, *pixels, seed=2), header(shape))
    fits.writeto(top / "plain.fits", first)
    (top / "link.fits").symlink_to(place / "nothing.fits")
    sky = WCS(header(shape)).pixel_to_world(*np.array([*pixels, pixels[1], (500, 40)]).T)
    names = ["s0", "s1", "s2", "s3", "s4", "s0", "s6", "s7", "s8", "s9"]
    table = Table({"object_id": names, "ra": [*sky.ra.deg, 400.0], "dec": [*sky.dec.deg, 0.0], "n": range(10)})
    table.write(place / "positions.csv")
    labels = place / "labels.csv"
    labels.write_text("object_id,label\ns1,a\ns6,b\nnobody,b\n")
    source = folder.Source(
        survey="folder", path=str(top), catalog=str(place / "positions.csv"), labels=str(labels), cutout=37
    )
    return source, ["s0", "s1", "s2", "s3", "s4", "s6"], {
        "link.fits": "failed: a link to nothing", "nobody": "no position: named in", "plain.fits": "mosaic without WCS",
        "s0": "duplicate name",
        "s7": "duplicate image: the same pixels as s1", "s8": "outside every mosaic", "s9": "no position",
    }


@pytest.fixture(params=[own_images, own_spectra, mosaics])
def own(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Give a folder with all that may go wrong, and a function that prepares it in so many blocks."""
    monkeypatch.setattr(step, "PEEK", 1)
    source, kept, refused = request.param(tmp_path)
    survey = surveys.survey(source.survey)
    settings: Any = SPECTRA if survey.KIND == "spectrum" else IMAGES
    known: dict[str, Any] = {"folder": tmp_path, "manifest": tmp_path / "manifest.csv"}
    survey.obtain(source, tmp_path, execution=ExecutionSettings()).to_csv(known["manifest"], index=False)

    def block(number: int, total: int) -> Path:
        path = tmp_path / f"{number}-of-{total}.h5"
        step.prepare_block(source, settings, block=Block(number, total), **known, out=path)
        return path

    def objects(total: int) -> Path:
        parts = [block(number, total) for number in range(1, total + 1)] if total > 1 else []
        step.prepare(source, settings, **known, out=tmp_path / "objects.h5", parts=parts)
        return tmp_path / "objects.h5"

    return SimpleNamespace(objects=objects, block=block, kept=kept, refused=refused, survey=survey)


def test_blocks_of_own_files_give_the_same_bytes(own: SimpleNamespace) -> None:
    whole = checksum(own.objects(1))
    table = open_objects(own.objects(1)).table
    assert table["object_id"][table["status"] == "ok"].tolist() == own.kept
    refused = table[table["status"] == "refused"].set_index("object_id")["reason"]
    assert sorted(refused.index) == sorted(own.refused)
    assert all(reason.startswith(own.refused[name]) for name, reason in refused.items())
    for total in (2, 5, 40):
        assert checksum(own.objects(total)) == whole


def test_a_block_opens_its_own_files_and_the_first(own: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of mosaics: it cuts out its own objects. What is asked of the first is the unit."""
    module, name = (_mosaic, "_cut") if "s0" in own.kept else (own.survey, "_read")
    read, opened = getattr(module, name), []

    def noted(*given: Any) -> Any:
        opened.append((given[2].object_id, given[2].extra.get("n")))
        return read(*given)

    monkeypatch.setattr(module, name, noted)
    blocks = []
    for number in range(1, 4):
        own.block(number, 3)
        assert opened.pop(0)[0] == own.kept[0]
        blocks.append(set(opened))
        opened.clear()
    assert all(blocks)
    assert sum(map(len, blocks)) == len(set.union(*blocks)) >= 8


def test_a_survey_that_is_not_read_in_blocks_says_so(tmp_path: Path) -> None:
    source, manifest = surveys.SOURCES["mirabest"](survey="mirabest"), tmp_path / "manifest.csv"
    manifest.write_text("address,path,bytes,checksum,status,reason\n")
    with pytest.raises(UserError, match="mirabest: not read in blocks; prepare it as a whole"):
        step.prepare_block(
            source, IMAGES, block=Block(1, 2), folder=tmp_path, manifest=manifest, out=tmp_path / "part"
        )
