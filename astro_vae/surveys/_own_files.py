"""A person's own folder of files, and the table of labels that speaks of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.errors import UserError
from astro_vae.surveys._labels import read_labels
from astro_vae.surveys.listing import list_images, without_ending

if TYPE_CHECKING:
    import pandas as pd


def list_files(top: Path, endings: tuple[str, ...], labels: str, what: str) -> pd.DataFrame:
    """Return the manifest of a folder: its files with their checksums, and what the table of labels misses.

    Parameters
    ----------
    top : Path
    endings : tuple of str
        Of the names of files that are taken, in lower case.
    labels : str
        Path of the table of labels; empty where there is none.
    what : str
        What the files are, for messages.

    Raises
    ------
    UserError
        If there is no such folder, or it has no such file.
    """
    import pandas as pd

    from astro_vae.download import COLUMNS as MANIFEST
    from astro_vae.files import checksum

    if not top.is_dir():
        raise UserError(f"{top}: no such folder; set source.path to the folder of your {what}")
    table = Path(labels).expanduser().resolve() if labels else None
    listed = [(top / path, fault) for path, fault in list_images(top, endings=endings)]
    files = [p for p, fault in listed if not fault and p.resolve() != table]
    if not files:
        raise UserError(f"{top}: no {what}; known endings: {', '.join(endings)}")
    rows = [
        {"address": p.resolve().as_uri(), "path": p.relative_to(top).as_posix(), "bytes": p.stat().st_size,
         "checksum": f"sha256:{checksum(p)}", "status": "ok", "reason": ""}
        for p in files
    ]
    rows += [
        {"address": p.absolute().as_uri(), "path": p.relative_to(top).as_posix(), "bytes": 0, "checksum": "",
         "status": "failed", "reason": fault} for p, fault in listed if fault
    ]
    rows += missing(top, labels, unmatched(labels, [str(row["path"]) for row in rows], endings))
    return pd.DataFrame(rows, columns=list(MANIFEST))


def unmatched(labels: str, paths: Iterable[str], endings: tuple[str, ...]) -> list[str]:
    """Return the names in the table of labels that no file has."""
    return sorted(set(read_rows(labels)) - {key for path in paths for key in _keys(path, endings)})


def missing(top: Path, labels: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of the manifest of names that only the table of labels knows."""
    return [
        {"address": (top / name).resolve().as_uri(), "path": name, "bytes": 0, "checksum": "", "status": "missing",
         "reason": f"named in {labels}, but not in the folder"} for name in names
    ]


def matched(
    manifest: pd.DataFrame, labels: str, endings: tuple[str, ...]
) -> Iterator[tuple[dict[Any, Any], str, dict[str, Any]]]:
    """Yield each file of the manifest with the name of its object and its row of the table of labels.

    The name is the path without its ending, unless another file then has the same.
    """
    rows = read_rows(labels)
    names = Counter(without_ending(path, endings) for path in manifest["path"])
    for file in manifest.to_dict("records"):
        path = file["path"]
        name = without_ending(path, endings)
        own = next((rows[key] for key in _keys(path, endings) if key in rows), {})
        yield file, name if names[name] == 1 else path, own


def read_rows(labels: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a table of labels by the name that each speaks of; none where there is no table."""
    return read_labels(Path(labels).expanduser()) if labels else {}


def _keys(path: str, endings: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names under which a table may speak of a file, the most exact one first."""
    name = path.rpartition("/")[2]
    return path, without_ending(path, endings), name, without_ending(name, endings)
