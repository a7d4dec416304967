"""Spectra through the steps: prepare, split, augment; the same steps as images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from astro_vae.objects import Objects, open_objects
from astro_vae.settings import ExecutionSettings, SplitSettings
from astro_vae.settings_models import NetworkSettings, TrainSettings, VaeSettings
from astro_vae.settings_spectra import (
    GridSettings,
    SpectrumAugmentSettings,
    SpectrumPrepareSettings,
    SpectrumViewSettings,
)
from astro_vae.steps._examples import Examples, load_part
from astro_vae.steps.augment import augment
from astro_vae.steps.inputs import TrainingInputs
from astro_vae.steps.prepare import prepare
from astro_vae.steps.split import split
from astro_vae.steps.train import train
from astro_vae.surveys import spectra_folder

GRID = GridSettings(log_start=3.65, log_step=0.001, bins=150)
PREPARE = SpectrumPrepareSettings(grid=GRID, margin=5)
VIEW = SpectrumViewSettings(grid=GRID)
N = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare and split a folder of tables, of which one is damaged and one has no redshift."""
    place = tmp_path_factory.mktemp("spectra")
    rng, wave = np.random.default_rng(1), np.geomspace(4500.0, 7500, 800)
    (place / "files").mkdir()
    rows = []
    for i in range(N):
        flux = 5 + (wave / 5500 - 1) * (i % 2 * 8 - 4) + rng.normal(0, 0.2, len(wave))
        pd.DataFrame({"wave": wave, "flux": flux, "error": 0.2}).to_csv(place / f"files/s{i:02d}.csv", index=False)
        rows.append((f"s{i:02d}", "red" if i % 2 else "blue", 0.01, 10.0 * i, 0.0))
    (place / "files/damaged.csv").write_text("")
    rows.append(("damaged", "", 0.01, 5.0, 5.0))
    pd.DataFrame({"wave": wave, "flux": 1.0, "error": 0.1}).to_csv(place / "files/lost.csv", index=False)
    pd.DataFrame(rows, columns=["file", "label", "redshift", "ra", "dec"]).to_csv(place / "labels.csv", index=False)
    source = spectra_folder.Source(survey="spectra_folder", path=str(place / "files"), labels=str(place / "labels.csv"))
    manifest = spectra_folder.obtain(source, place, execution=ExecutionSettings())
    manifest.to_csv(place / "manifest.csv", index=False)
    prepare(source, PREPARE, folder=place, manifest=place / "manifest.csv", out=place / "objects.h5")
    split(SplitSettings(), objects=place / "objects.h5", out=place / "split.csv")
    return place


@pytest.fixture(scope="module")
def objects(folder: Path) -> Objects:
    return open_objects(folder / "objects.h5")


def test_the_object_file_has_flux_ivar_and_mask(objects: Objects) -> None:
    assert objects.attributes["kind"] == "spectrum"
    assert objects.attributes["unit"] == "1e-17 erg / (Angstrom s cm2)"
    assert objects.attributes["grid"]["bins"] == 160
    assert objects.shape == (2, 160)
    assert len(objects.usable) == N
    values, ivar, mask = (objects.read(layer) for layer in ("values", "ivar", "mask"))
    np.testing.assert_array_equal(mask == 0, ivar > 0)
    np.testing.assert_array_equal(objects.stored(), np.stack([values, ivar], axis=1))
    assert np.median(values[ivar > 0]) == pytest.approx(5 * 1.01, rel=0.05)


def test_refused_spectra_have_their_reasons(objects: Objects) -> None:
    refused = objects.table[objects.table["status"] == "refused"].set_index("object_id")["reason"]
    assert refused.to_dict() == {
        "damaged": "empty file: 0 bytes",
        "lost": "no redshift: the rest frame is not known; a table with the columns file and redshift may give it",
    }
    assert {"redshift", "snr", "coverage", "ha_ew", "d4000", "line_class"} <= set(objects.columns)


def test_views_of_a_part(folder: Path) -> None:
    table, seen = load_part(folder / "objects.h5", folder / "split.csv", "train", VIEW)
    assert seen.shape == (len(table), 2, 150)
    assert np.median(seen[:, 0]) == pytest.approx(1, abs=0.05)
    assert (seen[:, 1] >= 0).all()


@pytest.mark.parametrize("materialise", [True, False])
def test_examples_can_be_made_again_alone(folder: Path, tmp_path: Path, materialise: bool) -> None:
    settings = SpectrumAugmentSettings(total=100, mix=0.3, materialise=materialise)
    paths: dict[str, Any] = {"objects": folder / "objects.h5", "split": folder / "split.csv"}
    augment(VIEW, settings, **paths, out=tmp_path / "augmented.h5")
    examples = Examples.open(tmp_path / "augmented.h5", paths["objects"])
    assert examples.shape == (2, 150)
    batch = examples.batch(np.arange(100))
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(examples.rebuild(41), batch[41])
    table = open_objects(tmp_path / "augmented.h5").table
    assert (table["mix_share"] > 0).sum() > 10
    labels = open_objects(paths["objects"]).usable["label"].to_numpy()
    assert (labels[table["mate"]] == labels[table["parent"]]).all()


def test_blocks_on_disk_give_the_same_examples(folder: Path, tmp_path: Path) -> None:
    paths: dict[str, Any] = {"objects": folder / "objects.h5", "split": folder / "split.csv"}
    augment(VIEW, SpectrumAugmentSettings(total=300), **paths, out=tmp_path / "augmented.h5")
    memory, blocks = (
        Examples.open(tmp_path / "augmented.h5", paths["objects"], memory=size) for size in (None, 1000)
    )
    rows = np.array([3, 299, 0, 257])
    np.testing.assert_array_equal(memory.batch(rows), blocks.batch(rows))


def test_an_encoder_may_see_filled_gaps(folder: Path, tmp_path: Path) -> None:
    """The components that fill them are of the training part, and stay as they were found."""
    settings = VaeSettings(
        latents=2, likelihood="gaussian_ivar", network=NetworkSettings(name="dense", hidden=(8,), fill="infill"),
        train=TrainSettings(examples=256, batch=32, validate_every=128),
    )
    inputs = TrainingInputs(
        folder / "objects.h5", folder / "split.csv", tmp_path / "a.h5", VIEW, SpectrumAugmentSettings(total=120)
    )
    augment(VIEW, inputs.augment, objects=inputs.objects, split=inputs.split, out=inputs.augmented)
    train(settings, inputs, out=tmp_path / "model", execution=ExecutionSettings(device="cpu"))
    weights = load_file(tmp_path / "model" / "weights.safetensors")
    assert weights["filler.loadings"].shape == (10, GRID.bins)
    assert abs(weights["filler.centre"].mean() - 1) < 0.1  # spectra are divided by their continuum
