"""Lay a large input on the disk of the node that reads it again and again."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from astro_vae.errors import UserError
from astro_vae.files import is_alive

PREFIX = "astro-vae-scratch"


@contextlib.contextmanager
def staged(path: Path, scratch: str | None) -> Iterator[Path]:
    """Give a copy of `path` below the folder `scratch`, and remove it in the end; `path` itself without one.

    What processes of this node that were killed have left there is removed first. Where the disk has no
    room, that is said and `path` itself is given.

    Parameters
    ----------
    path : Path
    scratch : str or None
        `execution.scratch`; variables of the environment in it, such as $TMPDIR, have their value on this node.

    Raises
    ------
    UserError
        If a variable is not set, or the folder cannot be written.
    """
    if not scratch:
        yield path
        return
    folder = _folder(scratch)
    _remove_what_dead_processes_left(folder)
    size, free = path.stat().st_size, shutil.disk_usage(folder).free
    if 1.05 * size > free:
        print(
            f"scratch: {folder} has {free / 1e9:.2f} GB free and {path.name} takes {size / 1e9:.2f} GB; it is read "
            "where it is", flush=True,
        )
        yield path
        return
    own = folder / f"{_mine()}{os.getpid()}"
    try:
        own.mkdir(exist_ok=True)
        copy = own / path.name
        shutil.copyfile(path, copy)
        print(f"scratch: {path.name}, {size / 1e9:.2f} GB, is read from {own}", flush=True)
        yield copy
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _folder(scratch: str) -> Path:
    expanded = os.path.expandvars(scratch)
    unset = re.search(r"\$\{?(\w+)", expanded)
    if unset:
        raise UserError(
            f"execution.scratch: ${unset[1]} is not set on {socket.gethostname()}; give a folder that every node has, "
            "or leave execution.scratch out"
        )
    folder = Path(expanded)
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise UserError(f"execution.scratch: {folder} is no folder of {socket.gethostname()} that can be written")
    return folder


def _mine() -> str:
    return f"{PREFIX}-{socket.gethostname()}-"


def _remove_what_dead_processes_left(folder: Path) -> None:
    for left in folder.glob(f"{_mine()}*"):
        process = left.name.removeprefix(_mine())
        if process.isdigit() and not is_alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)
