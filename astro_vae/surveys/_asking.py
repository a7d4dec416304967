"""Ask a service for many cutouts, few at a time and with patience, and note each that has arrived."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from astro_vae import download
from astro_vae.download import GIVE_UP_AFTER, MAGIC
from astro_vae.files import atomic, checksum, write_text
from astro_vae.surveys.candidate import Candidate
from astro_vae.transfer import ABSENT, FINAL, FailedError, MissingError

Answer = TypeVar("Answer")
Cutout = Callable[[Any], bytes]  # from a position (SkyCoord) to a FITS file
PARALLEL = 3  # a query costs a service more than a file does
NOTED = "cutouts.csv"
NOTE = re.compile(r"([^,\n]+),(sha256:[0-9a-f]{64})")
NO_COVERAGE = re.compile(r"\bno (image|data|coverage|survey)|outside|not (covered|observed|available|in the)", re.I)


class Notes:
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


def ask(
    connect: Callable[[], Cutout], pending: Mapping[str, Candidate], notes: Notes, downloads: int
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

    def __init__(self, cutout: Cutout, notes: Notes) -> None:
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

    from astro_vae.surveys.fits import UnreadableFileError, read_fits_image

    try:
        values = read_fits_image(path).values
    except UnreadableFileError as error:
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
