"""List the files of a folder and of the folders below it, without following links out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.fz")
PICTURES = (".png", ".jpg", ".jpeg")
ENDINGS = FITS + PICTURES
TEXTS = (".csv", ".ecsv", ".txt", ".dat")  # tables, of spectra
OUTSIDE = "a link that leads out of the folder; set source.follow_links to take it"

NO_TEXT = "a name that is not UTF-8; rename the file"


def list_files(top: Path, *, endings: tuple[str, ...] = (), follow_links: bool = False) -> list[tuple[str, str]]:
    """Return the files of a folder in the order of their names: path below it, and why not to be read.

    Parameters
    ----------
    top : Path
    endings : tuple of str
        Of the files that count, in small letters; those of images unless given.
    follow_links : bool
        Read what links outside the folder point at; links to what lies in it are always good. A linked
        folder is entered once.
    """
    found = _walk(top.resolve(), endings or ENDINGS, follow_links)
    return sorted(found, key=lambda item: Path(item[0]).parts)


def _walk(top: Path, endings: tuple[str, ...], follow_links: bool) -> Iterator[tuple[str, str]]:
    seen = {top}
    for folder, folders, files in os.walk(top, followlinks=follow_links):
        here = Path(folder)
        for name in list(folders):
            link = here / name
            if not link.is_symlink():
                continue
            target = link.resolve()
            if not follow_links and top not in (target, *target.parents):
                yield link.relative_to(top).as_posix(), OUTSIDE
            if target in seen or top in (target, *target.parents):
                folders.remove(name)  # it is listed where it lies, and a circle of links has no end
            seen.add(target)
        for name in files:
            if name.lower().endswith(endings):
                path = (here / name).relative_to(top).as_posix()
                text = path.encode("utf-8", "replace").decode()
                yield text, _fault(here / name, top, follow_links) if text == path else NO_TEXT


def _fault(path: Path, top: Path, follow_links: bool) -> str:
    """Say why a file is not to be read; empty if it is."""
    if path.is_symlink():
        target = path.resolve()
        if not target.exists():
            return "a link to nothing"
        if not follow_links and top not in target.parents:
            return OUTSIDE
    return "" if path.is_file() else "no regular file"


def without_ending(path: str, endings: tuple[str, ...] = ENDINGS) -> str:
    """Return the path without its ending, if that is one of these."""
    ending = max((e for e in endings if path.lower().endswith(e)), key=len, default="")
    return path[: len(path) - len(ending)]
