"""Show each model: what it is, how its training went, how it measures, what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from astro_vae.report.charts import Series, lines, scatter
from astro_vae.report.gather import ModelResults
from astro_vae.report.measures import Measure, flat, words
from astro_vae.report.objects_section import GREY, by_label
from astro_vae.report.provenance import facts
from astro_vae.report.thumbnails import figure
from astro_vae.report.words import measured, number

PARTS = ("test", "validation")
RINGED = 12
PICTURES = {
    "samples": "Samples per label, drawn from the prior and decoded: never chosen, in the order of their drawing.",
    "traversal": "Traversals: one latent at a time goes from low to high, the others stay.",
    "interpolation": "From a typical object of one label to one of another, decoded as either.",
    "reconstruction": "Objects and their reconstructions.",
}


def models_section(models: list[ModelResults]) -> list[dict[str, Any]]:
    """Return what the template needs for each model."""
    return [_one(model) for model in models]


def _one(model: ModelResults) -> dict[str, Any]:
    measures = flat(model.metrics)
    rows, head = by_part(measures)
    shown = {name for name in measures if name.split(".")[0] in PARTS}
    return {
        "name": model.name, "words": kind_words(model), "facts": facts(model), "charts": _charts(model),
        "metrics": rows, "metrics_head": head, "pictures": _pictures(model),
        "more": [(words(name), _cell(m)) for name, m in measures.items() if name not in shown],
    }


LINEAR_WORDS = {
    "pca": "probabilistic principal components", "em_pca": "principal components weighted by inverse variance",
    "infill_pca": "principal components with masked data filled in", "nmf": "non-negative factors",
    "curved_pca": "weighted principal components with bends",
}


def kind_words(model: ModelResults) -> str:
    """Say in a few words what kind of model it is."""
    settings = model.settings
    if model.is_linear:
        return LINEAR_WORDS[settings["type"]]
    network = (settings.get("network") or {}).get("name", "")
    kind = "label-conditioned autoencoder" if settings.get("conditional", True) else "autoencoder"
    return f"{network} variational {kind}".strip()


def by_part(measures: dict[str, Measure]) -> tuple[list[list[Any]], list[str]]:
    """Lay the measures of test and validation side by side: a row per measure, medians beside means."""
    parts = [part for part in PARTS if any(name.startswith(part + ".") for name in measures)]
    names = dict.fromkeys(name.split(".", 1)[1] for name in measures if name.split(".")[0] in parts)
    rows = []
    for name in names:
        found = [measures.get(f"{part}.{name}") for part in parts]
        rows.append([words(name), *(_cell(m) for m in found), *(_median(m) for m in found)])
    return rows, ["measure", *parts, *(f"median, {part}" for part in parts)]


def _cell(measure: Measure | None) -> Markup:
    if measure is None:
        return number(None)
    if np.isnan(measure.error) and measure.value == round(measure.value):
        return number(round(measure.value))
    return measured(measure.value, measure.error)


def _median(measure: Measure | None) -> Markup:
    return number(measure.median) if measure and np.isfinite(measure.median) else Markup("")


def _charts(model: ModelResults) -> list[dict[str, Any]]:
    charts = [*_training(model.history), _latent_map(model), _reliability(model.metrics)]
    return [chart for chart in charts if chart and chart["svg"]]


def _training(history: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Draw the evidence lower bound, and its two parts, over the examples seen."""
    if history is None or "examples" not in history or len(history) < 2:
        return []
    x = history["examples"].to_numpy(float)
    names = {"elbo": "training", "validation_elbo": "validation"}
    bound = [Series(words, x, -history[name].to_numpy(float)) for name, words in names.items() if name in history]
    names = {"kl": "training", "validation_kl": "validation"}
    cost = [Series(words, x, history[name].to_numpy(float)) for name, words in names.items() if name in history]

    def chart(series: list[Series], title: str, note: str) -> dict[str, Any]:
        svg = lines(series, x_label="examples seen", y_label="nats per object", title=f"{title} over the training",
                    settled=0.1)
        return {"title": title, "note": note, "svg": svg}

    return [chart(bound, "Negative evidence lower bound", "lower is better"),
            chart(cost, "KL divergence from the prior", "what the latents carry")]


def _reliability(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Draw how often labels of a given confidence are right, raw and calibrated, on the test part."""
    found = (metrics.get("test") or metrics.get("validation") or {}).get("label") or {}
    series = [Series("perfect", np.array([0.0, 1.0]), np.array([0.0, 1.0]), GREY)]
    for i, name in enumerate(("raw", "calibrated")):
        bins = found.get(f"reliability_{name}") or []
        x, y = (np.array([b[key] for b in bins], dtype=float) for key in ("confidence", "accuracy"))
        series += [Series(name, x, y, i)] if len(x) else []
    if not series[1:]:
        return None
    title = "Reliability of p(label | object)"
    svg = lines(series, x_label="probability given", y_label="fraction right", title=title)
    return {"title": title, "note": "objects in bins of the probability", "svg": svg}


def _latent_map(model: ModelResults) -> dict[str, Any] | None:
    """Draw all objects in the two directions in which their latents vary most."""
    if model.latents is None:
        return None
    columns = [name for name in model.latents if str(name).startswith("z_mean_")]
    table = model.latents[np.isfinite(model.latents[columns].to_numpy(float)).all(axis=1)]
    if len(columns) < 2 or len(table) < 3 or "label" not in table:
        return None
    z = table[columns].to_numpy(float)
    z = z - z.mean(axis=0)
    _, spread, axes = np.linalg.svd(z, full_matrices=False)
    # The sign of a principal direction is arbitrary; this choice makes it the same on every machine.
    axes = axes[:2] * np.sign(axes[:2, np.abs(axes[:2]).argmax(axis=1)].diagonal())[:, None]
    places = pd.DataFrame(z @ axes.T, columns=["x", "y"], index=table.index).assign(label=table["label"].fillna(""))
    share = (spread[:2] ** 2).sum() / (spread**2).sum()
    return {
        "title": "Latent space", "note": f"first two principal directions, {share:.0%} of the variance; "
        "rings are the most anomalous",
        "svg": scatter(by_label(places, "x", "y"), x_label="first direction", y_label="second direction",
                       title="Objects in latent space", rings=_rings(model, table, places)),
    }


def _rings(model: ModelResults, table: pd.DataFrame, places: pd.DataFrame) -> Series | None:
    if model.ranking is None or "object_id" not in table:
        return None
    top = table["object_id"].isin(model.ranking["object_id"].head(RINGED))
    return Series("", places["x"][top].to_numpy(), places["y"][top].to_numpy())


def _pictures(model: ModelResults) -> list[dict[str, str]]:
    """Return the figures that the products made of the model, the known ones first."""
    left = {stem: path for stem, path in model.pictures.items() if stem not in ("curves", "anomalies")}
    found = []
    for known, caption in PICTURES.items():
        for stem in sorted(stem for stem in left if stem.startswith(known)):
            found.append({"address": figure(left.pop(stem)), "caption": caption})
    rest = [{"address": figure(path), "caption": words(stem).capitalize()} for stem, path in left.items()]
    return [*found, *rest]
