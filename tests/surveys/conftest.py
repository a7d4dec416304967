"""What tests of surveys share: real data as a mirror, small simulated surveys, and spectrum files as SDSS has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from astro_vae import download
from astro_vae.settings import ExecutionSettings
from astro_vae.surveys.candidate import Candidate

FEW = {
    "simulated_radio": {"labelled": 24, "unlabelled": 6, "other": 4, "anomalies": 5},
    "simulated_spectra": {"labelled": 8, "unlabelled": 4, "anomalies": 7},
}
ROW: dict[str, Any] = {
    "CLASS": "GALAXY", "SUBCLASS": "", "Z": 0.1, "Z_ERR": 1e-5, "ZWARNING": 0, "RUN2D": "26", "PLUG_RA": 150.0,
    "PLUG_DEC": 2.0, "SOURCETYPE": "GALAXY", "SN_MEDIAN": np.zeros(5, np.float32),
}
COLUMNS = ("flux", "loglam", "ivar", "and_mask", "or_mask", "wdisp", "sky", "model")


@pytest.fixture
def from_mirror(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> ExecutionSettings:
    """Let downloads come from the folder of real survey data, without waiting for what it lacks."""
    monkeypatch.delenv("ASTRO_VAE_MIRROR")
    monkeypatch.setattr(download, "RETRY_DELAYS", ())
    return ExecutionSettings(mirror=str(mirror))


@pytest.fixture(scope="module")
def source(survey: ModuleType) -> Callable[..., Any]:
    """Give a function that makes the settings of a few objects of the simulated survey that a module tests."""
    name = survey.__name__.rpartition(".")[2]
    return lambda **known: survey.Source.model_validate({"survey": name, **FEW[name], **known})


@pytest.fixture(scope="module")
def made(
    survey: ModuleType, source: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, pd.DataFrame]:
    """Simulate them, and give their folder and manifest."""
    folder = tmp_path_factory.mktemp("simulated")
    return folder, survey.obtain(source(), folder, execution=ExecutionSettings())


@pytest.fixture(scope="module")
def found(survey: ModuleType, source: Callable[..., Any], made: tuple[Path, pd.DataFrame]) -> list[Candidate]:
    """Read them."""
    return list(survey.candidates(source(), *made))


@pytest.fixture
def write_spectrum() -> Callable[..., Path]:
    """Give a function that writes a lite file."""
    return _write


def _write(
    path: Path, *, variant: str = "legacy", seed: int = 1, level: float = 10.0, bits: tuple[slice, int] | None = None,
    columns: dict[str, Any] | None = None, **row: Any,
) -> Path:
    """Write a lite file: "legacy", "resaved" (no names, a ninth column) or "boss" (no names, upper case)."""
    loglam = np.float32(3.58 + 1e-4 * np.arange(3840))
    data: dict[str, Any] = {name: np.zeros(len(loglam), np.float32) for name in COLUMNS}
    noise = np.random.default_rng(seed).normal(0, level / 20, len(loglam))
    data |= {"loglam": loglam, "flux": np.float32(level + noise), "ivar": np.full(len(loglam), (20 / level) ** 2, "f4")}
    data |= {name: np.zeros(len(loglam), np.int32) for name in ("and_mask", "or_mask")}
    if bits is not None:
        data["and_mask"][bits[0]] = bits[1]
    data |= columns or {}
    if variant == "resaved":
        data["flux_dustcorr"] = data["flux"]
    upper, named = variant == "boss", variant == "legacy"
    known = ROW | ({"OBJTYPE": "GAL", "RUN2D": "v5_13_0"} if upper else {}) | row
    units = [
        fits.PrimaryHDU(),
        _table({name.upper() if upper else name: column for name, column in data.items()}, "COADD" if named else ""),
        _table({name: np.array([value]) for name, value in known.items()}, "SPECOBJ" if named else ""),
        _table({"LINENAME": np.array(["H_alpha"])}, "SPZLINE" if named else ""),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(units).writeto(path, overwrite=True)
    return path


def _table(columns: dict[str, np.ndarray], name: str) -> fits.BinTableHDU:
    unit = fits.table_to_hdu(Table(columns))
    if name:
        unit.name = name
    return unit
