"""A person's own spectra: SDSS files and tables of wavelength, flux and error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.table import Table

from astro_vae.errors import UserError
from astro_vae.settings import ExecutionSettings
from astro_vae.spectra.measure import DENSITY_UNIT
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


def test_sdss_files_are_read_as_such(tmp_path: Path, write_spectrum: Callable[..., Path]) -> None:
    write_spectrum(tmp_path / "spec-0266-51602-0001.fits", variant="boss")
    one = seen(tmp_path)["spec-0266-51602-0001"]
    assert (one.redshift, one.ra, one.dec) == (0.1, 150, 2)
    assert len(one.values.flux) == 3840


def test_files_that_are_no_spectra_say_why(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE  = nothing")
    Table({"x": [1.0], "flux": [1.0]}).write(tmp_path / "nowave.csv")
    Table({"wave": [1.0, 2], "flux": [1.0, 2]}).write(tmp_path / "noerror.csv")
    Table({"wave": ["a", "b"], "flux": [1.0, 2], "error": [1.0, 1]}).write(tmp_path / "text.csv")
    found = seen(tmp_path)
    for name, reason in {
        "empty": "empty file", "bad": "damaged or truncated FITS file", "nowave": "no column of wavelengths",
        "noerror": "no column of errors", "text": "column 'wave' is not of numbers",
    }.items():
        assert found[name].values is None
        assert reason in found[name].reason


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no spectra; known endings"):
        seen(tmp_path)
