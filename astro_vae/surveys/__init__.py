"""The surveys by name: one module each, with `Source`, `COLUMNS`, `KIND`, `obtain` and `candidates`.

A survey that reads its objects file by file lets `candidates` take a `block` of them, and then reads no other.

A survey is added by its module and one entry in `SURVEYS`. The modules are light to import: what reads
files, downloads or simulates is imported where it is used.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from astro_vae import settings
from astro_vae.errors import UserError
from astro_vae.section import validate
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
from astro_vae.surveys.candidate import Candidate

NEAR = (
    "https://ned.ipac.caltech.edu/conesearch?search_type=Near%20Position%20Search&in_csys=Equatorial"
    "&in_equinox=J2000&ra={ra:.6f}d&dec={dec:.6f}d&radius=0.5"
)
"""Page of NED with what is known within half an arcminute of a position."""

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

OWN_FILES = {module.KIND: name for name, module in (("folder", folder), ("spectra_folder", spectra_folder))}
"""The survey of a person's own files, by kind of data."""

SIMULATED = {module.KIND: module for module in (simulated_radio, simulated_spectra)}
"""The module of the simulated survey, by kind of data: it makes objects where there are none."""


def survey(name: str) -> ModuleType:
    """Return the module of a survey, or raise a `UserError` that lists the known ones."""
    if name not in SURVEYS:
        raise UserError(f"'{name}' is no survey; known: {', '.join(sorted(SURVEYS))}")
    return SURVEYS[name]


def in_blocks(name: str) -> bool:
    """Tell whether a survey's objects are read file by file, so that several jobs may share them."""
    return "block" in inspect.signature(survey(name).candidates).parameters


def link(source: settings.SourceSettings, candidate: Candidate) -> str:
    """Return the address of an archive's page on an object; "" where there is none.

    A survey whose archive has a page for each object, or that has none at all, has a function `link` of the same
    arguments. For all others it is what NED knows near the position. Nothing is fetched.
    """
    own = getattr(survey(source.survey), "link", None)
    if own:
        return str(own(source, candidate))
    known = math.isfinite(candidate.ra) and math.isfinite(candidate.dec)
    return NEAR.format(ra=candidate.ra, dec=candidate.dec) if known else ""


def load_settings(path: Path) -> settings.Settings:
    """Read a configuration file and validate it.

    Raises
    ------
    UserError
        If there is no such file, it is not YAML, or what it says cannot be used.
    """
    import yaml

    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(said, Mapping):
        raise UserError(f"{path}: expected a map with the key 'surveys', found {type(said).__name__}")
    return settings_of(said, path)


def settings_of(said: Mapping[str, Any], path: Path) -> settings.Settings:
    """Validate what a configuration file says, with the surveys of this package.

    The run is named after the file, unless `said` has another name for it.
    """
    return validate(settings.Settings, {"run": path.stem, **said}, origin=str(path), sources=SOURCES)
