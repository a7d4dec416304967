"""What a model sees of the objects: as they lie, in several orientations, or turned to their long axis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.objects import Objects, open_objects
from astro_vae.steps._examples import read_split
from astro_vae.trained import TrainedModel

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
        self.kind = kinds.kind(self.objects.attributes["kind"])
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
                values = self.objects.stored(start, stop)[kept - start]
                yield Block(self, kept, self.table.iloc[kept], values)

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Return the views of the objects of a mask (N,), as they lie: (n, *shape of a view)."""
        seen = [block.as_it_lies() for block in self.blocks(rows)]
        return np.concatenate(seen) if seen else self.kind.view.empty(self._shape)

    def orientations(self, wanted: int) -> int:
        """Return in how many orientations the objects are looked at where so many are wanted."""
        return int(self.kind.orient.number(wanted))


class Block:
    """Some objects of a file with their values.

    Attributes
    ----------
    rows : ndarray of int, shape (B,)
        Their rows in `Views.table`.
    table : DataFrame
        These rows.
    kind : Kind
    """

    def __init__(self, views: Views, rows: np.ndarray, table: pd.DataFrame, values: np.ndarray) -> None:
        self.rows, self.table, self.kind = rows, table, views.kind
        self._views, self._values = views, values

    def as_it_lies(self) -> np.ndarray:
        """Return the views, not turned: (B, *shape of a view)."""
        return self.kind.view.view(*self._stored, scaled=self._views.scaled)

    def rotations(self, n: int) -> Iterator[np.ndarray]:
        """Yield the views in n orientations, the first as they lie; only that for objects that cannot be turned."""
        yield from self.kind.orient.orientations(*self._stored, n, scaled=self._views.scaled)

    def upright(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the views with the long axis upright, and which objects have an axis: bool (B,)."""
        return self.kind.orient.upright(*self._stored, scaled=self._views.scaled)

    def diagnosed(self, redrawn: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is measured in decoded means (B, *shape) of the objects as they lie; (B,) by column."""
        found: dict[str, np.ndarray] = self.kind.diagnose.diagnose(*self._stored, redrawn, scaled=self._views.scaled)
        return found

    @property
    def _stored(self) -> tuple[np.ndarray, pd.DataFrame, Any]:
        return self._values, self.table, self._views.settings


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
