"""Under what conditions real objects were observed, and others as if they had been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import kinds
from astro_vae.kinds import Kind
from astro_vae.objects import open_objects
from astro_vae.settings import AnyViewSettings
from astro_vae.steps._examples import view_rows, with_parts

POOL = 512  # training objects whose conditions are in hand


class Conditions:
    """The conditions of some real training objects; see `judge` of the kind for what they are.

    Parameters
    ----------
    kind : Kind
    pool : ndarray, shape (M, ...)
    labels : ndarray of str, shape (M,)
        Of the objects of the pool.
    """

    def __init__(self, kind: Kind, pool: np.ndarray, labels: np.ndarray) -> None:
        self.kind, self._pool, self._labels = kind, pool, labels

    @classmethod
    def of(cls, objects: Path, split: Path, view: AnyViewSettings, *, seed: int) -> Conditions:
        """Draw the pool from the training part."""
        opened = open_objects(objects)
        table = with_parts(opened, split)
        table = table[table["part"] == "train"]
        rows = np.random.default_rng(seed).permutation(len(table))[:POOL]
        table = table.iloc[np.sort(rows)]
        kind = kinds.kind(opened.attributes["kind"])
        return cls(kind, kind.judge.conditions(view_rows(opened, table, view)), table["label"].to_numpy(object))

    def observed(self, made: np.ndarray, rng: np.random.Generator, labels: pd.Series | None = None) -> np.ndarray:
        """Return generated objects (N, *shape) as views, under conditions of the pool.

        `labels` (N,) are those that the conditions' objects must have, where the pool has such; otherwise, and
        where they are not given, conditions are drawn from the whole pool.
        """
        rows = self._draw(len(made), rng)
        if labels is not None:
            asked = labels.to_numpy(str)
            for name in np.unique(asked):
                own, wanted = np.flatnonzero(self._labels == name), asked == name
                if len(own):
                    rows[wanted] = own[rng.integers(len(own), size=wanted.sum())]
        return np.asarray(self.kind.judge.observed(made, self._pool[rows], rng))

    def veiled(self, seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return views as if each had been observed under conditions of the pool besides."""
        return np.asarray(self.kind.judge.veiled(seen, self._pool[self._draw(len(seen), rng)], rng))

    def _draw(self, n: int, rng: np.random.Generator) -> Any:
        return rng.integers(len(self._pool), size=n)
