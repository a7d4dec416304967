"""Augmentation makes the wanted number of examples, of the training part only, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astro_vae.errors import UserError
from astro_vae.files import checksum
from astro_vae.images.view import view as view_of
from astro_vae.objects import FIRST_COLUMNS, open_objects
from astro_vae.settings_images import AugmentSettings, ViewSettings
from astro_vae.steps import augment as step
from astro_vae.steps.augment import assign, augment

VIEW = ViewSettings(size=16, frame=28)
STILL = {"rotate_deg": 0, "flip": False, "shift_px": 0, "size_scale": 0}


def training(labels: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"label": labels, "row": np.arange(len(labels))})


@pytest.fixture
def run(blobs: Callable, write_objects: Callable, write_split: Callable, tmp_path: Path) -> Callable[..., Path]:
    """Give a function that augments eight images, of which six are in the training part."""
    objects = write_objects(blobs(8))
    split = write_split(["train"] * 6 + ["validation", "test"])

    def run(name: str = "augmented.h5", threads: int = 1, **settings: object) -> Path:
        augment(
            VIEW, AugmentSettings(**({"total": 50} | settings)), objects=objects, split=split, out=tmp_path / name,
            threads=threads,
        )
        return tmp_path / name

    return run


def test_every_object_is_the_parent_of_the_same_number() -> None:
    parents = assign(training(["FRI"] * 3 + [""] * 4), AugmentSettings(total=100))
    counts = np.bincount(parents)
    assert counts.sum() == 100
    assert set(counts) == {14, 15}
    assert (np.diff(parents) != 0).mean() > 0.7  # in random order


def test_balance_gives_every_label_the_same_number_and_leaves_the_unlabelled_their_share() -> None:
    table = training(["FRI"] * 2 + ["FRII"] * 6 + [""] * 4)
    parents = assign(table, AugmentSettings(total=1200, balance=True))
    counts = pd.Series(table["label"].to_numpy()[parents]).value_counts()
    assert counts.to_dict() == {"FRI": 400, "FRII": 400, "": 400}
    assert np.ptp(np.bincount(parents)[:2]) == 0


@pytest.mark.parametrize("labels", [[""] * 3, ["FRI"] * 3])
def test_balance_of_one_population_changes_nothing(labels: list[str]) -> None:
    counts = np.bincount(assign(training(labels), AugmentSettings(total=10, balance=True)))
    assert sorted(counts) == [3, 3, 4]


def test_fewer_examples_than_objects_are_possible() -> None:
    assert len(set(assign(training(["FRI"] * 30), AugmentSettings(total=7)))) == 7


def test_only_the_training_part_is_augmented(run: Callable[..., Path]) -> None:
    opened = open_objects(run())
    assert tuple(opened.table.columns[:7]) == FIRST_COLUMNS
    assert set(opened.table["parent"]) == set(range(6))
    assert opened.table["object_id"].is_unique
    assert (opened.table["object_id"].str.split("/").str[0] == "J00" + opened.table["parent"].astype(str)).all()
    assert opened.attributes["materialised"] is True
    assert opened.attributes["labels"] == ["FRI", "FRII"]
    assert opened.read().dtype == np.uint8


def test_without_transforms_an_example_is_the_view_of_its_parent(run: Callable[..., Path]) -> None:
    path = run(**STILL)
    opened, objects = open_objects(path), open_objects(path.with_name("objects.h5"))
    seen = view_of(objects.read(), objects.usable, VIEW, scaled=False)
    np.testing.assert_array_equal(opened.read(), seen[opened.table["parent"]])


def test_quarter_turns_and_flips_are_exact(run: Callable[..., Path]) -> None:
    path = run(**STILL | {"flip": True})
    opened, objects = open_objects(path), open_objects(path.with_name("objects.h5"))
    # With the mask centred half a pixel beside the image, only the unmasked view commutes with a mirror.
    inner = slice(4, 12)
    seen = view_of(objects.read(), objects.usable, VIEW, scaled=False)[opened.table["parent"]]
    mirrored = np.where(opened.table["flip"].to_numpy()[:, None, None], seen[:, :, ::-1], seen)
    np.testing.assert_array_equal(opened.read()[:, inner, inner], mirrored[:, inner, inner])
    assert opened.table["flip"].nunique() == 2


def test_the_same_seed_gives_the_same_file_whatever_the_threads(run: Callable[..., Path]) -> None:
    first, second, other = run("a"), run("b", threads=2), run("c", seed=2)
    assert checksum(first) == checksum(second)
    assert checksum(first) != checksum(other)


def test_blocks_leave_no_trace(run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_objects(run("a")).read()
    monkeypatch.setattr(step, "BLOCK", 7)
    np.testing.assert_array_equal(first, open_objects(run("b")).read())


def test_the_flux_factor_is_kept_and_faint_parts_sink(run: Callable[..., Path]) -> None:
    bright, faint = open_objects(run("a", **STILL)), open_objects(run("b", **STILL, flux_scale=1.0))
    factor = faint.table["flux_factor"].to_numpy()
    assert factor.min() > 0.1
    assert factor.max() < 10
    lit = [(opened.read() > 0).sum(axis=(1, 2)) for opened in (bright, faint)]
    assert (lit[1] <= lit[0])[factor < 1].all()
    assert (lit[1] < lit[0])[factor < 0.5].all()
    # The background of a brighter source grows with it, and the threshold too: nothing new appears.
    np.testing.assert_array_equal(lit[1][factor > 1], lit[0][factor > 1])


def test_the_estimate_comes_first(run: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    run(total=1000)
    assert capsys.readouterr().out.startswith("1000 examples: 0.00 GB as bytes, about 0.00 GB on disk, about ")
    run(materialise=False)
    assert "drawn during the training; a file would hold" in capsys.readouterr().out


def test_transforms_alone_make_a_file_without_values(run: Callable[..., Path]) -> None:
    opened = open_objects(run(materialise=False))
    assert opened.usable.empty
    assert opened.read().shape == (0, 16, 16)
    assert len(opened.table) == 50
    assert opened.attributes["materialised"] is False


def test_a_full_disk_is_told_before_the_work(run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(step.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"augmented\.h5: the examples need about .* set augment\.materialise to false"):
        run()
    run(materialise=False)


def test_an_empty_training_part_is_refused(
    blobs: Callable, write_objects: Callable, write_split: Callable, tmp_path: Path
) -> None:
    objects, split = write_objects(blobs(2)), write_split(["test", "validation"])
    with pytest.raises(UserError, match=r"split\.csv: no object of .*objects\.h5 is in the training part"):
        augment(VIEW, AugmentSettings(total=5), objects=objects, split=split, out=tmp_path / "augmented.h5")
    assert not (tmp_path / "augmented.h5").exists()


def test_noise_of_8_bit_images_is_refused(
    blobs: Callable, write_objects: Callable, write_split: Callable, tmp_path: Path
) -> None:
    objects, split = write_objects(blobs(2, dtype="uint8")), write_split(["train"] * 2)
    with pytest.raises(UserError, match="need physical values"):
        augment(VIEW, AugmentSettings(total=5, noise_sigma=1), objects=objects, split=split, out=tmp_path / "a.h5")
    assert not (tmp_path / "a.h5").exists()
