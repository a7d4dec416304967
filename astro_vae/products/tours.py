"""Ways through the latent space: one latent at a time, and from one object or class to another."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from astro_vae import kinds
from astro_vae.products._inference import Inference
from astro_vae.products.priors import Reference

STEPS = 9
WIDEST = 2.5  # a traversal goes this many standard deviations of the real objects to either side
LATENTS = 8
PAIRS = 3  # of labels that are joined by an interpolation, at most


def traversal(inference: Inference, reference: Reference, label: int, latent: int, steps: int = STEPS) -> np.ndarray:
    """Return mean images (steps, *shape) as one latent goes from low to high, the others of a typical object of the label."""
    of_label = reference.z[reference.label == label]
    z = np.repeat(typical(reference, label)[None], steps, axis=0)
    z[:, latent] = of_label[:, latent].mean() + np.linspace(-WIDEST, WIDEST, steps) * of_label[:, latent].std()
    return inference.decode(z, np.full(steps, label))


def interpolation(
    inference: Inference, start: np.ndarray, end: np.ndarray, label: int, steps: int = STEPS
) -> np.ndarray:
    """Return mean images (steps, *shape) on the straight line between two latents (K,), all under one label."""
    way = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return inference.decode((1 - way) * start + way * end, np.full(steps, label))


def between_objects(
    inference: Inference, images: np.ndarray, labels: np.ndarray, steps: int = STEPS
) -> np.ndarray:
    """Return mean images (steps, *shape) from one object to another, given their views (2, *shape) and labels (2,).

    The label changes half-way, where it is discrete.
    """
    z, _ = inference.encode(images, labels)
    way = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return inference.decode((1 - way) * z[0] + way * z[1], np.where(way[:, 0] < 0.5, *labels))


def typical(reference: Reference, label: int) -> np.ndarray:
    """Return the latents (K,) of the reference that is nearest to the mean of its label.

    The mean itself is no object: it lies where no turn of any source does.
    """
    z = reference.z[reference.label == label]
    return z[np.argmin(((z - z.mean(axis=0)) ** 2).sum(axis=1))]


def active_latents(reference: Reference, n: int = LATENTS) -> np.ndarray:
    """Return the latents that vary most over real objects, the first the most."""
    return np.argsort(-reference.z.var(axis=0))[:n]


def write_tours(inference: Inference, reference: Reference, contract: Mapping[str, Any], folder: Path) -> None:
    """Write traversals.png (one picture per label beside it) and, where there are two labels, interpolations.png."""
    draw = kinds.kind(str(contract["kind"])).draw.grid
    names = inference.labels or ["all objects"]
    latents = active_latents(reference)
    for label, name in enumerate(names):
        tours = np.concatenate([traversal(inference, reference, label, k) for k in latents])
        path = folder / ("traversals.png" if label == 0 else f"traversals_{label}.png")
        draw(path, np.clip(tours, 0, 1), columns=STEPS, row_labels=[f"latent {k}" for k in latents],
             suptitle=f"{name}: each latent from -{WIDEST:g} to +{WIDEST:g} standard deviations of real objects")
    pairs = list(combinations(range(len(names)), 2))[:PAIRS]
    if not pairs:
        return
    rows, words = [], []
    for one, other in pairs:
        ends = typical(reference, one), typical(reference, other)
        for label in (one, other):
            rows.append(interpolation(inference, *ends, label))
            words.append(f"as {names[label]}")
    draw(folder / "interpolations.png", np.clip(np.concatenate(rows), 0, 1), columns=STEPS, row_labels=words,
         suptitle="; ".join(f"from {names[a]} to {names[b]}" for a, b in pairs) + ": typical objects, decoded as either")
