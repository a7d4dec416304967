"""Read pickled batches of images, without executing what a pickle may carry and without unpacking archives."""

from __future__ import annotations

import importlib
import math
import pickle
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.surveys.candidate import Candidate

if TYPE_CHECKING:
    import numpy as np

COLUMNS = {
    "batch": Column("Batch of the published set", ucd="meta.id.part"),
    "batch_row": Column("Row in the batch, from 0", ucd="meta.record"),
}
"""Columns that `BatchImage.candidate` adds."""

MAX_BYTES = 64 * 2**20  # of one member; the published ones have at most 11 MB
TRAINING, TEST = re.compile(r"data_batch_\d{1,6}|train_batch"), "test_batch"
# All that the published batches name; under numpy 2 the module has another name.
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"), ("numpy", "dtype"),
}


@dataclass(frozen=True)
class BatchImage:
    """One image of a published set of batches.

    Attributes
    ----------
    batch, row : str, int
        Where it is: the batch's name, and its row from 0. Together they are unique, file names need not be.
    name : str
        Of the picture that it was made of, without folders.
    label : int
        Of the published class.
    values : ndarray, shape (H, W)
    """

    batch: str
    row: int
    name: str
    label: int
    values: np.ndarray

    @property
    def part(self) -> str:
        """Part of the published split: "train" or "test"."""
        return "test" if self.batch == TEST else "train"

    def candidate(self, known: Candidate, pixel_arcsec: float) -> Candidate:
        """Return what is known of the object with this image: 8 bits, rows and columns as in FITS files."""
        return replace(
            known, values=self.values, unit="", scaled=True, north_deg=0.0, pixel_arcsec=pixel_arcsec,
            part=self.part, extra=known.extra | {"batch": self.batch, "batch_row": self.row},
        )


class _ArraysOnly(pickle.Unpickler):
    """Read arrays, numbers, texts, lists and maps; refuse to import anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch of images needs")
        home = "numpy" if module == "numpy" else "numpy._core.multiarray"
        return getattr(importlib.import_module(home), name)


def load_batch(file: IO[bytes]) -> Any:
    """Read a pickle that holds arrays and plain Python values only.

    Raises
    ------
    pickle.UnpicklingError
        If it asks for anything but the four names that rebuild arrays.
    """
    return _ArraysOnly(file, encoding="latin1").load()


def read_batches(path: Path) -> Iterator[BatchImage]:
    """Yield the images of an archive of batches, those of the test batch at the end.

    Members are read from the archive one by one: nothing is unpacked to the disk, whatever their names are.

    Parameters
    ----------
    path : Path
        A tar archive with members `data_batch_<n>`, or `train_batch`, and `test_batch`, in any folder.

    Raises
    ------
    UserError
        If archive or batch is damaged, or a batch holds what it should not.
    """
    try:
        with tarfile.open(path) as archive:
            members = {PurePosixPath(m.name).name: m for m in archive if m.isfile()}
            training = sorted((name for name in members if TRAINING.fullmatch(name)), key=_number)
            for name in [*training, TEST]:
                yield from _images(archive, members[name], name, path)
    except (OSError, EOFError, tarfile.TarError, KeyError) as error:
        msg = f"{path}: not the archive of batches, or damaged ({error!r}); remove it and download again"
        raise UserError(msg) from None


def _number(name: str) -> int:
    return int(name.rpartition("_")[2]) if name[-1].isdigit() else 0


def _images(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, path: Path) -> Iterator[BatchImage]:
    if member.size > MAX_BYTES:
        raise UserError(f"{path}: {member.name} has {member.size} bytes, a batch of images has a few million")
    stream = archive.extractfile(member)
    assert stream is not None  # members are plain files
    try:
        batch = load_batch(stream)
        rows = list(zip(batch["filenames"], batch["labels"], map(_square, batch["data"]), strict=True))
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError, IndexError,
            MemoryError) as error:
        raise UserError(f"{path}: {member.name} is not read: {error}; it is no batch of images") from None
    for row, (file_name, label, image) in enumerate(rows):
        yield BatchImage(name, row, PurePosixPath(str(file_name)).name, label, image)


def _square(image: Any) -> np.ndarray:
    """Return an image as rows and columns; some batches hold the pixels of a square in one row."""
    import numpy as np

    pixels = np.asarray(image)
    side = math.isqrt(pixels.size)
    return pixels if pixels.ndim > 1 else pixels.reshape(side, side)
