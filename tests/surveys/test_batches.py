"""Pickled batches: read without executing anything, and without unpacking the archive."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astro_vae.errors import UserError
from astro_vae.surveys import _batches
from astro_vae.surveys._batches import load_batch, read_batches


class Harmful:
    """An object whose pickle runs a command when it is read."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.witness}",)


def batch(number: int, seed: int = 0) -> dict[str, Any]:
    images = np.random.default_rng(seed).integers(0, 256, (number, 6, 6), np.uint8)
    return {"batch_label": "b", "labels": [i % 2 for i in range(number)], "data": list(images),
            "filenames": [np.str_(f"./x/{seed}_{i}.png") for i in range(number)]}


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


def pickled(thing: Any) -> bytes:
    return pickle.dumps(thing, protocol=3)


def test_batches_come_in_order_with_their_rows(tmp_path: Path) -> None:
    path = archive(tmp_path / "b.tar.gz", {
        "F/test_batch": pickled(batch(1, 3)), "F/data_batch_10": pickled(batch(2, 1)),
        "F/data_batch_2": pickled(batch(2, 2)), "F/._data_batch_1": b"of an archiver", "F/batches.meta": b"not read",
    })
    found = list(read_batches(path))
    assert [(image.batch, image.row, image.name, image.part) for image in found] == [
        ("data_batch_2", 0, "2_0.png", "train"), ("data_batch_2", 1, "2_1.png", "train"),
        ("data_batch_10", 0, "1_0.png", "train"), ("data_batch_10", 1, "1_1.png", "train"),
        ("test_batch", 0, "3_0.png", "test"),
    ]
    assert [image.label for image in found] == [0, 1, 0, 1, 0]
    assert np.array_equal(found[0].values, batch(2, 2)["data"][0])


def test_pixels_in_one_row_become_a_square(tmp_path: Path) -> None:
    flat = batch(2) | {"data": [image.ravel() for image in batch(2)["data"]]}
    members = {"/train_batch": pickled(flat), "/test_batch": pickled(batch(1))}
    first, second, _ = read_batches(archive(tmp_path / "b.tar.gz", members))
    assert first.batch == "train_batch"
    assert np.array_equal(np.stack([first.values, second.values]), batch(2)["data"])
    members["/train_batch"] = pickled(flat | {"data": [np.zeros(35, np.uint8)] * 2})
    with pytest.raises(UserError, match="train_batch is not read: cannot reshape array of size 35"):
        list(read_batches(archive(tmp_path / "b.tar.gz", members)))


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_are_read(protocol: int) -> None:
    read = load_batch(io.BytesIO(pickle.dumps(batch(2), protocol=protocol)))
    assert np.array_equal(read["data"], batch(2)["data"])


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    members = {"F/data_batch_1": pickled({"data": [], "filenames": [], "more": Harmful(witness)}),
               "F/test_batch": pickled(batch(1))}
    with pytest.raises(UserError, match=r"data_batch_1 is not read: it asks for (posix|nt)\.system"):
        list(read_batches(archive(tmp_path / "b.tar.gz", members)))
    assert not witness.exists()


@pytest.mark.parametrize("code", ["cnumpy\nload\n.", "cbuiltins\neval\n.", "cnumpy.core.multiarray\nfromfile\n."])
def test_only_what_rebuilds_arrays_is_named(code: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match="which no batch of images needs"):
        load_batch(io.BytesIO(code.encode()))


def test_names_in_the_archive_write_nothing(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    names = {"../../evil": b"x", "/tmp/evil_of_this_test": b"x", "../data_batch_1": pickled(batch(1)),
             "/x/test_batch": pickled(batch(1))}
    assert len(list(read_batches(archive(place / "b.tar.gz", names)))) == 2
    assert [p.name for p in tmp_path.rglob("*")] == ["data", "b.tar.gz"]
    assert not Path("/tmp/evil_of_this_test").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_the_archive_are_not_followed(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "b.tar"
    secret = tmp_path / "secret"
    secret.write_bytes(pickled(batch(1)))
    with tarfile.open(path, "w") as made:
        member = tarfile.TarInfo("F/test_batch")
        member.type, member.linkname = kind, str(secret)
        made.addfile(member)
    with pytest.raises(UserError, match="not the archive of batches, or damaged"):
        list(read_batches(path))


def test_an_array_that_claims_10_12_numbers_is_refused(tmp_path: Path) -> None:
    claim = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(L1000000000000000L\ntS'd'\ntR."
    with pytest.raises(UserError, match="it is no batch of images"):
        list(read_batches(archive(tmp_path / "b.tar.gz", {"F/test_batch": claim})))


def test_damage_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = archive(tmp_path / "b.tar.gz", {"F/test_batch": pickled(batch(3))})
    (tmp_path / "cut.tar.gz").write_bytes(good.read_bytes()[:-60])
    (tmp_path / "text.tar.gz").write_text("no archive")
    archive(tmp_path / "none.tar.gz", {"F/data_batch_1": pickled(batch(1))})
    for name in ("cut", "text", "none", "absent"):
        with pytest.raises(UserError, match=rf"{name}\.tar\.gz: not the archive of batches, or damaged"):
            list(read_batches(tmp_path / f"{name}.tar.gz"))
    for content in (b"", b"junk", pickled(batch(1))[:50], pickled([1, 2]), pickled({"data": [], "filenames": ["a"]})):
        with pytest.raises(UserError, match="it is no batch of images"):
            list(read_batches(archive(tmp_path / "b.tar.gz", {"F/test_batch": content})))
    monkeypatch.setattr(_batches, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="a batch of images has a few million"):
        list(read_batches(archive(tmp_path / "b.tar.gz", {"F/test_batch": pickled(batch(3))})))
