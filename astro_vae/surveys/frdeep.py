"""FR-DEEP: 600 radio galaxies with Fanaroff-Riley classes, as FIRST or as NVSS sees them (Tang et al. 2019).

Pickled batches of 8-bit images of 150 x 150 pixels, 550 for training and 50 for testing: the set of
Bastien et al. (2021). File names are not unique, so an object is named by batch and row. The batches give no
positions, but file names begin with a number: that of the row in FRICAT (Capetti et al. 2017), or among the
confirmed FRI or FRII of CoNFIG (Gendre et al. 2010). All images that are in version 2 too, where positions are
published, agree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from astro_vae.columns import Column
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys._batches import COLUMNS as BATCH_COLUMNS
from astro_vae.surveys._batches import BatchImage, read_batches
from astro_vae.surveys._tables import degrees, read_table
from astro_vae.surveys.candidate import Candidate

if TYPE_CHECKING:
    import pandas as pd

KIND = "image"
LABELS = ("FRI", "FRII")
NUMBER = re.compile(r"\d{1,4}")
ADDRESS = "http://www.jb.man.ac.uk/research/ascaife"


@dataclass(frozen=True)
class Archive:
    """An archive of batches, with the side of a pixel of its images (arcsec)."""

    name: str
    size: int
    md5: str
    pixel_arcsec: float


ARCHIVES = {
    "first": Archive("FIRST_PNG_dataset.tar.gz", 306_842, "2f39461e6c62fb45289559915106013a", 1.8),
    "nvss": Archive("NVSS_PNG_dataset.tar.gz", 370_254, "2584ed1e174ea71f581d0e0d6f32ef38", 15.0),
}
NVSS_BEAM = (45.0, 45.0, 0.0)

TABLES_ADDRESS = (
    "https://raw.githubusercontent.com/HongmingTang060313/FRDEEP_v2.0/master/1_Source_catalogue_spreadsheets"
)
TABLES = {  # name of the file, bytes, MD5
    "FRICAT": ("FRICAT_Table1.csv", 31_574, "4ac797ce46134a1cfebd72eb39e8c234"),
    "CoNFIG": ("CoNFIG_II_full_Table.csv", 107_724, "0641ae9c9fee2cb4a9bfa2816c933245"),
}
CONFIRMED = "c"  # in the column u_mt of CoNFIG

COLUMNS = {
    **BATCH_COLUMNS,
    "file_name": Column("Picture that the image was made of; not unique", ucd="meta.id;meta.file"),
    "catalogue": Column("Catalogue of the source: FRICAT or CoNFIG", ucd="meta.bib"),
    "name": Column("Name of the source", ucd="meta.id"),
    "redshift": Column("Redshift of the host galaxy", ucd="src.redshift"),
}


class Source(SourceSettings):
    """FR-DEEP: 600 radio galaxies with Fanaroff-Riley classes."""

    images: Literal["first", "nvss"] = setting(
        "first",
        "Images of FIRST (1.8 arcsec pixels) or of NVSS (15 arcsec pixels: fields are 37 arcmin wide, so give "
        "split.radius_arcsec 1000).",
    )


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """Download the archive of batches, and the catalogues that name their sources; return the manifest."""
    from astro_vae.download import RemoteFile, fetch

    chosen = ARCHIVES[source.images]
    files = [RemoteFile(f"{ADDRESS}/{chosen.name}", chosen.name, chosen.size, f"md5:{chosen.md5}")]
    files += [RemoteFile(f"{TABLES_ADDRESS}/{name}", name, size, f"md5:{md5}") for name, size, md5 in TABLES.values()]
    return fetch(files, folder, mirror=execution.mirror, downloads=execution.downloads)


def candidates(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    """Yield the objects in the order of the batches, the published test batch at the end.

    Without the catalogues, which a mirror may lack, the objects have no positions.
    """
    from astro_vae.surveys.fits import first_beam

    chosen = ARCHIVES[source.images]
    arrived = set(manifest["path"][manifest["status"] == "ok"])
    sources = read_catalogues(folder) if {name for name, _, _ in TABLES.values()} <= arrived else {}
    for image in read_batches(folder / chosen.name):
        known = _known(image, sources)
        beam = NVSS_BEAM if source.images == "nvss" else first_beam(known.dec)
        yield image.candidate(replace(known, beam=beam), chosen.pixel_arcsec)


def read_catalogues(folder: Path) -> dict[tuple[str, int], Candidate]:
    """Read the sources by catalogue and number: of FRICAT, and of the confirmed FRI and FRII of CoNFIG."""
    fricat = read_table(folder / TABLES["FRICAT"][0], _source)
    config = read_table(folder / TABLES["CoNFIG"][0], lambda row: (row["mt"], row["u_mt"], _source(row)))
    numbered = {("FRICAT", number): one for number, one in enumerate(fricat, start=1)}
    for label in LABELS:
        confirmed = [one for kind, sure, one in config if (f"FR{kind}", sure) == (label, CONFIRMED)]
        numbered |= {(label, number): one for number, one in enumerate(confirmed, start=1)}
    return numbered


def _source(row: dict[str, str]) -> Candidate:
    name = row["SimbadName"].strip()
    return Candidate(
        name, None, ra=15 * degrees(row["_RAJ2000"]), dec=degrees(row["_DEJ2000"]),
        extra={"name": name, "redshift": float(row["z"] or "nan")},
    )


def _known(image: BatchImage, sources: dict[tuple[str, int], Candidate]) -> Candidate:
    """Return what batch and catalogue say of the source of an image."""
    known = image.label in range(len(LABELS))
    label = LABELS[image.label] if known else ""
    fricat = "FRICAT" in image.name
    number = NUMBER.match(image.name)
    nobody = Candidate("", None, extra={"name": "", "redshift": math.nan})
    found = sources.get(("FRICAT" if fricat else label, int(number[0])), nobody) if number else nobody
    return replace(
        found, object_id=f"{image.batch}_{image.row:02d}", label=label,
        reason="" if known else f"faulty: class {image.label} is neither 0 (FRI) nor 1 (FRII)",
        extra={"file_name": image.name, "catalogue": "FRICAT" if fricat else "CoNFIG", **found.extra},
    )
