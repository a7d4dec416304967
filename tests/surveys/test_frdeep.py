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

from astro_vae import download
from astro_vae.objects import open_objects
from astro_vae.settings import ExecutionSettings, PrepareSettings, SplitSettings
from astro_vae.steps.prepare import prepare
from astro_vae.steps.split import split
from astro_vae.surveys import frdeep
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
    return list(candidates(source(images), folder, pd.DataFrame()))


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


@pytest.fixture
def from_mirror(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> ExecutionSettings:
    monkeypatch.delenv("ASTRO_VAE_MIRROR")
    monkeypatch.setattr(download, "RETRY_DELAYS", ())
    return ExecutionSettings(mirror=str(mirror))


@pytest.mark.parametrize("images", ["first", "nvss"])
def test_the_published_batches(images: str, from_mirror: ExecutionSettings, tmp_path: Path) -> None:
    manifest = obtain(source(images), tmp_path, execution=from_mirror)
    assert manifest["status"].tolist() == ["ok"]
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


def test_blank_and_identical_images_and_the_twin_of_a_test_source(
    from_mirror: ExecutionSettings, tmp_path: Path
) -> None:
    manifest, objects, out = (tmp_path / name for name in ("manifest.csv", "objects.h5", "split.csv"))
    obtain(source(), tmp_path, execution=from_mirror).to_csv(manifest, index=False)
    prepare(source(), PrepareSettings(size=150), folder=tmp_path, manifest=manifest, out=objects)
    split(SplitSettings(), objects=objects, out=out)
    table, parts = open_objects(objects).table, pd.read_csv(out, keep_default_na=False)
    refused = table[table["status"] == "refused"].set_index("file_name")["reason"].to_dict()
    assert refused == {
        "13_FRICAT_FR1_example.png": "empty: every pixel of the field is 0",
        "182_example.png": "duplicate image: the same pixels as data_batch_10_29",
    }
    parts = parts.merge(table, on="object_id", suffixes=("", "_of_object"))
    dropped = parts[parts["part"] == "dropped"]
    assert dropped["file_name"].tolist() == ["163_FRICAT_FR1_example.png"]
    test = parts[parts["part"] == "test"]
    assert (len(test), set(test["batch"])) == (50, {"test_batch"})
    twin = test[test["file_name"] == "30_example.png"]
    twin = twin[twin["label"] == "FRI"]["object_id"].item()
    assert dropped["reason"].item() == f"same sky as {twin} of the published test part"
    assert parts["part"].value_counts().to_dict() == {"train": 493, "validation": 54, "test": 50, "dropped": 1}
