"""Read and write the file that all steps share: a table of objects and their values, in HDF5.

`/table` has one row per candidate, kept or refused; its first columns are always `object_id, ra, dec,
label, status, reason, row`. `row` points into `/values` (M, *shape) and, for spectra, `/ivar` and
`/mask`; it is -1 where the object was refused. Each column carries unit, description and UCD. The file
holds no clock time, so that the same input gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (HDF5 reads and writes zstd once this is imported)
import numpy as np
import pandas as pd

from astro_vae.columns import COLUMNS, Column
from astro_vae.errors import UserError

FIRST_COLUMNS = ("object_id", "ra", "dec", "label", "status", "reason", "row")
CHUNK_ROWS = 64
CHUNK_BYTES = 2**20  # a chunk larger than HDF5's cache (8 MiB) is packed again at every write into it
PACKED_ROWS = 4096  # a table at least this long is compressed


@dataclass
class Objects:
    """An object file in hand: its table and attributes; values are read on demand.

    Attributes
    ----------
    path : Path
    table : DataFrame
        One row per candidate, `FIRST_COLUMNS` first.
    columns : dict of str to Column
    attributes : dict
        `kind` ("image" or "spectrum"), `survey`, `unit` of the values, `scaled` (True where the survey
        gives 8-bit images without a flux scale), and what else the step wrote (JSON values).
    shape : tuple of int
        Shape of one object as `stored` gives it.
    weighted : bool
        The file has an inverse variance for each value.
    dtype : str
        Of the values.
    """

    path: Path
    table: pd.DataFrame
    columns: dict[str, Column]
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    weighted: bool = False
    dtype: str = "float32"

    @property
    def usable(self) -> pd.DataFrame:
        """The rows that have values, in the order of the values."""
        return self.table[self.table["row"] >= 0].sort_values("row")

    def read(self, layer: str = "values", start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read a contiguous block of `values`, `ivar` or `mask`: (stop - start, *shape)."""
        with h5py.File(self.path, "r") as file:
            return file[layer][start:stop]

    def stored(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read a contiguous block as the rooms of its kind take it: (stop - start, *shape).

        That is the values, and where the file has them, beside each its inverse variance: (n, 2, *shape).
        """
        if not self.weighted:
            return self.read("values", start, stop)
        return np.stack([self.read("values", start, stop), self.read("ivar", start, stop)], axis=1)

    def blocks(self, size: int = 1024) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
        """Yield the usable rows and their values in blocks of at most `size` objects."""
        table = self.usable
        for start in range(0, len(table), size):
            stop = min(start + size, len(table))
            yield table.iloc[start:stop], self.stored(start, stop)


def open_objects(path: Path) -> Objects:
    """Open an object file.

    Raises
    ------
    UserError
        If the file is missing, damaged or not an object file, or if it takes data from other files.
    """
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            _refuse_foreign(file, path)
            columns = {name: Column(**json.loads(d.attrs["column"])) for name, d in file["table"].items()}
            order = json.loads(file["table"].attrs["order"])
            table = pd.DataFrame({name: _from_disk(file["table"][name]) for name in order})
            weighted, shape = "ivar" in file, file["values"].shape[1:]
            return Objects(path, table, {n: columns[n] for n in order}, json.loads(file.attrs["attributes"]),
                           (2, *shape) if weighted else shape, weighted, str(file["values"].dtype))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the step that makes it") from None
    except (OSError, KeyError) as error:
        raise UserError(f"{path}: not an object file of astro_vae, or damaged ({error}); make it again") from None


def _refuse_foreign(file: h5py.File, path: Path) -> None:
    """Refuse links and data that lie elsewhere: a file from others could show what is private here."""
    for name in (*file, *(f"table/{column}" for column in _columns(file))):
        link = file.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            where = f" to {link.filename}" if isinstance(link, h5py.ExternalLink) else ""
            raise UserError(f"{path}: '{name}' is a link{where}; an object file holds its own data, so it is not read")
        found = file[name]
        if isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
            raise UserError(f"{path}: the data of '{name}' lie in other files; an object file holds its own")


def _columns(file: h5py.File) -> list[str]:
    own = isinstance(file.get("table", getlink=True), h5py.HardLink) and isinstance(file["table"], h5py.Group)
    return list(file["table"]) if own else []


def _from_disk(dataset: h5py.Dataset) -> np.ndarray:
    data = dataset[:]
    if data.dtype.kind == "S":
        return np.array([text.decode("utf-8") for text in data], dtype=object)
    return data


@dataclass
class Writer:
    """Write an object file in blocks; use it as a context manager on a temporary path.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        Shape of one object's values.
    dtype : str
        Of the values; images are float32 in physical units or uint8.
    attributes : dict
        JSON values; see `Objects`. They are written last, so they may be filled in on the way.
    compression : dict
        Arguments of h5py's `create_dataset`; by default gzip 1, which every reader has.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str = "float32"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    compression: Mapping[str, Any] = field(default_factory=lambda: {"compression": "gzip", "compression_opts": 1})

    def __enter__(self) -> Writer:
        self._file = h5py.File(self.path, "w", libver=("v110", "v110"))
        self._dataset("values", self.dtype)
        self.rows = 0
        return self

    def __exit__(self, *_: object) -> None:
        with self._file as file:
            file.attrs["attributes"] = json.dumps(self.attributes, sort_keys=True)

    def _dataset(self, layer: str, dtype: Any) -> None:
        row = int(np.prod(self.shape)) * np.dtype(dtype).itemsize
        rows = min(CHUNK_ROWS, max(1, CHUNK_BYTES // row))
        self._file.create_dataset(
            layer, (0, *self.shape), dtype, maxshape=(None, *self.shape), chunks=(rows, *self.shape),
            track_times=False, **self.compression,
        )

    def append(self, values: np.ndarray, **layers: np.ndarray) -> range:
        """Append a block (n, *shape), with `ivar` and `mask` where the kind has them; return its rows."""
        stop = self.rows + len(values)
        for layer, data in {"values": values, **layers}.items():
            if layer not in self._file:
                self._dataset(layer, data.dtype)
            self._file[layer].resize(stop, axis=0)
            self._file[layer][self.rows : stop] = data
        rows = range(self.rows, stop)
        self.rows = stop
        return rows

    def table(self, table: pd.DataFrame, columns: Mapping[str, Column]) -> None:
        """Write the table; every column must be described, in `columns` or in `COLUMNS`."""
        known = {**COLUMNS, **columns}
        group = self._file.create_group("table")
        group.attrs["order"] = json.dumps(list(table.columns))
        packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if len(table) >= PACKED_ROWS else {}
        for name in table.columns:
            dataset = group.create_dataset(name, data=_to_disk(table[name]), track_times=False, **packing)
            dataset.attrs["column"] = json.dumps(asdict(known[name]))


def _to_disk(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_string_dtype(column) or column.dtype == object:
        encoded = [str(text).encode("utf-8") for text in column.fillna("").tolist()]
        width = max((len(text) for text in encoded), default=0)
        return np.array(encoded, dtype=f"S{max(width, 1)}")
    return column.to_numpy()
