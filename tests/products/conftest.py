"""A tiny survey with one untrained model of each sort: what the products are made of, without a training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from astro_vae import model as models
from astro_vae.columns import Column
from astro_vae.images.cut import ALIKE
from astro_vae.images.cut import COLUMNS as KNOWN
from astro_vae.images.measure import COLUMNS as MEASURED
from astro_vae.images.view import to_network
from astro_vae.linear import Ppca
from astro_vae.objects import FIRST_COLUMNS, Writer, open_objects
from astro_vae.products.priors import fit_prior
from astro_vae.settings import PriorSettings
from astro_vae.settings_images import AugmentSettings, PrepareSettings, ViewSettings
from astro_vae.settings_models import NetworkSettings, PcaSettings, VaeSettings
from astro_vae.steps._examples import load_part
from astro_vae.steps._intake import COLUMNS, WARNING
from astro_vae.steps._training_data import ranges
from astro_vae.steps.augment import augment

SIZE, VIEW = 30, ViewSettings(size=16, frame=22)
PREPARE = PrepareSettings(size=SIZE, field=22)
LABELS = ("single", "double")
N = 60
STRANGE = 7
"""Row of an object unlike all others: a chessboard."""
MODELS = ("conditional", "unconditional", "pca", "unlabelled")
PRIOR = PriorSettings(components=2, examples=300)


@dataclass(frozen=True)
class Survey:
    """A tiny survey: its files, and a folder per model."""

    folder: Path
    objects: Path
    split: Path
    augmented: Path

    def model(self, name: str) -> Path:
        return self.folder / name / "model"

    def prior(self, name: str) -> Path:
        return self.folder / name / models.PRIOR


def pictures(rng: np.random.Generator) -> np.ndarray:
    """Make N images: even rows one blob, odd rows two, on noise of 0.01."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    angle, distance = rng.uniform(0, np.pi, N), rng.uniform(3, 5, N)
    images = np.zeros((N, SIZE, SIZE))
    for i in range(N):
        for side in (0,) if i % 2 == 0 else (-1, 0.8):
            dy, dx = y - side * distance[i] * np.sin(angle[i]), x - side * distance[i] * np.cos(angle[i])
            images[i] += (1 if side >= 0 else 0.7) * np.exp(-(dx**2 + dy**2) / 6)
    board = np.indices((SIZE, SIZE)).sum(axis=0) % 4 < 2
    images[STRANGE] = board * (np.hypot(x, y) < 9)
    return (images + rng.normal(0, 0.01, images.shape)).astype(np.float32)


def table(*, positions: bool = True) -> pd.DataFrame:
    """Make the object table: every tenth object has no label, every fifteenth one that no model knows."""
    label = np.array([LABELS[i % 2] for i in range(N)], dtype=object)
    label[::10], label[14::15] = "", "triple"
    made = pd.DataFrame({
        "object_id": [f"J{i:03d}" for i in range(N)], "ra": np.linspace(1, 300, N) if positions else np.nan,
        "dec": np.linspace(-40, 40, N) if positions else np.nan, "label": label, "status": "ok", "reason": "",
        "row": np.arange(N), **dict.fromkeys([*COLUMNS, *KNOWN, *MEASURED], np.nan),
    }).assign(noise=0.01, published_part="", pixel_arcsec=1.8, north_deg=0.0, n_components=1.0, user_redshift=0.1)
    made = made.assign(las_arcsec=10.0 + np.arange(N), axis_angle_deg=np.where(label == "double", 30.0, np.nan))
    return made.assign(is_anomaly=(made["row"] == STRANGE).astype(int)).drop(columns=WARNING)


def write_survey(folder: Path, *, positions: bool = True) -> Survey:
    """Write objects.h5, split.csv and augmented.h5."""
    survey = Survey(folder, *(folder / name for name in ("objects.h5", "split.csv", "augmented.h5")))
    attributes = {"kind": "image", "survey": "tiny", "unit": "Jy/beam", "scaled": False,
                  "labels": ["double", "single", "triple"]}
    own = {"user_redshift": Column("Redshift"), "is_anomaly": Column("Planted")}
    made = table(positions=positions)
    with Writer(survey.objects, (SIZE, SIZE), "float32", attributes) as writer:
        writer.append(pictures(np.random.default_rng(1)))
        order = [*FIRST_COLUMNS, *(name for name in made if name not in FIRST_COLUMNS)]
        writer.table(made[order], {**COLUMNS, **KNOWN, **MEASURED, **own})
    parts = np.array(["train", "train", "validation", "test"])[np.arange(N) // 2 % 4]
    split = pd.DataFrame({"object_id": made["object_id"], "group": np.arange(N) // 2, "part": parts, "reason": ""})
    split.to_csv(survey.split, index=False)
    files = {"objects": survey.objects, "split": survey.split}
    augment(VIEW, AugmentSettings(total=400), **files, out=survey.augmented, threads=1)
    return survey


def write_model(survey: Survey, name: str) -> None:
    """Write one model of a sort, with its prior: weights from a seed, or principal components of the training part."""
    labels = () if name == "unlabelled" else LABELS
    if name == "pca":
        settings: Any = PcaSettings(latents=3)
        images = load_part(survey.objects, survey.split, "train", VIEW)[1]
        module: Any = Ppca.fit(to_network(images)[0], 3, n_labels=len(labels))
    else:
        network = NetworkSettings(channels=(4, 4), hidden=(8,))
        settings = VaeSettings(latents=3, conditional=name == "conditional", network=network)
        torch.manual_seed(3)
        module = models.build(settings, shape=(16, 16), n_labels=len(labels))
    attributes = open_objects(survey.objects).attributes
    models.save(survey.model(name), module, {
        **{key: attributes[key] for key in ("kind", "survey", "unit", "scaled")}, "pixel_arcsec": 1.8,
        "threshold": 0.02, "ranges": ranges(open_objects(survey.objects).usable, ALIKE),
        "prepare": PREPARE.model_dump(mode="json"),
        "shape": [16, 16], "view": VIEW.model_dump(mode="json"), "labels": list(labels),
        "frequencies": [0.5, 0.5][: len(labels)], "settings": json.loads(settings.model_dump_json()),
    })
    files = {"augmented": survey.augmented, "objects": survey.objects}
    fit_prior(PRIOR, model=survey.model(name), **files, out=survey.prior(name))


@pytest.fixture(autouse=True, scope="session")
def _one_thread_of_torch() -> None:
    """Small batches are slower on several threads, and much slower where other programs run."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Give the survey with all its models; nothing in it may be changed."""
    made = write_survey(tmp_path_factory.mktemp("survey"))
    for name in MODELS:
        write_model(made, name)
    return made


@pytest.fixture(scope="session")
def survey_without_positions(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Give the same survey without coordinates, with one model."""
    made = write_survey(tmp_path_factory.mktemp("nowhere"), positions=False)
    write_model(made, "conditional")
    return made
