"""Radio cutouts for any table of positions, from SkyView or from the FIRST cutout server, through astroquery.

FIRST by default; NVSS and whatever else SkyView offers is a setting. A cutout is named after its position
and lies in a folder named after what was asked for, so that runs and tables share it. Its checksum is noted
in `cutouts.csv` as it arrives, and what is there as noted is not asked for again.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from pydantic import model_validator

from astro_vae import download
from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.files import checksum
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys import mirabest
from astro_vae.surveys._asking import Notes, ask
from astro_vae.surveys._cutout_services import SERVICES, query_of
from astro_vae.surveys._positions import place, read_positions
from astro_vae.surveys.candidate import NO_BEAM, WHOLE, Block, Candidate

if TYPE_CHECKING:
    import pandas as pd

KIND = "image"
MIRABEST = "mirabest"  # as `positions`: the catalogue of that survey
FIRST = "VLA FIRST (1.4 GHz)"  # SkyView's name
FIRST_PIXEL_ARCSEC, FIRST_MAX_SIZE = 1.8, 1024
NVSS_BEAM = (45.0, 45.0, 0.0)  # Condon et al. (1998), AJ 115, 1693
OFF_CENTRE = 0.05  # of the side: a cutout whose centre lies further from the position shows another field

COLUMNS = {
    "beam_note": Column("Why the beam is not known; empty where it is", ucd="meta.note"),
    "mirabest_code": mirabest.COLUMNS["code"],
    **{name: mirabest.COLUMNS[name] for name in
       ("redshift", "las_catalog_arcsec", "sdss_plate", "sdss_mjd", "sdss_fiber", "log_power")},
}


class Source(SourceSettings):
    """Radio cutouts (FIRST, NVSS, …) for a table of positions, from SkyView or the FIRST cutout server."""

    positions: str = setting(
        ...,
        "Table (CSV, FITS, VOTable, ECSV) with columns `ra` and `dec` (deg), and, if you like, `name`, `label` and "
        "columns of your own, which all products keep; or `mirabest`, the catalogue of that survey.",
        min_length=1,
    )
    service: Literal["skyview", "first"] = setting(
        "skyview", "SkyView, which resamples many surveys to the grid that is asked for; or the FIRST cutout server."
    )
    image: str = setting(FIRST, "Survey by SkyView's name, such as NVSS. The FIRST cutout server has FIRST only.")
    size: int = setting(300, "Side of the cutouts.", unit="pixel", ge=8, le=4096)
    pixel_arcsec: float = setting(
        FIRST_PIXEL_ARCSEC, "Side of a pixel (FIRST: 1.8, NVSS: 15, as the surveys have it).", unit="arcsec", gt=0
    )

    @model_validator(mode="after")
    def _check_service(self) -> Source:
        if self.service == "first":
            if self.image != FIRST:
                raise ValueError(f"the FIRST cutout server has no '{self.image}'; set service: skyview")
            if self.pixel_arcsec != FIRST_PIXEL_ARCSEC or self.size > FIRST_MAX_SIZE:
                raise ValueError(
                    f"the FIRST cutout server gives pixels of {FIRST_PIXEL_ARCSEC} arcsec and at most {FIRST_MAX_SIZE} "
                    "of them along a side; set pixel_arcsec and size so, or service: skyview"
                )
        return self


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """Ask for the cutouts that are not there yet; return the manifest, a row for the table and for each cutout."""
    import pandas as pd

    table = _table(source, folder, execution)
    if (table["status"] != "ok").any():
        return table
    places = {_path(source, known): known for known in _targets(source, folder) if not known.reason}
    if not places:
        raise UserError(f"{source.positions}: no row has a position; columns 'ra' and 'dec' must be degrees")
    notes = Notes(folder)
    pending = {path: known for path, known in places.items() if not notes.hold(path)}
    query, answers = query_of(source), {}
    if pending:
        mirror = os.environ.get("ASTRO_VAE_MIRROR") or execution.mirror or ""
        answers = ask(partial(SERVICES[source.service], query, source, mirror), pending, notes, execution.downloads)
    rows = [_row(_address(query, source, known), path, notes, *answers.get(path, ("ok", "")))
            for path, known in places.items()]
    return pd.concat([table, pd.DataFrame(rows, columns=list(download.COLUMNS))], ignore_index=True)


def _address(query: Any, source: Source, known: Candidate) -> str:
    words = {"Position": f"{known.ra:.6f},{known.dec:.6f}", "survey": source.image, "pixels": source.size,
             "arcsec": source.pixel_arcsec}
    return f"{query.URL}?{urlencode(words)}"


def _row(address: str, path: str, notes: Notes, status: str, reason: str) -> dict[str, object]:
    size, noted = notes.of(path) if status == "ok" else (0, "")
    return {"address": address, "path": path, "bytes": size, "checksum": noted, "status": status, "reason": reason}


def _table(source: Source, folder: Path, execution: ExecutionSettings) -> pd.DataFrame:
    """Return the manifest's row of the table of positions; MiraBest's is downloaded."""
    import pandas as pd

    if source.positions == MIRABEST:
        return download.fetch([mirabest.catalogue_file()], folder, mirror=execution.mirror)
    path = Path(source.positions).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: no such file; set source.positions to your table of positions, or to '{MIRABEST}'")
    row = {"address": path.resolve().as_uri(), "path": path.name, "bytes": path.stat().st_size,
           "checksum": f"sha256:{checksum(path)}", "status": "ok", "reason": ""}
    return pd.DataFrame([row], columns=list(download.COLUMNS))


def candidates(
    source: Source, folder: Path, manifest: pd.DataFrame, block: Block = WHOLE
) -> Iterator[Candidate]:
    """Yield the objects in the order of the table; one without a cutout says why."""
    files = {file["path"]: file for file in manifest.to_dict("records")}
    for known in block.of(_targets(source, folder)):
        path = _path(source, known)
        file = files.get(path)
        if known.reason:
            yield known
        elif file is None:
            yield replace(known, reason="never asked for: the table has changed; run the step 'download' again")
        elif file["status"] != "ok":
            yield replace(known, reason=f"{file['status']}: {file['reason']}")
        else:
            yield _read(source, folder / path, known)


def _read(source: Source, path: Path, known: Candidate) -> Candidate:
    from astro_vae.surveys.fits import UnreadableFileError, read_fits_image

    try:
        image = read_fits_image(path)
    except (UnreadableFileError, FileNotFoundError) as error:
        return replace(known, reason=str(error))
    beam = image.beam if not math.isnan(image.beam[0]) else _beam_of(source.image, known.dec)
    note = f"'{source.image}' has none in the header, and none is known for all of it" if math.isnan(beam[0]) else ""
    known = replace(
        known, values=image.values, unit=image.unit, pixel_arcsec=image.pixel_arcsec, north_deg=image.north_deg,
        beam=beam, extra=known.extra | {"beam_note": note},
    )
    if math.isnan(image.ra):
        return known
    return replace(known, ra=image.ra, dec=image.dec, reason=_off_centre(source, known, image.ra, image.dec))


def _beam_of(image: str, dec: float) -> tuple[float, float, float]:
    """Return the beam of a survey whose headers do not tell it."""
    from astro_vae.surveys.fits import first_beam

    return {FIRST: first_beam(dec), "NVSS": NVSS_BEAM}.get(image, NO_BEAM)


def _off_centre(source: Source, known: Candidate, ra: float, dec: float) -> str:
    from astropy.coordinates import angular_separation

    distance = 3600 * math.degrees(angular_separation(*map(math.radians, (known.ra, known.dec, ra, dec))))
    far = distance > OFF_CENTRE * source.size * source.pixel_arcsec
    return f"faulty: its cutout is centred {distance:.0f} arcsec from the position" if far else ""


def _path(source: Source, known: Candidate) -> str:
    """Return where the cutout of a position lies, below the folder of the survey."""
    image = re.sub(r"[^A-Za-z0-9]+", "_", source.image).strip("_")
    asked = f"{source.service}-{image}-{source.size}x{source.pixel_arcsec:g}arcsec"
    return f"{asked}/{place(known.ra, known.dec)}.fits"


def _targets(source: Source, folder: Path) -> list[Candidate]:
    """Return the objects of the table, not yet with values; those without a position say so."""
    if source.positions == MIRABEST:
        return _from_mirabest(folder)
    return read_positions(Path(source.positions).expanduser())


def _from_mirabest(folder: Path) -> list[Candidate]:
    """Read MiraBest's catalogue: right ascension in hours; the largest sources, which it never published, left out."""
    path, survey = folder / mirabest.CATALOGUE, mirabest.Source(survey=MIRABEST)
    if not path.is_file():
        raise UserError(f"{path}: no such file; run the step 'download' again")
    known = iter(mirabest.catalogue_rows(path).items())
    found = []
    for line in path.read_text(encoding="ascii").splitlines():
        *_, ra_hours, dec, z, _, las, code = line.split()
        if float(las) >= mirabest.MAX_LAS_ARCSEC:
            continue
        name, extra = next(known)
        fault = mirabest.FAULTY_OBJECTS.get(name, "")
        found.append(Candidate(
            name, None, ra=15 * float(ra_hours), dec=float(dec), label=survey.label(int(code)),
            reason=fault if fault.startswith("duplicate") else "",  # other faults are those of the published cutouts
            extra={"mirabest_code": int(code), "redshift": float(z), "las_catalog_arcsec": float(las), **extra},
        ))
    return found
