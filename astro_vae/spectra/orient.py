"""Look at spectra: they have one orientation, that from blue to red."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from astro_vae.settings_spectra import SpectrumViewSettings
from astro_vae.spectra.view import view as viewed

ORIENTED = False
"""A spectrum cannot be turned."""


def number(wanted: int) -> int:
    """Return in how many orientations an object is looked at where so many are wanted: in one."""
    return 1


def orientations(
    values: np.ndarray, table: pd.DataFrame, settings: SpectrumViewSettings, n: int, *, scaled: bool
) -> Iterator[np.ndarray]:
    """Yield the views as they lie, once; see `view`."""
    yield viewed(values, table, settings, scaled=scaled)


def upright(
    values: np.ndarray, table: pd.DataFrame, settings: SpectrumViewSettings, *, scaled: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the views as they lie, and that no object has an axis: float32 (B, 2, bins), bool (B,)."""
    return viewed(values, table, settings, scaled=scaled), np.zeros(len(values), bool)
