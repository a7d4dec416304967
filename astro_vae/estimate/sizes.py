"""Sizes of what a run writes that follow from its settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from astro_vae import kinds, surveys
from astro_vae.errors import UserError
from astro_vae.objects import open_objects
from astro_vae.settings import SurveySettings
from astro_vae.surveys.candidate import Expected

DEFAULT_LABELS = 2


@dataclass(frozen=True)
class Counts:
    """How many objects a survey has, of which sort, and how that is known."""

    objects: int
    labels: int
    scaled: bool
    download_bytes: int
    known_from: str


def counts(settings: SurveySettings, results: Path) -> Counts:
    """Count the objects: from objects.h5 of an earlier run, or from what the survey's module expects.

    Parameters
    ----------
    settings : SurveySettings
    results : Path
        Folder of the survey's results, which need not be there.

    Raises
    ------
    UserError
        If neither is to be had.
    """
    module = surveys.survey(settings.source.survey)
    tell = getattr(module, "expected", None)
    expected: Expected | None = tell(settings.source) if tell else None
    made = results / "objects.h5"
    size = expected.bytes if expected else 0
    if made.is_file():
        objects = open_objects(made)
        labels, scaled = len(objects.attributes["labels"]), bool(objects.attributes["scaled"])
        return Counts(len(objects.usable), labels or DEFAULT_LABELS, scaled, size, str(made))
    if expected is None or not expected.objects:
        raise UserError(
            f"survey '{settings.source.survey}': its settings do not tell how many objects there will be; run its "
            f"download and prepare first (snakemake --cores all {made}), which need no accelerator"
        )
    return Counts(expected.objects, expected.labels or DEFAULT_LABELS, expected.scaled, size, "settings")


def kind_of(settings: SurveySettings) -> kinds.Kind:
    """Return the rooms of what the survey gives."""
    return kinds.kind(settings.source.kind)


def values_bytes(settings: SurveySettings, found: Counts) -> int:
    """Return the bytes of the values in objects.h5, not compressed."""
    return found.objects * int(kind_of(settings).cut.stored_bytes(settings.prepare, scaled=found.scaled))


def elements(settings: SurveySettings) -> int:
    """Return of how many pixels or bins an object is, as a network sees it."""
    return math.prod(kind_of(settings).view.shape(settings.view))


def examples_bytes(settings: SurveySettings) -> int:
    """Return the bytes of all examples in memory."""
    return settings.augment.total * elements(settings) * int(kind_of(settings).view.BYTES)


def examples_words(settings: SurveySettings) -> str:
    """Say how many examples there are, and how large each is."""
    room = kind_of(settings).view
    return f"{settings.augment.total} examples of {' x '.join(map(str, room.shape(settings.view)))} {room.ELEMENTS}"
