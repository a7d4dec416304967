"""Read the examples of a file that does not fit in memory, by blocks of rows."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (HDF5 reads zstd once this is imported)
import numpy as np

BLOCK_ROWS = 256
WINDOW_BLOCKS = 64


def free_memory() -> int:
    """Return the memory that is free, in bytes; where nothing says so, a quarter of what there is."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


class Blocks:
    """Rows of a file through a store of the blocks that were used last.

    Rows that come in the order of `Examples.order` need each block once; any other order is right too,
    but slow, since HDF5 decompresses whole chunks.

    Parameters
    ----------
    path : Path
    memory : int, optional
        Bytes that the store may take; never less than one window of blocks.
    """

    def __init__(self, path: Path, memory: int | None = None) -> None:
        self._values = h5py.File(path, "r")["values"]
        block = BLOCK_ROWS * int(np.prod(self._values.shape[1:])) * self._values.dtype.itemsize
        capacity = min(2 * WINDOW_BLOCKS, max(WINDOW_BLOCKS, (memory or 2**62) // block))
        self._store = np.empty((capacity, BLOCK_ROWS, *self._values.shape[1:]), self._values.dtype)
        self._slots: OrderedDict[int, int] = OrderedDict()

    def make(self, examples: np.ndarray) -> np.ndarray:
        """Return these rows: (len(examples), *shape)."""
        blocks, places = np.divmod(np.asarray(examples, dtype=np.int64), BLOCK_ROWS)
        needed = np.unique(blocks)
        if len(needed) > len(self._store):
            half = len(blocks) // 2
            return np.concatenate([self.make(examples[:half]), self.make(examples[half:])])
        for block in needed[[int(block) in self._slots for block in needed]]:
            self._slots.move_to_end(int(block))  # what is needed now is not thrown out for what is not there yet
        slots = np.array([self._slot(int(block)) for block in needed], dtype=np.int64)
        return self._store[slots[np.searchsorted(needed, blocks)], places]

    def _slot(self, block: int) -> int:
        """Return where the block lies in the store; read it if it is not there."""
        if block not in self._slots:
            full = len(self._slots) == len(self._store)
            slot = self._slots.popitem(last=False)[1] if full else len(self._slots)
            self._load(block, slot)
            self._slots[block] = slot
        return self._slots[block]

    def _load(self, block: int, slot: int) -> None:
        rows = self._values[block * BLOCK_ROWS : (block + 1) * BLOCK_ROWS]
        self._store[slot, : len(rows)] = rows
