"""Keep what one job has examined of a survey in a file of its own, and read such files one after another.

A part is an object file whose table says of each candidate, as JSON, all that `Examined` says but the layers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.objects import Objects, Writer, open_objects
from astro_vae.steps._intake import Examined

BLOCK = 64
COLUMNS = {
    "examined": Column("What was found of the candidate, as JSON"),
    "row": Column("Row of its layers; -1 where it is refused"),
}


def write_part(
    path: Path, examined: Iterable[Examined], *, shape: tuple[int, ...], dtype: str, attributes: Mapping[str, Any]
) -> int:
    """Write what was examined, in its order; return how many candidates that were."""
    said: list[str] = []
    rows: list[int] = []

    def usable() -> Iterator[dict[str, np.ndarray]]:
        for found in examined:
            said.append(json.dumps([found.row, found.extra, found.reason, found.measured, found.digest]))
            rows.append(-1 if found.layers is None else max(rows, default=-1) + 1)
            if found.layers is not None:
                yield found.layers

    with Writer(path, shape, dtype, dict(attributes)) as writer:
        for layers in stacked(usable()):
            writer.append(**layers)
        writer.table(pd.DataFrame({"examined": said, "row": rows}), COLUMNS)
    return len(said)


def stacked(kept: Iterable[dict[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
    """Gather the layers of what is kept into blocks of `BLOCK` objects, so that no chunk is packed twice."""
    block: list[dict[str, np.ndarray]] = []
    for layers in kept:
        block.append(layers)
        if len(block) == BLOCK:
            yield _stack(block)
            block = []
    if block:
        yield _stack(block)


def _stack(block: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([layers[name] for layers in block]) for name in block[0]}


def read_parts(
    paths: Sequence[Path], expected: Mapping[str, Any]
) -> tuple[tuple[bool, str], Iterator[Examined]]:
    """Open the parts of a survey; return what all of them are, (scaled, unit), and what was examined, in its order.

    Parameters
    ----------
    paths : sequence of Path
        In any order.
    expected : mapping
        Attributes that each of them must have.

    Raises
    ------
    UserError
        If one is missing, or was made with other settings or of other files.
    """
    parts = sorted((open_objects(path) for path in paths), key=lambda part: part.attributes.get("block", []))
    for part in parts:
        if any(part.attributes.get(name) != value for name, value in expected.items()):
            raise UserError(f"{part.path}: made with other settings or of other files; remove it and run again")
    total = len(parts)
    if [part.attributes.get("block") for part in parts] != [[number + 1, total] for number in range(total)]:
        found = ", ".join(str(part.path) for part in parts)
        raise UserError(f"not the parts of all blocks of one survey, each once: {found}; run the steps that make them")
    common = parts[0].attributes
    return (common["scaled"], common["unit"]), (found for part in parts for found in _read(part))


def _read(part: Objects) -> Iterator[Examined]:
    """Yield what one part says, with its layers."""
    names = ("values", "ivar", "mask") if part.weighted else ("values",)
    layers: dict[str, np.ndarray] = {}
    for said, row in zip(part.table["examined"], part.table["row"], strict=True):
        found = Examined(*json.loads(said))
        if row >= 0 and row % BLOCK == 0:
            layers = {name: part.read(name, row, row + BLOCK) for name in names}
        own = {name: block[row % BLOCK] for name, block in layers.items()} if row >= 0 else None
        yield replace(found, layers=own)
