"""Files made to do harm are a row with a reason: nothing is executed or written, and memory stays flat."""

from __future__ import annotations

import bz2
import gzip
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from astro_vae.settings import ExecutionSettings
from astro_vae.surveys import _fits_file
from astro_vae.surveys import folder as survey
from astro_vae.surveys.candidate import Candidate


@pytest.fixture
def images(tmp_path: Path) -> Path:
    top = tmp_path / "images"
    top.mkdir()
    fits.writeto(top / "good.fits", np.ones((8, 8), np.float32))
    return top


def read(images: Path, **settings: object) -> dict[str, Candidate]:
    source = survey.Source(survey="folder", path=str(images), **settings)
    manifest = survey.obtain(source, images.parent / "data", execution=ExecutionSettings())
    return {Path(c.object_id).name: c for c in survey.candidates(source, images.parent / "data", manifest)}


def claiming(*sides: int, bitpix: int = -32) -> bytes:
    cards = [("SIMPLE", True), ("BITPIX", bitpix), ("NAXIS", len(sides))]
    header = fits.Header([*cards, *((f"NAXIS{i + 1}", side) for i, side in enumerate(sides))])
    return header.tostring().encode() + bytes(2880)


def test_a_header_that_claims_10_12_pixels(images: Path) -> None:
    (images / "claims.fits").write_bytes(claiming(10**6, 10**6))
    (images / "packed.fits.gz").write_bytes(gzip.compress(claiming(10**6, 10**6)))
    found = read(images)
    assert "its header claims 4000000000000 bytes of pixels" in found["claims"].reason
    assert found["packed"].reason.startswith("too large to be one object: 1000000 x 1000000 pixels")
    assert found["good"].values is not None


def test_a_compressed_image_in_one_huge_tile(images: Path) -> None:
    unit = fits.CompImageHDU(np.ones((8, 8), np.float32), tile_shape=(8, 8))
    unit.writeto(images / "tile.fits.fz")
    content = (images / "tile.fits.fz").read_bytes()
    for name in (b"ZNAXIS1", b"ZNAXIS2", b"ZTILE1 ", b"ZTILE2 "):
        content = content.replace(name + b" =                    8", name + b" =               999999")
    (images / "tile.fits.fz").write_bytes(content)
    assert content.count(b"999999") == 4
    assert read(images)["tile"].reason.startswith(("compressed image in tiles of more than", "too large to be one"))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_packed_file_that_unpacks_to_too_much(images: Path, pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fits_file, "MAX_BYTES", 2**22)
    (images / "bomb.fits.gz").write_bytes(pack(bytes(2**23)))
    (images / "later.fits.gz").write_bytes(pack((images / "good.fits").read_bytes() + bytes(2**23)))
    (images / "small.fits.gz").write_bytes(pack((images / "good.fits").read_bytes()))
    found = read(images)
    assert found["bomb"].reason == found["later"].reason == "packed file that unpacks to more than 4 MiB: unpack it"
    assert np.array_equal(found["small"].values, np.ones((8, 8)))


def test_a_zip_archive_is_not_unpacked_to_the_disk(images: Path) -> None:
    import zipfile

    with zipfile.ZipFile(images / "archive.fits", "w") as archive:
        archive.writestr("good.fits", (images / "good.fits").read_bytes())
    assert read(images)["archive"].reason == "not a FITS file but a zip archive: unpack it"


def png(width: int, height: int) -> bytes:
    """Return a PNG whose header claims a size; its pixels are all zero."""
    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    sides = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", sides + b"\x08\x06\x00\x00\x00")
            + chunk(b"IDAT", zlib.compress(bytes(2**20))) + chunk(b"IEND", b""))


def test_a_picture_that_unpacks_to_too_much(images: Path) -> None:
    (images / "larger.png").write_bytes(png(60_000, 60_000))
    (images / "large.png").write_bytes(png(12_000, 12_000))
    found = read(images)
    for name in ("larger", "large"):
        assert found[name].reason.startswith("too large to be one object: Image size (")


def test_only_png_and_jpeg_are_read_as_pictures(images: Path) -> None:
    (images / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n")
    Image.fromarray(np.ones((8, 8), np.uint8)).save(images / "other.png", format="TIFF")
    found = read(images)
    assert found["script"].reason.startswith("no picture, or damaged: cannot identify")
    assert found["other"].reason.startswith("no picture, or damaged: cannot identify")


def test_links_out_of_the_folder_are_followed_only_when_asked(images: Path) -> None:
    outside = images.parent / "outside"
    outside.mkdir()
    for name in ("secret", "inner"):
        fits.writeto(outside / f"{name}.fits", np.full((8, 8), 2, np.float32))
    (images / "link.fits").symlink_to(outside / "secret.fits")
    (images / "folder").symlink_to(outside)
    (images / "circle").symlink_to(images)
    (images / "broken.fits").symlink_to(outside / "nothing.fits")
    (images / "own.fits").symlink_to(images / "good.fits")
    os.mkfifo(images / "pipe.fits")
    found = read(images, min_fraction=0)
    told = {name: candidate.reason for name, candidate in found.items()}
    leads = "failed: a link that leads out of the folder; set source.follow_links to take it"
    assert told == {"good": "", "own": "", "link": leads, "folder": leads, "broken": "failed: a link to nothing",
                    "pipe": "failed: no regular file"}
    followed = read(images, follow_links=True)
    assert {name for name, c in followed.items() if c.values is not None} == {"good", "own", "link", "secret", "inner"}


def test_a_name_that_is_no_text_is_a_row(images: Path) -> None:
    (images / os.fsdecode(b"J12\xe9.fits")).write_bytes((images / "good.fits").read_bytes())
    reasons = [c.reason for c in read(images).values() if c.object_id != "good"]
    assert reasons == ["failed: a name that is not UTF-8; rename the file"]


HEADERS = {
    "beam in words": {"BMAJ": "round", "BMIN": "round"}, "no beam": {"BMAJ": 0.0, "BMIN": 0.0},
    "no scale": {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": 0.0, "CDELT2": 0.0},
    "nonsense": {"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ", "CRVAL1": 1e300},
    "half a sky": {"CTYPE1": "RA---TAN", "CTYPE2": "FREQ", "CDELT1": 1.0, "CDELT2": 1.0},
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_nonsense_stops_nothing(images: Path, name: str) -> None:
    fits.writeto(images / "bad.fits", np.ones((8, 8), np.float32), fits.Header(HEADERS[name]))
    found = read(images)
    assert found["good"].values is not None
    bad = found["bad"]
    assert bad.values is not None or bad.reason
    assert np.isnan(bad.beam[0])


@pytest.mark.slow
def test_memory_stays_flat_before_a_gzip_bomb(images: Path) -> None:
    """2 GB of zeros, and claims of 10^12 pixels, are read with less than 300 MB above what imports take."""
    with gzip.open(images / "bomb.fits.gz", "wb", compresslevel=1) as file:
        for _ in range(2048):
            file.write(bytes(2**20))
    (images / "claims.fits").write_bytes(claiming(10**6, 10**6))
    (images / "larger.png").write_bytes(png(60_000, 60_000))
    (images / "good").mkdir()
    Image.fromarray(np.ones((8, 8), np.uint8)).save(images / "good" / "good.png")
    (images / "good.fits").rename(images / "good" / "good.fits")
    code = f"""
import resource
from astro_vae.settings import ExecutionSettings
from astro_vae.surveys import folder
from pathlib import Path
def read(path):
    source = folder.Source(survey="folder", path=str(path))
    manifest = folder.obtain(source, Path(path), execution=ExecutionSettings())
    return sum(bool(c.reason) for c in folder.candidates(source, Path(path), manifest))
read({str(images / "good")!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(read({str(images)!r}), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    refused, kilobytes = map(int, done.stdout.split())
    assert refused == 3
    assert kilobytes * (1 if sys.platform == "linux" else 1 / 1024) < 300_000
