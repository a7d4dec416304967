"""Cutouts from loopback servers that answer as SkyView and the FIRST cutout server do, or fail as they do."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from pydantic import ValidationError

from acceptance.replay import FORM, MAINTENANCE, SILENT_TIMEOUT, Services, serve
from astro_vae import download, transfer
from astro_vae.errors import UserError
from astro_vae.objects import open_objects
from astro_vae.settings import ExecutionSettings
from astro_vae.settings_images import PrepareSettings
from astro_vae.steps.prepare import prepare
from astro_vae.surveys import _asking, first, mirabest
from astro_vae.surveys._positions import read_positions
from astro_vae.surveys.candidate import Candidate


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setattr(download, "RETRY_DELAYS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(transfer, "TIMEOUT", 30)
    known = Services()
    with serve(known) as address:
        monkeypatch.setenv("ASTRO_VAE_MIRROR", address)
        yield known


POSITIONS = "name,RA_deg,Dec,label,flux,note\na 1,150.5,30.25,FRI,1.5,x\nb,10.123456,-3.5,,,y\n"


def table(folder: Path, text: str = POSITIONS) -> Path:
    path = folder / "positions.csv"
    path.write_text(text)
    return path


def source(positions: Path | str, **known: object) -> first.Source:
    return first.Source.model_validate({"survey": "first", "positions": str(positions), "size": 24, **known})


def get(chosen: first.Source, folder: Path, downloads: int = 1) -> tuple[pd.DataFrame, list[Candidate]]:
    """Return the manifest and the candidates."""
    manifest = first.obtain(chosen, folder, execution=ExecutionSettings(downloads=downloads))
    assert tuple(manifest.columns) == download.COLUMNS
    return manifest, list(first.candidates(chosen, folder, manifest))


@pytest.mark.parametrize("service", ["skyview", "first"])
def test_a_table_becomes_cutouts(services: Services, tmp_path: Path, service: str) -> None:
    services.cards = {"SURVEY": "FIRST"} if service == "skyview" else {"BMAJ": 0.0015, "BMIN": 0.0014, "BPA": 10.0}
    manifest, found = get(source(table(tmp_path), service=service), tmp_path / "data")
    assert manifest["status"].tolist() == ["ok"] * 3
    place = f"{service}-VLA_FIRST_1_4_GHz-24x1.8arcsec"
    assert manifest["path"].tolist() == [
        "positions.csv", f"{place}/150.500000+30.250000.fits", f"{place}/010.123456-03.500000.fits"
    ]
    assert [c.object_id for c in found] == ["a 1", "b"]
    assert [c.label for c in found] == ["FRI", ""]
    assert [c.extra["note"] for c in found] == ["x", "y"]
    assert [c.extra["flux"] for c in found] == [1.5, None]
    for c, ra, dec in zip(found, (150.5, 10.123456), (30.25, -3.5), strict=True):
        assert (c.reason, c.unit, c.scaled, c.north_deg) == ("", "Jy/beam", False, 0)
        assert c.pixel_arcsec == pytest.approx(1.8)
        assert (c.ra, c.dec) == (pytest.approx(ra, abs=1e-3), pytest.approx(dec, abs=1e-3))
        assert c.values is not None
        assert c.values[12, 12] == pytest.approx(0.05)
        assert np.isnan(c.values).sum() == 4
    if service == "skyview":
        assert [c.beam for c in found] == [(5.4, 5.4, 0.0), (6.8, 5.4, 0.0)]
        asked = services.queries[0]
        assert (asked["survey"], asked["pixels"], asked["coordinates"]) == ("VLA FIRST (1.4 GHz)", "24", "J2000")
        assert [float(x) for x in asked["size"].split(",")] == [pytest.approx(24 * 1.8 / 3600)] * 2
    else:
        assert found[0].beam == (pytest.approx(5.4), pytest.approx(5.04), 10.0)
        assert float(services.queries[0]["ImageSize"]) == pytest.approx(24 * 1.8 / 60)


def test_what_is_there_is_not_asked_for_again(services: Services, tmp_path: Path) -> None:
    chosen, folder = source(table(tmp_path)), tmp_path / "data"
    services.behaviours = ["good", "error"]
    one, found = get(chosen, folder)
    assert one["status"].tolist() == ["ok", "ok", "failed"]
    assert found[1].reason == "failed: HTTP status 500 (Internal Server Error)"
    services.behaviours = ["good"]
    services.queries.clear()
    two, found = get(chosen, folder)
    assert len(services.queries) == 1
    assert (two["status"] == "ok").all()
    assert not any(c.reason for c in found)
    services.requests = 0
    three, _ = get(chosen, folder)
    assert services.requests == 0
    assert three.equals(two)
    assert not list(folder.rglob(".*"))


def test_a_damaged_file_and_a_cut_note_are_asked_for_again(services: Services, tmp_path: Path) -> None:
    chosen, folder = source(table(tmp_path)), tmp_path / "data"
    whole, _ = get(chosen, folder)
    damaged = folder / whole["path"][1]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    services.queries.clear()
    assert get(chosen, folder)[0].equals(whole)
    assert get(chosen, folder)[0].equals(whole)
    assert len(services.queries) == 1
    notes = folder / _asking.NOTED
    notes.write_text(notes.read_text()[:-10])
    assert get(chosen, folder)[0].equals(whole)
    assert len(services.queries) == 2
    assert len(notes.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("service", "behaviour", "status", "said", "queries"),
    [
        ("skyview", "absent", "missing", "nothing behind SkyView's link (HTTP status 404): no coverage", 2),
        ("skyview", "maintenance", "missing", "SkyView made no image: usually it has no coverage here", 2),
        ("skyview", "blank", "missing", "no coverage: the cutout is blank", 2),
        ("skyview", "error", "failed", "HTTP status 500 (Internal Server Error)", 4),
        ("skyview", "forbidden", "failed", "HTTP status 403 (Forbidden)", 1),
        ("skyview", "cut", "failed", "damaged or truncated FITS file: 3000 bytes", 4),
        ("skyview", "silent", "failed", "no answer, or the connection broke (ReadTimeout)", 4),
        ("first", "outside", "missing", "the service says 'Sorry, this position is outside the area", 2),
        ("first", "blank", "missing", "no coverage: the cutout is blank", 2),
        ("first", "maintenance", "failed", "the service sent no FITS file, but 'Down for maintenance'", 4),
        ("first", "empty", "failed", "the service sent an empty answer", 4),
        ("first", "cut", "failed", "damaged or truncated FITS file: 3000 bytes", 4),
        ("first", "busy", "failed", "HTTP status 503 (Service Unavailable)", 4),
        ("first", "silent", "failed", "no answer, or the connection broke (ReadTimeout)", 4),
    ],
)
def test_failures_are_rows_with_the_reason(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str, behaviour: str, status: str,
    said: str, queries: int,
) -> None:
    services.behaviours = [behaviour]
    if behaviour == "silent":  # elsewhere a busy machine may take its time
        monkeypatch.setattr(transfer, "TIMEOUT", SILENT_TIMEOUT)
    chosen = source(table(tmp_path, "ra,dec\n10,20\n"), service=service)
    manifest, found = get(chosen, tmp_path / "data")
    row = manifest.iloc[1]
    assert (row["status"], row["bytes"], row["checksum"]) == (status, 0, "")
    assert said in row["reason"]
    assert len(services.queries) == queries
    assert found[0].reason == f"{status}: {row['reason']}"
    assert found[0].object_id == "010.000000+20.000000"
    assert found[0].values is None
    assert not list((tmp_path / "data").rglob("*.fits"))


@pytest.mark.parametrize("behaviour", ["error", "maintenance", "cut", "absent"])
def test_a_passing_fault_is_survived(services: Services, tmp_path: Path, behaviour: str) -> None:
    services.behaviours = [behaviour, "good"]
    manifest, _ = get(source(table(tmp_path)), tmp_path / "data")
    assert manifest["status"].tolist() == ["ok"] * 3
    assert len(services.queries) == 3


def test_a_form_that_is_away_for_a_while_is_survived(services: Services, tmp_path: Path) -> None:
    services.forms = [FORM, MAINTENANCE, MAINTENANCE, FORM]
    chosen = source(table(tmp_path, "ra,dec\n10,20\n"))
    assert get(chosen, tmp_path / "data")[0]["status"].tolist() == ["ok", "ok"]
    services.forms = [FORM, MAINTENANCE]
    manifest, _ = get(chosen, tmp_path / "elsewhere")
    assert manifest["reason"][1] == "the service sent a page without its form"


def test_objects_are_prepared_from_cutouts(services: Services, tmp_path: Path) -> None:
    services.cards = {"axes": 4, "SURVEY": "FIRST"}
    services.behaviours = ["good", "good", "absent"]
    chosen = source(table(tmp_path, POSITIONS + "c,20,20,FRII,2.5,\n"))
    manifest, _ = get(chosen, tmp_path / "data")
    manifest.to_csv(tmp_path / "manifest.csv", index=False)
    prepare(chosen, PrepareSettings(size=22, field=16), folder=tmp_path / "data", manifest=tmp_path / "manifest.csv",
            out=tmp_path / "objects.h5")
    objects = open_objects(tmp_path / "objects.h5")
    assert objects.read().shape == (2, 22, 22)
    assert objects.table["status"].tolist() == ["ok", "ok", "refused"]
    assert objects.table["reason"][2].startswith("missing: nothing behind SkyView's link")
    assert objects.table["bmaj_arcsec"].tolist()[:2] == [5.4, 6.8]
    assert objects.table["flux"].tolist()[::2] == [1.5, 2.5]


def test_a_service_out_of_reach_is_not_asked_for_each(services: Services, tmp_path: Path) -> None:
    rows = table(tmp_path, "ra,dec\n" + "".join(f"{i},10\n" for i in range(30)))
    services.behaviours = ["busy"]
    manifest, _ = get(source(rows, service="first"), tmp_path / "data")
    assert (manifest["status"][1:] == "failed").all()
    assert manifest["reason"].str.startswith("not tried: 8 cutouts before it failed").sum() == 22
    for page in (MAINTENANCE, "<select name='survey'><option>NVSS</option></select>"):
        services.forms = [page]
        manifest, _ = get(source(rows), tmp_path / "data")
        assert manifest["reason"][1:].unique().tolist() == ["the service sent a page without its list of surveys"]


@pytest.mark.parametrize("service", ["skyview", "first"])
def test_few_are_asked_for_at_the_same_time(services: Services, tmp_path: Path, service: str) -> None:
    rows = table(tmp_path, "ra,dec\n" + "".join(f"{i + 1},10\n" for i in range(24)))
    services.pause = 0.05  # else one may be answered before the next is asked
    manifest, found = get(source(rows, service=service), tmp_path / "data", downloads=16)
    assert (manifest["status"] == "ok").all()
    assert [round(c.ra) for c in found] == list(range(1, 25))
    assert not any(c.reason for c in found)  # each has its own
    if service == "first":
        assert 1 < services.most <= _asking.PARALLEL


@pytest.mark.parametrize(
    ("image", "unit", "beam", "note"),
    [("NVSS", "mJy/beam", (45.0, 45.0, 0.0), ""), ("TGSS ADR1", "Jy/beam", None, "'TGSS ADR1' has none in the header")],
)
def test_other_surveys_are_a_setting(
    services: Services, tmp_path: Path, image: str, unit: str, beam: tuple[float, float, float] | None, note: str
) -> None:
    services.cards = {"unit": unit, "pixel": 15.0, "axes": 4}
    _, found = get(source(table(tmp_path), image=image, pixel_arcsec=15), tmp_path / "data")
    assert services.queries[0]["survey"] == image
    one = found[0]
    assert one.values is not None
    assert (one.unit, one.values.shape) == ("Jy/beam", (24, 24))
    assert one.values[12, 12] == pytest.approx(0.05 / (1000 if unit == "mJy/beam" else 1))
    assert one.extra["beam_note"].startswith(note)
    assert bool(one.extra["beam_note"]) == bool(note)
    assert one.beam == beam if beam else math.isnan(one.beam[0])


def test_a_survey_that_skyview_does_not_have_is_named(services: Services, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"SkyView has no 'VLA FIRST'; near to it: VLA FIRST \(1\.4 GHz\)"):
        get(source(table(tmp_path), image="VLA FIRST"), tmp_path / "data")


def test_a_cutout_of_another_place_is_refused(services: Services, tmp_path: Path) -> None:
    services.behaviours = ["elsewhere", "good"]
    _, found = get(source(table(tmp_path), service="first"), tmp_path / "data")
    assert found[0].reason == "faulty: its cutout is centred 1800 arcsec from the position"
    assert found[1].reason == ""


@pytest.mark.parametrize("ending", ["fits", "ecsv", "vot"])
def test_tables_of_all_formats(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    rows = Table({"_RAJ2000": [0.5, 1.0], "DEJ2000": [-0.25, 0.5], "ID": ["x", "y"], "label": ["A", ""], "n": [3, 4]})
    rows["_RAJ2000"].unit = rows["DEJ2000"].unit = "rad"
    rows.write(path, format="votable" if ending == "vot" else None)
    found = read_positions(path)
    assert [(c.object_id, c.label, c.extra) for c in found] == [("x", "A", {"n": 3}), ("y", "", {"n": 4})]
    assert [c.ra for c in found] == pytest.approx(np.degrees([0.5, 1.0]).tolist())
    assert [c.dec for c in found] == pytest.approx(np.degrees([-0.25, 0.5]).tolist())


def test_a_byte_order_mark_and_gaps_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ra,dec,label\n1,2,1.5\n3,4,\n", encoding="utf-8-sig")
    Table({"RA": [1.0], "DEC": [2.0], "label": [math.nan]}).write(tmp_path / "t.fits")
    assert [c.label for c in read_positions(tmp_path / "t.csv")] == ["1.5", ""]
    assert [c.label for c in read_positions(tmp_path / "t.fits")] == [""]


def test_rows_without_a_position_say_so(services: Services, tmp_path: Path) -> None:
    rows = table(tmp_path, "name,ra,dec\na,,5\nb,10,95\nc,-10,5\n,11,6\n")
    manifest, found = get(source(rows), tmp_path / "data")
    assert len(manifest) == 3
    assert found[0].reason == "no position: ra nan, dec 5 (deg)"
    assert found[1].reason == "no position: ra 10, dec 95 (deg)"
    assert [c.object_id for c in found[2:]] == ["c", "011.000000+06.000000"]
    assert found[2].ra == pytest.approx(350)
    with pytest.raises(UserError, match="no row has a position; columns 'ra' and 'dec' must be degrees"):
        get(source(table(tmp_path, "ra,dec\n1,99\n")), tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "said"),
    [("x,y\n1,2\n", "needs columns 'ra' and 'dec' .*; found: x, y"),
     ("ra,dec\n09:36:40,5\n", "column 'ra' holds '09:36:40'; positions must be degrees"),
     ("ra,dec\n1,2\n3\n5,6,7\n", "not a table that can be read")],
)
def test_tables_that_cannot_be_used_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=rf"positions\.csv: {said}"):
        read_positions(table(tmp_path, text))


def test_a_table_that_changed_says_so(services: Services, tmp_path: Path) -> None:
    chosen = source(table(tmp_path))
    manifest, _ = get(chosen, tmp_path / "data")
    table(tmp_path, POSITIONS + "c,20,20,,,\n")
    *_, new = first.candidates(chosen, tmp_path / "data", manifest)
    assert new.reason.startswith("never asked for: the table has changed")


@pytest.mark.parametrize(
    ("known", "said"),
    [({"image": "NVSS"}, "the FIRST cutout server has no 'NVSS'"), ({"pixel_arcsec": 1.0}, "pixels of 1.8 arcsec"),
     ({"size": 2000}, "at most 1024")],
)
def test_settings_that_the_first_server_cannot_do_are_refused(known: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        source("t.csv", service="first", **known)
    source("t.csv", service="skyview", **known)


def test_mistakes_are_named(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"none\.csv: no such file; set source\.positions"):
        get(source(tmp_path / "none.csv"), tmp_path / "data")
    monkeypatch.setenv("ASTRO_VAE_MIRROR", str(tmp_path))
    with pytest.raises(UserError, match="a mirror that is a folder cannot answer queries"):
        get(source(table(tmp_path)), tmp_path / "data")


def test_the_catalogue_of_mirabest_is_in_hours(tmp_path: Path) -> None:
    duplicate = "1000 52000 1 11.30937 31.25500 0.2181 25.0 81.13 100\n"
    (tmp_path / mirabest.CATALOGUE).write_text(
        "267 51608 34 9.9446584 -0.02334 0.1392 24.92 107.66 200\n267 51608 35 9.9 1.0 0.1 24.9 270.0 100\n" + duplicate
    )
    one, two = first._from_mirabest(tmp_path)
    assert (one.object_id, one.label, one.reason) == ("200_149.170-000.023_0.1392_0107.66", "FRII", "")
    assert (one.ra, one.dec) == (pytest.approx(149.169876), -0.02334)
    assert one.extra["mirabest_code"] == 200
    assert one.extra["sdss_plate"] == 267
    assert two.reason.startswith("duplicate: the same source as 102_169.640")


def test_the_whole_catalogue_of_mirabest(mirror: Path, tmp_path: Path) -> None:
    catalogue = mirror / mirabest.BUILDER.removeprefix("https://") / mirabest.CATALOGUE
    (tmp_path / mirabest.CATALOGUE).write_bytes(catalogue.read_bytes())
    found = first._from_mirabest(tmp_path)
    assert len(found) == len({c.object_id for c in found}) == 1301
    for c in found:
        assert abs(c.ra - float(c.object_id[4:11])) < 0.00051
        assert abs(c.dec - float(c.object_id[11:19])) < 0.00051


def test_astroquery_is_imported_by_this_survey_alone() -> None:
    code = "import sys, astro_vae.surveys, astro_vae.cli; print('astroquery' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
