"""Lay the models of a survey side by side: one row of figures per model, and a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.files import atomic, read_json
from astro_vae.products import quality

MISFITS = ("mse", "reduced_chi2")
FIGURES = {
    **{
        f"{misfit}{suffix}": f"{{part}}_{misfit}{suffix}"
        for misfit, mean in zip(MISFITS, ("mean_image", "mean_spectrum"), strict=True)
        for suffix in ("", "_inferred_label", f"_{mean}")
    },
    "negative_elbo": "{part}_negative_elbo", f"negative_bound_{quality.BOUND_DRAWS}": "{part}_negative_bound",
    "active_units": "{part}_active_units", "cross_entropy_entropy": "{part}_cross_entropy_floor",
    "cross_entropy_mean_image": "{part}_cross_entropy_mean_image",
}
DISTANCES = {
    "ks_distance": "sample_distance", "ks_distance_of_redrawn": "redrawn_distance",
    "ks_distance_of_real_test": "real_distance",
}
LABEL_FIGURES = ("accuracy", "accuracy_most_frequent", "log_loss_calibrated", "calibration_error_calibrated")
FOLLOWING = ("median", "error", "median_error")
"""What a figure is followed by in the table, where it has it."""


def row_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of one model that a comparison shows: numbers by name, with median and errors."""
    row: dict[str, float] = {"latents": metrics["latents"], "parameters": metrics["parameters"]}
    for part in reversed(quality.PARTS):
        figures = metrics.get(part, {})
        for key, name in FIGURES.items():
            _put(row, name.format(part=part), figures.get(key))
        for misfit in MISFITS:
            for label, figure in figures.get(f"{misfit}_per_label", {}).items():
                _put(row, f"{part}_{misfit}_{label}", figure)
        for key in LABEL_FIGURES:
            _put(row, f"{part}_{key}", figures.get("label", {}).get(key))
    _put(row, "sample_agreement", metrics["samples"].get("agreement", {}).get("all"))
    _put(row, "sample_agreement_standard_normal", metrics["samples"].get("agreement_standard_normal", {}).get("all"))
    _put(row, "classifier_accuracy", metrics["samples"].get("classifier_on_real_test", {}).get("all"))
    for key, name in DISTANCES.items():
        _put(row, name, metrics["samples"].get(key, {}).get("all"))
    _put(row, "inception_score", metrics["samples"].get("inception"))
    _put(row, "inception_score_of_real", metrics["samples"].get("inception_of_real_test"))
    for name, found in metrics["anomalies"].items():
        for key, value in found.get("combined", {}).items():
            _put(row, f"{name}_{key}", value)
        for key in ("first_n", "first_2n"):
            _put(row, f"{name}_recovered_{key}", found.get(key))
    return row


def _put(row: dict[str, float], name: str, figure: Mapping[str, Any] | None) -> None:
    """Add a figure to a row, with its median and errors where it has them."""
    if not figure:
        return
    value = figure.get("mean", figure.get("value"))
    if value is not None:
        row[name] = value
        row |= {f"{name}_{key}": figure[key] for key in FOLLOWING if figure.get(key) is not None}


ROW_INCH = 0.34
FEWEST = 3  # rows that the figure has room for
Panel = tuple[str, dict[str, str], str | None, float]


def compare(metrics: Sequence[Path], *, out: Path) -> None:
    """Write comparison.csv, a row per model, and comparison.png beside it.

    Parameters
    ----------
    metrics : sequence of Path
        metrics.json of each model of a survey.
    out : Path
        The CSV table: `model`, then numbers; each figure is followed by its median and the errors of both.
    """
    found = [read_json(path) for path in metrics]
    table = pd.DataFrame([{"model": one["model"], **row_of(one)} for one in found])
    with atomic(out) as partial:
        table.to_csv(partial, index=False)
    _figure(table, out.with_suffix(".png"))


CHANCE = "chance"
REFERENCES = {
    "test_mse_mean_image": "mean image", "test_reduced_chi2_mean_spectrum": "mean spectrum",
    "test_accuracy_most_frequent": "most frequent label", "classifier_accuracy": "classifier on real objects",
    "real_distance": "real test objects", CHANCE: "chance",
}
PANELS: tuple[Panel, ...] = (  # title, figures with their words, reference as a dashed line, unit where logarithmic
    ("Mean squared error on test (10$^{-4}$)", {"test_mse": "true label", "test_mse_inferred_label": "inferred label"},
     "test_mse_mean_image", 1e-4),
    ("Reduced chi-square on test",
     {"test_reduced_chi2": "true label", "test_reduced_chi2_inferred_label": "inferred label"},
     "test_reduced_chi2_mean_spectrum", 1.0),
    ("Label found on test", {"test_accuracy": "p(label | object)", "classifier_accuracy": "classifier"},
     "test_accuracy_most_frequent", 0.0),
    ("Label of samples, by the classifier",
     {"sample_agreement": "fitted prior", "sample_agreement_standard_normal": "N(0, I)"}, "classifier_accuracy", 0.0),
    ("Measured values against real ones (KS)",
     {"sample_distance": "samples", "redrawn_distance": "redrawn"}, "real_distance", 0.0),
)


def _figure(table: pd.DataFrame, path: Path) -> None:
    """Draw a panel per figure of merit, a line per model."""
    from matplotlib.figure import Figure

    odd = {str(name): str(name)[:-4].replace("_", " ") for name in table if str(name).endswith("_auc")}
    panels: list[Panel] = [*PANELS, ("Anomalies found, area under the curve", odd, CHANCE, 0.0)]
    panels = [(t, {k: w for k, w in f.items() if k in table}, r, unit) for t, f, r, unit in panels]
    panels = [panel for panel in panels if panel[1]]
    height = 1.4 + ROW_INCH * max(len(table), FEWEST)
    figure = Figure(figsize=(max(3.2 * len(panels), 3.2), height), layout="constrained")
    for axes, (title, figures, reference, unit) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True
    ):
        _panel(axes, table, figures, reference)
        axes.set_title(title, fontsize=9)
        if unit:
            _logarithmic(axes, unit)
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
    axes.grid(axis="y", alpha=0.3, lw=0.4)  # leads the eye from panel to panel
    axes.tick_params(labelsize=8)
    below = 0.27 / (ROW_INCH * max(len(table), FEWEST))  # room for the numbers of the axis, as a share of its height
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -below), ncols=2, frameon=False)


def _logarithmic(axes: Any, unit: float) -> None:
    """Make the horizontal axis logarithmic, with plain numbers in this unit."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
