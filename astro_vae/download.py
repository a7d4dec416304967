"""Fetch files in parallel: verified, written whole or not at all, taken up where they stopped.

A mirror is a folder or an address that holds the archives' files as `<host>/<path>`; where one is set,
nothing else is asked. What an archive does not have is a row of the manifest with that reason, never an
error; the step that asked decides whether enough arrived. A server that asks for a pause gets it: nothing more
is asked of it until then.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from astro_vae.disk import FULL, fault
from astro_vae.errors import UserError
from astro_vae.files import checksum
from astro_vae.transfer import FailedError, MissingError, receive

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("address", "path", "bytes", "checksum", "status", "reason")
RETRY_DELAYS = (1.0, 3.0, 9.0)  # seconds before each further attempt
GIVE_UP_AFTER = 8  # files that fail one after another: the archive is out of reach, and the rest is not tried
MAGIC = {".fits": b"SIMPLE  =", ".gz": b"\x1f\x8b", ".zip": b"PK", ".png": b"\x89PNG"}


@dataclass(frozen=True)
class RemoteFile:
    """A file of an archive.

    Attributes
    ----------
    url : str
        Address at the archive, names quoted or not.
    path : str
        Where it goes, below the folder of the survey.
    size : int or None
        Bytes, where known.
    checksum : str
        "md5:…" or "sha256:…"; empty where not known.
    """

    url: str
    path: str
    size: int | None = None
    checksum: str = ""


def fetch(
    files: Sequence[RemoteFile], folder: Path, *, mirror: str | None = None, downloads: int = 4,
    report: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Fetch files that are not there yet, and say of each what came of it.

    Parameters
    ----------
    files : sequence of RemoteFile
    folder : Path
        Where they go. Partial files lie beside as `<name>.part`, and are gone on with by the next call where
        the checksum is known.
    mirror : str or None
        Folder or address in the layout `<host>/<path>`; the environment's `ASTRO_VAE_MIRROR` comes first.
    downloads : int
        Files fetched at the same time.
    report : callable
        Takes a line about the progress now and then.

    Returns
    -------
    DataFrame
        A row per file, in the order of `files`: address, path, bytes, checksum (sha256 unless another was
        given), status (ok, missing, failed) and reason.
    """
    import pandas as pd

    place = os.environ.get("ASTRO_VAE_MIRROR") or mirror
    job = _Job(Path(folder), place, _Progress(len(files), report))
    with ThreadPoolExecutor(downloads) as pool:
        rows = {pool.submit(job.row, file): i for i, file in enumerate(files)}
        try:
            done = {rows[future]: future.result() for future in as_completed(rows)}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # where the disk is full, no other file has a place
            raise
    return pd.DataFrame([done[i] for i in range(len(files))], columns=list(COLUMNS))


class _Progress:
    """Report after each tenth of the files, and each file that did not come."""

    def __init__(self, total: int, report: Callable[[str], None]) -> None:
        self._total, self._report = total, report
        self._done = self._bytes = 0
        self._lock = threading.Lock()

    def add(self, row: dict[str, object], size: int) -> None:
        with self._lock:
            self._done += 1
            self._bytes += size
            if row["status"] == "failed":
                self._report(f"{row['address']}: {row['reason']}")
            if self._total >= 10 and (10 * self._done) // self._total > (10 * (self._done - 1)) // self._total:
                self._report(f"{self._done} of {self._total} files, {self._bytes / 1e6:.1f} MB fetched")


class _Pause:
    """Let all downloads wait while a server has asked for a pause."""

    def __init__(self) -> None:
        self._until = 0.0
        self._lock = threading.Lock()

    def ask(self, seconds: float) -> None:
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)

    def wait(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            time.sleep(left)


class _Job:
    """Fetch one file after another into a folder; give up when the archive is out of reach."""

    def __init__(self, folder: Path, mirror: str | None, progress: _Progress) -> None:
        self._folder, self._mirror, self._progress = folder, mirror, progress
        self._failures = 0
        self._pause = _Pause()

    def row(self, file: RemoteFile) -> dict[str, object]:
        """Return the manifest's row of a file, fetched unless it is there already."""
        target, fetched = _inside(self._folder, file.path), 0
        status, reason = "ok", ""
        if target.is_file() and not _fault(target, file):
            pass
        elif self._failures >= GIVE_UP_AFTER:
            status, reason = "failed", f"not tried: {GIVE_UP_AFTER} files before it failed one after another"
        else:
            status, reason = self._try(file, target)
            fetched = target.stat().st_size if status == "ok" else 0
            self._failures = self._failures + 1 if status == "failed" else 0
        row = {"address": file.url, "path": file.path, "status": status, "reason": reason, "bytes": 0, "checksum": ""}
        if status == "ok":
            algorithm = file.checksum.partition(":")[0] or "sha256"
            row |= {"bytes": target.stat().st_size, "checksum": f"{algorithm}:{checksum(target, algorithm)}"}
        self._progress.add(row, fetched)
        return row

    def _try(self, file: RemoteFile, target: Path) -> tuple[str, str]:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        reason = ""
        for delay in (0.0, *RETRY_DELAYS):
            time.sleep(delay)
            self._pause.wait()
            try:
                _transfer(file, part, self._mirror)
                if fault := _fault(part, file):
                    part.unlink()
                    raise FailedError(fault)
            except MissingError as error:
                return "missing", str(error)
            except FailedError as error:
                reason = str(error)
                self._pause.ask(error.pause)
                if error.final:
                    break
                continue
            part.replace(target)
            return "ok", ""
        return "failed", reason


def _inside(folder: Path, path: str) -> Path:
    """Return the path below the folder, or raise a `UserError` if it would lie outside."""
    target = (folder / path).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise UserError(f"'{path}' lies outside of the folder of downloads {folder}")
    return target


def _transfer(file: RemoteFile, part: Path, mirror: str | None) -> None:
    """Bring the file to `part`, from the mirror where there is one."""
    if mirror and not mirror.startswith(("http://", "https://")):
        _copy(_mirrored(file.url, mirror), part)
        return
    receive(_mirrored(file.url, mirror) if mirror else _quoted(file.url), part, resume=bool(file.checksum))


def _mirrored(url: str, mirror: str) -> str:
    parts = urlsplit(url)
    path = f"{parts.netloc}/{unquote(parts.path).lstrip('/')}"
    if mirror.startswith(("http://", "https://")):
        return f"{mirror.rstrip('/')}/{quote(path)}"
    return str(_inside(Path(mirror), path))


def _quoted(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path=quote(unquote(parts.path))).geturl()


def _copy(source: str, part: Path) -> None:
    try:
        shutil.copyfile(source, part)
    except FileNotFoundError:
        raise MissingError(f"not in the mirror: {source}") from None
    except OSError as error:
        if error.errno in FULL and (told := fault(error, part)):  # others may be the mirror's
            raise told from None
        raise FailedError(f"{source}: {error}", final=True) from None


def _fault(path: Path, file: RemoteFile) -> str:
    """Say what is wrong with a file's content; empty if nothing is."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(512)
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return f"the server sent a web page instead of the file ({size} bytes)"
    if file.size is not None and size != file.size:
        return f"{size} bytes instead of {file.size}"
    magic = MAGIC.get(Path(file.path).suffix.lower())
    if magic and not start.startswith(magic):
        return f"not the kind of file that its name says: it starts with {start[:8]!r}"
    if file.checksum:
        algorithm, _, expected = file.checksum.partition(":")
        found = checksum(path, algorithm)
        return "" if found == expected else f"wrong checksum: {algorithm} {found} instead of {expected}"
    return ""
