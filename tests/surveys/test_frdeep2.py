"""FR-DEEP version 2: tables, names, cutouts and batches; and, where the mirror is at hand, the published images."""

from __future__ import annotations

import io
import pickle
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astro_vae.download import fetch
from astro_vae.errors import UserError
from astro_vae.images.measure import measure_noise
from astro_vae.images.view import view
from astro_vae.objects import open_objects
from astro_vae.settings import ExecutionSettings, SplitSettings
from astro_vae.settings_images import PrepareSettings, ViewSettings
from astro_vae.steps.prepare import prepare
from astro_vae.steps.split import split
from astro_vae.surveys import frdeep2
from astro_vae.surveys._batches import read_batches
from astro_vae.surveys._cutouts import known_files
from astro_vae.surveys.candidate import Candidate
from astro_vae.surveys.frdeep2 import Source, candidates, obtain, read_tables

HEADER = "Object_ID,RA(J2000),DEC(J2000),Source_redshift,FR_label"
PLUS = "SDSS J150957.37+332715.0_I"
MIRRORED = "raw.githubusercontent.com/HongmingTang060313/FRDEEP_v2.0/master"


def source(**known: Any) -> Source:
    return Source.model_validate({"survey": "frdeep2", **known})


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    train = ("NGC 2484,07 58 28.60,+37 47 13.8,0.0408,I", f"{PLUS[:-2]},15 09 57.3700,+33 27 15.000,0.1,I")
    test = ("4C -02.61,15 00 00.00,-00 30 00.0,nan,II",)
    for part, rows in {"train": train, "test": test}.items():
        (tmp_path / f"FRDEEPv2_{part}.csv").write_bytes("\r\n".join((HEADER, *rows, "")).encode())
    return tmp_path


def test_tables_give_position_redshift_class_and_part(tables: Path) -> None:
    found = read_tables(tables)
    assert list(found) == ["NGC 2484_I", PLUS, "4C -02.61_II"]
    first, _, last = found.values()
    assert (first.label, first.part, first.extra) == ("FRI", "train", {"redshift": 0.0408})
    assert first.ra == pytest.approx(119.619167, abs=1e-6)
    assert first.dec == pytest.approx(37.787167, abs=1e-6)
    assert (last.ra, last.dec, last.label, last.part) == (225, -0.5, "FRII", "test")
    assert np.isnan(last.extra["redshift"])


@pytest.mark.parametrize("content", ["", "a,b\r\n1,2\r\n", HEADER + "\r\nM87,12 30,+12 23 28,0.004,I\r\n",
                                     HEADER + "\r\nM87,12 30 49,+12 23 28,0.004,0\r\n"])
def test_a_damaged_table_is_named(tables: Path, content: str) -> None:
    (tables / "FRDEEPv2_test.csv").write_text(content)
    if not content:
        (tables / "FRDEEPv2_test.csv").unlink()
    with pytest.raises(UserError, match=r"FRDEEPv2_test\.csv: not the published table"):
        read_tables(tables)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Give a folder, and the address at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files, and write no log."""

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_names_with_blanks_and_plus_signs_are_fetched(
    tables: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    monkeypatch.setenv("ASTRO_VAE_MIRROR", address)
    content = b"SIMPLE  =" + bytes(frdeep2.IMAGES["nvss"].fits_size - 9)
    place = folder / MIRRORED / "2_Source_raw_fits_image" / "NVSS"
    place.mkdir(parents=True)
    (place / f"{PLUS}.fits").write_bytes(content)
    manifest = fetch(frdeep2._files(source(images="nvss"), tables), tables)
    assert manifest["status"].tolist() == ["missing", "ok", "missing"]
    assert manifest["reason"][0] == "not at the archive: HTTP status 404 (File not found)"
    assert (tables / "NVSS" / f"{PLUS}.fits").read_bytes() == content
    first, second, _ = candidates(source(images="nvss"), tables, manifest)
    assert (first.label, first.values, first.reason) == ("FRI", None, f"missing: {manifest['reason'][0]}")
    assert second.reason.startswith("damaged or truncated FITS file")


def test_the_list_of_cutouts_is_whole() -> None:
    known = known_files("frdeep2")
    assert len(known) == 658
    assert Counter(name.rpartition("_")[2] for name in known) == {"I": 269, "II": 389}
    assert len({md5 for (md5,) in known.values() if len(md5) == 32}) == 658


def test_batches_take_what_the_tables_know(tables: Path) -> None:
    batches = {"/train_batch": ["NGC 2484_I.png", "M87_I.png"], "/test_batch": ["4C -02.61_II.png"]}
    with tarfile.open(tables / "FIRST.tar.gz", "w:gz") as made:
        for name, files in batches.items():
            images = [np.full(36, i, np.uint8) for i, _ in enumerate(files)]
            content = pickle.dumps({"labels": [0] * len(files), "data": images, "filenames": files}, protocol=3)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    first, stranger, last = candidates(source(files="batches"), tables, pd.DataFrame())
    assert (first.label, first.part, first.pixel_arcsec, first.scaled) == ("FRI", "train", 1.8, True)
    assert first.extra == {"redshift": 0.0408, "batch": "train_batch", "batch_row": 0}
    assert stranger.reason == "faulty: the tables of the set do not name it"
    assert (last.object_id, last.label, last.part, last.dec) == ("4C -02.61_II", "FRII", "test", -0.5)
    assert not Path("/train_batch").exists()


def read(chosen: Source, folder: Path, execution: ExecutionSettings) -> dict[str, Candidate]:
    manifest = obtain(chosen, folder, execution=execution)
    return {c.object_id: c for c in candidates(chosen, folder, manifest)}


@pytest.mark.parametrize("images", ["first", "nvss"])
def test_the_published_batches(images: str, from_mirror: ExecutionSettings, tmp_path: Path) -> None:
    found = read(source(images=images, files="batches"), tmp_path, from_mirror)
    assert Counter((c.part, c.label) for c in found.values()) == {
        ("train", "FRI"): 188, ("train", "FRII"): 272, ("test", "FRI"): 81, ("test", "FRII"): 117,
    }
    assert not any(c.reason for c in found.values())
    for c in found.values():
        assert c.part == c.extra["batch"].removesuffix("_batch")
        assert c.values is not None
        assert c.values.shape == (150, 150)
        assert c.values.max() == 255


def test_the_published_images_bit_for_bit(from_mirror: ExecutionSettings, tmp_path: Path) -> None:
    found = read(source(), tmp_path, from_mirror)
    here = {name: c for name, c in found.items() if c.values is not None}
    assert (len(found), len(here)) == (658, 59)
    assert all(c.reason.startswith("missing: not in the mirror") for name, c in found.items() if name not in here)
    values = np.stack([c.values for c in here.values() if c.values is not None])
    assert values.shape == (59, 150, 150)
    noise = pd.DataFrame({"noise": [measure_noise(image, "sigma_clip") for image in values]})
    seen = view(values, noise, ViewSettings(size=150, mask="none"), scaled=False)
    obtain(source(files="batches"), tmp_path, execution=from_mirror)
    published = {image.name.removesuffix(".png"): image.values for image in read_batches(tmp_path / "FIRST.tar.gz")}
    assert [name for name, image in zip(here, seen, strict=True) if not np.array_equal(image, published[name])] == []
    catalogue = read_tables(tmp_path)
    for name, c in here.items():
        assert (c.unit, c.scaled, c.north_deg, c.beam[1]) == ("Jy/beam", False, 0, 5.4)
        assert c.pixel_arcsec == pytest.approx(1.8)
        assert abs(c.dec - catalogue[name].dec) < 1 / 3600


def test_training_twins_of_test_sources_are_dropped(from_mirror: ExecutionSettings, tmp_path: Path) -> None:
    manifest, objects, out = (tmp_path / name for name in ("manifest.csv", "objects.h5", "split.csv"))
    obtain(source(), tmp_path, execution=from_mirror).to_csv(manifest, index=False)
    prepare(source(), PrepareSettings(size=150), folder=tmp_path, manifest=manifest, out=objects)
    split(SplitSettings(), objects=objects, out=out)
    table = open_objects(objects).table
    assert Counter(table["reason"][table["status"] == "refused"].str.partition(":")[0]) == {"missing": 599}
    parts = pd.read_csv(out).set_index("object_id")
    dropped = parts[parts["part"] == "dropped"]["reason"].to_dict()
    twins = {  # training object: the object of the test part 4.8, 12.6 and 43 arcsec away
        "NGC 5782_I": "SDSS J145555.27+115141.4_I",
        "SDSS J142616.34+005015.3_I": "N344Z014_I",
        PLUS: "SDSS J150959.74+332746.1_I",
    }
    assert dropped == {a: f"same sky as {b} of the published test part" for a, b in twins.items()}
