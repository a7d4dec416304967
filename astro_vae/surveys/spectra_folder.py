"""A person's own folder of spectra: SDSS files, or tables of wavelength, flux and error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator

from astro_vae.columns import Column
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys._own_files import OwnFiles
from astro_vae.surveys._sdss_sample import check_bits
from astro_vae.surveys.candidate import WHOLE, Block, Candidate, Expected
from astro_vae.surveys.listing import FITS, TEXTS

if TYPE_CHECKING:
    import pandas as pd

KIND = "spectrum"
TOLD = ("wavelengths", "wavelength_unit", "flux_unit")
"""Settings that say of new files what these do not say themselves."""
READING = ("bad_bits", *TOLD)
"""Settings by which every file is read, whichever they are; new files are read by those of the training."""
COLUMNS: dict[str, Column] = {}
KNOWN = ("ra", "dec", "redshift", "ebv")  # columns of the table of labels that say more than a label
SHORT = {"z": "redshift"}  # other names of such columns, where the full one is not there


class Source(SourceSettings):
    """A folder of spectra with a CSV of redshifts and labels."""

    kind: ClassVar[str] = "spectrum"

    path: str = setting(..., "The folder; spectra in folders below it are taken too.")
    labels: str = setting(
        "",
        "CSV table with a column `file` (name, with or without ending, or path below the folder) or `object_id`, "
        "with columns `label` (empty: unknown), `redshift` or `z` (needed where the files have none), `ra` and `dec` "
        "(deg), `ebv` (Galactic E(B-V), mag), and columns of your own, which all products keep. Empty: no table.",
    )
    follow_links: bool = setting(
        False, "Take what symbolic links outside the folder point at; links to what lies in it are always taken."
    )
    wavelengths: Literal["header", "vacuum", "air"] = setting(
        "header", "Whether wavelengths of tables are those in vacuum or in air; header: as their keyword VACUUM or "
        "AIRORVAC says, vacuum where there is none.",
    )
    wavelength_unit: str = setting("Angstrom", "Unit of wavelengths where the table does not say it.")
    flux_unit: str = setting(
        "1e-17 erg / (Angstrom s cm2)", "Unit of flux densities where the table does not say it; per Angstrom."
    )
    bad_bits: tuple[str, ...] = setting(
        (), "Bits of the pixel mask (and_mask) of SDSS files that take a pixel out, by name, such as BRIGHTSKY."
    )

    @field_validator("bad_bits")
    @classmethod
    def _check_bits(cls, bits: tuple[str, ...]) -> tuple[str, ...]:
        return check_bits(bits)


def tables(source: Source) -> list[Path]:
    """Return the person's own table; the workflow begins again when it has changed."""
    return [Path(source.labels).expanduser()] if source.labels else []


def expected(source: Source) -> Expected:
    """Return how many spectra the folder has; nothing is copied."""
    return Expected(len(own_files(source).listed()), 0)


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """List the folder's spectra with their checksums; nothing is copied."""
    return own_files(source).manifest()


def own_files(source: Source) -> OwnFiles:
    """Return the files of the folder."""
    return OwnFiles(
        Path(source.path).expanduser(), FITS + TEXTS, source.labels, "spectra", follow_links=source.follow_links,
        wanted=("label", "redshift", *SHORT),
    )


def candidates(
    source: Source, folder: Path, manifest: pd.DataFrame, block: Block = WHOLE
) -> Iterator[Candidate]:
    """Yield the spectra in the order of their names; files that are no spectra say why."""
    top = Path(source.path).expanduser()
    for file, name, row in own_files(source).matched(manifest, block):
        own = {column if SHORT.get(column) in row else SHORT.get(column, column): row[column] for column in row}
        extra = {column: value for column, value in own.items() if column not in ("label", *KNOWN)}
        known = Candidate(name, None, label=own.get("label", ""), extra=extra)
        if file["status"] != "ok":
            yield replace(known, reason=f"{file['status']}: {file['reason']}")
        elif not (top / file["path"]).is_file():
            yield replace(known, reason="missing: the file has gone since the folder was listed")
        else:
            yield _read(source, top / file["path"], known, own)


def _read(source: Source, path: Path, known: Candidate, own: dict[str, Any]) -> Candidate:
    """Read a file; what the person's own table says comes before what the file says."""
    from astro_vae.spectra.measure import DENSITY_UNIT
    from astro_vae.surveys._fits_file import UnreadableFileError
    from astro_vae.surveys._spectrum_tables import read_table

    try:
        numbers = {name: _number(name, own[name]) for name in KNOWN if name in own}
        table = read_table(path, **{name: getattr(source, name) for name in READING})
    except UnreadableFileError as error:
        return replace(known, reason=str(error))
    except OSError as error:
        return replace(known, reason=f"not read: {error.strerror}")
    told = {name: value for name, value in numbers.items() if not math.isnan(value)}
    return replace(known, values=table.spectrum, unit=DENSITY_UNIT, **{**table.known, **told})


def _number(name: str, value: Any) -> float:
    """Return a cell of the table of labels, NaN where it is empty."""
    from astro_vae.surveys._fits_file import UnreadableFileError

    try:
        return float(value)
    except ValueError:
        raise UnreadableFileError(f"no number in the table of labels: {name} is '{value}'") from None
