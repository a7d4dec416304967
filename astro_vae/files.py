"""Write files whole or not at all, checksum them, and keep two writers apart."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astro_vae import disk, slurm
from astro_vae.errors import UserError


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it on success, remove it on any failure.

    What processes of this host that were killed have left of the same file is removed too.

    Raises
    ------
    UserError
        If the disk is full, or does not let it be written; see `astro_vae.disk`.
    """
    path = Path(path)
    with disk.told(path), _renamed(path) as partial:
        yield partial


@contextlib.contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays, since writers of tables and pictures choose their format by it.
    prefix = f".{path.stem}.partial-{socket.gethostname()}-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*{glob.escape(path.suffix)}"):
        process = left.name.removeprefix(prefix).removesuffix(path.suffix)
        if process.isdigit() and not is_alive(int(process)):
            left.unlink(missing_ok=True)
    partial = path.with_name(f"{prefix}{os.getpid()}{path.suffix}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically (UTF-8)."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically, indented, NaN refused."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON, or raise a `UserError` that names the file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON ({error}); make it again by its step") from None


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file, read in blocks."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@contextlib.contextmanager
def step_lock(folder: Path, step: str) -> Iterator[None]:
    """Hold `.<step>.lock` in `folder`, so that two writers of the same files are impossible.

    A lock whose process is gone from this host, or whose number another process has by now, is stale and
    taken over. One of another host is stale when the queue says that its job has ended, or when its job is
    this very one, put back into the queue after its node failed; otherwise it is left alone.

    Raises
    ------
    UserError
        If another process holds the lock; host, process and remedy are named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{step}.lock"
    _take(path, step)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def hand_lock(folder: Path, step: str, process: int) -> None:
    """Put the lock that this process holds in the name of a child, which goes on if this process alone is killed."""
    write_text(folder / f".{step}.lock", json.dumps(_owner(process)))


def _owner(process: int) -> dict[str, Any]:
    return {"host": socket.gethostname(), "process": process, "started": _started(process), **slurm.this_job()}


def _take(path: Path, step: str) -> None:
    mine = _owner(os.getpid())
    candidate = path.with_name(f"{path.name}-{socket.gethostname()}-{os.getpid()}")
    candidate.write_text(json.dumps(mine))
    try:
        for _ in range(10):
            try:
                os.link(candidate, path)  # atomic on local and network file systems, unlike open(…, "x")
                return
            except FileExistsError:
                _clear_if_stale(path, step)
    finally:
        candidate.unlink()
    raise UserError(f"{path}: the lock of step '{step}' could not be taken; try again")


def _clear_if_stale(path: Path, step: str) -> None:
    try:
        owner = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return
    here = owner["host"] == socket.gethostname()
    if not _holds(owner, here=here):
        _remove(path, owner)
        return
    where = "this machine" if here else f"{owner['host']}, which cannot be asked from here"
    job = f", job {owner['job']}" if owner["job"] else ""
    raise UserError(
        f"{path}: step '{step}' is already running (process {owner['process']} on {where}{job}); "
        "wait for it to end, or stop it and run the same command again"
        + ("" if here else "; if it has ended for certain, remove this file")
    )


def _holds(owner: dict[str, Any], *, here: bool) -> bool:
    """Tell whether the owner of a lock may still be at work."""
    if here:
        return is_alive(owner["process"]) and _started(owner["process"]) == owner["started"]
    job = {"job": owner["job"], "cluster": owner.get("cluster", "")}
    return not (owner["job"] and job == slurm.this_job()) and not slurm.is_over(**job)


def _remove(path: Path, owner: dict[str, Any]) -> None:
    """Remove a stale lock, but not one that another process has put in its place meanwhile."""
    aside = path.with_name(f"{path.name}-stale-{socket.gethostname()}-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        path.rename(aside)
        if json.loads(aside.read_text()) != owner:
            os.link(aside, path)
    aside.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Tell whether a process of this host is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(process: int) -> str:
    """Return the start of a process in ticks of the clock since the last boot; empty where it is not told.

    Nor is it of a process that has ended and whose end its parent has not asked for: it does nothing any more.
    """
    try:
        # The name of the command, in parentheses, may hold blanks; state and start are first and 20th after it.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except OSError:
        return ""
