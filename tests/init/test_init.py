"""The command as a person gives it: what it prints, what it writes, what it refuses, and that the result can be run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from astro_vae import cli
from astro_vae.errors import UserError
from astro_vae.init.look import LOOK, look
from astro_vae.surveys import load_settings
from astro_vae.surveys.folder import Source
from tests.init.commands import init, prepared

SIDE = 60


def header(pixel: float = 1.8, ra: float = 150.0) -> fits.Header:
    return fits.Header({
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": 30.0, "CRPIX1": (SIDE + 1) / 2,
        "CRPIX2": (SIDE + 1) / 2, "CDELT1": -pixel / 3600, "CDELT2": pixel / 3600, "BUNIT": "JY/BEAM",
        "BMAJ": 5.4 / 3600, "BMIN": 5.4 / 3600, "BPA": 0.0,
    })


def blob(seed: int, side: int = SIDE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return (np.exp(-(x**2 + y**2) / 20) + rng.normal(0, 0.01, (side, side))).astype(np.float32)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of 12 cutouts in two folders, with a name that has a blank, and work beside it."""
    monkeypatch.chdir(tmp_path)
    for i in range(12):
        path = tmp_path / "my images" / ("FRI", "FRII")[i % 2] / f"J{i}+30 #{i}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        fits.writeto(path, blob(i), header(ra=150 + i))
    return tmp_path / "my images"


def test_a_folder_becomes_a_configuration_that_works(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = init("mine", "--images", "my images")
    assert "12 (12 .fits) in 2 folders" in said
    assert "nothing odd" in said
    assert "next: " in said
    assert said.strip().endswith("mine.yaml")
    prepared(tmp_path / "mine.yaml", tmp_path)
    assert "12 of 12 candidates kept" in capsys.readouterr().out


def test_the_configuration_goes_where_the_others_are_and_is_not_written_over(images: Path, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "Snakefile").touch()
    said = init("mine", "--images", images)
    assert said.strip().endswith("next: astro-vae run --config config/mine.yaml")
    (tmp_path / "config" / "mine.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"config/mine\.yaml: is there already; choose another name, or --force"):
        init("mine", "--images", images)
    assert (tmp_path / "config" / "mine.yaml").read_text() == "mine"
    init("mine", "--images", images, "--force")
    assert load_settings(tmp_path / "config" / "mine.yaml").run == "mine"


def test_the_command_names_the_project_from_elsewhere(images: Path) -> None:
    said = init("mine", "--images", images).strip().splitlines()[-1]
    project = Path(cli.__file__).parents[1]
    assert said == f"next: cd {project} && astro-vae run --config {images.parent / 'mine.yaml'}"


def test_half_of_the_files_are_unusable(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt = sorted(images.rglob("*.fits"))[::2]
    for path, content in zip(spoilt, (b"", b"text" * 99, path_half(spoilt[2]), b"\x1f\x8bxx", b"SIMPLE"), strict=False):
        path.write_bytes(content)
    spoilt[5].unlink()
    spoilt[5].symlink_to("/etc/hostname.fits")
    said = init("mine", "--images", images)
    assert "6 of 12 cannot be used; each gets a row with its reason" in said
    for reason in ("empty file", "not a FITS file", "damaged or truncated FITS file", "failed"):
        assert reason in said
    prepared(tmp_path / "mine.yaml", tmp_path)
    assert "6 of 12 candidates kept" in capsys.readouterr().out


def path_half(path: Path) -> bytes:
    content = path.read_bytes()
    return content[: len(content) // 2]


def test_unequal_pixels_and_sizes_come_to_one_grid(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(4):
        fits.writeto(images / f"fine{i}.fits", blob(20 + i, 130), header(pixel=0.9, ra=170 + i))
    said = init("mine", "--images", images)
    assert "pixel scales differ: 0.9 to 1.8 arcsec" in said
    assert load_settings(tmp_path / "mine.yaml").surveys["mine"].source.grid_arcsec == 1.8
    prepared(tmp_path / "mine.yaml", tmp_path)
    assert "16 of 16 candidates kept" in capsys.readouterr().out


def test_pictures_with_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["file,label"]
    for i in range(20):
        path = tmp_path / "p" / str(i % 3) / f"{i}.{('png', 'jpg')[i % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((255 * np.clip(blob(i), 0, 1)).astype(np.uint8)).save(path)
        rows.append(f"{path.name},{('a', 'b')[i % 2]}")
    (tmp_path / "labels.csv").write_text("\n".join([*rows, "gone.png,a"]))
    said = init("mine", "--images", "p", "--labels", "labels.csv")
    assert "8-bit grey 20" in said
    assert "1 of the names in" in said
    made = load_settings(tmp_path / "mine.yaml").surveys["mine"]
    assert made.models["cvae"].conditional
    prepared(tmp_path / "mine.yaml", tmp_path)


def test_objects_of_a_mosaic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    rng = np.random.default_rng(1)
    image = rng.normal(0, 0.01, (400, 400)).astype(np.float32)
    rows = ["ra,dec,label"]
    cards = header()
    for i, (x, y) in enumerate(rng.integers(60, 340, (14, 2))):
        image[y - 30 : y + 30, x - 30 : x + 30] += blob(i)
        sky = WCS(cards).pixel_to_world(x - 0.5, y - 0.5)
        rows.append(f"{sky.ra.deg},{sky.dec.deg},{('a', 'b')[i % 2]}")
    fits.writeto(tmp_path / "m" / "mosaic.fits", image[None, None], cards)
    (tmp_path / "positions.csv").write_text("\n".join([*rows, "10,10,a"]))
    said = init("mine", "--images", "m", "--catalog", "positions.csv")
    assert "1 outside every mosaic: such as" in said
    prepared(tmp_path / "mine.yaml", tmp_path)
    (tmp_path / "labels.csv").write_text("object_id,label\nnobody,a\n")
    said = init("told", "--images", "m", "--catalog", "positions.csv", "--labels", "labels.csv")
    assert "1 no position: such as nobody (no position: named in" in said
    (tmp_path / "positions.csv").write_text("ra,dec\n10.1,30\n10.2,30\n")
    with pytest.raises(UserError, match="no object can be used"):
        init("hours", "--images", "m", "--catalog", "positions.csv")
    assert not (tmp_path / "hours.yaml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a b", "--images", "my images"), "'a b' becomes a path"),
        (("mine", "--images", "nowhere"), "no such folder; give the folder of your images by --images"),
        (("mine", "--images", "empty"), r"no images; known endings: \.fits"),
        (("mine", "--images", "my images", "--labels", "no.csv"), r"no\.csv: no such file"),
        (("mine", "--images", "my images", "--catalog", "no.csv"), r"no\.csv: no such file"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    images: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        init(*words)
    assert not list(tmp_path.glob("*.yaml"))


def test_several_images_in_a_file_are_told(images: Path, tmp_path: Path) -> None:
    for i, path in enumerate(sorted(images.rglob("*.fits"))):
        units = [fits.PrimaryHDU(), fits.ImageHDU(blob(i), header(ra=150 + i), name="SCI"),
                 fits.ImageHDU(blob(i), header(), name="ERR")]
        fits.HDUList(units).writeto(path, overwrite=True)
    assert "FITS files have several images (1 SCI, 2 ERR, in 12 files looked at)" in init("mine", "--images", images)
    assert "# hdu: 1" in (tmp_path / "mine.yaml").read_text()


def test_many_files_are_looked_at_evenly(tmp_path: Path) -> None:
    content = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    content.save(tmp_path / "0.png")
    data = (tmp_path / "0.png").read_bytes()
    for i in range(LOOK + 500):
        path = tmp_path / f"{i // 100:02d}" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    os.truncate(tmp_path / "24" / "2499.png", 0)
    found = look(Source(survey="folder", path=str(tmp_path)))
    assert (found.objects, len(found.images)) == (LOOK + 501, LOOK)
    assert found.images["object_id"].iloc[-1] == "24/2499"
    assert found.images["reason"].iloc[-1] == "empty file: 0 bytes"
