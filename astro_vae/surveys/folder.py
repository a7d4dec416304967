"""A person's own folder: FITS, PNG or JPEG images with a table of labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys.candidate import NO_BEAM, Candidate, Expected

if TYPE_CHECKING:
    import pandas as pd

KIND = "image"
COLUMNS: dict[str, Column] = {}
FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.fz")
PICTURES = (".png", ".jpg", ".jpeg")
NAME_COLUMNS = ("file", "object_id")


class Source(SourceSettings):
    """A folder of FITS, PNG or JPEG images with a CSV of labels."""

    path: str = setting(..., "The folder; images in folders below it are taken too.")
    labels: str = setting(
        "",
        "CSV table with a column `file` (name, with or without ending, or path below the folder) or `object_id`, a "
        "column `label` (empty: unknown), `ra` and `dec` (deg) where the files have no position, and columns of your "
        "own, which all products keep. Empty: no labels.",
    )
    pixel_arcsec: float | None = setting(
        None, "Side of a pixel, where the files do not say it or say it wrong.", unit="arcsec", gt=0
    )
    beam: tuple[float, float, float] | None = setting(
        None, "Beam where the files do not say it: major and minor axis (FWHM, arcsec), position angle (deg).",
    )
    unit: str | None = setting(None, "Unit of the values of FITS files without a BUNIT, such as Jy/beam.")


def expected(source: Source) -> Expected:
    """Return how many images the folder has; nothing is copied."""
    top = Path(source.path).expanduser()
    names = [p.name.lower() for p in top.rglob("*") if p.is_file() and p.name.lower().endswith(FITS + PICTURES)]
    return Expected(len(names), 0, sum(name.endswith(PICTURES) for name in names) > len(names) / 2)


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """List the folder's images with their checksums; nothing is copied."""
    import pandas as pd

    from astro_vae.download import COLUMNS as MANIFEST
    from astro_vae.files import checksum

    top = Path(source.path).expanduser()
    if not top.is_dir():
        raise UserError(f"{top}: no such folder; set source.path to the folder of your images")
    files = [p for p in sorted(top.rglob("*")) if p.is_file() and p.name.lower().endswith(FITS + PICTURES)]
    if not files:
        raise UserError(f"{top}: no images; known endings: {', '.join(FITS + PICTURES)}")
    labels = _labels(source)
    rows = [
        {"address": p.resolve().as_uri(), "path": p.relative_to(top).as_posix(), "bytes": p.stat().st_size,
         "checksum": f"sha256:{checksum(p)}", "status": "ok", "reason": ""}
        for p in files
    ]
    unmatched = sorted(set(labels) - {key for row in rows for key in _keys(str(row["path"]))})
    rows += [
        {"address": (top / name).resolve().as_uri(), "path": name, "bytes": 0, "checksum": "", "status": "missing",
         "reason": f"named in {source.labels}, but not in the folder"} for name in unmatched
    ]
    return pd.DataFrame(rows, columns=list(MANIFEST))


def candidates(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    """Yield the images in the order of their names; files that are no images say why."""
    top, labels = Path(source.path).expanduser(), _labels(source)
    names = Counter(_object_id(path) for path in manifest["path"])
    for file in manifest.to_dict("records"):
        path = file["path"]
        own = next((labels[key] for key in _keys(path) if key in labels), {})
        extra = {name: value for name, value in own.items() if name != "label"}
        name = _object_id(path) if names[_object_id(path)] == 1 else path
        known = Candidate(name, None, label=own.get("label", ""), extra=extra)
        if file["status"] != "ok":
            yield replace(known, reason=f"{file['status']}: {file['reason']}")
        elif not (top / path).is_file():
            yield replace(known, reason="missing: the file has gone since the folder was listed")
        else:
            yield _placed(_read(source, top / path, known))


def _placed(known: Candidate) -> Candidate:
    """Take the position from the table's columns `ra` and `dec` (deg) where the file says none."""
    ra, dec = known.extra.get("ra"), known.extra.get("dec")
    numbers = isinstance(ra, (int, float)) and isinstance(dec, (int, float))
    if not numbers or not math.isnan(known.ra):
        return known
    rest = {name: value for name, value in known.extra.items() if name not in ("ra", "dec")}
    return replace(known, ra=float(ra), dec=float(dec), extra=rest)  # type: ignore[arg-type]


def _object_id(path: str) -> str:
    """Return the path below the folder without its ending."""
    ending = max((e for e in FITS + PICTURES if path.lower().endswith(e)), key=len, default="")
    return path.removesuffix(path[len(path) - len(ending):]) if ending else path


def _keys(path: str) -> tuple[str, ...]:
    """Return the names under which a table may speak of a file, the most exact one first."""
    name = path.rpartition("/")[2]
    return path, _object_id(path), name, _object_id(name)


def _labels(source: Source) -> dict[str, dict[str, Any]]:
    """Read the table of labels: the other columns by the name of the file; numbers where a column has only numbers."""
    import pandas as pd

    if not source.labels:
        return {}
    path = Path(source.labels).expanduser()
    try:
        table = pd.read_csv(path, dtype={"label": str, **dict.fromkeys(NAME_COLUMNS, str)}, encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; set source.labels to your table of labels, or leave it out") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV table: {error}") from None
    key = next((name for name in NAME_COLUMNS if name in table), None)
    if key is None or "label" not in table:
        found = ", ".join(map(str, table.columns))
        raise UserError(f"{path}: needs a column 'label' and a column 'file' or 'object_id'; found: {found}")
    table = table.dropna(subset=[key])
    if table[key].duplicated().any():
        raise UserError(f"{path}: '{table[key][table[key].duplicated()].iloc[0]}' has two rows; keep one of them")
    table["label"] = table["label"].fillna("").str.strip()
    table.columns = [str(name).strip().replace("/", "_") for name in table.columns]  # "/" would nest a column
    return {str(row[key]): _without(row, NAME_COLUMNS) for row in table.to_dict("records")}


def _without(row: Mapping[Any, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items() if name not in names}


def _read(source: Source, path: Path, known: Candidate) -> Candidate:
    from astro_vae.surveys.fits import UnreadableImageError

    read = _read_picture if path.name.lower().endswith(PICTURES) else _read_fits
    try:
        read_one = read(source, path, known)
    except UnreadableImageError as error:
        return replace(known, reason=str(error))
    return _overridden(source, read_one)


def _overridden(source: Source, known: Candidate) -> Candidate:
    """Put what the settings say in place of what the file says, or does not say."""
    if source.pixel_arcsec is not None:
        known = replace(known, pixel_arcsec=source.pixel_arcsec)
    if source.beam is not None:
        known = replace(known, beam=source.beam)
    return known


def _read_fits(source: Source, path: Path, known: Candidate) -> Candidate:
    from astro_vae.surveys.fits import read_fits_image

    image = read_fits_image(path)
    return replace(
        known, values=image.values, ra=image.ra, dec=image.dec, unit=image.unit or source.unit or "",
        pixel_arcsec=image.pixel_arcsec, beam=image.beam, north_deg=image.north_deg,
    )


def _read_picture(source: Source, path: Path, known: Candidate) -> Candidate:
    """Read a picture as 8-bit grey values; its lowest line becomes row 0."""
    import numpy as np
    from PIL import Image

    from astro_vae.surveys.fits import UnreadableImageError

    try:
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"))[::-1].copy()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        size = path.stat().st_size
        raise UnreadableImageError("empty file: 0 bytes" if not size else f"no picture, or damaged: {error}") from None
    return replace(known, values=grey, unit="", scaled=True, beam=NO_BEAM, north_deg=math.nan)
