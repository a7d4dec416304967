"""Examples are the same bytes from memory, from blocks of the file, drawn on the way, or made again alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astro_vae.errors import UserError
from astro_vae.images.view import view as view_of
from astro_vae.objects import open_objects
from astro_vae.settings_images import AugmentSettings, ViewSettings
from astro_vae.steps import _blocks
from astro_vae.steps._examples import Examples, load_part, read_rows, read_split
from astro_vae.steps.augment import augment, open_maker

VIEW = ViewSettings(size=16, frame=28)
TOTAL = 700
PARTS = ["train"] * 9 + ["validation", "test", "dropped"]
Files = tuple[Path, Path]


@pytest.fixture(params=["float32", "uint8", "uint8 sqrt"])
def files(
    request: pytest.FixtureRequest, blobs: Callable, write_objects: Callable, write_split: Callable, tmp_path: Path
) -> Files:
    """Make examples of physical images, of 8-bit images that are only cropped, and of stretched ones."""
    dtype, *scaling = request.param.split()
    view = VIEW.model_copy(update={"scaling": "sqrt"}) if scaling else VIEW
    objects = write_objects(blobs(12, dtype=dtype))
    physical = {} if dtype == "uint8" else {"noise_sigma": 1.0, "flux_scale": 0.3}
    settings = AugmentSettings(total=TOTAL, **physical)
    augment(view, settings, objects=objects, split=write_split(PARTS), out=tmp_path / "augmented.h5")
    return tmp_path / "augmented.h5", objects


def test_every_way_to_an_example_gives_the_same_bytes(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = open_objects(files[0])
    images = stored.read()
    indices = np.random.default_rng(1).integers(0, TOTAL, 300)
    np.testing.assert_array_equal(Examples.open(*files).batch(indices), images[indices])
    np.testing.assert_array_equal(Examples.open(*files, memory=0).batch(indices), images[indices])
    monkeypatch.setattr(_blocks, "WINDOW_BLOCKS", 1)
    np.testing.assert_array_equal(Examples.open(*files, memory=0).batch(indices), images[indices])
    examples = Examples.open(*files)
    for row in (0, 1, TOTAL - 1):
        np.testing.assert_array_equal(examples.rebuild(row), images[row])
    assert images.max() == 255
    assert np.unique(images[:50], axis=0).shape[0] == 50


def test_examples_know_their_parents_and_labels(files: Files) -> None:
    examples = Examples.open(*files)
    parents = open_objects(files[1]).usable
    assert len(examples) == TOTAL
    assert examples.shape == (16, 16)
    assert set(examples.parents) == set(range(9))
    assert list(examples.labels) == list(parents["label"].iloc[examples.parents])


def test_examples_that_are_drawn_equal_those_that_are_stored(
    blobs: Callable, write_objects: Callable, write_split: Callable, tmp_path: Path
) -> None:
    objects, split = write_objects(blobs(6)), write_split(["train"] * 6)
    for name, stored in (("stored", True), ("drawn", False)):
        settings = AugmentSettings(total=100, noise_sigma=0.5, flux_scale=0.2, materialise=stored)
        augment(VIEW, settings, objects=objects, split=split, out=tmp_path / name)
    drawn, stored = (Examples.open(tmp_path / name, objects, threads=2) for name in ("drawn", "stored"))
    indices = np.random.default_rng(1).permutation(100)
    np.testing.assert_array_equal(drawn.batch(indices), stored.batch(indices))
    assert (tmp_path / "drawn").stat().st_size < (tmp_path / "stored").stat().st_size
    np.testing.assert_array_equal(drawn.order(3), stored.order(3))
    np.testing.assert_array_equal(drawn.rebuild(7), stored.rebuild(7))


@pytest.mark.parametrize(
    ("threads", "largest", "pieces"), [(1, 256, [10]), (2, 256, [5, 5]), (3, 256, [2, 4, 4]), (1, 4, [2, 4, 4])]
)
def test_threads_share_pieces_that_leave_no_trace(
    files: Files, monkeypatch: pytest.MonkeyPatch, threads: int, largest: int, pieces: list[int]
) -> None:
    monkeypatch.setattr("astro_vae.steps._examples.PIECE_ROWS", largest)
    stored, objects = open_objects(files[0]), open_objects(files[1])
    view, settings = ViewSettings(**stored.attributes["view"]), AugmentSettings(**stored.attributes["augment"])
    maker = open_maker(view, settings, objects, files[1].with_name("split.csv"), threads=threads)
    make, lengths = maker._make, []

    def counted(values: np.ndarray, parents: np.ndarray, *rest: object, **known: object) -> np.ndarray:
        lengths.append(len(parents))
        return make(values, parents, *rest, **known)

    monkeypatch.setattr(maker, "_make", counted)
    np.testing.assert_array_equal(maker.make(np.arange(10, 20)), stored.read()[10:20])
    assert sorted(lengths) == pieces
    assert len(maker.make([])) == 0


def test_an_order_is_a_permutation_that_depends_on_the_seed(files: Files) -> None:
    examples = Examples.open(*files)
    first = examples.order((1, 0))
    np.testing.assert_array_equal(np.sort(first), np.arange(TOTAL))
    np.testing.assert_array_equal(first, Examples.open(*files, memory=0).order((1, 0)))
    assert (first != examples.order((1, 1))).mean() > 0.9
    assert (np.diff(first) == 1).mean() < 0.02


def test_an_order_needs_each_block_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("_blocks", "_examples"):
        monkeypatch.setattr(f"astro_vae.steps.{module}.BLOCK_ROWS", 16)
        monkeypatch.setattr(f"astro_vae.steps.{module}.WINDOW_BLOCKS", 4)
    examples = Examples.open(*files, memory=0)
    read = []
    load = _blocks.Blocks._load

    def counted(blocks: _blocks.Blocks, block: int, slot: int) -> None:
        read.append(block)
        load(blocks, block, slot)

    monkeypatch.setattr(_blocks.Blocks, "_load", counted)
    order = examples.order(1)
    for start in range(0, TOTAL, 50):
        examples.batch(order[start : start + 50])
    assert sorted(read) == list(range(-(-TOTAL // 16)))


def test_examples_of_other_objects_are_refused(files: Files, blobs: Callable, write_objects: Callable) -> None:
    write_objects(blobs(4))
    with pytest.raises(UserError, match=r"augmented\.h5: made of another objects\.h5 .*make it again"):
        Examples.open(*files)
    with pytest.raises(UserError, match=r"objects\.h5: this file holds no augmented examples"):
        Examples.open(files[1], files[1])


def test_a_part_is_viewed_as_it_lies(files: Files) -> None:
    opened = open_objects(files[1])
    split = files[1].with_name("split.csv")
    table, images = load_part(files[1], split, "validation", VIEW)
    assert list(table["object_id"]) == ["J009"]
    wanted = view_of(opened.read()[9:10], opened.usable.iloc[9:10], VIEW, scaled=opened.attributes["scaled"])
    np.testing.assert_array_equal(images, wanted)
    everything, images = load_part(files[1], split, None, VIEW)
    assert list(everything["part"]) == PARTS
    assert images.shape == (12, 16, 16)


def test_an_empty_part_is_an_empty_array(blobs: Callable, write_objects: Callable, write_split: Callable) -> None:
    table, images = load_part(write_objects(blobs(3)), write_split(["train"] * 3), "test", VIEW)
    assert table.empty
    assert images.shape == (0, 16, 16)


def test_rows_are_read_in_blocks(
    blobs: Callable, write_objects: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astro_vae.steps._examples.BLOCK_ROWS", 3)
    images = blobs(12)
    opened = open_objects(write_objects(images))
    for rows in ([], [4], [0, 1, 2, 3], [1, 5, 11], list(range(12))):
        np.testing.assert_array_equal(read_rows(opened, np.array(rows, dtype=int)), images[rows])


def test_a_split_that_does_not_fit_is_refused(blobs: Callable, write_objects: Callable, tmp_path: Path) -> None:
    objects = write_objects(blobs(3))
    split = tmp_path / "split.csv"
    with pytest.raises(UserError, match=r"split\.csv: no such file; run the step 'split'"):
        read_split(split)
    split.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"split\.csv: not a file of the step 'split'"):
        read_split(split)
    pd.DataFrame({"object_id": ["J000", "J001"], "part": "train"}).to_csv(split)
    with pytest.raises(UserError, match=r"split\.csv: object 'J002' of .*objects\.h5 has no row"):
        load_part(objects, split, "train", VIEW)
