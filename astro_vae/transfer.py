"""Receive one file over HTTP, from the byte on at which the last attempt stopped, and say what failed."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from astro_vae.disk import fault

TIMEOUT = 60.0  # seconds without a byte
BLOCK = 2**18
LONGEST_PAUSE = 600.0  # seconds that a server may ask for; more than that is left to a later run
ABSENT = (404, 410)
FINAL = (400, 401, 403, 405, 451)
RANGE_REFUSED = 416


class MissingError(Exception):
    """The archive does not have the file."""


class FailedError(Exception):
    """An attempt failed.

    Attributes
    ----------
    final : bool
        Another attempt would fail too.
    pause : float
        Time for which the server asks to be left alone (s).
    """

    def __init__(self, reason: str, *, final: bool = False, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.final, self.pause = final, pause


def receive(url: str, part: Path, *, resume: bool) -> None:
    """Receive an address into `part`.

    Parameters
    ----------
    url : str
        Quoted.
    part : Path
    resume : bool
        Go on where the last attempt stopped; the caller must be able to tell whether the file is right.

    Raises
    ------
    MissingError
        If the server says that there is no such file.
    FailedError
        If it cannot be reached, gives another error, or cuts the connection.
    UserError
        If the disk is full, or `part` may not be written.
    """
    start = part.stat().st_size if resume and part.exists() else 0
    request = Request(url, headers={"User-Agent": agent()})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with urlopen(request, timeout=TIMEOUT) as response:
            # A server may ignore the range and send the whole file (status 200).
            offered = response.headers.get("Content-Range", "") if response.status == 206 else ""
            going_on = offered.startswith(f"bytes {start}-")
            with part.open("ab" if going_on else "wb") as file:
                _pour(response, file)
    except HTTPError as error:
        if error.code == RANGE_REFUSED:  # what is there is as long as the file, or longer: start again
            part.unlink(missing_ok=True)
        _refuse(error)
    except (OSError, HTTPException) as error:  # no name, no connection, timeout, connection reset
        if told := fault(error, part):
            raise told from None
        raise FailedError(f"no answer, or the connection broke: {getattr(error, 'reason', error)}") from None


@cache
def agent() -> str:
    """Say to a server who asks."""
    return f"astro_vae/{version('astro_vae')}"


def _refuse(error: HTTPError) -> None:
    said = f"HTTP status {error.code} ({error.reason})"
    if error.code in ABSENT:
        raise MissingError(f"not at the archive: {said}") from None
    pause = asked_pause(error.headers.get("Retry-After", ""))
    if pause > LONGEST_PAUSE:
        raise FailedError(f"{said}; the server asks to be left alone for {pause:.0f} s", final=True) from None
    raise FailedError(said, final=error.code in FINAL, pause=pause) from None


def asked_pause(said: str) -> float:
    """Return the pause of a header `Retry-After` (s): seconds or a date; 0 where it says neither (RFC 9110, 10.2.3)."""
    if said.strip().isdecimal():
        return float(said)
    try:
        when = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _pour(response: BinaryIO, file: BinaryIO) -> None:
    expected = int(response.headers.get("Content-Length", -1))  # type: ignore[attr-defined]
    received = 0
    while block := response.read(BLOCK):
        file.write(block)
        received += len(block)
    if expected >= 0 and received != expected:
        raise FailedError(f"the connection was cut after {received} of {expected} bytes")
