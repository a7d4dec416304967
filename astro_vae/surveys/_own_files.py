"""A person's own folder of files, and the table of labels that speaks of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.errors import UserError
from astro_vae.surveys._labels import read_labels
from astro_vae.surveys.candidate import WHOLE, Block
from astro_vae.surveys.listing import list_files, without_ending

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class OwnFiles:
    """The files of a folder and of those below it, with a table of labels.

    Attributes
    ----------
    top : Path
    endings : tuple of str
        Of the names of files that are taken, in lower case.
    labels : str
        Path of the table of labels; empty where there is none.
    what : str
        What the files are, for messages.
    follow_links : bool
        Take what links outside the folder point at.
    wanted : tuple of str
        Columns of the table of labels, of which it has at least one.
    """

    top: Path
    endings: tuple[str, ...]
    labels: str
    what: str
    follow_links: bool = False
    wanted: tuple[str, ...] = ("label",)

    def listed(self) -> list[tuple[str, str]]:
        """Return the paths below the folder, in the order of their names, and why each is not to be read.

        Raises
        ------
        UserError
            If there is no such folder, or it has no such file.
        """
        if not self.top.is_dir():
            raise UserError(f"{self.top}: no such folder; set source.path to the folder of your {self.what}")
        table = Path(self.labels).expanduser().resolve() if self.labels else None
        found = list_files(self.top, endings=self.endings, follow_links=self.follow_links)
        files = [(path, fault) for path, fault in found if fault or (self.top / path).resolve() != table]
        if not files:
            raise UserError(f"{self.top}: no {self.what}; known endings: {', '.join(self.endings)}")
        return files

    def manifest(self) -> pd.DataFrame:
        """Return a row per file with its checksum, and one per name that only the table of labels knows.

        Raises
        ------
        UserError
            As of `listed`, or if the table of labels cannot be used.
        """
        import pandas as pd

        from astro_vae.download import COLUMNS as MANIFEST

        files = self.listed()
        lost = self.unmatched(path for path, _ in files)
        rows = [row(self.top, path, fault) for path, fault in files] + [self._missing(name) for name in lost]
        return pd.DataFrame(rows, columns=list(MANIFEST))

    def unmatched(self, paths: Iterable[str]) -> list[str]:
        """Return the names in the table of labels that none of these files has."""
        return sorted(set(self._rows()) - {key for path in paths for key in _keys(path, self.endings)})

    def matched(
        self, manifest: pd.DataFrame, block: Block = WHOLE
    ) -> Iterator[tuple[dict[Any, Any], str, dict[str, Any]]]:
        """Yield each file of a block of the manifest with the name of its object and its row of the table of labels.

        The name is the path without its ending, unless another file then has the same, in whatever block.
        """
        rows = self._rows()
        names = Counter(without_ending(path, self.endings) for path in manifest["path"])
        for file in block.of(manifest.to_dict("records")):
            path = file["path"]
            name = without_ending(path, self.endings)
            own = next((rows[key] for key in _keys(path, self.endings) if key in rows), {})
            yield file, name if names[name] == 1 else path, own

    def _rows(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the table of labels by the name that each speaks of; none where there is no table."""
        return read_labels(Path(self.labels).expanduser(), self.wanted) if self.labels else {}

    def _missing(self, name: str) -> dict[str, Any]:
        return {
            "address": (self.top / name).resolve().as_uri(), "path": name, "bytes": 0, "checksum": "",
            "status": "missing", "reason": f"named in {self.labels}, but not in the folder",
        }


def row(top: Path, path: str, fault: str = "") -> dict[str, Any]:
    """Return the row of the manifest of one file; one that is not to be read is not opened, nor its link followed."""
    from astro_vae.files import checksum

    place = top / path
    refused = {"address": place.absolute().as_uri(), "path": path, "bytes": 0, "checksum": "", "status": "failed"}
    if fault:
        return {**refused, "reason": fault}
    try:
        digest, size = checksum(place), place.stat().st_size
    except OSError as error:
        return {**refused, "reason": f"not read: {error.strerror}"}
    return {
        "address": place.resolve().as_uri(), "path": path, "bytes": size, "checksum": f"sha256:{digest}",
        "status": "ok", "reason": "",
    }


def _keys(path: str, endings: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names under which a table may speak of a file, the most exact one first."""
    name = path.rpartition("/")[2]
    return path, without_ending(path, endings), name, without_ending(name, endings)
