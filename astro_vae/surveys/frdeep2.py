"""FR-DEEP, version 2: 658 radio galaxies with Fanaroff-Riley classes and positions (Tang et al.).

FIRST or NVSS cutouts of 150 x 150 pixels as FITS files in Jy/beam, or the published batches that were made of
them: pixels at or below three times the clipped standard deviation set to zero, scaled to 0..255 between
minimum and maximum, fraction cut off; no mask and no crop. Positions, redshifts and the published split are in
two tables. The names of the objects hold blanks and plus signs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from astro_vae.columns import Column
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys._batches import COLUMNS as BATCH_COLUMNS
from astro_vae.surveys._batches import read_batches
from astro_vae.surveys._cutouts import known_files, read_cutouts
from astro_vae.surveys._tables import degrees, read_table
from astro_vae.surveys.candidate import Candidate

if TYPE_CHECKING:
    import pandas as pd

    from astro_vae.download import RemoteFile

KIND = "image"
LABELS = {"I": "FRI", "II": "FRII"}
ADDRESS = "https://raw.githubusercontent.com/HongmingTang060313/FRDEEP_v2.0/master"
TABLES = {  # name of the file, bytes, MD5
    "train": ("FRDEEPv2_train.csv", 23_787, "6ea4af56dfbd72883853bd75317c4301"),
    "test": ("FRDEEPv2_test.csv", 10_363, "7c5b9c3640c9d97044dea3e94b40b00d"),
}


@dataclass(frozen=True)
class Images:
    """Cutouts and batches of one survey of the sky.

    The MD5 of the batches is that of the files as published: the class file that comes with them states others.
    """

    folder: str
    fits_size: int
    batches_size: int
    batches_md5: str
    pixel_arcsec: float

    @property
    def batches(self) -> str:
        """Name of the archive of batches."""
        return f"{self.folder}.tar.gz"


IMAGES = {
    "first": Images("FIRST", 109_440, 291_653, "dc3fadc5d208a46d50e2afe1e5044d9b", 1.8),
    "nvss": Images("NVSS", 103_680, 384_645, "d82ef8321dc03f8c92c76393e3b19dbe", 15.0),
}

COLUMNS = {"redshift": Column("Redshift of the host galaxy", ucd="src.redshift"), **BATCH_COLUMNS}


class Source(SourceSettings):
    """FR-DEEP, version 2: 658 radio galaxies with Fanaroff-Riley classes and positions."""

    images: Literal["first", "nvss"] = setting("first", "Images of FIRST (1.8 arcsec pixels) or NVSS (15 arcsec).")
    files: Literal["fits", "batches"] = setting(
        "fits", "The cutouts in Jy/beam (658 files, 72 MB), or the published 8-bit batches (0.3 or 0.4 MB)."
    )


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """Download the tables, and the cutouts that they name or the batches; return the manifest."""
    import pandas as pd

    from astro_vae.download import RemoteFile, fetch

    how: dict[str, Any] = {"mirror": execution.mirror, "downloads": execution.downloads}
    tables = [RemoteFile(f"{ADDRESS}/{name}", name, size, f"md5:{md5}") for name, size, md5 in TABLES.values()]
    first = fetch(tables, folder, **how)
    if (first["status"] != "ok").any():
        return first
    return pd.concat([first, fetch(_files(source, folder), folder, **how)], ignore_index=True)


def _files(source: Source, folder: Path) -> list[RemoteFile]:
    from astro_vae.download import RemoteFile

    images = IMAGES[source.images]
    if source.files == "batches":
        url = f"{ADDRESS}/4_DataPickle_Generation/{images.batches}"
        return [RemoteFile(url, images.batches, images.batches_size, f"md5:{images.batches_md5}")]
    place = f"{ADDRESS}/2_Source_raw_fits_image/{images.folder}"
    md5 = {name: f"md5:{md5}" for name, (md5,) in known_files("frdeep2").items()} if source.images == "first" else {}
    return [
        RemoteFile(f"{place}/{name}.fits", f"{images.folder}/{name}.fits", images.fits_size, md5.get(name, ""))
        for name in read_tables(folder)
    ]


def read_tables(folder: Path) -> dict[str, Candidate]:
    """Read the two tables of the set: what is known of each object beside its image, by name."""
    objects: dict[str, Candidate] = {}
    for part, (name, _, _) in TABLES.items():
        found = read_table(folder / name, partial(_object, part))
        objects |= {one.object_id: one for one in found}
    return objects


def _object(part: str, row: dict[str, str]) -> Candidate:
    return Candidate(
        f"{row['Object_ID']}_{row['FR_label']}", None, ra=15 * degrees(row["RA(J2000)"]),
        dec=degrees(row["DEC(J2000)"]), label=LABELS[row["FR_label"]], part=part,
        extra={"redshift": float(row["Source_redshift"])},
    )


def candidates(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    """Yield the objects in the order of the tables, or of the batches."""
    objects, images = read_tables(folder), IMAGES[source.images]
    if source.files == "fits":
        yield from read_cutouts(folder, manifest, objects.__getitem__)
        return
    for image in read_batches(folder / images.batches):
        name = image.name.removesuffix(".png")
        stranger = Candidate(name, None, reason="faulty: the tables of the set do not name it")
        yield image.candidate(objects.get(name, stranger), images.pixel_arcsec)
