"""Name what every training reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astro_vae.settings import AnyAugmentSettings, AnyViewSettings


@dataclass(frozen=True)
class TrainingInputs:
    """What a training reads, of a model or of the judge: files, and the settings that the examples were made with.

    Attributes
    ----------
    objects, split, augmented : Path
        The files of the steps prepare, split and augment.
    view, augment : AnyViewSettings, AnyAugmentSettings
    """

    objects: Path
    split: Path
    augmented: Path
    view: AnyViewSettings
    augment: AnyAugmentSettings
