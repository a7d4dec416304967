"""Tell faults of the disk from faults of a program: what a person can mend is one line, not a traceback."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from astro_vae.errors import UserError

FULL = {
    errno.ENOSPC: "no space left on its disk; free some",
    errno.EDQUOT: "your quota of its disk is used up; free some",
    errno.EFBIG: "larger than its disk or `ulimit -f` allows; raise the limit",
}
FORBIDDEN = {
    errno.EACCES: "no permission; give it to yourself (chmod), or choose another folder",
    errno.EPERM: "no permission; give it to yourself (chmod), or choose another folder",
    errno.EROFS: "its disk may only be read from; choose a folder on another",
    errno.ENOTDIR: "a part of this path is a file and no folder; choose another path",
    errno.EEXIST: "a part of this path is a file and no folder; choose another path",
    errno.EISDIR: "it is a folder and no file; choose another path",
}
SHORT = re.compile(r"\d+ requested and \d+ written|Not enough space on disk")
"""What NumPy and astropy say of a full disk, without a number."""


def fault(error: BaseException, path: Path | str = "") -> UserError | None:
    """Return what to tell of an error if it is one of the disk.

    Parameters
    ----------
    error : BaseException
        Libraries such as HDF5 and safetensors tell the number of the system's error in their text only.
    path : Path or str
        The file at work, where the error does not name one.

    Returns
    -------
    UserError or None
        It names the file and the remedy. None for any other error.
    """
    if isinstance(error, UserError):
        return None
    known = {**FULL, **FORBIDDEN}
    number = getattr(error, "errno", None) if isinstance(error, OSError) else None
    if number not in known:
        number = next((each for each in FULL if os.strerror(each) in str(error)), None)
        number = errno.ENOSPC if SHORT.search(str(error)) else number
    if number is None:
        return None
    place = str(path) or getattr(error, "filename", None) or "a file"
    return UserError(f"{place}: {known[number]}, and run the same command again")


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn an error of the disk while `path` is written into a `UserError` that names it.

    An error that names a file elsewhere, as one that is read meanwhile, names that.
    """
    try:
        yield
    except Exception as error:
        name = getattr(error, "filename", None)
        elsewhere = isinstance(name, str) and Path(name).parent != path.parent
        if mended := fault(error, str(name) if elsewhere else path):
            raise mended from error
        raise
