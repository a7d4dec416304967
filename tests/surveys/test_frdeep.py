"""FR-DEEP: batches as published, their faults; and, where the mirror is at hand, the published files."""

from __future__ import annotations

import io
import math
import pickle
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astro_vae.objects import open_objects
from astro_vae.settings import ExecutionSettings, SplitSettings
from astro_vae.settings_images import PrepareSettings
from astro_vae.steps.prepare import prepare
from astro_vae.steps.split import split
from astro_vae.surveys import frdeep, frdeep2
from astro_vae.surveys._batches import load_batch
from astro_vae.surveys.candidate import Candidate
from astro_vae.surveys.frdeep import Source, candidates, obtain

IDENTICAL = {  # the same pixels twice; the pair of NVSS is one source of two catalogues
    "first": {"134_example.png", "182_example.png"},
    "nvss": {"163_FRICAT_FR1_.png", "30_CoNFIG_FR1_.png"},
}


def source(images: str = "first") -> Source:
    return Source.model_validate({"survey": "frdeep", "images": images})


def archive(path: Path, batches: dict[str, dict[str, Any]]) -> None:
    with tarfile.open(path, "w:gz") as made:
        for name, batch in batches.items():
            content = pickle.dumps(batch, protocol=3)
            member = tarfile.TarInfo(f"FIRST_PNG_dataset/{name}")
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))


def batch(*names: str, labels: tuple[int, ...] = (0, 1)) -> dict[str, Any]:
    images = np.random.default_rng(len(names[0])).integers(0, 256, (len(names), 36), np.uint8)
    return {"labels": list(labels), "data": list(images), "filenames": [np.str_(name) for name in names]}


def read(folder: Path, images: str = "first") -> list[Candidate]:
    files = [path.name for path in folder.iterdir()]
    return list(candidates(source(images), folder, pd.DataFrame({"path": files, "status": "ok"})))


def test_names_that_occur_twice_are_two_objects(tmp_path: Path) -> None:
    archive(tmp_path / "FIRST_PNG_dataset.tar.gz", {
        "data_batch_1": batch("8_example.png", "8_example.png"),
        "test_batch": batch("13_FRICAT_FR1_example.png", "8_example.png"),
    })
    found = read(tmp_path)
    assert [c.object_id for c in found] == ["data_batch_1_00", "data_batch_1_01", "test_batch_00", "test_batch_01"]
    assert [c.label for c in found] == ["FRI", "FRII", "FRI", "FRII"]
    assert [c.part for c in found] == ["train", "train", "test", "test"]
    assert found[2].extra == {
        "file_name": "13_FRICAT_FR1_example.png", "catalogue": "FRICAT", "batch": "test_batch", "batch_row": 0,
        "name": "", "redshift": pytest.approx(math.nan, nan_ok=True),
    }
    assert found[3].extra["catalogue"] == "CoNFIG"
    assert found[0].values is not None
    assert found[0].values.shape == (6, 6)
    assert set(found[0].extra) == set(frdeep.COLUMNS)


def test_another_class_says_so(tmp_path: Path) -> None:
    archive(tmp_path / "FIRST_PNG_dataset.tar.gz", {"test_batch": batch("a.png", "b.png", labels=(1, 2))})
    good, bad = read(tmp_path)
    assert (good.label, good.reason) == ("FRII", "")
    assert (bad.label, bad.reason) == ("", "faulty: class 2 is neither 0 (FRI) nor 1 (FRII)")


def test_the_two_surveys_have_their_own_pixels_and_beams(tmp_path: Path) -> None:
    for chosen in frdeep.ARCHIVES.values():
        archive(tmp_path / chosen.name, {"test_batch": batch("a.png", "b.png")})
    first, nvss = read(tmp_path)[0], read(tmp_path, "nvss")[0]
    assert (first.pixel_arcsec, nvss.pixel_arcsec) == (1.8, 15)
    assert math.isnan(first.beam[0])
    assert nvss.beam == (45, 45, 0)


def test_numbers_of_file_names_lead_to_the_catalogues(tmp_path: Path) -> None:
    (tmp_path / "FRICAT_Table1.csv").write_text(
        "_RAJ2000,_DEJ2000,SDSS,z,SimbadName\n00 29 00.9800,-01 13 41.700,J0,0.083,SDSS J0\n"
        "01 00 00.0000,+10 00 00.000,J1,0.1,SDSS J1\n"
    )
    (tmp_path / "CoNFIG_II_full_Table.csv").write_text(
        "_RAJ2000,_DEJ2000,mt,u_mt,z,SimbadName\n02 00 00.00,+00 00 00.0,II,p,0.1,possible\n"
        "03 00 00.00,-03 00 00.0,II,c,,first FRII\n04 00 00.00,+50 00 00.0,I,c,0.2,first FRI\n"
        "05 00 00.00,+60 00 00.0,II,c,0.3,second FRII\n"
    )
    archive(tmp_path / "FIRST_PNG_dataset.tar.gz", {
        "data_batch_1": batch("1_FRICAT_FR1_example.png", "2_example.png"),
        "data_batch_2": batch("1_example.png", "1_example.png"),
        "test_batch": batch("3_FRICAT_FR1_example.png", "nameless.png"),
    })
    found = read(tmp_path)
    assert [c.extra["name"] for c in found] == ["SDSS J0", "second FRII", "first FRI", "first FRII", "", ""]
    assert [c.ra for c in found[:4]] == pytest.approx([7.254083, 75, 60, 45], abs=1e-6)
    assert [c.dec for c in found[:4]] == pytest.approx([-1.228250, 60, 50, -3], abs=1e-6)
    assert [c.beam[0] for c in found[:4]] == [6.4, 5.4, 5.4, 6.8]
    assert found[0].extra["redshift"] == 0.083
    assert all(math.isnan(value) for value in (found[3].extra["redshift"], found[4].ra, found[5].ra))
    (tmp_path / "FRICAT_Table1.csv").unlink()  # a mirror may lack it
    assert all(math.isnan(c.ra) and not c.reason for c in read(tmp_path))


@pytest.mark.parametrize("images", ["first", "nvss"])
def test_the_published_batches(images: str, from_mirror: ExecutionSettings, tmp_path: Path) -> None:
    manifest = obtain(source(images), tmp_path, execution=from_mirror)
    assert manifest["status"].tolist() == ["ok"] * 3
    found = read(tmp_path, images)
    assert len({c.object_id for c in found}) == 600
    assert Counter((c.part, c.label) for c in found) == {
        ("train", "FRI"): 242, ("train", "FRII"): 308, ("test", "FRI"): 22, ("test", "FRII"): 28,
    }
    assert {c.values.shape for c in found if c.values is not None} == {(150, 150)}
    names: dict[bytes, list[str]] = {}
    for c in found:
        assert c.values is not None
        names.setdefault(c.values.tobytes(), []).append(c.extra["file_name"])
    assert [set(same) for same in names.values() if len(same) > 1] == [IDENTICAL[images]]
    blank = [c.extra["file_name"] for c in found if c.values is not None and not c.values.any()]
    assert blank == {"first": ["13_FRICAT_FR1_example.png"], "nvss": []}[images]
    assert len({c.extra["file_name"] for c in found}) == {"first": 557, "nvss": 600}[images]


@pytest.mark.parametrize(("images", "in_both"), [("first", 227), ("nvss", 271)])
def test_positions_are_those_of_the_same_images_in_version_2(
    images: str, in_both: int, from_mirror: ExecutionSettings, tmp_path: Path
) -> None:
    newer = frdeep2.Source.model_validate({"survey": "frdeep2", "images": images, "files": "batches"})
    known = {}
    for c in frdeep2.candidates(newer, tmp_path, frdeep2.obtain(newer, tmp_path, execution=from_mirror)):
        assert c.values is not None
        known[c.values.tobytes()] = c
    obtain(source(images), tmp_path, execution=from_mirror)
    older = read(tmp_path, images)
    pairs = [(c, known[c.values.tobytes()]) for c in older if c.values is not None and c.values.tobytes() in known]
    assert len(pairs) == in_both
    for ours, theirs in pairs:
        assert ours.label == theirs.label
        assert abs(ours.dec - theirs.dec) < 0.1 / 3600
        assert abs(ours.ra - theirs.ra) * math.cos(math.radians(ours.dec)) < 0.1 / 3600
    assert not any(math.isnan(c.ra) for c in older)


def keep_batches(path: Path, *names: str) -> None:
    """Leave only these batches in an archive, so that a test of them is quick."""
    with tarfile.open(path) as whole:
        members = {Path(member.name).name: member for member in whole}
        kept = {name: load_batch(whole.extractfile(members[name])) for name in names}  # type: ignore[arg-type]
    archive(path, kept)


def test_blank_and_identical_images_and_the_twin_of_a_test_source(
    from_mirror: ExecutionSettings, tmp_path: Path
) -> None:
    manifest, objects, out = (tmp_path / name for name in ("manifest.csv", "objects.h5", "split.csv"))
    obtain(source(), tmp_path, execution=from_mirror).to_csv(manifest, index=False)
    keep_batches(tmp_path / "FIRST_PNG_dataset.tar.gz", "data_batch_2", "data_batch_10", "data_batch_11", "test_batch")
    prepare(source(), PrepareSettings(size=150), folder=tmp_path, manifest=manifest, out=objects)
    split(SplitSettings(), objects=objects, out=out)
    table, parts = open_objects(objects).table, pd.read_csv(out, keep_default_na=False)
    refused = table[table["status"] == "refused"].set_index("file_name")["reason"].to_dict()
    assert refused == {
        "13_FRICAT_FR1_example.png": "empty: every pixel of the field is 0",
        "182_example.png": "duplicate image: the same pixels as data_batch_10_29",
    }
    parts = parts.merge(table, on="object_id", suffixes=("", "_of_object"))
    assert parts["ra"].notna().all()
    dropped = parts[parts["part"] == "dropped"]
    assert dropped["file_name"].tolist() == ["163_FRICAT_FR1_example.png"]
    test = parts[parts["part"] == "test"]
    assert (len(test), set(test["batch"])) == (50, {"test_batch"})
    twin = test[test["file_name"] == "30_example.png"]
    twin = twin[twin["label"] == "FRI"]["object_id"].item()
    assert dropped["reason"].item() == f"same sky as {twin} of the published test part"
