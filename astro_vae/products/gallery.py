"""Draw real objects, each above what a model makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import kinds
from astro_vae.kinds import to_network
from astro_vae.products._inference import Inference
from astro_vae.products._views import Views

PER_ROW = 8


def draw_redrawn(
    inference: Inference, views: Views, rows: np.ndarray, label: np.ndarray, path: Path, *, titles: list[str],
    suptitle: str,
) -> None:
    """Draw objects in rows, each above the decoded mean of its latents.

    Parameters
    ----------
    inference : Inference
    views : Views
    rows : ndarray of int, shape (n,)
        Rows of the objects in `views.table`, in the order of the picture.
    label : ndarray of int, shape (n,)
        The label under which each is encoded.
    path : Path
    titles : list of n str
    suptitle : str
    """
    images = _images(views, rows)
    redrawn = np.clip(inference.decode(inference.encode(images, label)[0], label), 0, 1)
    columns = min(PER_ROW, len(rows))
    shown, words = [], []
    for start in range(0, len(rows), columns):
        part = slice(start, start + columns)
        shown += [_filled(to_network(images[part]), columns), _filled(redrawn[part], columns)]
        words += [*titles[part], *[""] * (2 * columns - len(titles[part]))]
    kinds.kind(views.objects.attributes["kind"]).draw.grid(
        path, np.concatenate(shown), columns=columns, titles=words, suptitle=suptitle,
        row_labels=["object", "as the model redraws it"] * (len(shown) // 2),
        **_sky(views.table.iloc[rows], len(words)),
    )


def _images(views: Views, rows: np.ndarray) -> np.ndarray:
    """Return the views of these rows, in their order."""
    mask = np.zeros(len(views), bool)
    mask[rows] = True
    return views.images(mask)[np.searchsorted(np.flatnonzero(mask), rows)]


def _filled(images: np.ndarray, columns: int) -> np.ndarray:
    """Return images with black ones behind them, as many as a row has: (columns, *shape)."""
    return np.concatenate([images, np.zeros((columns - len(images), *images.shape[1:]), np.float32)])


def _sky(objects: pd.DataFrame, n: int) -> dict[str, Any]:
    """Return direction of North and pixel scale where they are the same for all objects."""
    found = {}
    for name in ("north_deg", "pixel_arcsec"):
        values = objects[name].to_numpy(float) if name in objects else np.array([np.nan])
        if len(values) and np.all(values == values[0]):
            found[name] = np.full(n, values[0])
    return found


def short(name: str, length: int = 20) -> str:
    """Return a name that fits above a picture."""
    return name if len(name) <= length else f"{name[: length - 1]}\u2026"
