"""FR-DEEP: 600 radio galaxies with Fanaroff-Riley classes, as FIRST or as NVSS sees them (Tang et al. 2019).

Pickled batches of 8-bit images of 150 x 150 pixels, 550 for training and 50 for testing: the set of
Bastien et al. (2021). The sources are those of FRICAT (Capetti et al. 2017) and CoNFIG (Gendre et al. 2010).
The batches give no positions, and their file names are not unique: an object is named by batch and row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from astro_vae.columns import Column
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys._batches import COLUMNS as BATCH_COLUMNS
from astro_vae.surveys._batches import BatchImage, read_batches
from astro_vae.surveys.candidate import NO_BEAM, Candidate

if TYPE_CHECKING:
    import pandas as pd

KIND = "image"
LABELS = ("FRI", "FRII")
ADDRESS = "http://www.jb.man.ac.uk/research/ascaife"


@dataclass(frozen=True)
class Archive:
    """An archive of batches, with the pixel and the beam of its images (arcsec)."""

    name: str
    size: int
    md5: str
    pixel_arcsec: float
    beam: tuple[float, float, float]


ARCHIVES = {
    # FIRST's beam depends on the declination, which the batches do not tell.
    "first": Archive("FIRST_PNG_dataset.tar.gz", 306_842, "2f39461e6c62fb45289559915106013a", 1.8, NO_BEAM),
    "nvss": Archive("NVSS_PNG_dataset.tar.gz", 370_254, "2584ed1e174ea71f581d0e0d6f32ef38", 15.0, (45.0, 45.0, 0.0)),
}

COLUMNS = {
    **BATCH_COLUMNS,
    "file_name": Column("Picture that the image was made of; not unique", ucd="meta.id;meta.file"),
    "catalogue": Column("Catalogue of the source: FRICAT or CoNFIG", ucd="meta.bib"),
}


class Source(SourceSettings):
    """FR-DEEP: 600 radio galaxies with Fanaroff-Riley classes."""

    images: Literal["first", "nvss"] = setting(
        "first", "Images of FIRST (1.8 arcsec pixels) or of NVSS (15 arcsec pixels); 0.3 or 0.4 MB."
    )


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """Download the archive of batches; return the manifest."""
    from astro_vae.download import RemoteFile, fetch

    chosen = ARCHIVES[source.images]
    file = RemoteFile(f"{ADDRESS}/{chosen.name}", chosen.name, chosen.size, f"md5:{chosen.md5}")
    return fetch([file], folder, mirror=execution.mirror, downloads=execution.downloads)


def candidates(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    """Yield the objects in the order of the batches, the published test batch at the end."""
    chosen = ARCHIVES[source.images]
    for image in read_batches(folder / chosen.name):
        yield image.candidate(_known(image, chosen), chosen.pixel_arcsec)


def _known(image: BatchImage, archive: Archive) -> Candidate:
    extra = {"file_name": image.name, "catalogue": "FRICAT" if "FRICAT" in image.name else "CoNFIG"}
    known = image.label in range(len(LABELS))
    return Candidate(
        f"{image.batch}_{image.row:02d}", None, beam=archive.beam, label=LABELS[image.label] if known else "",
        reason="" if known else f"faulty: class {image.label} is neither 0 (FRI) nor 1 (FRII)", extra=extra,
    )
