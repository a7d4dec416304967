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
from astro_vae.files import step_lock, write_json
from astro_vae.objects import Objects, open_objects
from astro_vae.products import quality
from astro_vae.products._inference import Inference
from astro_vae.products._views import Views
from astro_vae.products.catalog import read_catalog
from astro_vae.products.gallery import draw_redrawn, short
from astro_vae.products.priors import load_prior
from astro_vae.products.samples import draw
from astro_vae.settings import ProductSettings
from astro_vae.vae.priors import StandardNormal

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
    """
    trained = models.load(folder)
    inference = Inference(trained, load_prior(folder / models.PRIOR)[0])
    with step_lock(out.parent, "evaluate"):
        views = Views(objects, split, trained)
        catalog = _aligned(read_catalog(folder / "latents.parquet"), views.table)
        metrics = {
            "model": folder.name, "type": trained.contract["settings"]["type"], "latents": trained.module.n_latents,
            "parameters": sum(tensor.numel() for tensor in trained.module.state_dict().values()),
            "labels": inference.labels,
            **_parts(inference, views, catalog, settings.bootstrap),
            "samples": _samples(inference, views, folder / "samples.h5", classifier, settings.bootstrap),
            "anomalies": _anomalies(read_catalog(folder / "anomalies.parquet"), catalog, inference.labels, settings),
        }
        _redrawn(inference, views, catalog, out.with_name("reconstructions.png"))
        write_json(out, metrics)
    print(_summary(metrics))


def _aligned(catalog: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the catalog in the order of the object table."""
    return catalog.set_index("object_id", drop=False).loc[table["object_id"]].reset_index(drop=True)


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


def _samples(inference: Inference, views: Views, path: Path, folder: Path, n: int) -> dict[str, Any]:
    """Measure whether samples have the label that they were asked for; the classifier on real test objects beside."""
    judge = load_classifier(folder)
    labels = [name for name in inference.labels if judge and name in judge.labels]
    if judge is None or len(labels) < 2 or len(labels) < len(inference.labels):
        return {}
    samples = open_objects(path)
    real = (views.table["part"] == "test") & views.table["label"].isin(labels)
    asked = samples.usable["label"]
    found = {
        "agreement": _agreement(judge, labels, samples.read(), asked, n),
        "inception": quality.inception(judge.predict(_as_bytes(samples.read())), n=n),
        "agreement_not_thresholded": _agreement(judge, labels, _decoded(inference, samples), asked, n),
    }
    if not isinstance(inference.prior, StandardNormal):
        images, table = draw(
            inference.under(StandardNormal(inference.module.n_latents)),
            len(samples.usable) // len(labels), samples.attributes["seed"], threshold=samples.attributes["threshold"],
        )
        found["agreement_standard_normal"] = _agreement(judge, labels, images, table["label"], n)
    if real.any():
        images, groups = views.images(real.to_numpy()), views.table["group"][real].to_numpy()
        found["classifier_on_real_test"] = _agreement(judge, labels, images, views.table["label"][real], n, groups)
        found["inception_of_real_test"] = quality.inception(judge.predict(images), n=n, groups=groups)
    return found


def _decoded(inference: Inference, samples: Objects) -> np.ndarray:
    """Decode the samples' latents again: the images before their threshold."""
    z = samples.usable[[f"z_{k}" for k in range(inference.module.n_latents)]].to_numpy()
    return inference.decode(z, inference.label_numbers(samples.usable["label"]))


def _agreement(
    judge: Any, labels: Sequence[str], images: np.ndarray, asked: pd.Series, n: int, groups: np.ndarray | None = None
) -> dict[str, Any]:
    p = judge.predict(_as_bytes(images))
    return quality.agreement(p, judge.labels, labels, asked.to_numpy(object), n=n, groups=groups)


def _as_bytes(images: np.ndarray) -> np.ndarray:
    """Cut off the fraction of grey values, as that of real images was, before a classifier sees them."""
    return images if images.dtype == np.uint8 else (255 * np.clip(images, 0, 1)).astype(np.uint8)


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
