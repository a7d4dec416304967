"""A person's own folder: FITS, PNG or JPEG images with a table of labels, or mosaics with a table of positions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from astro_vae.columns import Column
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys._labels import read_labels
from astro_vae.surveys._own_files import OwnFiles
from astro_vae.surveys.candidate import NO_BEAM, WHOLE, Block, Candidate, Expected
from astro_vae.surveys.listing import ENDINGS, PICTURES

if TYPE_CHECKING:
    import pandas as pd

    from astro_vae.surveys.fits import Treatment

KIND = "image"
TOLD = ("unit", "pixel_arcsec", "beam")
"""Settings that say of new files what these do not say themselves."""
READING = ("hdu", "grid_arcsec", "common_beam", *TOLD)
"""Settings by which every file is read, whichever they are; new files are read by those of the training."""
COLUMNS: dict[str, Column] = {"mosaic": Column("Mosaic that the object was cut out of", ucd="meta.file")}


class Source(SourceSettings):
    """A folder of FITS, PNG or JPEG images with a CSV of labels, or of mosaics with a table of positions."""

    path: str = setting(..., "The folder; images in folders below it are taken too.")
    labels: str = setting(
        "",
        "CSV table with a column `file` (name, with or without ending, or path below the folder) or `object_id`, a "
        "column `label` (empty: unknown), `ra` and `dec` (deg) where the files have no position, and columns of your "
        "own, which all products keep. Empty: no labels.",
    )
    catalog: str = setting(
        "",
        "Table of positions (CSV, FITS, VOTable or ECSV): the FITS files are mosaics, and each row an object that is "
        "cut out of the first that covers it. Columns `ra` and `dec` (ICRS, deg), `object_id` and `label` where there "
        "are any, and columns of your own. Empty: each file is one object.",
    )
    cutout: int = setting(212, "Side of what is cut out of a mosaic.", unit="pixel", ge=8, le=4096)
    endings: tuple[str, ...] = setting(
        (), "Only files with these endings, such as .fits (empty: " + ", ".join(ENDINGS) + ")."
    )
    follow_links: bool = setting(
        False, "Take what symbolic links outside the folder point at; links to what lies in it are always taken."
    )
    hdu: int | str | None = setting(
        None, "Number or name of the image in FITS files with several; the first two-dimensional one unless given."
    )
    grid_arcsec: float | None = setting(
        None, "Resample every image to pixels of this side, North up; for images of unequal pixels.", unit="arcsec",
        gt=0,
    )
    common_beam: tuple[float, float, float] | None = setting(
        None,
        "Convolve every image to this beam: major and minor axis (FWHM, arcsec), position angle (deg). Images whose "
        "beam is larger or not known are refused.",
    )
    pixel_arcsec: float | None = setting(
        None, "Side of a pixel, where the files do not say it or say it wrong.", unit="arcsec", gt=0
    )
    beam: tuple[float, float, float] | None = setting(
        None, "Beam where the files do not say it: major and minor axis (FWHM, arcsec), position angle (deg).",
    )
    unit: str | None = setting(None, "Unit of the values of FITS files without a BUNIT, such as Jy/beam.")

    @model_validator(mode="after")
    def _check(self) -> Source:
        if self.grid_arcsec and self.pixel_arcsec:
            raise ValueError("grid_arcsec resamples by what the files say of their pixels; leave out pixel_arcsec")
        for name in ("beam", "common_beam"):
            beam = getattr(self, name)
            if beam and not beam[0] >= beam[1] > 0:
                raise ValueError(f"{name} is [major axis, minor axis, position angle], axes above 0: {list(beam)}")
        known = set(ENDINGS)
        for ending in self.endings:
            if ending not in known:
                raise ValueError(f"endings: '{ending}' is not known; known: {', '.join(ENDINGS)}")
        return self


def tables(source: Source) -> list[Path]:
    """Return the person's own tables; the workflow begins again when one has changed."""
    return [Path(name).expanduser() for name in (source.labels, source.catalog) if name]


def expected(source: Source) -> Expected:
    """Return how many objects the folder or the table of positions has; nothing is copied."""
    if source.catalog:
        return Expected(len(positions(source)), 0, False)
    files = own_files(source).listed()
    pictures = sum(path.lower().endswith(PICTURES) for path, _ in files)
    return Expected(len(files), 0, pictures > len(files) / 2)


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """List the folder's images with their checksums; nothing is copied."""
    if source.catalog:
        positions(source)  # a fault of the table shows now, not after the checksums of many files
    return own_files(source).manifest()


def own_files(source: Source) -> OwnFiles:
    """Return the files of the folder; where there is a table of positions, labels speak of objects, not of files."""
    labels = "" if source.catalog else source.labels
    return OwnFiles(
        Path(source.path).expanduser(), source.endings or ENDINGS, labels, "images", follow_links=source.follow_links
    )


def candidates(
    source: Source, folder: Path, manifest: pd.DataFrame, block: Block = WHOLE
) -> Iterator[Candidate]:
    """Yield the images in the order of their names; files that are no images say why.

    With a table of positions its objects come, in the order of the table, after the mosaics that cannot be used.
    """
    if source.catalog:
        yield from cut_out(source, manifest, positions(source), block)
        return
    top = Path(source.path).expanduser()
    for file, name, own in own_files(source).matched(manifest, block):
        path = file["path"]
        extra = {column: value for column, value in own.items() if column != "label"}
        known = Candidate(name, None, label=own.get("label", ""), extra=extra)
        if file["status"] != "ok":
            yield replace(known, reason=f"{file['status']}: {file['reason']}")
        elif not (top / path).is_file():
            yield replace(known, reason="missing: the file has gone since the folder was listed")
        else:
            yield _placed(_read(source, top / path, known))


def cut_out(
    source: Source, manifest: pd.DataFrame, objects: Sequence[Candidate], block: Block = WHOLE
) -> Iterator[Candidate]:
    """Yield the mosaics that cannot be used, with the reason, then the objects with their pixels.

    A block is one of the objects; the mosaics that cannot be used come with the first.
    """
    from astro_vae.surveys._mosaic import cutouts

    top = Path(source.path).expanduser()
    for file in manifest.to_dict("records") if block.number == 1 else ():
        if file["status"] != "ok":
            yield Candidate(file["path"], None, reason=f"{file['status']}: {file['reason']}")
    usable = manifest[manifest["status"] == "ok"]
    paths = [top / path for path in usable["path"] if not path.lower().endswith(PICTURES)]
    for made in cutouts(paths, objects, _treatment(source), side=source.cutout, top=top, block=block):
        yield _overridden(source, replace(made, unit=made.unit or source.unit or ""))


def _placed(known: Candidate) -> Candidate:
    """Take the position from the table's columns `ra` and `dec` (deg) where the file says none."""
    ra, dec = known.extra.get("ra"), known.extra.get("dec")
    numbers = isinstance(ra, (int, float)) and isinstance(dec, (int, float))
    if not numbers or not math.isnan(known.ra):
        return known
    rest = {name: value for name, value in known.extra.items() if name not in ("ra", "dec")}
    return replace(known, ra=float(ra), dec=float(dec), extra=rest)  # type: ignore[arg-type]


def positions(source: Source) -> list[Candidate]:
    """Read the table of positions, with what `source.labels` says of its objects.

    A name that only `source.labels` has is an object without a position, and says so.
    """
    from astro_vae.surveys._positions import read_positions

    labels = read_labels(Path(source.labels).expanduser()) if source.labels else {}
    objects = read_positions(Path(source.catalog).expanduser(), setting="source.catalog")
    lost = sorted(set(labels) - {one.object_id for one in objects})
    told = [replace(one, **_said(one, labels[one.object_id])) if one.object_id in labels else one for one in objects]
    reason = f"no position: named in {source.labels}, but not in {source.catalog}"
    return told + [Candidate(name, None, label=labels[name].get("label", ""), reason=reason) for name in lost]


def _said(known: Candidate, row: dict[str, Any]) -> dict[str, Any]:
    """Return label and further columns of an object as a row of the table of labels has them."""
    own = {name: value for name, value in row.items() if name not in ("label", "ra", "dec")}
    return {"label": row.get("label", known.label), "extra": {**known.extra, **own}}


def _treatment(source: Source) -> Treatment:
    from astro_vae.surveys.fits import Treatment

    return Treatment(source.hdu, source.beam, source.common_beam, source.grid_arcsec)


def _read(source: Source, path: Path, known: Candidate) -> Candidate:
    from astro_vae.surveys._fits_file import UnreadableFileError

    read = _read_picture if path.name.lower().endswith(PICTURES) else _read_fits
    try:
        read_one = read(source, path, known)
    except UnreadableFileError as error:
        return replace(known, reason=str(error))
    except OSError as error:
        return replace(known, reason=f"not read: {error.strerror}")
    return _overridden(source, read_one)


def _overridden(source: Source, known: Candidate) -> Candidate:
    """Put what the settings say in place of what the file says, or does not say."""
    if source.pixel_arcsec is not None:
        known = replace(known, pixel_arcsec=source.pixel_arcsec)
    if source.beam is not None and source.common_beam is None:
        known = replace(known, beam=source.beam)
    return known


def _read_fits(source: Source, path: Path, known: Candidate) -> Candidate:
    from astro_vae.surveys.fits import read_fits_image

    image = read_fits_image(path, _treatment(source))
    return replace(
        known, values=image.values, ra=image.ra, dec=image.dec, unit=image.unit or source.unit or "",
        pixel_arcsec=image.pixel_arcsec, beam=image.beam, north_deg=image.north_deg,
    )


def _read_picture(source: Source, path: Path, known: Candidate) -> Candidate:
    from astro_vae.surveys._fits_file import UnreadableFileError
    from astro_vae.surveys._pictures import read_picture

    if source.grid_arcsec or source.common_beam:
        raise UnreadableFileError("a picture has no pixel scale: it cannot be brought to one grid or beam")
    return replace(known, values=read_picture(path), unit="", scaled=True, beam=NO_BEAM, north_deg=math.nan)
