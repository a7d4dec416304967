"""SDSS: optical spectra of galaxies, quasars and stars of the SDSS, BOSS and eBOSS surveys.

A sample names plates, dates and fibres, or is a query of the database; what is fetched are the lite files of
each spectrum. What the pipeline says of it (class, redshift, warnings) is in the file itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys import mirabest
from astro_vae.surveys._sdss_hosts import MIRABEST, radio_hosts
from astro_vae.surveys._sdss_sample import (
    FIRST_BOSS_PLATE,
    check_bits,
    check_columns,
    check_parts,
    clean,
    query_name,
    query_sample,
    read_sample,
    typed,
)
from astro_vae.surveys.candidate import WHOLE, Block, Candidate, Expected

if TYPE_CHECKING:
    import pandas as pd

KIND = "spectrum"
PAGE = "https://dr{release}.sdss.org/optical/spectrum/view?plateid={plate}&mjd={mjd}&fiberid={fiber}"
READING = ("bad_bits",)
"""Settings by which every file is read, whichever they are; new files are read by those of the training."""
FILE_BYTES = 190_000  # of a lite file, on average
EBV = "ebv"  # looked for, but not asked for
SKY_BIT = 0  # of ZWARNING: the fibre was on empty sky

COLUMNS = {
    "plate": Column("Plate", ucd="instr.plate"),
    "mjd": Column("Modified Julian date of the observation", "d", "time.epoch;obs"),
    "fiber": Column("Fibre", ucd="meta.id"),
    "run2d": Column("Version of the reduction", ucd="meta.version"),
    "class": Column("Class of the pipeline", ucd="src.class"),
    "subclass": Column("Subclass of the pipeline", ucd="src.class"),
    "redshift_err": Column("Error of the redshift", "", "stat.error;src.redshift"),
    "zwarning": Column("Bits of what makes the redshift doubtful", "", "meta.code.qual"),
    "sky_fibre": Column("1 where the fibre was on empty sky", "", "meta.code"),
}


class Source(SourceSettings):
    """SDSS, BOSS and eBOSS spectra by plate, date and fibre."""

    kind: ClassVar[str] = "spectrum"

    sample: str = setting(
        "", "Table (CSV, or by its ending FITS, VOTable or ECSV) with columns `plate`, `mjd` and `fiber` (or "
        "`fiberid`), and `run2d` where it is known; or `mirabest`, the hosts of the radio galaxies in the catalogue of "
        "that survey.",
    )
    query: str = setting(
        "", "In place of a table: SQL for the database, which must select plate, mjd, fiberid and run2d. The query "
        "and what came back are kept as files beside the spectra.",
    )
    release: int = setting(17, "Data release whose database and archive pages are meant.", ge=8)
    server: str = setting("https://skyserver.sdss.org", "Address of the database.")
    legacy_tree: str = setting(
        "dr17/sdss/spectro/redux/{run2d}",
        "Folder of the archive for reductions that are numbers (26, 103, 104; 26 where the sample does not say).",
    )
    boss_tree: str = setting(
        "dr17/eboss/spectro/redux/v5_13_2", "Folder of the archive for spectra of the BOSS spectrographs."
    )
    bad_bits: tuple[str, ...] = setting(
        (), "Bits of the pixel mask (and_mask) that take a pixel out, by name, such as BRIGHTSKY; the pipeline has "
        "given pixels that are certainly bad no weight already.",
    )
    classes: tuple[str, ...] = setting(
        ("GALAXY", "QSO"), "Classes of the pipeline that are taken.", min_length=1
    )
    redshift: tuple[float, float] = setting(
        (0.0, 0.36), "Redshifts that are taken: above the first, up to the second."
    )
    allow_zwarning: tuple[int, ...] = setting((), "Bits of ZWARNING that do not refuse a spectrum.")
    sky_fibres: bool = setting(False, "Take spectra of empty sky, whatever their class, redshift and warnings.")
    labels: Literal["class", "subclass", "lines", "column", "none"] = setting(
        "class", "Labels: class of the pipeline; class and subclass; class by the emission lines (broad-line, and by "
        "the ratios of narrow lines star-forming, composite, Seyfert, LINER, or weak lines); `label_column` of the "
        "sample; or none.",
    )
    label_column: str = setting(
        "label", "Column of the sample with the labels, for `labels: column`; of `mirabest` the Fanaroff-Riley class.",
        min_length=1,
    )
    ebv_column: str = setting(
        EBV, f"Column of the sample with the Galactic colour excess E(B-V) (mag); `{EBV}` if there is such a one."
    )
    part_column: str = setting("", "Column of the sample with a published split: train, validation or test.")
    keep: tuple[str, ...] = setting(
        (), "Further columns of the sample that all products keep, under names in small letters."
    )

    @field_validator("bad_bits")
    @classmethod
    def _check_bits(cls, bits: tuple[str, ...]) -> tuple[str, ...]:
        return check_bits(bits)

    @field_validator("legacy_tree")
    @classmethod
    def _check_tree(cls, tree: str) -> str:
        try:
            tree.format(run2d="26")
        except (LookupError, ValueError):
            raise ValueError(f"'{tree}': {{run2d}} is all that may stand in braces") from None
        return tree

    @field_validator("label_column", "ebv_column", "part_column")
    @classmethod
    def _small(cls, column: str) -> str:
        return clean(column)

    @field_validator("keep")
    @classmethod
    def _all_small(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(clean(column) for column in columns)

    @model_validator(mode="after")
    def _check_sample(self) -> Source:
        if bool(self.sample) == bool(self.query):
            raise ValueError("give either `sample`, a table, or `query`, SQL")
        return self


def expected(source: Source) -> Expected:
    """Return how many spectra the sample names, and the size of their files; without a table neither is known."""
    number = sum(len(read_sample(table, ())) for table in tables(source))
    return Expected(number, number * FILE_BYTES)


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """Fetch the spectra of the sample; return the manifest, a row per file."""
    import pandas as pd

    from astro_vae.download import RemoteFile, fetch

    how: dict[str, Any] = {"mirror": execution.mirror, "downloads": execution.downloads}
    catalogue = fetch([mirabest.catalogue_file()], folder, **how) if source.sample == MIRABEST else pd.DataFrame()
    if not catalogue.empty and catalogue["status"].iloc[0] != "ok":
        return catalogue
    if source.query:
        query_sample(source.query, folder, server=source.server, release=source.release)
    paths = _paths(source, _sample(source, folder))
    if not paths:
        raise UserError(f"{source.sample}: the sample is empty; give a row per spectrum")
    files = [RemoteFile(f"https://data.sdss.org/sas/{one}", one) for one in paths]
    return pd.concat([catalogue, fetch(files, folder, **how)], ignore_index=True)


def link(source: Source, candidate: Candidate) -> str:
    """Return the archive's page on a spectrum."""
    return PAGE.format(release=source.release, **{key: candidate.extra[key] for key in ("plate", "mjd", "fiber")})


def _sample(source: Source, folder: Path) -> pd.DataFrame:
    """Return the sample, which has all columns that the settings name."""
    named = _named(source)
    if source.sample == MIRABEST:
        hosts = radio_hosts(folder)
        check_columns(hosts.columns, named, folder / mirabest.CATALOGUE)
        return hosts
    own = folder / f"{query_name(source.query, source.release)}.csv" if source.query else Path(source.sample)
    sample = read_sample(own.expanduser(), {source.ebv_column, *named}, named)
    if source.part_column:
        check_parts(sample, source.part_column, own)
    return sample


def _named(source: Source) -> dict[str, str]:
    """Return the columns of the sample that settings name, so that it must have them, and which setting does."""
    named = dict.fromkeys(source.keep, "keep")
    if source.ebv_column not in ("", EBV):
        named[source.ebv_column] = "ebv_column"
    if source.part_column:
        named[source.part_column] = "part_column"
    if source.labels == "column":
        named[source.label_column] = "label_column"
    return named


def tables(source: Source) -> list[Path]:
    """Return the person's own table of spectra."""
    return [Path(source.sample).expanduser()] if source.sample not in ("", MIRABEST) else []


def _paths(source: Source, sample: pd.DataFrame) -> list[str]:
    """Return the path of each spectrum of the sample."""
    return [path(source, row) for row in sample[["plate", "mjd", "fiber", "run2d"]].to_dict("records")]


def path(source: Source, row: dict[Any, Any]) -> str:
    """Return the path of a lite file at the archive, below `sas/`."""
    run2d = row["run2d"]
    legacy = run2d.isdigit() if run2d else row["plate"] < FIRST_BOSS_PLATE
    tree = source.legacy_tree.format(run2d=run2d or "26") if legacy else source.boss_tree
    return f"{tree}/spectra/lite/{row['plate']:04d}/{name(row)}.fits"


def name(row: dict[Any, Any]) -> str:
    """Return the name of a spectrum: spec-PLATE-MJD-FIBER."""
    return f"spec-{row['plate']:04d}-{row['mjd']:05d}-{row['fiber']:04d}"


def candidates(
    source: Source, folder: Path, manifest: pd.DataFrame, block: Block = WHOLE
) -> Iterator[Candidate]:
    """Yield the spectra in the order of the sample."""
    sample = _sample(source, folder)
    rows = {one: row for row, one in enumerate(_paths(source, sample))}
    spectra = manifest[manifest["path"] != mirabest.CATALOGUE]
    for number in block.of(range(len(spectra))):
        file = spectra.iloc[number]
        if file["path"] not in rows:
            raise UserError(f"{file['path']} is in the manifest and not in the sample; run the step 'download' again")
        known = _known(source, sample.iloc[rows[file["path"]]].to_dict())
        if file["status"] != "ok":
            yield replace(known, reason=f"{file['status']}: {file['reason']}")
        elif known.reason:
            yield known
        else:
            yield _read(source, folder / file["path"], known)


def _known(source: Source, row: dict[Any, Any]) -> Candidate:
    """Return what the sample says of a spectrum."""
    from astro_vae.spectra.measure import DENSITY_UNIT

    extra = {column: row[column] for column in ("plate", "mjd", "fiber")}
    extra |= {column: typed(row[column], column) for column in source.keep if column in row}
    ebv = typed(row.get(source.ebv_column, ""), "")
    readable = isinstance(ebv, float) or not ebv
    return Candidate(
        name(row), None, unit=DENSITY_UNIT, extra=extra, part=row.get(source.part_column, ""),
        label=row.get(source.label_column, "") if source.labels == "column" else "",
        ebv=ebv if isinstance(ebv, float) else math.nan,
        reason="" if readable else f"no number in the sample: {source.ebv_column} is '{ebv}'",
    )


def _read(source: Source, place: Path, known: Candidate) -> Candidate:
    from astro_vae.surveys._fits_file import UnreadableFileError
    from astro_vae.surveys._sdss_files import read_spectrum_file

    if not place.is_file():
        return replace(known, reason="missing: the file has gone since it was fetched")
    try:
        file = read_spectrum_file(place, source.bad_bits)
    except UnreadableFileError as error:
        return replace(known, reason=str(error))
    row = file.row
    found = replace(
        known, values=file.spectrum, redshift=float(row["Z"]), ra=_position(row, "PLUG_RA"),
        dec=_position(row, "PLUG_DEC"), extra=known.extra | {
            "run2d": str(row.get("RUN2D", "")), "class": row["CLASS"], "subclass": row.get("SUBCLASS", ""),
            "redshift_err": float(row.get("Z_ERR", math.nan)), "zwarning": int(row["ZWARNING"]),
            "sky_fibre": int(is_sky(row)),
        },
    )
    reason = refusal(source, row)
    return replace(found, reason=reason) if reason else replace(found, label=_label(source, found))


def _position(row: dict[str, Any], name: str) -> float:
    return float(row.get(name, math.nan))


def is_sky(row: dict[str, Any]) -> bool:
    """Tell whether a fibre was on empty sky, by its target or by the bit of ZWARNING."""
    target = {str(row.get(name, "")).upper() for name in ("SOURCETYPE", "OBJTYPE", "TARGETTYPE")}
    return "SKY" in target or bool(int(row["ZWARNING"]) >> SKY_BIT & 1)


def refusal(source: Source, row: dict[str, Any]) -> str:
    """Say why the settings leave a spectrum out; empty where they take it."""
    if is_sky(row):
        return "" if source.sky_fibres else "sky fibre: the spectrum is that of empty sky; source.sky_fibres takes it"
    allowed = sum(1 << bit for bit in source.allow_zwarning)
    if int(row["ZWARNING"]) & ~allowed:
        return f"redshift in doubt: ZWARNING is {row['ZWARNING']}, of whose bits source.allow_zwarning may let pass"
    if row["CLASS"] not in source.classes:
        return f"another class: {row['CLASS']}; source.classes takes {', '.join(source.classes)}"
    low, high = source.redshift
    if not low < row["Z"] <= high:
        return f"redshift out of range: {row['Z']:.4f} is not above {low:g} and up to {high:g} (source.redshift)"
    return ""


def _label(source: Source, known: Candidate) -> str:
    """Return the label that the settings ask for; spectra of empty sky have none."""
    if source.labels == "none" or known.extra["sky_fibre"]:
        return ""
    if source.labels == "column":
        return known.label
    if source.labels == "lines":
        return _line_class(known) if known.extra["class"] != "STAR" else ""
    words = [known.extra["class"], known.extra["subclass"] if source.labels == "subclass" else ""]
    return " ".join(word for word in words if word)


def _line_class(known: Candidate) -> str:
    from astro_vae.spectra.measure import line_class

    spectrum: Any = known.values
    return line_class(spectrum.cleaned().at_rest(known.redshift))
