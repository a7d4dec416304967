"""A folder of spectra becomes a configuration that works; what is odd about them is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from astro_vae import cli
from astro_vae.errors import UserError
from astro_vae.init.spectra import coverage, grid
from astro_vae.settings_spectra import GridSettings
from astro_vae.surveys import load_settings
from tests.init.commands import init, prepared

N = 12


@pytest.fixture
def spectra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give tables from 3800 to 9200 Angstrom, with their redshifts and labels beside them."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mine", 3800, 9200)
    rows = [(f"s{i}", 0.1 + 0.001 * i, ("a", "b")[i % 2], 10.0 * i, 0.0) for i in range(N)]
    pd.DataFrame(rows, columns=["file", "z", "label", "ra", "dec"]).to_csv(tmp_path / "z.csv", index=False)
    return tmp_path / "mine"


def write(folder: Path, low: float, high: float) -> None:
    folder.mkdir()
    wave, rng = np.geomspace(low, high, 3000), np.random.default_rng(1)
    for i in range(N):
        flux = rng.normal(10, 1, len(wave))
        pd.DataFrame({"wave": wave, "flux": flux, "error": 1.0}).to_csv(folder / f"s{i}.csv", index=False)


def test_a_folder_becomes_a_configuration_that_works(
    spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = " ".join(init("own", "--spectra", "mine", "--redshifts", "z.csv").split())
    assert "12 (12 .csv) in 1 folder" in said
    assert "wavelengths 3800 to 9200, median 6500 Angstrom, as observed" in said
    assert "air or vacuum vacuum 12 (taken for vacuum where a file says nothing; if that is air, set" in said
    assert "redshift 0.1 to 0.111" in said
    assert "S/N per pixel 9.9" in said or "S/N per pixel 10" in said
    assert "labels a 6, b 6" in said
    assert "nothing odd" in said
    settings = load_settings(tmp_path / "own.yaml").surveys["own"]
    assert settings.prepare.grid == GridSettings()
    assert settings.models["cvae"].conditional
    assert settings.models["cvae"].network.path == "linear"
    assert settings.models["cvae"].train.learning_rate == 3e-4
    prepared(tmp_path / "own.yaml", tmp_path)
    assert "12 of 12 candidates kept" in capsys.readouterr().out


def test_other_wavelengths_get_bins_of_their_own(
    spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "infrared", 10_000, 24_000)
    init("infrared", "--spectra", "infrared", "--redshifts", "z.csv")
    settings = load_settings(tmp_path / "infrared.yaml").surveys["infrared"]
    low = 10**settings.prepare.grid.log_start
    assert 8_900 < low < 9_200
    assert low < settings.view.window_aa[0] < settings.view.window_aa[1] < 22_000
    assert settings.view.grid == settings.prepare.grid
    prepared(tmp_path / "infrared.yaml", tmp_path)
    assert "12 of 12 candidates kept" in capsys.readouterr().out


def test_what_is_odd_is_told(spectra: Path, tmp_path: Path) -> None:
    (spectra / "s3.csv").write_text("a,b\n1,2\n")
    table = pd.read_csv(tmp_path / "z.csv").iloc[:-1]
    table.loc[len(table)] = ["nobody", 0.1, "a", 0.0, 0.0]
    table.to_csv(tmp_path / "z.csv", index=False)
    frame = pd.read_csv(spectra / "s5.csv")
    frame.assign(error=20.0).to_csv(spectra / "s5.csv", index=False)
    frame.iloc[:600].to_csv(spectra / "s6.csv", index=False)
    said = init("own", "--spectra", "mine", "--labels", "z.csv")
    assert "1 of 12 cannot be used; each gets a row with its reason" in said
    assert "1 of the names in" in said
    assert "1 of 11 spectra have no redshift, such as s11, and will be refused" in said
    assert "1 of 11 spectra have an S/N below 2 per pixel" in said
    assert "1 of 11 spectra cover less than 80% of the bins" in said


def test_nanometres_without_a_unit_are_told_and_nothing_is_written(spectra: Path, tmp_path: Path) -> None:
    for path in spectra.iterdir():
        frame = pd.read_csv(path)
        frame.assign(wave=frame["wave"] / 10).to_csv(path, index=False)
    done = CliRunner().invoke(cli.app, ["init", "own", "--spectra", "mine", "--labels", "z.csv"])
    assert "12 wavelengths without a unit: such as s0" in done.output
    assert "380 to 920 is too short for Angstrom; set source.wavelength_unit (nm, um)" in done.output
    assert isinstance(done.exception, UserError)
    assert not list(tmp_path.glob("*.yaml"))


def test_names_without_a_file_do_not_end_the_run(
    spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 1, 2):
        (spectra / f"s{number}.csv").unlink()
    said = init("own", "--spectra", "mine", "--labels", "z.csv")
    assert "3 of the names in" in said
    assert load_settings(tmp_path / "own.yaml").surveys["own"].source.min_fraction == 0.75
    prepared(tmp_path / "own.yaml", tmp_path)
    assert "9 of 12 candidates kept" in capsys.readouterr().out


def test_velocities_and_signs_of_missing_values_are_told(spectra: Path, tmp_path: Path) -> None:
    table = pd.read_csv(tmp_path / "z.csv").assign(ebv=0.02)
    table.loc[0, "z"], table.loc[1, "ebv"] = 30_000, -99
    table.to_csv(tmp_path / "z.csv", index=False)
    frame = pd.read_csv(spectra / "s2.csv")
    frame.iloc[::-1].iloc[[0, 2, 1]].to_csv(spectra / "s2.csv", index=False)
    said = init("own", "--spectra", "mine", "--labels", "z.csv")
    assert "3 of 12 cannot be used" in said
    assert "no redshift: 30000 is none; a velocity" in said
    assert "E(B-V) below zero: -99" in said
    assert "wavelengths: they must grow from pixel to pixel" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--spectra", "mine"), "no object can be used"),
        (("--spectra", "nowhere"), "no such folder; give the folder of your spectra by --spectra"),
        (("--spectra", "empty"), "no spectra; known endings"),
        (("--spectra", "mine", "--images", "mine"), "--images .*, or --spectra"),
        ((), "--images .*, or --spectra"),
        (("--images", "mine"), "no images; known endings: .*; for spectra give --spectra"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    spectra: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        init("own", *words)
    assert not list(tmp_path.glob("*.yaml"))


def test_spectra_that_were_given_as_images_are_told(spectra: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    Table.read(spectra / "s1.csv").write(tmp_path / "tables" / "s1.fits")
    done = CliRunner().invoke(cli.app, ["init", "own", "--images", "tables"])
    assert "1 FITS files without an image: for spectra give --spectra" in done.output
    assert isinstance(done.exception, UserError)


def test_coverage_is_counted_in_the_rest_frame() -> None:
    bins = GridSettings(log_start=3.6005, log_step=0.001, bins=100)  # 3.6 to 3.7
    spectra = pd.DataFrame({"low": [10**3.5, 10**3.65], "high": [10**3.8, 10**3.69], "redshift": [0, 0], "step": 1e-4})
    np.testing.assert_allclose(coverage(spectra, bins), [1, 0.4])
    assert grid(spectra.iloc[:0]) == GridSettings()
