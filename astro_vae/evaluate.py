"""Measure a model against references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import model as models
from astro_vae.classifier import load_classifier
from astro_vae.compare import row_of
from astro_vae.errors import UserError
from astro_vae.files import step_lock, write_json
from astro_vae.objects import open_objects
from astro_vae.products import quality
from astro_vae.products._inference import Inference
from astro_vae.products._views import Views
from astro_vae.products.catalog import read_catalog
from astro_vae.products.gallery import draw_redrawn, short
from astro_vae.products.priors import load_prior
from astro_vae.products.sample_tests import SampleTests
from astro_vae.settings import ProductSettings
from astro_vae.steps._conditions import Conditions

MEAN_ROTATIONS = 4
SHOWN = 16


def evaluate(
    settings: ProductSettings, *, folder: Path, objects: Path, split: Path, classifier: Path, out: Path
) -> None:
    """Write metrics.json: figures with medians and bootstrap errors over sources, references beside.

    A picture of some test objects and their reconstructions, reconstructions.png, is written beside it.

    Parameters
    ----------
    settings : ProductSettings
    folder : Path
        Of one model: `model/`, prior.safetensors, latents.parquet, anomalies.parquet and samples.h5.
    objects, split : Path
        The files of the steps prepare and split.
    classifier : Path
        Folder of the independent classifier.
    out : Path

    Raises
    ------
    UserError
        If `settings.normal_labels` names a label that no object has.
    """
    trained = models.load(folder)
    inference = Inference(trained, load_prior(folder / models.PRIOR)[0], refine=settings.refine)
    with step_lock(out.parent, "evaluate"):
        views = Views(objects, split, trained)
        catalog = _aligned(read_catalog(folder / "latents.parquet"), views.table)
        _check_labels(settings.normal_labels, catalog)
        metrics = {
            "model": folder.name, "type": trained.contract["settings"]["type"], "latents": trained.module.n_latents,
            "parameters": sum(tensor.numel() for tensor in trained.module.state_dict().values()),
            "labels": inference.labels,
            **_parts(inference, views, catalog, settings.bootstrap),
            "samples": _samples(
                inference, views, folder / "samples.h5", classifier, (objects, split), settings.bootstrap
            ),
            "anomalies": _anomalies(read_catalog(folder / "anomalies.parquet"), catalog, inference.labels, settings),
        }
        _redrawn(inference, views, catalog, out.with_name("reconstructions.png"))
        write_json(out, metrics)
    print(_summary(metrics))


def _aligned(catalog: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the catalog in the order of the object table."""
    return catalog.set_index("object_id", drop=False).loc[table["object_id"]].reset_index(drop=True)


def _check_labels(normal: Sequence[str], catalog: pd.DataFrame) -> None:
    known = sorted(set(catalog["label"].dropna()) - {""})
    for name in normal:
        if name not in known:
            raise UserError(f"products.normal_labels: no object has the label '{name}'; known: {', '.join(known)}")


def _parts(inference: Inference, views: Views, catalog: pd.DataFrame, n: int) -> dict[str, Any]:
    """Measure reconstruction and labels on validation and test."""
    label, inferred = _labels(inference, catalog)
    mean = _mean(views, (views.table["part"] == "train").to_numpy() & (label >= 0))
    found = {}
    for part in quality.PARTS:
        rows = (views.table["part"] == part).to_numpy() & ((label >= 0) | (views.table["label"] == "").to_numpy())
        if not rows.any():
            continue
        groups = views.table["group"].to_numpy()[rows]
        figures = quality.redrawing(
            inference, views.images(rows), label[rows], inferred[rows], groups=groups, mean=mean, n=n
        )
        known = label[rows] >= 0
        if inference.labels:
            p = {name: q[rows][known] for name, q in quality.probabilities(catalog, inference.labels).items()}
            figures["label"] = quality.labelling(
                p, label[rows][known], frequencies=inference.frequencies, groups=groups[known], n=n
            )
        found[part] = {"objects": int(rows.sum()), "labelled": int(known.sum()), **figures}
    return found


def _redrawn(inference: Inference, views: Views, catalog: pd.DataFrame, path: Path) -> None:
    """Draw test objects (others where there are none), evenly spaced in the table, with their own labels."""
    own, predicted = _labels(inference, catalog)
    test = np.flatnonzero(views.table["part"] == "test")
    test = test if len(test) else np.arange(len(views))
    rows = test[np.linspace(0, len(test) - 1, min(SHOWN, len(test))).astype(int)]
    draw_redrawn(
        inference, views, rows, np.where(own >= 0, own, predicted)[rows], path,
        titles=[short(str(name)) for name in views.table["object_id"].iloc[rows]],
        suptitle="Objects of the test part, and what the model makes of them",
    )


def _labels(inference: Inference, catalog: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each object's own label, -1 where unknown, and of the predicted one."""
    predicted = catalog["label_predicted"] if inference.labels else catalog["label"]
    return inference.label_numbers(catalog["label"]), inference.label_numbers(predicted)


def _mean(views: Views, rows: np.ndarray) -> np.ndarray:
    """Return the mean object of the training part, over a few rotations, as a network takes it."""
    turned = (seen for block in views.blocks(rows) for seen in block.rotations(MEAN_ROTATIONS))
    return np.asarray(views.kind.fit.mean(turned))


def _samples(
    inference: Inference, views: Views, path: Path, folder: Path, files: tuple[Path, Path], n: int
) -> dict[str, Any]:
    """Test the samples of a file against real objects of these files, with the judge of a folder."""
    samples = open_objects(path)
    conditions = Conditions.of(*files, views.settings, seed=samples.attributes["seed"])
    return SampleTests(inference, views, conditions, samples, n).results(load_classifier(folder))


def _anomalies(
    ranking: pd.DataFrame, catalog: pd.DataFrame, labels: Sequence[str], settings: ProductSettings
) -> dict[str, Any]:
    if quality.PLANTED in catalog:
        truth = catalog.set_index("object_id")[quality.PLANTED]
        ranking = ranking.assign(**{quality.PLANTED: ranking["object_id"].map(truth)})
    return quality.finding_all(ranking, list(settings.normal_labels or labels), labels, settings.bootstrap)


def _summary(metrics: Mapping[str, Any]) -> str:
    row = row_of(metrics)
    wanted = ("test_mse", "test_reduced_chi2", "test_accuracy", "sample_agreement")
    words = [f"{name} {row[name]:.4g}" for name in wanted if name in row]
    return f"{metrics['model']}: " + ", ".join(words)
