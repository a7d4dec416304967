"""MiraBest: 1256 radio galaxies of the FIRST survey with Fanaroff-Riley classes (Porter & Scaife 2023).

Either the published batches (8-bit images, the published split), or the FIRST cutouts that they were made
of, as FITS files in Jy/beam. A name says it all: `CCC_RRR.RRR(+|-)DDD.DDD_Z.ZZZZ_SSSS.SS` is the class code,
right ascension and declination (deg), redshift, and largest angular size (arcsec).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from astro_vae.columns import Column
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys._batches import COLUMNS as BATCH_COLUMNS
from astro_vae.surveys._batches import read_batches
from astro_vae.surveys._cutouts import known_files, read_cutouts
from astro_vae.surveys.candidate import Candidate, Expected

if TYPE_CHECKING:
    import pandas as pd

    from astro_vae.download import RemoteFile

KIND = "image"
Group = Literal["confident", "uncertain", "hybrid"]

CODES: dict[str, tuple[int, ...]] = {
    "confident": (100, 102, 104, 200, 201),
    "uncertain": (110, 112, 210),
    "hybrid": (300, 310),
}
"""Class codes: FRI (1..), FRII (2..), hybrid (3..); then confident (0) or uncertain (1); then standard (0),
double-double (1), wide-angle tail (2), head-tail (4)."""

COUNTS = {"confident": 833, "uncertain": 389, "hybrid": 34}
"""Published images of each group."""

ARCHIVE = "http://www.jb.man.ac.uk/research/MiraBest/MiraBest_F"
BATCHES = "MiraBest_F_batches.tar.gz"
BATCHES_SIZE, BATCHES_MD5 = 765_686, "7d4e3a623d29db7204bce81676ee8ce2"
BUILDER = "https://raw.githubusercontent.com/fmporter/MiraBest_builder/main"
CATALOGUE, CATALOGUE_SIZE, CATALOGUE_MD5 = "mirabestdata.txt", 75_614, "ec9124ff598b41001c5061bb17f5a6a3"
FITS_SIZE = 377_280
PIXEL_ARCSEC = 1.8
MAX_LAS_ARCSEC = 270.0  # larger sources do not fit into the cutouts, and were never published
NAME = re.compile(
    r"(?P<code>\d{3})_(?P<ra>\d{3}\.\d{3})(?P<dec>[+-]\d{3}\.\d{3})_(?P<z>\d\.\d{4})_(?P<las>\d{4}\.\d{2})"
)

NOT_SHOWN = "faulty: the published image is noise and does not show the source (its FIRST cutout does)"
FAULTY_IMAGES = {
    "200_147.709-000.888_0.2715_0030.00": NOT_SHOWN,
    "300_147.428-000.840_0.0810_0043.06": NOT_SHOWN,
}
FAULTY_OBJECTS = {
    "100_169.641+031.255_0.2181_0081.13":
        "duplicate: the same source as 102_169.640+031.253_0.2198_0060.00, 8 arcsec away, under another class",
    "100_209.593+018.300_0.1616_0048.72": "faulty: its cutout is centred 90 arcsec north of the source",
}

COLUMNS = {
    "code": Column("Class code of MiraBest", ucd="meta.code.class;src.class"),
    "redshift": Column("Redshift of the host galaxy", ucd="src.redshift"),
    "las_catalog_arcsec": Column("Largest angular size of the catalogue", "arcsec", "phys.angSize"),
    **BATCH_COLUMNS,
    "sdss_plate": Column("Plate of the SDSS spectrum of the host galaxy", ucd="instr.plate"),
    "sdss_mjd": Column("Modified Julian date of the SDSS spectrum", "d", "time.epoch;obs"),
    "sdss_fiber": Column("Fiber of the SDSS spectrum", ucd="meta.id"),
    "log_power": Column("Logarithm of the power at 1.4 GHz (W/Hz), of the catalogue", ucd="phys.luminosity"),
}


class Source(SourceSettings):
    """MiraBest: FIRST radio galaxies with Fanaroff-Riley classes."""

    images: Literal["batches", "fits"] = setting(
        "batches", "The published 8-bit batches (0.8 MB), or the FIRST cutouts in Jy/beam (1260 files, 475 MB)."
    )
    classes: tuple[Group, ...] = setting(
        ("confident",), "Groups of objects that are taken: confident, uncertain, hybrid.", min_length=1
    )
    labels: dict[str, tuple[int, ...]] = setting(
        {"FRI": (100, 102, 104), "FRII": (200, 201)},
        "Class codes of each label; objects of the chosen groups with another code are taken without a label.",
    )

    @field_validator("labels")
    @classmethod
    def _check_codes(cls, labels: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        codes = [code for label in labels.values() for code in label]
        known = sorted(code for group in CODES.values() for code in group)
        for code in codes:
            if code not in known:
                raise ValueError(f"{code} is no class code of MiraBest; known: {', '.join(map(str, known))}")
            if codes.count(code) > 1:
                raise ValueError(f"class code {code} is given twice; each code belongs to one label")
        return labels

    def wants(self, code: int) -> bool:
        """Tell whether objects of a class code are taken."""
        return any(code in CODES[group] for group in self.classes)

    def label(self, code: int) -> str:
        """Return the label of a class code; empty where it has none."""
        return next((label for label, codes in self.labels.items() if code in codes), "")


def expected(source: Source) -> Expected:
    """Return how many objects the chosen groups have, and the size of what is downloaded for them."""
    number = sum(COUNTS[group] for group in source.classes)
    scaled = source.images == "batches"
    size = BATCHES_SIZE if scaled else CATALOGUE_SIZE + number * FITS_SIZE
    return Expected(number, size, scaled, len(source.labels))


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """Download the batches, or the catalogue and the cutouts of the chosen classes; return the manifest."""
    import pandas as pd

    from astro_vae.download import RemoteFile, fetch

    how: dict[str, Any] = {"mirror": execution.mirror, "downloads": execution.downloads}
    if source.images == "batches":
        url = f"{ARCHIVE}/{BATCHES}"
        return fetch([RemoteFile(url, BATCHES, BATCHES_SIZE, f"md5:{BATCHES_MD5}")], folder, **how)
    first = fetch([catalogue_file()], folder, **how)
    if first["status"].iloc[0] != "ok":
        return first
    known = known_files("mirabest")
    files = [
        RemoteFile(f"{BUILDER}/FITS/{name}.fits", f"FITS/{name}.fits", FITS_SIZE, f"md5:{known[name][0]}")
        for name in catalogue_rows(folder / CATALOGUE) if name in known and source.wants(int(name[:3]))
    ]
    return pd.concat([first, fetch(files, folder, **how)], ignore_index=True)


def catalogue_file() -> RemoteFile:
    """Return where the catalogue lies that MiraBest was built from."""
    from astro_vae.download import RemoteFile

    return RemoteFile(f"{BUILDER}/{CATALOGUE}", CATALOGUE, CATALOGUE_SIZE, f"md5:{CATALOGUE_MD5}")


def catalogue_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Read the catalogue that MiraBest was built from: columns by the name of the object.

    The file has nine columns without header: SDSS plate, MJD and fiber, right ascension in hours,
    declination (deg), redshift, logarithm of the radio power, largest angular size (arcsec), class code.
    """
    rows = {}
    for line in path.read_text(encoding="ascii").splitlines():
        plate, mjd, fiber, ra_hours, dec, z, power, las, code = line.split()
        ra = 15 * float(ra_hours)
        name = f"{code}_{ra:07.3f}{float(dec):+08.3f}_{float(z):06.4f}_{float(las):07.2f}"
        if float(las) < MAX_LAS_ARCSEC:
            rows[name] = {"sdss_plate": int(plate), "sdss_mjd": int(mjd), "sdss_fiber": int(fiber),
                          "log_power": float(power)}
    return rows


def candidates(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    """Yield the objects of the chosen classes, in the order of the published batches or of the catalogue."""
    read = _from_batches if source.images == "batches" else _from_fits
    yield from read(source, folder, manifest)


def _from_batches(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    for image in read_batches(folder / BATCHES):
        known = _candidate(source, image.name.removesuffix(".png"))
        if known.extra and not source.wants(known.extra["code"]):
            continue
        reason = known.reason or FAULTY_IMAGES.get(known.object_id) or _fault(known)
        yield image.candidate(replace(known, reason=reason), PIXEL_ARCSEC)


def _from_fits(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    catalogue, files = catalogue_rows(folder / CATALOGUE), known_files("mirabest")

    def known(name: str) -> Candidate:
        one = _candidate(source, name)
        return replace(one, part=files[name][1], extra=one.extra | catalogue[name], reason=_fault(one))

    yield from read_cutouts(folder, manifest, known)


def _fault(known: Candidate) -> str:
    return FAULTY_OBJECTS.get(known.object_id, "")


def _candidate(source: Source, name: str) -> Candidate:
    """Return what the name of an object says."""
    fields = NAME.fullmatch(name)
    if fields is None:
        return Candidate(name, None, reason="faulty: its name is not one of MiraBest's")
    code = int(fields["code"])
    extra = {"code": code, "redshift": float(fields["z"]), "las_catalog_arcsec": float(fields["las"])}
    ra, dec = float(fields["ra"]), float(fields["dec"])
    return Candidate(name, None, ra=ra, dec=dec, label=source.label(code), extra=extra)
