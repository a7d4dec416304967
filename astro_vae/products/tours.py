"""Ways through the latent space: one latent at a time, and from one object or class to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from astro_vae.products._inference import Inference
from astro_vae.products.priors import Reference
from astro_vae.trained import TrainedModel

STEPS = 9
WIDEST = 2.5  # a traversal goes this many standard deviations of the real objects to either side
LATENTS = 8
CANDIDATES = 256  # references among which a typical one is looked for
PAIRS = 3  # of labels that are joined by an interpolation, at most


def traversal(inference: Inference, reference: Reference, label: int, latent: int, steps: int = STEPS) -> np.ndarray:
    """Return mean objects (steps, *shape) as one latent goes from low to high, the others those of a typical object."""
    of_label = reference.z[reference.label == label]
    z = np.repeat(typical(inference, reference, label)[None], steps, axis=0)
    z[:, latent] = of_label[:, latent].mean() + np.linspace(-WIDEST, WIDEST, steps) * of_label[:, latent].std()
    return inference.decode(z, np.full(steps, label))


def interpolation(
    inference: Inference, start: np.ndarray, end: np.ndarray, label: int, steps: int = STEPS
) -> np.ndarray:
    """Return mean objects (steps, *shape) on the straight line between two latents (K,), all under one label."""
    way = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return inference.decode((1 - way) * start + way * end, np.full(steps, label))


def between_objects(
    inference: Inference, images: np.ndarray, labels: np.ndarray, steps: int = STEPS
) -> np.ndarray:
    """Return mean objects (steps, *shape) from one object to another, given their views (2, *shape) and labels (2,).

    The label changes half-way, where it is discrete.
    """
    z, _ = inference.encode(images, labels)
    way = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return inference.decode((1 - way) * z[0] + way * z[1], np.where(way[:, 0] < 0.5, *labels))


def typical(inference: Inference, reference: Reference, label: int) -> np.ndarray:
    """Return the latents (K,) of the reference that has the median total brightness of its label.

    The mean of the latents is no object, and what lies nearest to it is among the smallest and faintest.
    """
    z = reference.z[reference.label == label][:CANDIDATES]
    brightness = inference.decode(z, np.full(len(z), label)).reshape(len(z), -1).sum(axis=1)
    return z[np.argsort(brightness, kind="stable")[len(z) // 2]]


def strongest_latents(inference: Inference, reference: Reference, label: int, n: int = LATENTS) -> np.ndarray:
    """Return the latents whose change by a standard deviation of real objects changes the object most."""
    start = typical(inference, reference, label)
    steps = np.diag(reference.z[reference.label == label].std(axis=0))
    z = np.concatenate([start - steps, start + steps])
    low, high = np.split(inference.decode(z, np.full(len(z), label)), 2)
    return np.argsort(-((high - low) ** 2).reshape(len(steps), -1).mean(axis=1), kind="stable")[:n]


def write_tours(inference: Inference, reference: Reference, trained: TrainedModel, folder: Path) -> None:
    """Write traversals.png (one picture per label) and, where there are two labels, interpolations.png."""
    room = trained.kind.draw
    draw = partial(room.grid, **room.known(trained.view, pd.DataFrame(), STEPS))
    names = inference.labels or ["all objects"]
    for label, name in enumerate(names):
        latents = strongest_latents(inference, reference, label)
        tours = np.concatenate([traversal(inference, reference, label, k) for k in latents])
        path = folder / ("traversals.png" if label == 0 else f"traversals_{label}.png")
        draw(path, tours, columns=STEPS, row_labels=[f"latent {k}" for k in latents],
             titles=[f"{step:+.1f} sd" for step in np.linspace(-WIDEST, WIDEST, STEPS)],
             suptitle=f"{name}: one latent at a time, by standard deviations of real objects")
    pairs = list(combinations(range(len(names)), 2))[:PAIRS]
    if pairs:
        _interpolations(inference, reference, pairs, folder / "interpolations.png", draw)


def _interpolations(
    inference: Inference, reference: Reference, pairs: Sequence[tuple[int, int]], path: Path, draw: Callable[..., None]
) -> None:
    """Draw the way between typical objects of each pair of labels, decoded under either where the model cares."""
    rows, words = [], []
    for one, other in pairs:
        names = inference.labels[one], inference.labels[other]
        ends = typical(inference, reference, one), typical(inference, reference, other)
        for label, name in zip((one, other)[: 2 if inference.module.conditional else 1], names, strict=False):
            rows.append(interpolation(inference, *ends, label))
            words.append(f"decoded as {name}" if inference.module.conditional else f"{names[0]} to {names[1]}")
    draw(path, np.concatenate(rows), columns=STEPS, row_labels=words,
         suptitle="From typical objects of one label to those of another: "
         + "; ".join(f"{inference.labels[a]} to {inference.labels[b]}" for a, b in pairs))
