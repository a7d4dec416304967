"""A person's own folder of files, and the table of labels that speaks of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.errors import UserError
from astro_vae.surveys._labels import read_labels
from astro_vae.surveys.listing import list_images

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
    unmatched = sorted(set(_rows(labels)) - {key for row in rows for key in _keys(str(row["path"]), endings)})
    rows += [
        {"address": (top / name).resolve().as_uri(), "path": name, "bytes": 0, "checksum": "", "status": "missing",
         "reason": f"named in {labels}, but not in the folder"} for name in unmatched
    ]
    return pd.DataFrame(rows, columns=list(MANIFEST))


def matched(
    manifest: pd.DataFrame, labels: str, endings: tuple[str, ...]
) -> Iterator[tuple[dict[Any, Any], str, dict[str, Any]]]:
    """Yield each file of the manifest with the name of its object and its row of the table of labels.

    The name is the path without its ending, unless another file then has the same.
    """
    rows = _rows(labels)
    names = Counter(_object_id(path, endings) for path in manifest["path"])
    for file in manifest.to_dict("records"):
        path = file["path"]
        name = _object_id(path, endings)
        own = next((rows[key] for key in _keys(path, endings) if key in rows), {})
        yield file, name if names[name] == 1 else path, own


def _rows(labels: str) -> dict[str, dict[str, Any]]:
    return read_labels(Path(labels).expanduser()) if labels else {}


def _object_id(path: str, endings: tuple[str, ...]) -> str:
    """Return the path below the folder without its ending."""
    ending = max((e for e in endings if path.lower().endswith(e)), key=len, default="")
    return path.removesuffix(path[len(path) - len(ending):]) if ending else path


def _keys(path: str, endings: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names under which a table may speak of a file, the most exact one first."""
    name = path.rpartition("/")[2]
    return path, _object_id(path, endings), name, _object_id(name, endings)
