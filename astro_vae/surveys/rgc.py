"""Radio Galaxy Dataset: 2158 FIRST images of four classes, collected from six catalogues (Griese et al. 2023).

8-bit images of 300 x 300 pixels in one HDF5 file, with positions, two sets of labels, and a published split into
training, validation and test. The file is packed 80 to 1; it is unpacked while it is read, and no longer.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys.candidate import Candidate

if TYPE_CHECKING:
    import pandas as pd

KIND = "image"
ARCHIVE, ARCHIVE_SIZE, ARCHIVE_MD5 = "galaxy_data_h5.zip", 2_545_839, "37659bb2d4bf094fe6ccb9c012d3f163"
ADDRESS = "https://zenodo.org/record/7689127/files"
MEMBER = "galaxy_data_h5.h5"
MAX_BYTES = 256 * 2**20  # of the unpacked file, which has 201 MB
SHAPE = (300, 300)
PIXEL_ARCSEC = 1.8
CLASSES = {
    "literature": ("FRI", "FRII", "Compact", "Bent"),
    "CDL1": ("FRI-Sta", "FRII", "Compact", "FRI-WAT", "FRI-NAT"),  # Bent, as wide-angle and narrow-angle tails
}
PARTS = {"train": "train", "valid": "validation", "test": "test"}

COLUMNS = {
    "catalogue": Column("Catalogue that the source was taken from", ucd="meta.bib"),
    "name_in_catalogue": Column("Name or position of the source in that catalogue", ucd="meta.id"),
    "class_literature": Column("Class of the catalogue: FRI, FRII, Compact or Bent", ucd="src.class"),
    "class_CDL1": Column("Class with the bent sources divided: FRI-WAT and FRI-NAT", ucd="src.class"),
}


class Source(SourceSettings):
    """Radio Galaxy Dataset: 2158 FIRST images of four classes."""

    labels: Literal["literature", "CDL1"] = setting(
        "literature",
        "Labels, and their split: literature has FRI, FRII, Compact and Bent; CDL1 has FRI-Sta, FRII, Compact, FRI-WAT "
        "and FRI-NAT.",
    )


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """Download the archive (2.5 MB); return the manifest."""
    from astro_vae.download import RemoteFile, fetch

    file = RemoteFile(f"{ADDRESS}/{ARCHIVE}", ARCHIVE, ARCHIVE_SIZE, f"md5:{ARCHIVE_MD5}")
    return fetch([file], folder, mirror=execution.mirror, downloads=execution.downloads)


def candidates(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    """Yield the objects in the order of their numbers; an entry that is damaged says why.

    Raises
    ------
    UserError
        If the archive is damaged, or unpacks to more than it should.
    """
    import h5py

    path = folder / ARCHIVE
    try:
        with _unpacked(path) as stream, h5py.File(stream, "r") as file:
            names = [name for name in file if re.fullmatch(r"data_\d{1,9}", name)]
            for name in sorted(names, key=lambda name: int(name.removeprefix("data_"))):
                yield _candidate(file, name, source.labels)
    except (OSError, EOFError, zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path}: not the archive of images, or damaged ({error}); remove it, download again") from None


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Give the HDF5 file of the archive as a file without a name, which goes when it is closed."""
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryFile(dir=path.parent) as out:
        member = archive.getinfo(MEMBER)
        if member.file_size > MAX_BYTES:
            raise UserError(f"{path}: {MEMBER} unpacks to {member.file_size} bytes, the published one to 201387448")
        with archive.open(member) as packed:
            shutil.copyfileobj(packed, out, 2**20)
        yield out


def _candidate(file: Any, name: str, labels: str) -> Candidate:
    from astro_vae.surveys.fits import first_beam

    try:
        group = _here(file, name)
        image = _here(group, "Img")
        if (image.shape, image.dtype) != (SHAPE, "uint8"):
            raise ValueError(f"its image is {image.dtype} of shape {image.shape}, not uint8 of {SHAPE}")
        ra, dec = float(image.attrs["RA"]), float(image.attrs["DEC"])
        found = {key: words[int(_here(group, f"Label_{key}")[()])] for key, words in CLASSES.items()}
        part = PARTS[_here(group, f"Split_{labels}")[()].decode()]
        known = {"catalogue": str(image.attrs["Source"]), "name_in_catalogue": str(image.attrs["coord_str"])}
        return Candidate(
            name, image[()], ra=ra, dec=dec, label=found[labels], unit="", scaled=True, pixel_arcsec=PIXEL_ARCSEC,
            beam=first_beam(dec), north_deg=0.0, part=part,
            extra=known | {f"class_{key}": value for key, value in found.items()},
        )
    except (OSError, RuntimeError, KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        return Candidate(name, None, reason=f"faulty: {error}")


def _here(group: Any, name: str) -> Any:
    """Return a member of a group, or raise a `ValueError` if it is kept in, or points to, another place or file."""
    import h5py

    member = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
    if member is None or (isinstance(member, h5py.Dataset) and (member.external or member.is_virtual)):
        raise ValueError(f"'{name}' lies in another place or file, which is not followed")
    return member
