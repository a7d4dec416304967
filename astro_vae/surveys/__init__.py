"""The surveys by name: one module each, with `Source`, `COLUMNS`, `KIND`, `obtain` and `candidates`.

A survey that reads its objects file by file lets `candidates` take a `block` of them, and then reads no other.

A survey is added by its module and one entry in `SURVEYS`. The modules are light to import: what reads
files, downloads or simulates is imported where it is used.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType

from astro_vae import settings
from astro_vae.errors import UserError
from astro_vae.surveys import (
    first,
    folder,
    frdeep,
    frdeep2,
    mirabest,
    rgc,
    sdss,
    simulated_radio,
    simulated_spectra,
    spectra_folder,
)

SURVEYS: dict[str, ModuleType] = {
    "simulated_radio": simulated_radio,
    "simulated_spectra": simulated_spectra,
    "mirabest": mirabest,
    "first": first,
    "frdeep": frdeep,
    "frdeep2": frdeep2,
    "rgc": rgc,
    "sdss": sdss,
    "folder": folder,
    "spectra_folder": spectra_folder,
}
"""The module of each survey."""

SOURCES: dict[str, type[settings.SourceSettings]] = {name: module.Source for name, module in SURVEYS.items()}
"""The class of `source:` in a configuration file, by survey."""


def survey(name: str) -> ModuleType:
    """Return the module of a survey, or raise a `UserError` that lists the known ones."""
    if name not in SURVEYS:
        raise UserError(f"'{name}' is no survey; known: {', '.join(sorted(SURVEYS))}")
    return SURVEYS[name]


def in_blocks(name: str) -> bool:
    """Tell whether a survey's objects are read file by file, so that several jobs may share them."""
    return "block" in inspect.signature(survey(name).candidates).parameters


def load_settings(path: Path) -> settings.Settings:
    """Read and validate a configuration file with the surveys of this package."""
    return settings.load(path, SOURCES)
