"""Radio cutouts for any table of positions, from SkyView or from the FIRST cutout server, through astroquery.

FIRST by default; NVSS and whatever else SkyView offers is a setting. A cutout is named after its position
and lies in a folder named after what was asked for, so that runs and tables share it. Its checksum is noted
in `cutouts.csv` as it arrives, and what is there as noted is not asked for again.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import model_validator

from astro_vae import download
from astro_vae.columns import Column
from astro_vae.download import ABSENT, FINAL, GIVE_UP_AFTER, MAGIC, FailedError, MissingError
from astro_vae.errors import UserError
from astro_vae.files import atomic, checksum, write_text
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.surveys import mirabest
from astro_vae.surveys.candidate import NO_BEAM, Candidate

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

KIND = "image"
Answer = TypeVar("Answer")
Cutout = Callable[[Any], bytes]  # from a position (SkyCoord) to a FITS file
MIRABEST = "mirabest"  # as `positions`: the catalogue of that survey
FIRST = "VLA FIRST (1.4 GHz)"  # SkyView's name
FIRST_PIXEL_ARCSEC, FIRST_MAX_SIZE = 1.8, 1024
NVSS_BEAM = (45.0, 45.0, 0.0)  # Condon et al. (1998), AJ 115, 1693
PARALLEL = 3  # a query costs a service more than a file does
NOTED = "cutouts.csv"
NOTE = re.compile(r"([^,\n]+),(sha256:[0-9a-f]{64})")
OFF_CENTRE = 0.05  # of the side: a cutout whose centre lies further from the position shows another field
NAMES = {
    "ra": ("ra", "ra_deg", "radeg", "_raj2000", "raj2000", "ra_j2000", "_ra", "ra_icrs", "right_ascension", "alpha"),
    "dec": ("dec", "dec_deg", "decdeg", "_dej2000", "dej2000", "decj2000", "dec_j2000", "_de", "de_icrs", "dec_icrs",
            "dedeg", "declination", "delta"),
    "name": ("name", "object_id", "source_name", "designation", "main_id", "id"),
    "label": ("label",),
}
"""Names of the columns that are looked for, the best one first; capital letters make no difference."""
NO_COVERAGE = re.compile(r"\bno (image|data|coverage|survey)|outside|not (covered|observed|available|in the)", re.I)

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
    notes = _Notes(folder)
    pending = {path: known for path, known in places.items() if not notes.hold(path)}
    query, answers = _query(source), {}
    if pending:
        mirror = os.environ.get("ASTRO_VAE_MIRROR") or execution.mirror or ""
        answers = _ask(partial(SERVICES[source.service], query, source, mirror), pending, notes, execution.downloads)
    rows = [_row(_address(query, source, known), path, notes, *answers.get(path, ("ok", "")))
            for path, known in places.items()]
    return pd.concat([table, pd.DataFrame(rows, columns=list(download.COLUMNS))], ignore_index=True)


def _address(query: Any, source: Source, known: Candidate) -> str:
    words = {"Position": f"{known.ra:.6f},{known.dec:.6f}", "survey": source.image, "pixels": source.size,
             "arcsec": source.pixel_arcsec}
    return f"{query.URL}?{urlencode(words)}"


def _row(address: str, path: str, notes: _Notes, status: str, reason: str) -> dict[str, object]:
    size, noted = notes.of(path) if status == "ok" else (0, "")
    return {"address": address, "path": path, "bytes": size, "checksum": noted, "status": status, "reason": reason}


def _table(source: Source, folder: Path, execution: ExecutionSettings) -> pd.DataFrame:
    """Return the manifest's row of the table of positions; MiraBest's is downloaded."""
    import pandas as pd

    if source.positions == MIRABEST:
        catalogue = download.RemoteFile(
            f"{mirabest.BUILDER}/{mirabest.CATALOGUE}", mirabest.CATALOGUE,
            mirabest.CATALOGUE_SIZE, f"md5:{mirabest.CATALOGUE_MD5}",
        )
        return download.fetch([catalogue], folder, mirror=execution.mirror)
    path = Path(source.positions).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: no such file; set source.positions to your table of positions, or to '{MIRABEST}'")
    row = {"address": path.resolve().as_uri(), "path": path.name, "bytes": path.stat().st_size,
           "checksum": f"sha256:{checksum(path)}", "status": "ok", "reason": ""}
    return pd.DataFrame([row], columns=list(download.COLUMNS))


def candidates(source: Source, folder: Path, manifest: pd.DataFrame) -> Iterator[Candidate]:
    """Yield the objects in the order of the table; one without a cutout says why."""
    files = {file["path"]: file for file in manifest.to_dict("records")}
    for known in _targets(source, folder):
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
    from astro_vae.surveys.fits import UnreadableImageError, read_fits_image

    try:
        image = read_fits_image(path)
    except (UnreadableImageError, FileNotFoundError) as error:
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
    return f"{asked}/{_place(known.ra, known.dec)}.fits"


def _place(ra: float, dec: float) -> str:
    return f"{ra:010.6f}{dec:+010.6f}"  # 4 milliarcsec


def _targets(source: Source, folder: Path) -> list[Candidate]:
    """Return the objects of the table, not yet with values; those without a position say so."""
    return _from_mirabest(folder) if source.positions == MIRABEST else _from_table(Path(source.positions).expanduser())


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


def _from_table(path: Path) -> list[Candidate]:
    """Read a table of positions; columns that are not looked for are kept as they are."""
    table = _read_table(path)
    names = {n.lower(): n for n in reversed(table.colnames)}
    found = {want: next((names[name] for name in known if name in names), "") for want, known in NAMES.items()}
    if not found["ra"] or not found["dec"]:
        raise UserError(f"{path}: needs columns 'ra' and 'dec' (deg); found: {', '.join(table.colnames)}")
    positions = zip(*(_degrees(path, table[found[axis]]) for axis in ("ra", "dec")), strict=True)
    texts = [table[found[want]].tolist() if found[want] else [None] * len(table) for want in ("name", "label")]
    own = {name.strip().replace("/", "_"): table[name].tolist()  # "/" would nest a column
           for name in table.colnames if name not in found.values()}
    return [
        _target(ra, dec, name, label, {column: values[i] for column, values in own.items()})
        for i, ((ra, dec), name, label) in enumerate(zip(positions, *texts, strict=True))
    ]


def _target(ra: float, dec: float, name: Any, label: Any, extra: dict[str, Any]) -> Candidate:
    known = Candidate(_text(name), None, label=_text(label), extra=extra)
    if not (-180 <= ra <= 360 and -90 <= dec <= 90):
        reason = f"no position: ra {ra:g}, dec {dec:g} (deg)"
        return replace(known, object_id=known.object_id or "without name or position", reason=reason)
    return replace(known, object_id=known.object_id or _place(ra % 360, dec), ra=ra % 360, dec=dec)


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip()  # NaN: a column of numbers with a gap


def _read_table(path: Path) -> Any:
    """Read a table in any format that astropy knows; columns of arrays are left out."""
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tables break small rules of their standards
            table = Table.read(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; set source.positions to your table of positions") from None
    except Exception as error:  # each format has its own errors
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: not a table that can be read (CSV, FITS, VOTable, ECSV): {first}") from None
    table.convert_bytestring_to_unicode()
    table.keep_columns([name for name in table.colnames if getattr(table[name], "ndim", 0) == 1])
    for name in table.colnames[:1]:
        table.rename_column(name, name.lstrip("\ufeff"))  # spreadsheets put a byte order mark in front of a CSV
    return table


def _degrees(path: Path, column: Any) -> np.ndarray:
    """Return a column of angles in degrees, NaN where it has no value."""
    import numpy as np

    if column.dtype.kind not in "fiu":
        example = column[0] if len(column) else "nothing"
        raise UserError(f"{path}: column '{column.name}' holds '{example}'; positions must be degrees, such as 149.17")
    values = np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
    try:
        return values if column.unit is None else (values * column.unit).to_value("deg")
    except (TypeError, ValueError):
        raise UserError(f"{path}: column '{column.name}' is in '{column.unit}'; positions must be degrees") from None


class _Notes:
    """What has arrived and its checksum, kept line by line, so that an interruption loses nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._file, self._lock = folder, folder / NOTED, threading.Lock()
        # A line that was cut by an interruption does not match, and its cutout is asked for again.
        self._sums = dict(NOTE.findall(self._file.read_text())) if self._file.is_file() else {}
        write_text(self._file, "".join(f"{path},{noted}\n" for path, noted in self._sums.items()))

    def hold(self, path: str) -> bool:
        """Tell whether a cutout is there as it was noted."""
        file = self.folder / path
        return path in self._sums and file.is_file() and self._sums[path] == f"sha256:{checksum(file)}"

    def add(self, path: str) -> None:
        with self._lock, self._file.open("a") as file:
            self._sums[path] = f"sha256:{checksum(self.folder / path)}"
            file.write(f"{path},{self._sums[path]}\n")

    def of(self, path: str) -> tuple[int, str]:
        """Return size (bytes) and checksum of a cutout that is there."""
        return (self.folder / path).stat().st_size, self._sums[path]


def _ask(
    connect: Callable[[], Cutout], pending: Mapping[str, Candidate], notes: _Notes, downloads: int
) -> dict[str, tuple[str, str]]:
    """Ask for cutouts, few at a time; return status and reason by path."""
    from astroquery import cache_conf

    with cache_conf.set_temp("cache_active", False):  # it would keep bad answers, too
        opened: list[Cutout] = []
        state = _patiently(lambda: opened.append(_answer(connect)))
        if state[0] != "ok":
            return dict.fromkeys(pending, state)
        job, done = _Job(opened[0], notes), {}
        with ThreadPoolExecutor(min(downloads, PARALLEL)) as pool:
            try:
                answers = pool.map(job, pending, pending.values())
                for i, (path, answer) in enumerate(zip(pending, answers, strict=True), 1):
                    done[path] = answer
                    if 10 * i // len(pending) > 10 * (i - 1) // len(pending):
                        print(f"{i} of {len(pending)} cutouts asked for", flush=True)
            finally:
                pool.shutdown(cancel_futures=True)  # else an interruption would wait for all of them
    return done


class _Job:
    """Bring one cutout after another; give up when the service is out of reach."""

    def __init__(self, cutout: Cutout, notes: _Notes) -> None:
        self._cutout, self._notes, self._lock = cutout, notes, threading.Lock()
        self._failures = 0

    def __call__(self, path: str, known: Candidate) -> tuple[str, str]:
        if self._failures >= GIVE_UP_AFTER:
            return "failed", f"not tried: {GIVE_UP_AFTER} cutouts before it failed one after another"
        answer = _patiently(lambda: self._bring(path, known))
        self._failures = self._failures + 1 if answer[0] == "failed" else 0
        return answer

    def _bring(self, path: str, known: Candidate) -> None:
        from astropy.coordinates import SkyCoord

        content = _answer(self._cutout, SkyCoord(known.ra, known.dec, unit="deg"))
        if not content.startswith(MAGIC[".fits"]):
            _refuse(content)
        with atomic(self._notes.folder / path) as written:
            written.write_bytes(content)
            with self._lock:  # of Python's warnings, which reading FITS files switches off and on
                _check(written)
        self._notes.add(path)


def _refuse(content: bytes) -> None:
    """Raise the error that says what a service sent in place of a FITS file."""
    words = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", content[:20_000].decode("latin-1"), flags=re.S | re.I)
    said = " ".join(words.split())[:120]
    if not said:
        raise FailedError("the service sent an empty answer")
    if NO_COVERAGE.search(said):
        raise MissingError(f"no coverage; the service says '{said}'")
    raise FailedError(f"the service sent no FITS file, but '{said}'")


def _check(path: Path) -> None:
    """Raise an error if a FITS file cannot be read, or has nothing in it."""
    import numpy as np

    from astro_vae.surveys.fits import UnreadableImageError, read_fits_image

    try:
        values = read_fits_image(path).values
    except UnreadableImageError as error:
        raise FailedError(str(error)) from None
    finite = values[np.isfinite(values)]
    if not finite.size or finite.min() == finite.max():
        raise MissingError("no coverage: the cutout is blank")


def _patiently(attempt: Callable[[], None]) -> tuple[str, str]:
    """Attempt something with growing pauses; return status and reason. What is missing twice is missing."""
    status, reason = "failed", ""
    for delay in (0.0, *download.RETRY_DELAYS):
        time.sleep(delay)
        try:
            attempt()
            return "ok", ""
        except MissingError as error:
            if status == "missing":
                break
            status, reason = "missing", str(error)
        except FailedError as error:
            status, reason = "failed", str(error)
            if error.final:
                break
    return status, reason


def _answer(ask: Callable[..., Answer], *words: Any) -> Answer:
    """Return the answer to a query, or raise the error that says what went wrong with its requests."""
    try:
        return ask(*words)
    except OSError as error:  # as all errors of requests are
        response = getattr(error, "response", None)
        if response is None:
            raise FailedError(f"no answer, or the connection broke ({type(error).__name__})") from None
        final = response.status_code in FINAL + ABSENT
        raise FailedError(f"HTTP status {response.status_code} ({response.reason})", final=final) from None


def _query(source: Source) -> Any:
    """Return astroquery's object for the service."""
    if source.service == "first":
        from astroquery.image_cutouts.first import FirstClass

        return FirstClass()
    from astroquery.skyview import SkyViewClass

    return SkyViewClass()


def _skyview(query: Any, source: Source, mirror: str) -> Cutout:
    """Return the function that asks SkyView, after a look whether it has the survey."""
    asking = type(query)()  # it remembers the list of surveys, even one that it did not find
    asking.URL = _redirected(query.URL, mirror)
    asking._request = partial(asking._request, timeout=download.TIMEOUT)  # it would wait for ever
    try:
        offered = [name for group in asking.survey_dict.values() for name in group]
    except KeyError:  # a list of another kind
        offered = []
    if not offered:
        raise FailedError("the service sent a page without its list of surveys")
    if source.image not in offered:
        near = ", ".join(difflib.get_close_matches(source.image, offered, n=3, cutoff=0.4)) or "none"
        raise UserError(f"source.image: SkyView has no '{source.image}'; near to it: {near}")

    def cutout(position: Any) -> bytes:
        side = _side(source)
        try:
            links = asking.get_image_list(
                position, source.image, pixels=source.size, width=side, height=side, cache=False
            )
        except AttributeError:  # astroquery takes for granted that the page has a form
            raise FailedError("the service sent a page without its form") from None
        if not links:
            raise MissingError("SkyView made no image: usually it has no coverage here")
        response = asking._request("GET", _redirected(links[0], mirror), cache=False)
        if response.status_code in ABSENT:
            raise MissingError(f"nothing behind SkyView's link (HTTP status {response.status_code}): no coverage")
        response.raise_for_status()
        return bytes(response.content)

    return cutout


def _first_server(query: Any, source: Source, mirror: str) -> Cutout:
    """Return the function that asks the FIRST cutout server, which sends the file itself."""
    query = type(query)()
    query.URL, query.TIMEOUT = _redirected(query.URL, mirror), download.TIMEOUT

    def cutout(position: Any) -> bytes:
        response = query.get_images_async(position, image_size=_side(source))
        response.raise_for_status()
        return bytes(response.content)

    return cutout


SERVICES: dict[str, Callable[[Any, Source, str], Cutout]] = {"skyview": _skyview, "first": _first_server}


def _side(source: Source) -> Any:
    import astropy.units as u

    return source.size * source.pixel_arcsec * u.arcsec


def _redirected(url: str, mirror: str) -> str:
    """Return the address below the mirror, where there is one."""
    if not mirror or url.startswith(mirror):
        return url
    if not mirror.startswith(("http://", "https://")):
        raise UserError(f"{mirror}: a mirror that is a folder cannot answer queries; set an address, or none")
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"
