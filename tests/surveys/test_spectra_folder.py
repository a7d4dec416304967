"""A person's own spectra: SDSS files and tables of wavelength, flux and error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table

from astro_vae.errors import UserError
from astro_vae.settings import ExecutionSettings
from astro_vae.spectra.measure import DENSITY_UNIT
from astro_vae.steps.download import download
from astro_vae.surveys.candidate import Candidate
from astro_vae.surveys.spectra_folder import Source, candidates, obtain

WAVE = np.linspace(4000.0, 7000, 500)
FLUX = np.linspace(3.0, 5, 500)


def seen(folder: Path, **known: Any) -> dict[str, Candidate]:
    source = Source.model_validate({"survey": "spectra_folder", "path": str(folder), **known})
    manifest = obtain(source, folder, execution=ExecutionSettings())
    return {candidate.object_id: candidate for candidate in candidates(source, folder, manifest)}


def table(**columns: Any) -> Table:
    return Table({"wave": WAVE, "flux": FLUX, "error": np.full(500, 0.5)} | columns)


def test_tables_of_every_format_are_the_same_spectrum(tmp_path: Path) -> None:
    plain = table()
    plain.write(tmp_path / "a.csv")
    plain.write(tmp_path / "b.ecsv")
    plain.write(tmp_path / "c.fits")
    plain.write(tmp_path / "d.txt", format="ascii")
    found = seen(tmp_path)
    assert sorted(found) == ["a", "b", "c", "d"]
    for candidate in found.values():
        assert candidate.reason == ""
        assert candidate.unit == DENSITY_UNIT
        np.testing.assert_allclose(candidate.values.wave_aa, WAVE, rtol=1e-9)
        np.testing.assert_allclose(candidate.values.flux, FLUX, rtol=1e-9)
        np.testing.assert_allclose(candidate.values.ivar, 4, rtol=1e-9)


def test_units_of_columns_are_turned(tmp_path: Path) -> None:
    made = table()
    made["wave"] = (WAVE / 10) * units.nm
    made["flux"] = FLUX * 1e-17 * units.Unit("erg / (s cm2 Angstrom)")
    made["error"] = np.full(500, 0.5e-17)  # a column without unit has that of the flux
    made.write(tmp_path / "a.ecsv")
    made["flux"] = FLUX * units.Jy
    made.write(tmp_path / "b.ecsv")
    found = seen(tmp_path)
    np.testing.assert_allclose(found["a"].values.wave_aa, WAVE)
    np.testing.assert_allclose(found["a"].values.flux, FLUX)
    np.testing.assert_allclose(found["a"].values.ivar, 4)
    assert "column 'flux' in 'Jy' cannot be turned" in found["b"].reason


def test_units_may_be_set_where_the_table_says_none(tmp_path: Path) -> None:
    made = Table({"LogLam": np.log10(WAVE)[::-1], "Flux": FLUX[::-1] * 1e-16, "IVAR": np.full(500, 4e34)})
    made["IVAR"][3] = 0
    made.write(tmp_path / "a.fits")
    spectrum = seen(tmp_path, flux_unit="erg / (s cm2 Angstrom)")["a"].values
    np.testing.assert_allclose(spectrum.wave_aa, WAVE)
    np.testing.assert_allclose(spectrum.flux, 10 * FLUX)
    assert spectrum.ivar[-4] == 0
    np.testing.assert_allclose(np.delete(spectrum.ivar, -4), 4)


@pytest.mark.parametrize("unit", ["A", "Ang", "Angstroms", "ANGSTROM", "AA"])
def test_angstrom_is_known_however_it_is_written(tmp_path: Path, unit: str) -> None:
    made = table()
    made["wave"].unit, made["flux"].unit = units.Unit(unit, parse_strict="silent"), f"1e-17 erg / (s cm2 {unit})"
    made.write(tmp_path / "a.ecsv")
    spectrum = seen(tmp_path)["a"].values
    np.testing.assert_allclose(spectrum.wave_aa, WAVE)
    np.testing.assert_allclose(spectrum.flux, FLUX)


@pytest.mark.parametrize("unit", [
    "1E-17 erg/cm^2/s/Ang", "1e-17 ergs/s/cm^2/Angstrom", "10**(-17) erg cm**(-2) s**(-1) angstrom**(-1)", "1e-17 FLAM",
    "10**(-17)erg.cm**(-2).s**(-1).angstrom**(-1)", "1e-13 W / (m2 um)",
])
def test_units_of_flux_are_known_as_archives_write_them(tmp_path: Path, unit: str) -> None:
    columns = {"WAVE": (WAVE, "Angstrom"), "FLUX": (FLUX, unit), "ERR": (np.full(500, 0.5), unit)}
    made = [fits.Column(name, "500D", unit=one, array=values[None]) for name, (values, one) in columns.items()]
    fits.BinTableHDU.from_columns(made).writeto(tmp_path / "a.fits")  # one row of vectors, as of ESO
    spectrum = seen(tmp_path)["a"].values
    scale = 1000.0 if unit.startswith("1e-13") else 1.0
    np.testing.assert_allclose(spectrum.flux, scale * FLUX, rtol=1e-6)
    np.testing.assert_allclose(spectrum.ivar, 4 / scale**2, rtol=1e-6)


@pytest.mark.parametrize(("factor", "unit"), [(0.1, "nm"), (1e-4, "um")])
def test_wavelengths_too_short_for_angstrom_need_a_unit(tmp_path: Path, factor: float, unit: str) -> None:
    table(wave=WAVE * factor).write(tmp_path / "a.csv")
    assert seen(tmp_path)["a"].reason.startswith("wavelengths without a unit: ")
    assert f"{4000 * factor:g} to {7000 * factor:g} is too short" in seen(tmp_path)["a"].reason
    np.testing.assert_allclose(seen(tmp_path, wavelength_unit=unit)["a"].values.wave_aa, WAVE)


@pytest.mark.parametrize(
    ("header", "setting", "in_air"),
    [({}, "header", False), ({"VACUUM": False}, "header", True), ({"AIRORVAC": "air"}, "header", True),
     ({"AIRORVAC": "air"}, "vacuum", False), ({}, "air", True)],
)
def test_air_or_vacuum_by_header_or_setting(
    tmp_path: Path, header: dict[str, Any], setting: str, in_air: bool
) -> None:
    made = table()
    made.meta.update(header)
    made.write(tmp_path / "a.fits")
    assert seen(tmp_path, wavelengths=setting)["a"].values.in_air is in_air


def test_redshift_and_position_come_from_the_table_of_labels_or_the_file(tmp_path: Path) -> None:
    made = table()
    made.meta.update({"Z": 0.2, "RA": 10.0, "DEC": -5.0})
    made.write(tmp_path / "a.fits")
    table().write(tmp_path / "b.csv")
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label,redshift,ebv,note\na.fits,AGN,0.3,0.02,x\nb,,0.1,,y\nlost,,0.1,,z\n")
    found = seen(tmp_path, labels=str(labels))
    assert sorted(found) == ["a", "b", "lost"]
    one = found["a"]
    assert (one.label, one.redshift, one.ebv, one.ra, one.dec, one.extra) == ("AGN", 0.3, 0.02, 10, -5, {"note": "x"})
    assert (found["b"].redshift, found["b"].label) == (0.1, "")
    assert np.isnan(found["b"].ebv)
    assert found["lost"].reason.startswith("missing: named in")
    assert seen(tmp_path)["a"].redshift == 0.2


def test_columns_of_the_table_of_labels_are_known_in_any_case(tmp_path: Path) -> None:
    table().write(tmp_path / "007.csv")
    labels = tmp_path / "labels.csv"
    labels.write_text("File,Label,Z,RA,DEC,EBV,Mass\n007,12,0.3,10,-5,0.1,11\n")
    one = seen(tmp_path, labels=str(labels))["007"]
    assert (one.label, one.redshift, one.ra, one.dec, one.ebv, one.extra) == ("12", 0.3, 10, -5, 0.1, {"Mass": 11})
    labels.write_text("file;label\n007;a\n")
    with pytest.raises(UserError, match="found: file;label; are its columns separated by commas"):
        seen(tmp_path, labels=str(labels))


def test_sdss_files_are_read_as_such(tmp_path: Path, write_spectrum: Callable[..., Path]) -> None:
    write_spectrum(tmp_path / "spec-0266-51602-0001.fits", variant="boss")
    one = seen(tmp_path)["spec-0266-51602-0001"]
    assert (one.redshift, one.ra, one.dec) == (0.1, 150, 2)
    assert len(one.values.flux) == 3840


def test_names_alone_make_no_files_of_sdss(tmp_path: Path, write_spectrum: Callable[..., Path]) -> None:
    table().write(tmp_path / "spec-mine.fits")
    write_spectrum(tmp_path / "spec-theirs.fits", variant="boss")
    found = seen(tmp_path)
    np.testing.assert_allclose(found["spec-mine"].values.wave_aa, WAVE)
    assert found["spec-theirs"].redshift == 0.1


def test_files_that_are_no_spectra_say_why(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE  = nothing")
    Table({"x": [1.0], "flux": [1.0]}).write(tmp_path / "nowave.csv")
    (tmp_path / "nohead.txt").write_text("4000.5 1.2 0.1\n4001.5 1.3 0.1\n")
    Table({"wave": [1.0, 2], "flux": [1.0, 2]}).write(tmp_path / "noerror.csv")
    Table({"wave": ["a", "b"], "flux": [1.0, 2], "error": [1.0, 1]}).write(tmp_path / "text.csv")
    (tmp_path / "prose.txt").write_text("No table.\n\nBut lines of, one and more, words\n")
    found = seen(tmp_path)
    assert "\n" not in found["prose"].reason
    for name, reason in {
        "prose": "no table, or damaged: ",
        "empty": "empty file", "bad": "damaged or truncated FITS file", "nowave": "no column of wavelengths",
        "nohead": "no column of wavelengths: found col1, col2, col3; a header line must name it",
        "noerror": "no column of errors", "text": "column 'wave' is not of numbers",
    }.items():
        assert found[name].values is None
        assert reason in found[name].reason


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no spectra; known endings"):
        seen(tmp_path)


def test_names_without_a_file_are_to_be_mended(tmp_path: Path) -> None:
    table().write(tmp_path / "a.csv")
    (tmp_path / "l.csv").write_text("file,label\nb,x\n")
    source = Source.model_validate({
        "survey": "spectra_folder", "path": str(tmp_path), "labels": str(tmp_path / "l.csv"),
    })
    with pytest.raises(UserError, match=r"1 of 2 files .*named in .*l.csv, .* Mend the names in your table, or lower"):
        download(source, folder=tmp_path / "data", out=tmp_path / "m.csv", execution=ExecutionSettings())
