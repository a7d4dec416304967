"""Look at a person's images as the step prepare will see them, and remember what counts for the settings."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.errors import UserError
from astro_vae.kinds import kind
from astro_vae.settings_images import PrepareSettings
from astro_vae.surveys import folder
from astro_vae.surveys.candidate import Candidate
from astro_vae.surveys.fits import UnreadableFileError, image_names
from astro_vae.surveys.listing import ENDINGS, FITS, PICTURES

LOOK = 2000  # objects that are looked at, evenly spaced over all
MEASURE = 200  # of these, objects whose size is measured
MIDDLE = 150  # pixel; missing ones are counted in this field or what there is of it
CUTOUT = 300  # pixel; side of the cutouts of a mosaic that are looked at

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes
    ----------
    source : Source of the survey `folder` or `spectra_folder`
        The folder and its tables.
    files : list of (str, str)
        Path of each file below the folder, and why it is not to be read.
    endings : Counter
        Files per ending.
    size : int
        Bytes of all files.
    objects : int
        Number of objects: files, or rows of the table of positions.
    images : DataFrame
        A row per object that was looked at; `reason` is empty where it was read.
    planes : Counter
        How often FITS files have images of these names, in the order of their HDUs.
    unmatched : int
        Rows of the table of labels without a file.
    read_ms : float
        Mean time that reading one object took.
    """

    source: Any
    files: list[tuple[str, str]]
    endings: Counter[str]
    size: int
    objects: int
    images: pd.DataFrame
    planes: Counter[tuple[str, ...]] = field(default_factory=Counter)
    unmatched: int = 0
    read_ms: float = math.nan

    @property
    def readable(self) -> pd.DataFrame:
        """The objects that were read."""
        return self.images[self.images["reason"] == ""]


def look(source: folder.Source, *, progress: Progress = lambda items, total: items) -> Findings:
    """Look at the images of a folder, or at the objects of a table in its mosaics.

    Raises
    ------
    UserError
        If there is no folder or no image in it, or a table cannot be used.
    """
    top = Path(source.path)
    if not top.is_dir():
        raise UserError(f"{top}: no such folder; give the folder of your images by --images")
    own = folder.own_files(source)
    try:
        files = own.listed()
    except UserError as error:
        raise UserError(f"{error}; for spectra give --spectra") from None
    rows = [{"path": path, "status": "failed" if fault else "ok", "reason": fault} for path, fault in files]
    manifest = pd.DataFrame(rows)
    if source.catalog:
        table = folder.positions(source)
        wide = source.model_copy(update={"cutout": CUTOUT})
        objects, chosen = len(table), folder.cut_out(wide, manifest, [table[i] for i in some(len(table))])
    else:
        objects, chosen = len(files), folder.candidates(source, top, manifest.iloc[some(len(files))])
    number = min(objects, LOOK)
    clock = Clock(chosen)
    seen = [_seen(candidate, measure=i % max(1, number // MEASURE) == 0)
            for i, candidate in enumerate(progress(clock, number))]
    good = [path for path, fault in files if not fault]
    return Findings(
        source, files, *counted_files(top, files, ENDINGS), objects, pd.DataFrame(seen), _planes(top, good),
        len(own.unmatched(path for path, _ in files)), 1000 * clock.seconds / max(1, len(seen)),
    )


def counted_files(top: Path, files: list[tuple[str, str]], endings: tuple[str, ...]) -> tuple[Counter[str], int]:
    """Return how many files have each ending, and the bytes of those that are to be read."""
    found = Counter(max((e for e in endings if path.lower().endswith(e)), key=len) for path, _ in files)
    return found, sum((top / path).stat().st_size for path, fault in files if not fault)


class Clock:
    """Pass things on, and count the time that it took to get them."""

    def __init__(self, things: Iterable[Any]) -> None:
        self._things = iter(things)
        self.seconds = 0.0

    def __iter__(self) -> Clock:
        return self

    def __next__(self) -> Any:
        start = time.perf_counter()
        try:
            return next(self._things)
        finally:
            self.seconds += time.perf_counter() - start


def some(number: int) -> np.ndarray:
    """Return the places of at most `LOOK` things, evenly spaced over all."""
    return np.linspace(0, number - 1, min(number, LOOK)).round().astype(int)


def _seen(candidate: Candidate, *, measure: bool) -> dict[str, Any]:
    """Return what counts of one object; its pixels are forgotten."""
    known: dict[str, Any] = {
        "object_id": candidate.object_id, "reason": candidate.reason, "label": candidate.label, "ra": candidate.ra,
        "dec": candidate.dec, "unit": candidate.unit, "scaled": candidate.scaled, "height": 0, "width": 0,
        "pixel_arcsec": candidate.pixel_arcsec, "bmaj": candidate.beam[0], "bmin": candidate.beam[1], "missing": 0.0,
        "blank": False, "no_noise": False, "snr": math.nan, "extent_px": math.nan, "digest": "",
    }
    if candidate.values is None:
        return known | {"reason": candidate.reason or "unreadable"}
    values = candidate.values
    height, width = values.shape
    images = kind(folder.KIND)
    middle = images.cut.cut(values, min(height, width, MIDDLE), scaled=candidate.scaled)
    known |= {
        "height": height, "width": width, "missing": float(np.mean(~np.isfinite(middle))),
        "digest": hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest(),
    }
    finite = values[np.isfinite(values)]
    if not len(finite) or finite.min() == finite.max():
        return known | {"blank": True}
    return known | _measured(values, candidate, images) if measure else known


def _measured(values: np.ndarray, candidate: Candidate, images: Any) -> dict[str, Any]:
    """Return noise and size of the source at the centre, in pixels."""
    size = {"pixel_arcsec": 1.0, "field": min(values.shape), "north_deg": math.nan}
    if candidate.scaled:
        return {"extent_px": images.measure.measure_scaled(values, **size)["las_arcsec"]}
    noise = images.measure.measure_noise(values, PrepareSettings().noise)
    if not noise > 0:
        return {"no_noise": True}
    found = images.measure.measure(values, noise=noise, beam=candidate.beam, **size)
    return {"snr": found["snr"], "extent_px": found["las_arcsec"]}


def _planes(top: Path, paths: list[str]) -> Counter[tuple[str, ...]]:
    """Count the names of the images in FITS files with several, in at most `MEASURE` of them."""
    found: Counter[tuple[str, ...]] = Counter()
    fits = [path for path in paths if path.lower().endswith(FITS)]
    for path in fits[:: max(1, len(fits) // MEASURE)]:
        try:
            names = image_names(top / path)
        except (UnreadableFileError, OSError):
            continue
        if len(names) > 1:
            found[names] += 1
    return found


def pictures(endings: Counter[str]) -> int:
    """Return how many of the files are PNG or JPEG."""
    return sum(number for ending, number in endings.items() if ending in PICTURES)


def on_terminal(items: Iterable[Any], total: int) -> Iterator[Any]:
    """Show a bar while things are looked at; nothing where nobody watches."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, "looking", total=total, console=console, transient=True, disable=not console.is_terminal)
