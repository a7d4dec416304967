"""Damaged spectra through whole steps: each is refused with its reason or handled, and the good ones go on."""

from __future__ import annotations

import gzip
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from astro_vae import download, surveys
from astro_vae.objects import open_objects
from astro_vae.settings import ExecutionSettings, SplitSettings
from astro_vae.settings_spectra import SpectrumPrepareSettings
from astro_vae.steps.prepare import prepare
from astro_vae.steps.split import split
from astro_vae.surveys import _fits_file

Write = Callable[..., Path]
GOOD = 12
PIXELS = 3840
WAVE = 10 ** (3.58 + 1e-4 * np.arange(PIXELS))


def spoilt(value: float, pixels: slice, *, like: float = 10.0) -> np.ndarray:
    """Return a column with a value in some pixels."""
    column = np.full(PIXELS, like, np.float32)
    column[pixels] = value
    return column


HEALTHY: dict[str, dict[str, Any]] = {
    "resaved, units without names": {"variant": "resaved"},
    "names in upper case": {"variant": "boss"},
    "some flux NaN": {"columns": {"flux": spoilt(np.nan, slice(500, 900))}},
    "some ivar infinite": {"columns": {"ivar": spoilt(np.inf, slice(500, 900), like=4)}},
    "some ivar below 0": {"columns": {"ivar": spoilt(-1, slice(500, 900), like=4)}},
}
SICK: dict[str, tuple[dict[str, Any], str]] = {
    "all flux NaN": ({"columns": {"flux": spoilt(np.nan, slice(None))}}, "no valid pixel"),
    "all ivar 0": ({"columns": {"ivar": spoilt(0, slice(None))}}, "no valid pixel"),
    "outside the grid": ({"Z": 9.0}, "outside the grid"),
    "half of it": ({"columns": {"ivar": spoilt(0, slice(1500), like=4)}}, "coverage too low"),
    "faint": ({"columns": {"ivar": spoilt(0, slice(0), like=0.01)}}, "S/N too low"),
    "redshift in words": ({"Z": "high"}, "HDU 2 is not the row of the catalogue: its Z is no number"),
    "wavelengths in disorder": ({"columns": {"loglam": np.float32(3.58 + 1e-4 * (np.arange(PIXELS) % 99))}},
                                "wavelengths: they must"),
}
BYTES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "cut anywhere": (lambda path: os.truncate(path, 60_001), "truncated, or no FITS file", ""),
    "cut at a block": (lambda path: os.truncate(path, 2880 * 20), "damaged or truncated FITS file", ""),
    "empty": (lambda path: os.truncate(path, 0), "empty file", "failed: "),
    "a page of a server": (lambda path: _write(path, b"<html>busy</html>"), "truncated, or no FITS file", "failed: "),
    "units in another order": (lambda path: _swap(path), "HDU 1 is no spectrum", ""),
    "claims 10^12 rows": (lambda path: _claim(path, 10**12 - 1), "damaged or truncated FITS file", ""),
    "claims 10^8 rows": (lambda path: _claim(path, 10**8), "damaged or truncated FITS file", ""),
    "gzip bomb": (lambda path: _write(path, gzip.compress(bytes(2**23))), "packed file that unpacks", "failed: "),
}
"""What is done to a file, how the reason begins, and how it does where a download has looked at it already."""


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _swap(path: Path) -> None:
    with fits.open(path) as units:
        swapped = fits.HDUList([units[i].copy() for i in (0, 2, 1, 3)])
    swapped.writeto(path, overwrite=True)


def _claim(path: Path, rows: int) -> None:
    """Let the header of the spectrum claim more rows."""
    content = path.read_bytes()
    card = f"NAXIS2  = {PIXELS:>20}".encode()
    assert content.count(card) == 1
    path.write_bytes(content.replace(card, f"NAXIS2  = {rows:>20}".encode()))


@pytest.fixture
def files(tmp_path: Path, write_spectrum: Write, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, pd.DataFrame]:
    """Write good and damaged files; give their folder and what is expected of each."""
    monkeypatch.setattr(_fits_file, "MAX_BYTES", 2**22)
    place, rows = tmp_path / "sas", []

    def add(what: str, reason: str, downloaded: str = "", **known: Any) -> Path:
        fiber = len(rows) + 1
        rows.append({"plate": 266, "mjd": 51602, "fiber": fiber, "what": what, "reason": reason,
                     "downloaded": downloaded or reason})
        name = f"spec-0266-51602-{fiber:04d}.fits"
        return write_spectrum(place / name, **{"seed": fiber, "PLUG_RA": 10.0 * fiber, **known})

    for i in range(GOOD):
        add(f"good {i}", "")
    for what, known in HEALTHY.items():
        add(what, "", **known)
    for what, (known, reason) in SICK.items():
        add(what, reason, **known)
    for what, (damage, reason, downloaded) in BYTES.items():
        damage(add(what, reason, downloaded))
    return place, pd.DataFrame(rows)


def run(source: dict[str, Any], place: Path, execution: ExecutionSettings) -> pd.DataFrame:
    """Take a survey through download, prepare and split; return the object table, by name."""
    survey = surveys.survey(source["survey"])
    settings = survey.Source.model_validate(source)
    folder = place / "data"
    folder.mkdir()
    survey.obtain(settings, folder, execution=execution).to_csv(place / "manifest.csv", index=False)
    objects = place / "objects.h5"
    prepare(settings, SpectrumPrepareSettings(), folder=folder, manifest=place / "manifest.csv", out=objects)
    split(SplitSettings(), objects=objects, out=place / "split.csv")
    opened = open_objects(objects)
    parts = pd.read_csv(place / "split.csv").set_index("object_id")["part"]
    assert {"train", "validation", "test"} <= set(parts[opened.usable["object_id"]])
    assert np.isfinite(opened.read()).all()
    return opened.table.set_index("object_id")


def check(table: pd.DataFrame, wanted: pd.DataFrame, column: str) -> None:
    names = [f"spec-0266-51602-{fiber:04d}" for fiber in wanted["fiber"]]
    for name, what, reason in zip(names, wanted["what"], wanted[column], strict=True):
        found = table.loc[name]
        assert (found["status"] == "ok") == (reason == ""), f"{what}: {found['reason']}"
        assert re.match(reason, found["reason"]), f"{what}: {found['reason']}"


def test_a_folder(files: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    place, wanted = files
    table = run({"survey": "spectra_folder", "path": str(place)}, tmp_path, ExecutionSettings())
    check(table, wanted, "reason")


def test_the_archive(
    files: tuple[Path, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, wanted = files
    monkeypatch.delenv("ASTRO_VAE_MIRROR", raising=False)
    monkeypatch.setattr(download, "RETRY_DELAYS", ())
    below = tmp_path / "mirror/data.sdss.org/sas/dr17/sdss/spectro/redux/26/spectra/lite/0266"
    below.parent.mkdir(parents=True)
    place.rename(below)
    wanted.loc[len(wanted)] = [266, 51602, 640, "not there", "", "missing: not in the mirror"]
    wanted[["plate", "mjd", "fiber"]].to_csv(tmp_path / "sample.csv", index=False)
    source = {"survey": "sdss", "sample": str(tmp_path / "sample.csv"), "redshift": [0, 10]}
    table = run(source, tmp_path, ExecutionSettings(mirror=str(tmp_path / "mirror")))
    check(table, wanted, "downloaded")


def table_of(**columns: Any) -> Table:
    return Table({"wave": WAVE, "flux": np.full(PIXELS, 10.0), "error": np.full(PIXELS, 0.5)} | columns)


def test_tables_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fits_file, "MAX_BYTES", 2**22)
    top, rng = tmp_path / "tables", np.random.default_rng(1)
    top.mkdir()
    reasons = {f"good{i}": "" for i in range(GOOD)}
    for i in range(GOOD):
        table_of(flux=rng.normal(10, 0.5, PIXELS)).write(top / f"good{i}.fits")
    upper = table_of(flux=rng.normal(10, 0.5, PIXELS))
    upper.rename_columns(["wave", "flux", "error"], ["WAVELENGTH", "FLUX", "ERR"])
    cases = {
        "upper": (upper, ""),
        "holes": (table_of(flux=rng.normal(10, 0.5, PIXELS) * np.where(np.arange(PIXELS) % 50, 1, np.nan)), ""),
        "nan": (table_of(flux=np.full(PIXELS, np.nan)), "no valid pixel"),
        "errors0": (table_of(error=np.zeros(PIXELS)), "no valid pixel"),
        "infrared": (table_of(wave=WAVE * 10), "outside the grid"),
        "vectors": (table_of(flux=np.ones((PIXELS, 2))), f"columns of {PIXELS} wavelengths, {2 * PIXELS} fluxes"),
        "unlabelled": (table_of(flux=rng.normal(10, 0.5, PIXELS)), "no redshift"),
        "words": (table_of(flux=rng.normal(10, 0.5, PIXELS)), "no number in the table of labels: redshift is 'low'"),
    }
    for name, (table, reason) in cases.items():
        table.write(top / f"{name}.fits")
        reasons[name] = reason
    (top / "bomb.csv").write_bytes(gzip.compress(bytes(2**23)))
    (top / "packed.fits.gz").write_bytes(gzip.compress((top / "good0.fits").read_bytes() + bytes(2**23)))
    table_of().write(top / "claims.fits")
    _claim(top / "claims.fits", 10**8)
    fits.writeto(top / "image.fits", np.ones((8, 8)))
    (top / "link.fits").symlink_to("/proc/version")
    reasons |= {
        "bomb": "no text table but a packed file: unpack it", "packed": "packed file that unpacks to more",
        "claims": "damaged .* claims 100000000 rows of 24 bytes", "image": "no table in the FITS file",
        "link": "failed: a link that leads out of the folder; set source.follow_links",
    }
    rows = [(name, "low" if name == "words" else "0.1", i) for i, name in enumerate(reasons) if name != "unlabelled"]
    pd.DataFrame(rows, columns=["file", "redshift", "ra"]).to_csv(tmp_path / "labels.csv", index=False)
    source = {"survey": "spectra_folder", "path": str(top), "labels": str(tmp_path / "labels.csv")}
    table = run(source, tmp_path, ExecutionSettings())
    for name, reason in reasons.items():
        found = table.loc[name]
        assert (found["status"] == "ok") == (reason == ""), f"{name}: {found['reason']}"
        assert re.match(reason, found["reason"]), f"{name}: {found['reason']}"
    assert table.loc["good3", "redshift"] == 0.1


def test_a_file_that_may_not_be_read_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table_of().write(tmp_path / "a.fits")
    table_of().write(tmp_path / "b.fits")
    survey = surveys.survey("spectra_folder")
    source = survey.Source(survey="spectra_folder", path=str(tmp_path))
    manifest = survey.obtain(source, tmp_path, execution=ExecutionSettings())
    whole = Path.open

    def closed(path: Path, *args: Any, **known: Any) -> Any:
        if path.name == "a.fits":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, *args, **known)

    monkeypatch.setattr(Path, "open", closed)
    listed = survey.obtain(source, tmp_path, execution=ExecutionSettings())
    assert listed["reason"].tolist() == ["not read: Permission denied", ""]
    reasons = [candidate.reason for candidate in survey.candidates(source, tmp_path, manifest)]
    assert reasons == ["not read: Permission denied", ""]
    reasons = [candidate.reason for candidate in survey.candidates(source, tmp_path, listed)]
    assert reasons == ["failed: not read: Permission denied", ""]


def test_wavelengths_beyond_the_law_of_extinction_have_no_weight() -> None:
    from astro_vae.spectra.spectrum import Spectrum

    wave = np.array([500.0, 5000, 20_000, 50_000])
    clean = Spectrum(wave, np.ones(4), np.ones(4)).without_extinction(0.1, "F99", 3.1)
    assert (clean.ivar > 0).tolist() == [False, True, True, False]
    assert clean.flux[1] == pytest.approx(10 ** (0.4 * 3.1 * 0.1 * 1.17), rel=0.02)  # A(5000) is about 1.17 A(V)
    assert math.isclose(clean.flux[0], 1)
