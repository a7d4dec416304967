"""Sizes of what a run writes that follow from its settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astro_vae import surveys
from astro_vae.errors import UserError
from astro_vae.objects import open_objects
from astro_vae.settings import (
    AnyAugmentSettings,
    AnyPrepareSettings,
    AnyViewSettings,
    PrepareSettings,
    SurveySettings,
    ViewSettings,
)
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
        If neither is to be had, or the survey gives spectra, of which no rates are measured.
    """
    if not isinstance(settings.prepare, PrepareSettings):
        raise UserError(f"survey '{settings.source.survey}': only runs on images can be estimated, not on spectra")
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


def values_bytes(objects: int, settings: AnyPrepareSettings, *, scaled: bool) -> int:
    """Return the bytes of the values in objects.h5, not compressed."""
    assert isinstance(settings, PrepareSettings)  # see `counts`
    return objects * settings.size**2 * (1 if scaled else 4)


def side(view: AnyViewSettings) -> int:
    """Return the side (pixel) of what a network sees."""
    assert isinstance(view, ViewSettings)  # see `counts`
    return view.size


def examples_bytes(augment: AnyAugmentSettings, view: AnyViewSettings) -> int:
    """Return the bytes of all examples in memory."""
    return augment.total * side(view) ** 2
