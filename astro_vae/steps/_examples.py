"""Give the examples of augmented.h5 to a training, and the views of one part to whoever evaluates.

An example is one transform of one parent, seen through the view. `Maker` makes examples from their
parents; it is the only code that does, so that a stored row, a row drawn during the training and a row
made again alone are the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.objects import Objects, open_objects
from astro_vae.settings import AnyAugmentSettings, AnyViewSettings, section_class
from astro_vae.steps._blocks import BLOCK_ROWS, WINDOW_BLOCKS, Blocks, free_memory

PARTS = ("train", "validation", "test", "dropped")
# Rows that are transformed and viewed in one go. A go costs half a millisecond to one in slices of tables and the like.
# Measured against 32 rows, 256 take 22 % less time for spectra of 1000 bins, 30 to 40 % less for 8-bit images, and up
# to 12 % less for images in Jy/beam. With 512 these lose that again: warped, images of 150 pixels are then 46 MB.
PIECE_ROWS = 256


class Maker:
    """Make examples from their parents: one transform each, then the view.

    Parameters
    ----------
    objects : Objects
    transforms : DataFrame
        One row per example: rows of the values of `objects` (`parent` first), and the transform's columns.
    view, augment : AnyViewSettings, AnyAugmentSettings
    threads : int
        They change the time, never the result.
    """

    def __init__(
        self, objects: Objects, transforms: pd.DataFrame, view: AnyViewSettings, augment: AnyAugmentSettings, *,
        threads: int = 1,
    ) -> None:
        room = kinds.kind(objects.attributes["kind"])
        self._make = room.examples.make
        self.view, self.augment, self.threads = view, augment, threads
        self.scaled = bool(objects.attributes["scaled"])
        self.transforms = transforms
        parents = transforms[list(room.augment.PARENTS)].to_numpy()
        rows, inverse = np.unique(parents, return_inverse=True)
        self._values = read_rows(objects, rows)
        self._parents = inverse.reshape(parents.shape)  # (N, P), rows of the values in hand
        self._table = objects.usable

    def make(self, examples: np.ndarray | Sequence[int]) -> np.ndarray:
        """Make the examples of these rows of `transforms`: (len(examples), *shape of the view)."""
        examples = np.asarray(examples, dtype=np.int64)
        transforms, parents = self.transforms.iloc[examples], self._parents[examples]
        table = self._table.iloc[transforms["parent"].to_numpy()]
        piece = max(1, min(PIECE_ROWS, -(-len(examples) // self.threads)))

        def part(start: int) -> np.ndarray:
            rows = slice(start, start + piece)
            return self._make(
                self._values, parents[rows], table.iloc[rows], transforms.iloc[rows], self.view, self.augment,
                scaled=self.scaled,
            )

        starts = range(0, max(len(examples), 1), piece)
        if self.threads == 1 or len(starts) == 1:
            return np.concatenate([part(start) for start in starts])
        with ThreadPoolExecutor(self.threads) as pool:
            return np.concatenate(list(pool.map(part, starts)))


class _Source(Protocol):
    def make(self, examples: np.ndarray) -> np.ndarray: ...


class _Memory:
    """All examples in memory, as the view made them."""

    def __init__(self, images: np.ndarray) -> None:
        self._images = images

    def make(self, examples: np.ndarray) -> np.ndarray:
        return self._images[examples]


class Examples:
    """The examples of a training, wherever they come from: memory, blocks of the file, or drawn on the way.

    Attributes
    ----------
    labels : ndarray of str, shape (N,)
        Empty where unknown.
    parents : ndarray of int, shape (N,)
        Row of each example's parent in the values of objects.h5.
    shape : tuple of int
        Shape of one example.
    attributes : dict
        Of augmented.h5: `kind`, `survey`, `scaled`, `labels`, `view`, `augment`, `materialised`, checksums.
    """

    def __init__(self, augmented: Objects, objects: Objects, source: _Source) -> None:
        self.table, self.attributes, self.shape = augmented.table, augmented.attributes, augmented.shape
        self.labels = augmented.table["label"].to_numpy(dtype=object)
        self.parents = augmented.table["parent"].to_numpy()
        self._objects, self._source = objects, source

    @classmethod
    def open(cls, augmented: Path, objects: Path, *, memory: int | None = None, threads: int = 1) -> Examples:
        """Open the examples.

        Parameters
        ----------
        augmented, objects : Path
            The files of the steps augment and prepare.
        memory : int, optional
            Bytes that the examples may take; what is larger is read in blocks. By default half of what
            is free. It changes the time, never the examples or their order.
        threads : int
            Threads that draw examples where the file holds none.

        Raises
        ------
        UserError
            If the files do not belong together.
        """
        made, parents = open_objects(augmented), open_objects(objects)
        _check_pair(made, parents)
        if not made.attributes["materialised"]:
            return cls(made, parents, _maker(made, parents, made.table, threads=threads))
        size = len(made.table) * int(np.prod(made.shape)) * np.dtype(made.dtype).itemsize
        fits = size <= (free_memory() // 2 if memory is None else memory)
        return cls(made, parents, _Memory(made.read()) if fits else Blocks(augmented, memory))

    def __len__(self) -> int:
        return len(self.parents)

    def order(self, seed: int | Sequence[int]) -> np.ndarray:
        """Return a permutation of all examples that also a file too large for the memory can follow.

        Blocks of rows are shuffled, then the rows within each window of blocks; the rows of the file are
        in random order already. It depends on `seed` and the number of examples alone.
        """
        rng = np.random.default_rng(seed)
        starts = rng.permutation(np.arange(0, len(self), BLOCK_ROWS))
        windows = np.array_split(starts, -(-len(starts) // WINDOW_BLOCKS))
        return np.concatenate([rng.permutation(self._rows(window)) for window in windows])

    def _rows(self, starts: np.ndarray) -> np.ndarray:
        rows = (starts[:, None] + np.arange(BLOCK_ROWS)).ravel()
        return rows[rows < len(self)]

    def batch(self, indices: np.ndarray) -> np.ndarray:
        """Return these examples, as the view made them: (len(indices), *shape)."""
        return self._source.make(indices)

    def rebuild(self, row: int) -> np.ndarray:
        """Make one example again from its parent and its transform: equal to the stored row, byte for byte."""
        augmented = Objects(Path(), self.table, {}, self.attributes, self.shape)
        return _maker(augmented, self._objects, self.table.iloc[[row]]).make([0])[0]


def _maker(augmented: Objects, objects: Objects, transforms: pd.DataFrame, *, threads: int = 1) -> Maker:
    view, augment = (augmented.attributes[name] for name in ("view", "augment"))
    return Maker(objects, transforms, *_sections(view, augment), threads=threads)


def _sections(view: dict[str, Any], augment: dict[str, Any]) -> tuple[AnyViewSettings, AnyAugmentSettings]:
    """Return the sections that a file says it was made with."""
    seen = section_class("view", view)(**view)
    return seen, section_class("augment", augment)(**augment)  # type: ignore[return-value]


def _check_pair(augmented: Objects, objects: Objects) -> None:
    if "augment" not in augmented.attributes:
        raise UserError(f"{augmented.path}: this file holds no augmented examples; make it by the step 'augment'")
    if augmented.table["parent"].max() >= len(objects.usable):
        raise UserError(
            f"{augmented.path}: made of another {objects.path.name} than {objects.path} "
            f"({len(objects.usable)} usable objects); make it again by the step 'augment'"
        )


def read_rows(objects: Objects, rows: np.ndarray) -> np.ndarray:
    """Read the values of these ascending rows: (len(rows), *shape), in blocks, never by a list of rows."""
    values: np.ndarray | None = None
    done = 0
    while done < len(rows):
        stop = int(np.searchsorted(rows, rows[done] + BLOCK_ROWS))
        block = objects.stored(int(rows[done]), int(rows[stop - 1]) + 1)
        if values is None:
            values = np.empty((len(rows), *objects.shape), block.dtype)
        values[done:stop] = block[rows[done:stop] - rows[done]]
        done = stop
    return objects.stored(0, 0) if values is None else values


def load_part(objects: Path, split: Path, part: str | None, view: AnyViewSettings) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table and the views of the objects of one part, not transformed.

    Parameters
    ----------
    objects, split : Path
        The files of the steps prepare and split.
    part : str or None
        One of `PARTS`; None for every usable object.
    view : AnyViewSettings

    Returns
    -------
    table : DataFrame
        Rows of the object table, in the order of the values, with the column `part`.
    images : ndarray, shape (len(table), *shape of the view)
    """
    opened = open_objects(objects)
    table = with_parts(opened, split)
    if part is not None:
        table = table[table["part"] == part]
    return table.reset_index(drop=True), view_rows(opened, table, view)


def view_rows(objects: Objects, table: pd.DataFrame, view: AnyViewSettings) -> np.ndarray:
    """View the objects of these rows of the object table (ascending in `row`), in blocks."""
    room = kinds.kind(objects.attributes["kind"]).view
    scaled = bool(objects.attributes["scaled"])
    rows = table["row"].to_numpy()
    views = [
        room.view(read_rows(objects, rows[i : i + BLOCK_ROWS]), table.iloc[i : i + BLOCK_ROWS], view, scaled=scaled)
        for i in range(0, max(len(rows), 1), BLOCK_ROWS)
    ]
    return np.concatenate(views)


def with_parts(objects: Objects, split: Path) -> pd.DataFrame:
    parts = read_split(split)
    table = objects.usable
    found = table["object_id"].map(parts)
    if found.isna().any():
        name = table["object_id"][found.isna()].iloc[0]
        raise UserError(f"{split}: object '{name}' of {objects.path} has no row; make it again by the step 'split'")
    return table.assign(part=found)


def read_split(path: Path) -> pd.Series:
    """Return the part of each object, by `object_id`."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        return table.set_index("object_id")["part"]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the step 'split'") from None
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: not a file of the step 'split' ({error}); make it again") from None
