"""Measure a model against references, and lay the models of a survey side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import model as models
from astro_vae.classifier import load_classifier
from astro_vae.files import atomic, read_json, step_lock, write_json
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

PARTS = ("validation", "test")
MEAN_IMAGE_ROTATIONS = 4
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
    mean_image = _mean_image(views, (views.table["part"] == "train").to_numpy() & (label >= 0))
    found = {}
    for part in PARTS:
        rows = (views.table["part"] == part).to_numpy() & ((label >= 0) | (views.table["label"] == "").to_numpy())
        if not rows.any():
            continue
        groups = views.table["group"].to_numpy()[rows]
        figures = quality.redrawing(
            inference, views.images(rows), label[rows], inferred[rows], groups=groups, mean_image=mean_image, n=n
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


def _mean_image(views: Views, rows: np.ndarray) -> np.ndarray:
    """Return the mean view of the training objects over a few rotations, values 0 to 1."""
    total = sum(
        images.sum(axis=0, dtype=np.float64)
        for block in views.blocks(rows) for images in block.rotations(MEAN_IMAGE_ROTATIONS)
    )
    return (total / (MEAN_IMAGE_ROTATIONS * max(int(rows.sum()), 1) * 255)).astype(np.float32)


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
    words = [f"{name} {row[name]:.4g}" for name in ("test_mse", "test_accuracy", "sample_agreement") if name in row]
    return f"{metrics['model']}: " + ", ".join(words)


FIGURES = {
    "mse": "{part}_mse", "mse_inferred_label": "{part}_mse_inferred_label", "mse_mean_image": "{part}_mse_mean_image",
    "negative_elbo": "{part}_negative_elbo", f"negative_bound_{quality.BOUND_DRAWS}": "{part}_negative_bound",
    "active_units": "{part}_active_units", "cross_entropy_entropy": "{part}_cross_entropy_floor",
    "cross_entropy_mean_image": "{part}_cross_entropy_mean_image",
}
LABEL_FIGURES = ("accuracy", "accuracy_most_frequent", "log_loss_calibrated", "calibration_error_calibrated")


def row_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of one model that a comparison shows: numbers by name, each followed by its error."""
    row: dict[str, float] = {"latents": metrics["latents"], "parameters": metrics["parameters"]}
    for part in reversed(PARTS):
        figures = metrics.get(part, {})
        for key, name in FIGURES.items():
            _put(row, name.format(part=part), figures.get(key))
        for key in LABEL_FIGURES:
            _put(row, f"{part}_{key}", figures.get("label", {}).get(key))
    _put(row, "sample_agreement", metrics["samples"].get("agreement", {}).get("all"))
    _put(row, "sample_agreement_standard_normal", metrics["samples"].get("agreement_standard_normal", {}).get("all"))
    _put(row, "classifier_accuracy", metrics["samples"].get("classifier_on_real_test", {}).get("all"))
    _put(row, "inception_score", metrics["samples"].get("inception"))
    _put(row, "inception_score_of_real", metrics["samples"].get("inception_of_real_test"))
    for name, found in metrics["anomalies"].items():
        for key, value in found.get("combined", {}).items():
            _put(row, f"{name}_{key}", value)
        for key in ("first_n", "first_2n"):
            _put(row, f"{name}_recovered_{key}", found.get(key))
    return row


def _put(row: dict[str, float], name: str, figure: Mapping[str, Any] | None) -> None:
    """Add a figure to a row, with its median and error where it has them."""
    if not figure:
        return
    value = figure.get("mean", figure.get("value"))
    if value is not None:
        row[name] = value
        row |= {f"{name}_{key}": figure[key] for key in ("median", "error") if figure.get(key) is not None}


Panel = tuple[str, dict[str, str], str | None, bool]


def compare(metrics: Sequence[Path], *, out: Path) -> None:
    """Write comparison.csv, a row per model, and comparison.png beside it.

    Parameters
    ----------
    metrics : sequence of Path
        metrics.json of each model of a survey.
    out : Path
        The CSV table: `model`, then numbers; each figure is followed by its median and error.
    """
    found = [read_json(path) for path in metrics]
    table = pd.DataFrame([{"model": one["model"], **row_of(one)} for one in found])
    with atomic(out) as partial:
        table.to_csv(partial, index=False)
    _figure(table, out.with_suffix(".png"))


CHANCE = "chance"
REFERENCES = {
    "test_mse_mean_image": "mean image", "test_accuracy_most_frequent": "most frequent label",
    "classifier_accuracy": "classifier on real objects", CHANCE: "chance",
}
PANELS: tuple[Panel, ...] = (  # title, figures with their words, a reference as a dashed line, logarithmic
    ("Mean squared error on test (10$^{-4}$)", {"test_mse": "true label", "test_mse_inferred_label": "inferred label"},
     "test_mse_mean_image", True),
    ("Label found on test", {"test_accuracy": "p(label | image)", "classifier_accuracy": "classifier"},
     "test_accuracy_most_frequent", False),
    ("Label of samples, by the classifier",
     {"sample_agreement": "fitted prior", "sample_agreement_standard_normal": "N(0, I)"}, "classifier_accuracy", False),
)


def _figure(table: pd.DataFrame, path: Path) -> None:
    """Draw a panel per figure of merit, a line per model."""
    from matplotlib.figure import Figure

    odd = {str(name): str(name)[:-4].replace("_", " ") for name in table if str(name).endswith("_auc")}
    panels: list[Panel] = [*PANELS, ("Anomalies found, area under the curve", odd, CHANCE, False)]
    panels = [(t, {k: w for k, w in f.items() if k in table}, r, log) for t, f, r, log in panels]
    panels = [panel for panel in panels if panel[1]]
    figure = Figure(figsize=(max(3.2 * len(panels), 3.2), 1.4 + 0.34 * max(len(table), 3)), layout="constrained")
    for axes, (title, figures, reference, log) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True
    ):
        _panel(axes, table, figures, reference)
        axes.set_title(title, fontsize=9)
        if log:
            _logarithmic(axes)
    with atomic(path) as partial:
        figure.savefig(partial, dpi=150, metadata={"Software": None})


def _panel(axes: Any, table: pd.DataFrame, figures: Mapping[str, str], reference: str | None) -> None:
    height = np.arange(len(table))[::-1]
    for i, (name, words) in enumerate(figures.items()):
        errors = table.get(f"{name}_error", math.nan)
        offset = 0.12 * ((len(figures) - 1) / 2 - i)
        axes.errorbar(table[name], height + offset, xerr=errors, fmt="o", ms=4, lw=1, capsize=2, label=words)
    if reference is not None and (reference in table or reference == CHANCE):
        place = 0.5 if reference == CHANCE else table[reference].mean()
        axes.axvline(place, color="0.5", ls="--", lw=1, label=REFERENCES[reference])
    axes.set_yticks(height, table["model"])
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False)


def _logarithmic(axes: Any) -> None:
    """Make the horizontal axis logarithmic, with plain numbers in units of 10^-4."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{1e4 * value:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
