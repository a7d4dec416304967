"""Turn a survey's files into objects.h5: values as measured, measurements, or the reason why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from astro_vae import kinds, surveys
from astro_vae.errors import UserError
from astro_vae.files import atomic, checksum, step_lock
from astro_vae.objects import Writer
from astro_vae.settings import AnyPrepareSettings, SourceSettings
from astro_vae.steps._intake import Intake

if TYPE_CHECKING:
    from astro_vae.surveys.candidate import Candidate

BLOCK = 64
PEEK = 15
SOFTWARE = ("astro_vae", "astropy", "dust_extinction", "h5py", "numpy", "photutils", "scipy")


def prepare(source: SourceSettings, settings: AnyPrepareSettings, *, folder: Path, manifest: Path, out: Path) -> None:
    """Write the object file of a survey: one row per candidate, kept or refused.

    Parameters
    ----------
    source : SourceSettings
        The survey and its own settings.
    settings : AnyPrepareSettings
        What is stored, and what is refused.
    folder, manifest : Path
        What the step download left.
    out : Path
        The object file.

    Raises
    ------
    UserError
        If no candidate can be used.
    """
    survey = surveys.survey(source.survey)
    (scaled, unit), candidates = _peek(survey.candidates(source, folder, _read_manifest(manifest)))
    kind = kinds.kind(survey.KIND)
    intake = Intake(kind, settings, scaled=scaled, unit=unit)
    with step_lock(out.parent, "prepare"), atomic(out) as partial:
        with Writer(partial, kind.cut.stored_shape(settings), "uint8" if scaled else "float32") as writer:
            for layers in _blocks(intake.take(candidate) for candidate in candidates):
                writer.append(**layers)
            table = intake.table()
            writer.table(table, intake.columns(survey.COLUMNS))
            writer.attributes = {
                "kind": survey.KIND, "survey": source.survey, "unit": unit, "scaled": scaled,
                "grid": kind.cut.grid(settings),
                "labels": sorted(set(table["label"][table["row"] >= 0]) - {""}),
                "settings": {"source": source.model_dump(mode="json"), "prepare": settings.model_dump(mode="json")},
                "inputs": {"manifest": checksum(manifest)},
                "software": {name: version(name) for name in SOFTWARE},
            }
        if not writer.rows:
            raise UserError(f"{source.survey}: no object can be used.\n{summary(table)}")
    print(f"{source.survey}: {summary(table)}")


def summary(table: pd.DataFrame) -> str:
    """Say how many candidates were kept, and how many were refused for which reason."""
    refused = table[table["status"] == "refused"]
    lines = [f"{len(table) - len(refused)} of {len(table)} candidates kept"]
    counts = Counter(reason.split(":")[0] for reason in refused["reason"])
    lines += [f"  refused {count:>5}  {reason}" for reason, count in counts.most_common()]
    return "\n".join(lines)


def _read_manifest(path: Path) -> pd.DataFrame:
    texts = dict.fromkeys(("address", "path", "checksum", "status", "reason"), str)
    try:
        manifest = pd.read_csv(path, dtype=texts)
        return manifest.fillna(dict.fromkeys(manifest.columns.intersection(list(texts)), ""))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the step 'download'") from None
    except ValueError as error:
        raise UserError(f"{path}: not a manifest ({error}); run the step 'download' again") from None


def _peek(candidates: Iterable[Candidate]) -> tuple[tuple[bool, str], Iterator[Candidate]]:
    """Return what most of the first readable candidates are, (scaled, unit), and all candidates from the start."""
    iterator, seen = iter(candidates), []
    counts: Counter[tuple[bool, str]] = Counter()
    for candidate in iterator:
        seen.append(candidate)
        if candidate.values is not None and not candidate.reason:
            counts[candidate.scaled, candidate.unit] += 1
        if counts.total() == PEEK:
            break
    if not seen:
        raise UserError("the survey has no candidates; see its manifest and the settings of `source`")
    most = counts.most_common(1)
    return (most[0][0] if most else (False, "")), chain(seen, iterator)


def _blocks(kept: Iterable[dict[str, np.ndarray] | None]) -> Iterator[dict[str, np.ndarray]]:
    """Gather the layers of what was kept into blocks of `BLOCK` objects, so that no chunk is packed twice."""
    block: list[dict[str, np.ndarray]] = []
    for one in kept:
        if one is not None:
            block.append(one)
        if len(block) == BLOCK:
            yield _stacked(block)
            block = []
    if block:
        yield _stacked(block)


def _stacked(block: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([layers[name] for layers in block]) for name in block[0]}
