"""Read the CSV tables that come with published sets of images."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from astro_vae.errors import UserError

T = TypeVar("T")


def read_table(path: Path, convert: Callable[[dict[str, str]], T]) -> list[T]:
    """Return what `convert` makes of each row, given by the names of the columns.

    Raises
    ------
    UserError
        If the table is not there, or lacks a column, or holds what `convert` cannot take.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [convert(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise UserError(f"{path}: not the published table ({error!r}); remove it and download again") from None


def degrees(sexagesimal: str) -> float:
    """Turn degrees, minutes and seconds such as "-02 34 36.5" into degrees (or hours into hours)."""
    whole, minutes, seconds = sexagesimal.split()
    size = abs(float(whole)) + float(minutes) / 60 + float(seconds) / 3600
    return -size if whole.startswith("-") else size
