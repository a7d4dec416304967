"""Turn a survey's files into objects.h5: values as measured, measurements, or the reason why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from astro_vae import kinds, surveys
from astro_vae.errors import UserError
from astro_vae.files import atomic, checksum, step_lock
from astro_vae.objects import Writer
from astro_vae.settings import AnyPrepareSettings, SourceSettings
from astro_vae.steps._intake import Examined, Intake, examine
from astro_vae.steps._parts import read_parts, stacked, write_part
from astro_vae.surveys.candidate import WHOLE, Block

if TYPE_CHECKING:
    from astro_vae.surveys.candidate import Candidate

PEEK = 15
SOFTWARE = ("astro_vae", "astropy", "dust_extinction", "h5py", "numpy", "photutils", "scipy")


def prepare(
    source: SourceSettings, settings: AnyPrepareSettings, *, folder: Path, manifest: Path, out: Path,
    parts: Sequence[Path] = (),
) -> None:
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
    parts : sequence of Path
        What `prepare_block` has made of all blocks; without any, the survey's files are read here. The object file
        is the same.

    Raises
    ------
    UserError
        If no candidate can be used, or the parts are not those of this survey.
    """
    made = _made_of(source, settings, manifest)
    if parts:
        (scaled, unit), examined = read_parts(parts, made)
    else:
        (scaled, unit), examined = _examined(source, settings, folder, manifest)
    survey = surveys.survey(source.survey)
    kind = kinds.kind(survey.KIND)
    intake = Intake(kind)
    with step_lock(out.parent, "prepare"), atomic(out) as unfinished:
        with Writer(unfinished, kind.cut.stored_shape(settings), _dtype(scaled)) as writer:
            for layers in stacked(kept for found in examined if (kept := intake.take(found)) is not None):
                writer.append(**layers)
            table = intake.table()
            writer.table(table, intake.columns(survey.COLUMNS))
            writer.attributes = {
                "kind": kind.name, "survey": source.survey, "unit": unit, "scaled": scaled,
                "grid": kind.cut.grid(settings),
                "labels": sorted(set(table["label"][table["row"] >= 0]) - {""}),
                "software": {name: version(name) for name in SOFTWARE}, **made,
            }
        if not writer.rows:
            such = f"such as {table['object_id'].iloc[0]}: {table['reason'].iloc[0]}"
            raise UserError(f"{source.survey}: no object can be used, {such}\n{summary(table)}")
    print(f"{source.survey}: {summary(table)}")


def prepare_block(
    source: SourceSettings, settings: AnyPrepareSettings, *, block: Block, folder: Path, manifest: Path, out: Path
) -> None:
    """Write what is found of one block of a survey's candidates, for `prepare` to put together.

    Parameters
    ----------
    source, settings, folder, manifest
        As of `prepare`.
    block : Block
    out : Path
        The part.

    Raises
    ------
    UserError
        If the survey is not read in blocks, or its files have not been listed.
    """
    (scaled, unit), examined = _examined(source, settings, folder, manifest, block)
    kind = kinds.kind(surveys.survey(source.survey).KIND)
    attributes = {
        "block": [block.number, block.total], "scaled": scaled, "unit": unit,
        **_made_of(source, settings, manifest),
    }
    with step_lock(out.parent, out.stem), atomic(out) as unfinished:
        number = write_part(
            unfinished, examined, shape=kind.cut.stored_shape(settings), dtype=_dtype(scaled), attributes=attributes
        )
    print(f"{source.survey}: {number} candidates in block {block.number} of {block.total}")


def _examined(
    source: SourceSettings, settings: AnyPrepareSettings, folder: Path, manifest: Path, block: Block = WHOLE
) -> tuple[tuple[bool, str], Iterator[Examined]]:
    """Return what most candidates are, (scaled, unit), and what is found of each in a block."""
    if block != WHOLE and not surveys.in_blocks(source.survey):
        raise UserError(f"{source.survey}: not read in blocks; prepare it as a whole, by the step 'prepare'")
    survey, listed = surveys.survey(source.survey), _read_manifest(manifest)
    (scaled, unit), candidates = _peek(survey.candidates(source, folder, listed))
    if block != WHOLE:  # what most candidates are is asked of the survey as a whole, whatever the block
        candidates = survey.candidates(source, folder, listed, block)
    kind = kinds.kind(survey.KIND)
    look = partial(examine, kind, settings, scaled=scaled, unit=unit, link=partial(surveys.link, source))
    return (scaled, unit), map(look, candidates)


def _made_of(source: SourceSettings, settings: AnyPrepareSettings, manifest: Path) -> dict[str, Any]:
    """Return the attributes that say of what an object file is made."""
    if not manifest.is_file():
        raise UserError(f"{manifest}: no such file; run the step 'download'")
    return {
        "settings": {"source": source.model_dump(mode="json"), "prepare": settings.model_dump(mode="json")},
        "inputs": {"manifest": checksum(manifest)},
    }


def _dtype(scaled: bool) -> str:
    return "uint8" if scaled else "float32"


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
