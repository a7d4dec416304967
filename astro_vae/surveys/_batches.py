"""Read pickled batches of images, without executing what a pickle may carry and without unpacking archives."""

from __future__ import annotations

import importlib
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from astro_vae.errors import UserError

MAX_BYTES = 64 * 2**20  # of one member; the published ones have 4 MB
# All that the published batches name; under numpy 2 the module has another name.
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"), ("numpy", "dtype"),
}


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


def read_batches(path: Path) -> Iterator[tuple[str, int, str, np.ndarray]]:
    """Yield the images of an archive of batches: name of the batch, row, file name, image.

    Members are read from the archive one by one: nothing is unpacked to the disk, whatever their names are.

    Parameters
    ----------
    path : Path
        A tar archive with members `…/data_batch_<n>` and `…/test_batch`.

    Raises
    ------
    UserError
        If archive or batch is damaged, or a batch holds what it should not.
    """
    try:
        with tarfile.open(path) as archive:
            members = {PurePosixPath(m.name).name: m for m in archive if m.isfile()}
            for name in [*sorted(n for n in members if n.startswith("data_batch_")), "test_batch"]:
                yield from _images(archive, members[name], name, path)
    except (OSError, EOFError, tarfile.TarError, KeyError) as error:
        msg = f"{path}: not the archive of batches, or damaged ({error!r}); remove it and download again"
        raise UserError(msg) from None


def _images(
    archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, path: Path
) -> Iterator[tuple[str, int, str, np.ndarray]]:
    if member.size > MAX_BYTES:
        raise UserError(f"{path}: {member.name} has {member.size} bytes, a batch of images has a few million")
    stream = archive.extractfile(member)
    assert stream is not None  # members are plain files
    try:
        batch = load_batch(stream)
        pairs = list(zip(batch["filenames"], batch["data"], strict=True))
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError, IndexError,
            MemoryError) as error:
        raise UserError(f"{path}: {member.name} is not read: {error}; it is no batch of images") from None
    for row, (file_name, image) in enumerate(pairs):
        yield name, row, str(file_name), np.asarray(image)
