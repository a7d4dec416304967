"""What a model sees of the objects: as they lie, turned around the circle, or turned to their long axis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.model import TrainedModel
from astro_vae.objects import Objects, open_objects
from astro_vae.steps._examples import read_split

BLOCK = 256  # objects in memory at a time
NEW: dict[str, Any] = {"row": -1, "part": "new", "group": -1}
"""Columns of new objects: in no part of the split, and none is the parent of a training example."""


class Views:
    """The objects of a file, as a model sees them.

    Parameters
    ----------
    objects : Path
        The file of the step prepare.
    split : Path or None
        The file of the step split. None for new objects, which are in no part: whether they are like those that
        the model was trained on is then for `astro_vae.products.mismatch` to say.
    model : TrainedModel
        Its contract says the kind and the view.

    Attributes
    ----------
    table : DataFrame
        The usable objects in the order of their values, with the columns `part` and `group`.

    Raises
    ------
    UserError
        If the objects are not what the model was trained on.
    """

    def __init__(self, objects: Path, split: Path | None, model: TrainedModel) -> None:
        self.objects = open_objects(objects)
        self.settings: Any = model.view
        self._shape = model.shape
        self.scaled = bool(self.objects.attributes["scaled"])
        kind = kinds.kind(self.objects.attributes["kind"])
        self._view, self._augment = kind.view, kind.augment
        usable = self.objects.usable.reset_index(drop=True)
        if split is None:
            self.table = usable.assign(**NEW)
        else:
            _check(self.objects, model.contract)
            self.table = with_split(usable, split)

    def __len__(self) -> int:
        return len(self.table)

    def blocks(self, rows: np.ndarray | None = None) -> Iterator[Block]:
        """Yield blocks of at most `BLOCK` objects; `rows`, a mask (N,), leaves objects out."""
        for start in range(0, len(self), BLOCK):
            stop = min(start + BLOCK, len(self))
            kept = np.arange(start, stop) if rows is None else start + np.flatnonzero(rows[start:stop])
            if len(kept):
                values = self.objects.read("values", start, stop)[kept - start]
                yield Block(self, kept, self.table.iloc[kept], values)

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Return the views of the objects of a mask (N,), as they lie: uint8 (n, *shape)."""
        seen = [block.as_it_lies() for block in self.blocks(rows)]
        return np.concatenate(seen) if seen else np.zeros((0, *self._shape), np.uint8)


class Block:
    """Some objects of a file with their values.

    Attributes
    ----------
    rows : ndarray of int, shape (B,)
        Their rows in `Views.table`.
    table : DataFrame
        These rows.
    """

    def __init__(self, views: Views, rows: np.ndarray, table: pd.DataFrame, values: np.ndarray) -> None:
        self.rows, self.table = rows, table
        self._views, self._values = views, values

    def as_it_lies(self) -> np.ndarray:
        """Return the views, not turned: uint8 (B, *shape)."""
        v = self._views
        return v._view.view(self._values, self.table, v.settings, scaled=v.scaled)

    def turned(self, angles_deg: np.ndarray | float) -> np.ndarray:
        """Return the views after a turn, counter-clockwise as displayed: uint8 (B, *shape).

        The stored values are turned, so that what lay outside the view comes in; the view is the last act.
        """
        v = self._views
        direct = v._view.is_crop_only(v.settings, v.scaled)
        size = v.settings.size if direct else v._view.frame_size(v.settings)
        values = v._augment.turn(self._values, angles_deg, out_size=size)
        return values if direct else v._view.view(values, self.table, v.settings, scaled=v.scaled)

    def rotations(self, n: int) -> Iterator[np.ndarray]:
        """Yield the views turned by n angles evenly around the circle, the first as they lie."""
        for k in range(n):
            yield self.turned(360 * k / n) if k else self.as_it_lies()

    def upright(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the views with the long axis upright and the brighter half above: uint8 (B, *shape).

        The second array, bool (B,), tells which objects have an axis; the others are as they lie.
        """
        unknown = pd.Series(np.nan, index=self.table.index)
        angles = self.table.get("axis_angle_deg", unknown).to_numpy(float)
        known = np.isfinite(angles)
        angles = np.where(known, -angles, 0.0)
        images = self.turned(angles)
        middle = images.shape[1] // 2
        lower, upper = (half.sum(axis=(1, 2), dtype=np.int64) for half in (images[:, :middle], images[:, -middle:]))
        below = known & (lower > upper)
        if below.any():
            images = np.where(below[:, None, None], self.turned(angles + 180), images)
        return images, known


def with_split(table: pd.DataFrame, split: Path) -> pd.DataFrame:
    """Return the objects with part and group of the split, or raise a `UserError` for one that it does not know."""
    parts = read_split(split)
    groups = pd.read_csv(split, dtype={"object_id": str}).set_index("object_id")["group"]
    unknown = ~table["object_id"].isin(parts.index)
    if unknown.any():
        name = table["object_id"][unknown].iloc[0]
        raise UserError(f"{split}: object '{name}' has no row; run the step 'split' again")
    return table.assign(part=table["object_id"].map(parts), group=table["object_id"].map(groups))


def _check(objects: Objects, contract: dict[str, Any]) -> None:
    for name in ("kind", "scaled"):
        found, wanted = objects.attributes.get(name), contract.get(name)
        if found != wanted:
            raise UserError(
                f"{objects.path}: its '{name}' is {found!r}, the model was trained on {wanted!r}; "
                "give the objects of the same survey, or train a model on these"
            )
