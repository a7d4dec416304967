"""Tours through the latent space: one latent at a time."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from astro_vae.products._inference import Inference
from astro_vae.products.priors import Reference
from astro_vae.trained import TrainedModel

PERCENTILES = (1, 5, 15, 30, 50, 70, 85, 95, 99)  # of real objects, that a traversal goes through
LATENTS = 8
CANDIDATES = 256  # references among which a typical one is looked for


def traversal(inference: Inference, reference: Reference, label: int, latent: int) -> np.ndarray:
    """Return mean objects (steps, *shape) as one latent goes from low to high, the others those of a typical object.

    It goes through percentiles of real objects: latents have long tails on one side, so that as many standard
    deviations to the other would lead to where no object is.
    """
    of_label = reference.z[reference.label == label]
    z = np.repeat(typical(inference, reference, label)[None], len(PERCENTILES), axis=0)
    z[:, latent] = np.percentile(of_label[:, latent], PERCENTILES)
    return _decoded(inference, z, label)


def _decoded(inference: Inference, z: np.ndarray, label: int) -> np.ndarray:
    """Return mean objects (n, *shape), NaN where nothing is known of them."""
    labels = np.full(len(z), label)
    values: np.ndarray = inference.blanked(inference.decode(z, labels), labels)
    return values


def typical(inference: Inference, reference: Reference, label: int) -> np.ndarray:
    """Return the latents (K,) of the reference that has the median total brightness of its label.

    The mean of the latents is no object, and what lies nearest to it is among the smallest and faintest.
    """
    z = reference.z[reference.label == label][:CANDIDATES]
    brightness = np.nansum(_decoded(inference, z, label).reshape(len(z), -1), axis=1)
    return z[np.argsort(brightness, kind="stable")[len(z) // 2]]


def strongest_latents(inference: Inference, reference: Reference, label: int, n: int = LATENTS) -> np.ndarray:
    """Return the latents whose change by a standard deviation of real objects changes the object most."""
    start = typical(inference, reference, label)
    steps = np.diag(reference.z[reference.label == label].std(axis=0))
    z = np.concatenate([start - steps, start + steps])
    low, high = np.split(_decoded(inference, z, label), 2)
    return np.argsort(-np.nanmean(((high - low) ** 2).reshape(len(steps), -1), axis=1), kind="stable")[:n]


def write_tours(inference: Inference, reference: Reference, trained: TrainedModel, folder: Path) -> None:
    """Write traversals.png, one picture per label."""
    room = trained.kind.draw
    draw = partial(room.ways, **room.known(trained.view, pd.DataFrame(), len(PERCENTILES)))
    names = inference.labels or ["all objects"]
    for label, name in enumerate(names):
        latents = strongest_latents(inference, reference, label)
        tours = np.stack([traversal(inference, reference, label, k) for k in latents])
        path = folder / ("traversals.png" if label == 0 else f"traversals_{label}.png")
        draw(path, tours, names=[f"latent {k}" for k in latents],
             steps=[f"{percent} %" for percent in PERCENTILES],
             suptitle=f"{name}: one latent at a time, the strongest first, through the percentiles of real objects")
