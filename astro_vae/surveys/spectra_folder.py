"""A person's own folder of spectra: SDSS files, or tables of wavelength, flux and error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from astro_vae.columns import Column
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys._own_files import list_files, matched
from astro_vae.surveys.candidate import Candidate

if TYPE_CHECKING:
    import pandas as pd

KIND = "spectrum"
COLUMNS: dict[str, Column] = {}
FITS = (".fits", ".fit", ".fits.gz")
TEXTS = (".csv", ".ecsv", ".txt", ".dat")
KNOWN = ("ra", "dec", "redshift", "ebv")  # columns of the table of labels that say more than a label


class Source(SourceSettings):
    """A folder of spectra with a CSV of redshifts and labels."""

    kind: ClassVar[str] = "spectrum"

    path: str = setting(..., "The folder; spectra in folders below it are taken too.")
    labels: str = setting(
        "",
        "CSV table with a column `file` (name, with or without ending, or path below the folder) or `object_id`, "
        "a column `label` (empty: unknown), and columns `redshift` (needed where the files have none), `ra` and `dec` "
        "(deg), `ebv` (Galactic E(B-V), mag), and columns of your own, which all products keep. Empty: no table.",
    )
    wavelengths: Literal["header", "vacuum", "air"] = setting(
        "header", "Whether wavelengths of tables are those in vacuum or in air; header: as their keyword VACUUM or "
        "AIRORVAC says, vacuum where there is none.",
    )
    wavelength_unit: str = setting("Angstrom", "Unit of wavelengths where the table does not say it.")
    flux_unit: str = setting(
        "1e-17 erg / (Angstrom s cm2)", "Unit of flux densities where the table does not say it; per Angstrom."
    )


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """List the folder's spectra with their checksums; nothing is copied."""
    return list_files(Path(source.path).expanduser(), FITS + TEXTS, source.labels, "spectra")


def candidates(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    """Yield the spectra in the order of their names; files that are no spectra say why."""
    from astro_vae.surveys._spectrum_tables import UnreadableSpectrumError

    top = Path(source.path).expanduser()
    for file, name, own in matched(manifest, source.labels, FITS + TEXTS):
        extra = {column: value for column, value in own.items() if column not in ("label", *KNOWN)}
        known = Candidate(name, None, label=own.get("label", ""), extra=extra, **_numbers(own))
        if file["status"] != "ok":
            yield replace(known, reason=f"{file['status']}: {file['reason']}")
        elif not (top / file["path"]).is_file():
            yield replace(known, reason="missing: the file has gone since the folder was listed")
        else:
            try:
                yield _read(source, top / file["path"], known)
            except UnreadableSpectrumError as error:
                yield replace(known, reason=str(error))


def _numbers(own: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of the table that a candidate has a place for."""
    return {name: float(own[name]) for name in KNOWN if isinstance(own.get(name), (int, float))}


def _read(source: Source, path: Path, known: Candidate) -> Candidate:
    """Read a file; what the person's own table says comes before what the file says."""
    from astro_vae.spectra.measure import DENSITY_UNIT
    from astro_vae.surveys._spectrum_tables import read_table

    table = read_table(
        path, wavelengths=source.wavelengths, wavelength_unit=source.wavelength_unit, flux_unit=source.flux_unit
    )
    said = {name: value for name, value in table.known.items() if math.isnan(getattr(known, name))}
    return replace(known, values=table.spectrum, unit=DENSITY_UNIT, **said)
