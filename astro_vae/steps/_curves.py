"""Draw how a training went."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TRAINING, VALIDATION = "#9aa5b1", "#c2410c"


def draw_curves(path: Path, history: pd.DataFrame) -> None:
    """Draw the rows of a history: ELBO, its terms, the error of reconstructions and the active latents.

    Parameters
    ----------
    path : Path
        Picture to write; its suffix chooses the format.
    history : DataFrame
        As in history.csv; columns that it lacks are left out.
    """
    figure = Figure(figsize=(11, 6), layout="constrained")
    elbo, reconstruction, kl, error, active, rate = figure.subplots(2, 3).ravel()
    _both(elbo, history, "elbo", "ELBO (nat)")
    _both(reconstruction, history, "reconstruction", "reconstruction (nat)")
    _both(kl, history, "kl", "KL divergence (nat)")
    _one(error, history, "validation_mse", "mean squared error")
    error.set_yscale("log")
    _one(active, history, "active_units", "active latents")
    _one(rate, history, "learning_rate", "learning rate")
    elbo.legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _both(axes: Axes, history: pd.DataFrame, name: str, words: str) -> None:
    if name in history:
        axes.plot(history["examples"], history[name], color=TRAINING, marker=".", label="training")
    _one(axes, history, f"validation_{name}", words)
    # The first evaluations may lie orders of magnitude below the rest, which is what one looks at.
    values = history.filter(regex=f"^(validation_)?{name}$").iloc[len(history) // 10 :].to_numpy(float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.05 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)


def _one(axes: Axes, history: pd.DataFrame, name: str, words: str) -> None:
    if name in history:
        axes.plot(history["examples"], history[name], color=VALIDATION, marker=".", label="validation")
    axes.set(xlabel="examples seen", title=words)
    axes.spines[["top", "right"]].set_visible(False)
