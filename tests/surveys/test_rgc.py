"""Radio Galaxy Dataset: images, labels, split and faults; and, where the mirror is at hand, the published file."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from astro_vae import download
from astro_vae.errors import UserError
from astro_vae.objects import open_objects
from astro_vae.settings import ExecutionSettings, SplitSettings
from astro_vae.settings_images import PrepareSettings
from astro_vae.steps.prepare import prepare
from astro_vae.steps.split import near, split
from astro_vae.surveys import rgc
from astro_vae.surveys.candidate import Candidate
from astro_vae.surveys.rgc import Source, candidates, obtain


def source(**known: Any) -> Source:
    return Source.model_validate({"survey": "rgc", **known})


def add(file: h5py.File, number: int, **known: Any) -> h5py.Group:
    """Add an object as the published file has it."""
    of = {"ra": 10.0 * number, "dec": 20.0, "label": 0, "cdl1": 0, "split": b"train", "image": None} | known
    group = file.create_group(f"data_{number}")
    image = np.random.default_rng(number).integers(0, 256, rgc.SHAPE, np.uint8) if of["image"] is None else of["image"]
    attributes = group.create_dataset("Img", data=image).attrs
    attributes.update({"RA": of["ra"], "DEC": of["dec"], "Source": "Gendre", "coord_str": "12 03 21.95 +04 14 17.70"})
    for name, value in {"Label_literature": float(of["label"]), "Label_CDL1": float(of["cdl1"])}.items():
        group[name] = value
    for name in ("Split_literature", "Split_CDL1"):
        group.create_dataset(name, data=of["split"], dtype=h5py.string_dtype())
    return group


def pack(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(folder / rgc.ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, rgc.MEMBER)
    file.unlink()


def read(folder: Path, **known: Any) -> dict[str, Candidate]:
    found = list(candidates(source(**known), folder, pd.DataFrame()))
    assert sorted(p.name for p in folder.iterdir() if p.suffix in (".h5", ".zip")) == [rgc.ARCHIVE]  # nothing is left
    return {c.object_id: c for c in found}


def test_objects_come_in_order_with_both_sets_of_labels(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        add(file, 10, label=3, cdl1=4, split=b"valid", dec=-1.0)
        add(file, 2, label=1, cdl1=1, split=b"test")
        add(file, 1)
    pack(tmp_path, tmp_path / "a.h5")
    found = read(tmp_path)
    assert list(found) == ["data_1", "data_2", "data_10"]
    assert [(c.label, c.part) for c in found.values()] == [("FRI", "train"), ("FRII", "test"), ("Bent", "validation")]
    bent = found["data_10"]
    assert (bent.ra, bent.dec, bent.pixel_arcsec, bent.beam[0], bent.scaled) == (100, -1, 1.8, 6.4, True)
    assert bent.values is not None
    assert np.array_equal(bent.values, np.random.default_rng(10).integers(0, 256, rgc.SHAPE, np.uint8))
    assert bent.extra == {"catalogue": "Gendre", "name_in_catalogue": "12 03 21.95 +04 14 17.70",
                          "class_literature": "Bent", "class_CDL1": "FRI-NAT"}
    assert set(bent.extra) == set(rgc.COLUMNS)
    assert [c.label for c in read(tmp_path, labels="CDL1").values()] == ["FRI-Sta", "FRII", "FRI-NAT"]


def test_damaged_entries_say_why(tmp_path: Path) -> None:
    elsewhere = tmp_path / "secret"
    with h5py.File(elsewhere, "w") as file:
        file["Img"] = np.ones(rgc.SHAPE, np.uint8)
        add(file, 3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        add(file, 0)
        add(file, 1, label=7)
        add(file, 2, image=np.zeros((10, 10), np.uint8))
        file["data_3"] = h5py.ExternalLink(str(elsewhere), "data_3")
        linked = add(file, 4)
        del linked["Img"]
        linked["Img"] = h5py.ExternalLink(str(elsewhere), "Img")
        stored = add(file, 5)
        del stored["Img"]
        stored.create_dataset("Img", rgc.SHAPE, "u1", external=[(str(elsewhere), 0, h5py.h5f.UNLIMITED)])
        virtual = add(file, 6)
        del virtual["Img"]
        layout = h5py.VirtualLayout(rgc.SHAPE, "u1")
        layout[:] = h5py.VirtualSource(str(elsewhere), "Img", rgc.SHAPE)
        virtual.create_virtual_dataset("Img", layout)
        huge = add(file, 7)
        del huge["Img"]
        huge.create_dataset("Img", (10**6, 10**6), "u1", chunks=(1000, 1000))
        del add(file, 8)["Img"]
        add(file, 9, split=b"other")
        file["data_10"] = 1
    pack(tmp_path, tmp_path / "a.h5")
    reasons = {name: c.reason for name, c in read(tmp_path).items()}
    assert reasons.pop("data_0") == ""
    assert reasons.pop("data_3") == "faulty: 'data_3' lies in another place or file, which is not followed"
    for name in ("data_4", "data_5", "data_6"):
        assert reasons.pop(name) == "faulty: 'Img' lies in another place or file, which is not followed"
    assert reasons.pop("data_2") == "faulty: its image is uint8 of shape (10, 10), not uint8 of (300, 300)"
    assert reasons.pop("data_7") == "faulty: its image is uint8 of shape (1000000, 1000000), not uint8 of (300, 300)"
    assert set(reasons) == {"data_1", "data_8", "data_9", "data_10"}
    assert all(reason.startswith("faulty: ") for reason in reasons.values())


def test_a_damaged_archive_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / rgc.ARCHIVE
    with h5py.File(tmp_path / "a.h5", "w") as file:
        add(file, 0)
    pack(tmp_path, tmp_path / "a.h5")
    whole = path.read_bytes()
    with zipfile.ZipFile(tmp_path / "other", "w") as archive:
        archive.writestr("../evil.h5", b"x")
        archive.writestr("notes", b"x")
    with zipfile.ZipFile(tmp_path / "text", "w") as archive:
        archive.writestr(rgc.MEMBER, b"no HDF5")
    contents = (b"", b"junk", whole[:-40], whole[:5000] + b"\0" * 9 + whole[5009:], (tmp_path / "other").read_bytes(),
                (tmp_path / "text").read_bytes())
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"galaxy_data_h5\.zip: not the archive of images, or damaged"):
            read(tmp_path)
    assert not (tmp_path.parent / "evil.h5").exists()
    path.write_bytes(whole)
    monkeypatch.setattr(rgc, "MAX_BYTES", 10_000)
    with pytest.raises(UserError, match=r"unpacks to \d+ bytes, the published one to 201387448"):
        read(tmp_path)


def test_published_parts_are_kept_but_for_what_shows_the_same_field(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(6):
            add(file, number, split=(b"train", b"train", b"train", b"valid", b"valid", b"test")[number])
        add(file, 6, ra=50.0, dec=20.0 + 56 / 3600, split=b"valid")  # beside data_5 of the test part
        add(file, 7, image=np.zeros(rgc.SHAPE, np.uint8))
        add(file, 8, ra=30.0, dec=20.0 + 50 / 3600)  # beside data_3 of the validation part
    pack(tmp_path, tmp_path / "a.h5")
    manifest, objects, out = (tmp_path / name for name in ("manifest.csv", "objects.h5", "split.csv"))
    pd.DataFrame({"address": ["a"], "path": [rgc.ARCHIVE]}).to_csv(manifest, index=False)
    prepare(source(), PrepareSettings(), folder=tmp_path, manifest=manifest, out=objects)
    split(SplitSettings(), objects=objects, out=out)
    table = open_objects(objects).table.set_index("object_id")
    assert table.loc["data_7", "reason"] == "empty: every pixel of the field is 0"
    found = pd.read_csv(out, keep_default_na=False).set_index("object_id")
    assert found["part"].tolist() == [
        "train", "train", "train", "validation", "validation", "test", "dropped", "validation",
    ]
    assert found.loc["data_6", "reason"] == "same sky as data_5 of the published test part"


def test_the_published_file(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASTRO_VAE_MIRROR")
    monkeypatch.setattr(download, "RETRY_DELAYS", ())
    manifest = obtain(source(), tmp_path, execution=ExecutionSettings(mirror=str(mirror)))
    assert manifest["status"].tolist() == ["ok"]
    found = read(tmp_path)
    assert list(found) == [f"data_{number}" for number in range(2158)]
    assert not any(c.reason for c in found.values())
    counts = {"FRI": (395, 50, 50), "FRII": (824, 50, 50), "Compact": (291, 50, 50), "Bent": (248, 50, 50)}
    assert Counter((c.label, c.part) for c in found.values()) == {
        (label, part): number
        for label, numbers in counts.items() for part, number in zip(rgc.PARTS.values(), numbers, strict=True)
    }
    assert Counter(c.extra["class_CDL1"] for c in found.values()) == {
        "FRI-Sta": 495, "FRII": 924, "Compact": 391, "FRI-WAT": 166, "FRI-NAT": 182,
    }
    assert [name for name, c in found.items() if c.values is not None and not c.values.any()] == ["data_1910"]
    assert len({c.values.tobytes() for c in found.values() if c.values is not None}) == 2158
    objects = list(found.values())
    pairs = near(np.array([c.ra for c in objects]), np.array([c.dec for c in objects]), 60)
    across = [{objects[i].object_id, objects[j].object_id} for i, j in pairs if objects[i].part != objects[j].part]
    assert (len(pairs), across) == (2, [{"data_1945", "data_1994"}])
    assert {found[name].part for name in across[0]} == {"validation", "test"}
