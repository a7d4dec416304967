"""The judge of samples: it learns what real images show, and says how well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from astro_vae.classifier import Network, classifier, load_classifier
from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.files import step_lock
from astro_vae.kinds import kind
from astro_vae.objects import FIRST_COLUMNS, Writer
from astro_vae.settings import ClassifierSettings, ExecutionSettings
from astro_vae.settings_images import AugmentSettings, ViewSettings
from astro_vae.steps._examples import load_part
from astro_vae.steps.augment import augment
from astro_vae.steps.inputs import TrainingInputs

pytestmark = pytest.mark.usefixtures("single_thread")

OBJECTS, SIDE = 100, 32
VIEW, AUGMENT = ViewSettings(size=24, frame=24), AugmentSettings(total=800)
SETTINGS = ClassifierSettings(examples=8000)


def make_survey(folder: Path, labels: list[str]) -> dict[str, Path]:
    """Write images whose number of sources, one or two, is their label ("one", "two")."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    images = np.zeros((OBJECTS, SIDE, SIDE))
    for image, label in zip(images, labels, strict=True):
        angle, distance = rng.uniform(0, 2 * np.pi), 6 if label == "two" else 0
        for place in (-distance, distance):
            image += np.exp(-((x - place * np.cos(angle)) ** 2 + (y - place * np.sin(angle)) ** 2) / 5)
    images = (255 * images / images.max(axis=(1, 2), keepdims=True)).astype(np.uint8)
    table = pd.DataFrame({"object_id": [f"J{i}" for i in range(OBJECTS)], "label": labels, "row": np.arange(OBJECTS)})
    table = table.assign(ra=0.0, dec=0.0, status="ok", reason="")[list(FIRST_COLUMNS)].assign(noise=1.0, las_arcsec=1.0)
    attributes = {"kind": "image", "survey": "toy", "unit": "", "scaled": True, "labels": sorted({*labels} - {""})}
    paths = {"objects": folder / "objects.h5", "split": folder / "split.csv"}
    with Writer(paths["objects"], (SIDE, SIDE), "uint8", attributes) as writer:
        writer.append(images)
        writer.table(table, {name: Column(name) for name in ("noise", "las_arcsec")})
    parts = np.array(["validation", "test", "train", "train"])[np.arange(OBJECTS) % 4]
    split = pd.DataFrame({"object_id": table["object_id"], "group": range(OBJECTS), "part": parts, "reason": ""})
    split.to_csv(paths["split"], index=False)
    augment(VIEW, AUGMENT, **paths, out=folder / "augmented.h5")
    return {**paths, "augmented": folder / "augmented.h5"}


def judge(paths: dict[str, Path], out: Path, settings: ClassifierSettings = SETTINGS) -> Any:
    inputs = TrainingInputs(**paths, view=VIEW, augment=AUGMENT)
    classifier(settings, inputs, out=out, execution=ExecutionSettings(device="cpu"))
    return load_classifier(out)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    rng = np.random.default_rng(4)
    labels = rng.choice(["one", "two", ""], OBJECTS, p=[0.4, 0.4, 0.2])
    return make_survey(tmp_path_factory.mktemp("survey"), list(labels))


def test_it_tells_one_source_from_two(paths: dict[str, Path], tmp_path: Path) -> None:
    judged = judge(paths, tmp_path / "classifier")
    table, images = load_part(paths["objects"], paths["split"], "test", VIEW)
    known = (table["label"] != "").to_numpy()
    probabilities = judged.predict(images[known])
    assert probabilities.shape == (known.sum(), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    right = np.array(judged.labels)[probabilities.argmax(axis=1)] == table["label"][known].to_numpy()
    assert right.mean() > 0.9
    figures = json.loads((tmp_path / "classifier" / "classifier.json").read_text())
    assert figures["test"]["objects"] == known.sum()
    assert figures["test"]["accuracy"] == pytest.approx(right.mean())
    expected = -np.log(probabilities[np.arange(len(right)), [judged.labels.index(x) for x in table["label"][known]]])
    assert figures["test"]["log_loss"] == pytest.approx(expected.mean(), rel=1e-4)
    n, accuracy = figures["validation"]["objects"], figures["validation"]["accuracy"]
    assert figures["validation"]["accuracy_error"] == pytest.approx(np.sqrt(accuracy * (1 - accuracy) / n), rel=0.1)
    np.testing.assert_allclose(judged.predict(images / 255), judged.predict(images), rtol=1e-4, atol=1e-6)


def test_the_same_seed_gives_the_same_judge(paths: dict[str, Path], tmp_path: Path) -> None:
    settings = ClassifierSettings(examples=512)
    for name in ("a", "b"):
        judge(paths, tmp_path / name / "classifier", settings)
    for name in ("weights.safetensors", "classifier.json"):
        a, b = (tmp_path / folder / "classifier" / name for folder in ("a", "b"))
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize("label", ["", "one"])
def test_without_two_labels_there_is_no_judge(tmp_path: Path, label: str) -> None:
    assert judge(make_survey(tmp_path, [label] * OBJECTS), tmp_path / "classifier") is None
    assert "a classifier needs two" in (tmp_path / "classifier" / "classifier.json").read_text()


def test_a_second_writer_is_refused(paths: dict[str, Path], tmp_path: Path) -> None:
    with step_lock(tmp_path, "classifier"), pytest.raises(UserError, match="already running"):
        judge(paths, tmp_path / "classifier")


def test_damaged_weights(paths: dict[str, Path], tmp_path: Path) -> None:
    judge(paths, tmp_path / "classifier", ClassifierSettings(examples=128))
    weights = tmp_path / "classifier" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match="run the step 'classifier' again"):
        load_classifier(tmp_path / "classifier")
    weights.unlink()
    with pytest.raises(UserError, match="run the step 'classifier' again"):
        load_classifier(tmp_path / "classifier")


@pytest.mark.parametrize(("name", "shape"), [("spectrum", (30,)), ("image", (20, 28))])
def test_the_network_takes_any_shape(name: str, shape: tuple[int, ...]) -> None:
    room = kind(name).judge
    assert Network(shape, 3, room)(torch.zeros(2, room.CHANNELS, *shape)).shape == (2, 3)
