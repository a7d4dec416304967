"""Draw real objects, each above what a model makes of it."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.products._inference import Inference
from astro_vae.products._views import Views
from astro_vae.products.reasons import main


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
    seen = _seen(views, rows)
    draw = views.kind.draw
    redrawn = _redrawn(inference, seen, label)
    columns = min(draw.PER_ROW, len(rows))
    shown: list[Any] = []
    words: list[str] = []
    names: list[str] = []
    for start in range(0, len(rows), columns):
        part = slice(start, start + columns)
        below = draw.beside(seen[part], redrawn[part])
        missing = columns - len(seen[part])
        for name, panels in below:
            shown += [*panels, *[draw.blank(panels)] * missing]
            names.append(name)
        words += [*titles[part], *[""] * (len(below) * columns - len(titles[part]))]
    draw.grid(
        path, shown, columns=columns, titles=words, suptitle=suptitle, row_labels=names,
        **draw.known(views.settings, views.table.iloc[rows], len(words)),
    )


def _redrawn(inference: Inference, seen: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return decoded means; NaN where neither the object nor enough of the training has a value."""
    redrawn = inference.decode(inference.encode(seen, label)[0], label)
    weight = inference.kind.view.to_network(seen)[1]
    blanked = inference.blanked(redrawn, label)
    return blanked if weight is None else np.where(weight > 0, redrawn, blanked)


def _seen(views: Views, rows: np.ndarray) -> np.ndarray:
    """Return the views of these rows, in their order."""
    mask = np.zeros(len(views), bool)
    mask[rows] = True
    return views.images(mask)[np.searchsorted(np.flatnonzero(mask), rows)]


def short(name: str, length: int = 20) -> str:
    """Return a name that fits above a picture."""
    return name if len(name) <= length else f"{name[: length - 1]}\u2026"


def titles_of(table: pd.DataFrame, room: tuple[int, int]) -> list[str]:
    """Return rank, name, label and the main reason of each object of a ranking.

    Parameters
    ----------
    table : DataFrame
        Rows of the ranking.
    room : (int, int)
        Characters in a line, and lines of the reason: what is longer is cut.
    """
    titles = []
    for row in table.to_dict("records"):
        label = row["label"] or ("unlabelled" if row.get("label_predicted") else "")
        name = f"{row['rank']}: {short(row['object_id'])}" + (f" ({label})" if label else "")
        reason = wrap(main(row["why"]), room[0], max_lines=room[1], placeholder="\u2026")
        titles.append("\n".join([*wrap(name, room[0]), *reason]))
    return titles
