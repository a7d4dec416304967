"""SDSS: samples, paths, what is taken and what is refused; over a loopback archive and database."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from pydantic import ValidationError

from astro_vae import download, surveys
from astro_vae.errors import UserError
from astro_vae.settings import ExecutionSettings
from astro_vae.steps.download import download as step
from astro_vae.surveys import mirabest
from astro_vae.surveys._sdss_sample import query_name, read_sample
from astro_vae.surveys.candidate import Block, Candidate
from astro_vae.surveys.sdss import Source, candidates, is_sky, obtain, path, refusal, tables

Write = Callable[..., Path]
EXECUTION = ExecutionSettings()
LEGACY = "dr17/sdss/spectro/redux/26/spectra/lite"
GOOD = {"CLASS": "GALAXY", "Z": 0.1, "ZWARNING": 0, "SOURCETYPE": "GALAXY"}


def source(**known: object) -> Source:
    return Source.model_validate({"survey": "sdss", **({} if "query" in known else {"sample": "s.csv"}), **known})


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"plate": 266, "mjd": 51602, "fiber": 1, "run2d": "26"}, f"{LEGACY}/0266/spec-0266-51602-0001.fits"),
        ({"plate": 266, "mjd": 51602, "fiber": 1, "run2d": ""}, f"{LEGACY}/0266/spec-0266-51602-0001.fits"),
        ({"plate": 1960, "mjd": 53289, "fiber": 640, "run2d": "103"},
         "dr17/sdss/spectro/redux/103/spectra/lite/1960/spec-1960-53289-0640.fits"),
        ({"plate": 7338, "mjd": 56660, "fiber": 999, "run2d": "v5_7_0"},
         "dr17/eboss/spectro/redux/v5_13_2/spectra/lite/7338/spec-7338-56660-0999.fits"),
        ({"plate": 10_000, "mjd": 57_000, "fiber": 5, "run2d": ""},
         "dr17/eboss/spectro/redux/v5_13_2/spectra/lite/10000/spec-10000-57000-0005.fits"),
    ],
)
def test_paths_are_those_of_the_archive(row: dict[str, Any], expected: str) -> None:
    assert path(source(), row) == expected
    older = source(legacy_tree="dr12/sdss/spectro/redux/{run2d}", boss_tree="dr12/boss/spectro/redux/v5_7_0")
    assert path(older, row).startswith("dr12/")


def test_a_sample_is_read_in_any_case_and_once(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("#Table1\nPlate,MJD,FiberID,subclass,a/b\n266,51602,1,,x\n266,51602,1,,x\n300, 51666 ,7,AGN,y\n")
    table = read_sample(file)
    assert table[["plate", "mjd", "fiber", "run2d"]].to_numpy().tolist() == [[266, 51602, 1, ""], [300, 51666, 7, ""]]
    assert table["subclass"].tolist() == ["", "AGN"]
    assert "a_b" in table


@pytest.mark.parametrize("ending", ["fits", "fits.gz", "ecsv", "vot"])
def test_a_sample_may_be_a_table_of_another_format(tmp_path: Path, ending: str) -> None:
    sample = Table({
        "PLATE": np.array([266, 300], np.int16), "MJD": [51602, 51666], "FIBERID": [1.0, 7.0], "RUN2D": ["26", "103"],
        "EBV": np.array([0.02, np.nan], np.float32), "label": [" a", ""], "coeffs": np.zeros((2, 4)),
    })
    sample.write(tmp_path / f"s.{ending}", format="votable" if ending == "vot" else None)
    found = read_sample(tmp_path / f"s.{ending}")
    expected = [[266, 51602, 1, "26", "0.02", "a"], [300, 51666, 7, "103", "", ""]]
    assert found[["plate", "mjd", "fiber", "run2d", "ebv", "label"]].to_numpy().tolist() == expected
    assert read_sample(tmp_path / f"s.{ending}", ()).columns.tolist() == ["plate", "mjd", "fiberid", "run2d", "fiber"]


def test_reductions_of_a_column_with_gaps_are_no_fractions(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("plate,mjd,fiber,run2d\n266,51602,1,26.0\n7338,56660,3,v5_13_0\n300,51666,7,\n")
    assert read_sample(tmp_path / "s.csv")["run2d"].tolist() == ["26", "v5_13_0", ""]


@pytest.mark.parametrize(
    ("text", "said"),
    [("plate,mjd\n1,2\n", "needs a column 'fiber'; found: plate, mjd"), ("plate,mjd,fiber\n1,x,3\n", "'mjd' is 'x' in"),
     ("plate,mjd,fiber,A,a\n1,2,3,4,5\n", "two columns are named 'a', in whatever case"),
     ("plate,mjd,fiber\n1,2.5,3\n", "'mjd' is '2.5' in row 1"), ("plate,mjd,fiber\n1,2,\n", "'fiber' is '' in row 1"),
     (None, "no such file; set source.sample")],
)
def test_samples_that_cannot_be_used_are_named(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "s.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=said):
        read_sample(file)


@pytest.mark.parametrize(
    ("known", "said"),
    [({"query": "SELECT", "sample": "a.csv"}, "either `sample`"), ({"sample": ""}, "either `sample`"),
     ({"bad_bits": ["BRIGTSKY"]}, "unknown bit 'BRIGTSKY'; did you mean 'BRIGHTSKY'")],
)
def test_settings_that_cannot_be_are_refused(known: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        source(**known)


@pytest.mark.parametrize(
    ("row", "settings", "reason"),
    [
        ({}, {}, ""),
        ({"SOURCETYPE": "SKY"}, {}, "sky fibre"),
        ({"ZWARNING": 5}, {}, "sky fibre"),  # bit 0
        ({"ZWARNING": 5}, {"sky_fibres": True}, ""),
        ({"ZWARNING": 16}, {}, "redshift in doubt: ZWARNING is 16"),
        ({"ZWARNING": 16}, {"allow_zwarning": [4]}, ""),
        ({"ZWARNING": 20}, {"allow_zwarning": [4]}, "redshift in doubt"),
        ({"CLASS": "STAR"}, {}, "another class: STAR"),
        ({"CLASS": "STAR", "Z": -0.001}, {"classes": ["STAR"], "redshift": [-0.01, 0.01]}, ""),
        ({"Z": 0.36}, {}, ""),
        ({"Z": 0.3601}, {}, "redshift out of range"),
        ({"Z": 0.0}, {}, "redshift out of range"),
    ],
)
def test_what_is_refused_and_why(row: dict[str, Any], settings: dict[str, Any], reason: str) -> None:
    said = refusal(source(**settings), GOOD | row)
    assert said.startswith(reason)
    assert bool(said) == bool(reason)
    assert is_sky(GOOD) is False


class Server(http.server.ThreadingHTTPServer):
    """An archive that serves a folder, and a database that replays one answer; it notes what it was asked."""

    folder: Path
    answer = "#Table1\nplate,mjd,fiberid,run2d\n266,51602,1,26\n266,51602,2,26\n"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if "cmd=" in self.path:
            self._send(200, self.server.answer.encode())
            return
        file = self.server.folder / self.path.lstrip("/")
        self._send(200, file.read_bytes()) if file.is_file() else self._send(404, b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    made.folder = tmp_path / "archive"
    monkeypatch.setenv("ASTRO_VAE_MIRROR", made.address)
    monkeypatch.setattr(download, "RETRY_DELAYS", ())
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def lite(server: Server, fiber: int) -> Path:
    return server.folder / f"data.sdss.org/sas/{LEGACY}/0266/spec-0266-51602-{fiber:04d}.fits"


def found(chosen: Source, folder: Path) -> dict[str, Candidate]:
    manifest = obtain(chosen, folder, execution=EXECUTION)
    return {c.object_id[-4:]: c for c in candidates(chosen, folder, manifest)}


def test_a_sample_becomes_candidates(server: Server, write_spectrum: Write, tmp_path: Path) -> None:
    write_spectrum(lite(server, 1))
    write_spectrum(lite(server, 2), CLASS="QSO", SUBCLASS="BROADLINE", seed=2)
    write_spectrum(lite(server, 3), ZWARNING=4, seed=3)
    write_spectrum(lite(server, 4))
    lite(server, 4).write_bytes(lite(server, 4).read_bytes()[:50_000])
    table = tmp_path / "s.csv"
    table.write_text("plate,mjd,fiber,ebv,part_0,note\n" + "".join(
        f"266,51602,{fiber},{ebv},{part},n{fiber}\n"
        for fiber, ebv, part in ((1, "0.05", "test"), (2, "", "train"), (3, "", ""), (4, "", ""), (5, "", ""))
    ))
    chosen = source(sample=str(table), labels="subclass", part_column="part_0", keep=["note"])
    seen = found(chosen, tmp_path / "data")
    one = seen["0001"]
    assert (one.object_id, one.label, one.part, one.ebv, one.reason) == (
        "spec-0266-51602-0001", "GALAXY", "test", 0.05, ""
    )
    assert (one.ra, one.dec, one.redshift, one.extra["note"], one.extra["run2d"]) == (150, 2, 0.1, "n1", "26")
    page = "https://dr17.sdss.org/optical/spectrum/view?plateid=266&mjd=51602&fiberid=1"
    assert surveys.link(chosen, one) == page
    assert surveys.link(chosen, seen["0004"]).endswith("fiberid=4")  # of what is refused too
    assert seen["0002"].label == "QSO BROADLINE"
    assert np.isnan(seen["0002"].ebv)
    assert "ZWARNING is 4" in seen["0003"].reason
    assert "truncated" in seen["0004"].reason
    assert seen["0005"].reason.startswith("missing: not at the archive")
    asked = len(server.asked)
    obtain(chosen, tmp_path / "data", execution=EXECUTION)
    assert len(server.asked) == asked + 1  # only what is missing is asked for again


def test_columns_are_found_however_they_are_written(server: Server, write_spectrum: Write, tmp_path: Path) -> None:
    write_spectrum(lite(server, 1))
    table = tmp_path / "s.csv"
    table.write_text("Plate,MJD,Fiber,SFD_EBV,logMass,Type\n266,51602,1, 0.05 ,10.5, cluster\n266,51602,2,none,11,\n")
    chosen = source(
        sample=str(table), labels="column", label_column="Type", ebv_column="SFD_EBV", keep=["logMass"]
    )
    seen = found(chosen, tmp_path / "data")
    one = seen["0001"]
    assert (one.label, one.ebv, one.extra["logmass"]) == ("cluster", 0.05, 10.5)
    assert seen["0002"].reason.startswith("missing: not at the archive")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep": ["logmas"]}, "no column 'logmas', which source.keep names; found: plate, mjd, fiber, part, dust"),
        ({"ebv_column": "av"}, "no column 'av', which source.ebv_column names"),
        ({"part_column": "split"}, "no column 'split', which source.part_column names"),
        ({"labels": "column", "label_column": "class"}, "no column 'class', which source.label_column names"),
        ({"part_column": "part"}, "'part' of 266-51602-2 is 'testing'; it must be one of train, validation, test, or"),
    ],
)
def test_a_column_that_a_setting_names_must_be_there(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    table = tmp_path / "s.csv"
    table.write_text("plate,mjd,fiber,part,dust\n266,51602,1,test,0.1\n266,51602,2,testing,n/a\n")
    with pytest.raises(UserError, match=message):
        obtain(source(sample=str(table), **settings), tmp_path, execution=EXECUTION)


def test_a_cell_of_dust_that_is_no_number_refuses_its_spectrum(
    server: Server, write_spectrum: Write, tmp_path: Path
) -> None:
    write_spectrum(lite(server, 1))
    table = tmp_path / "s.csv"
    table.write_text("plate,mjd,fiber,ebv\n266,51602,1,n/a\n")
    seen = found(source(sample=str(table)), tmp_path / "data")
    assert seen["0001"].reason == "no number in the sample: ebv is 'n/a'"


def test_a_tree_with_other_braces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\{run2d\} is all that may stand in braces"):
        source(sample="s.csv", legacy_tree="dr17/{rerun}")


def test_labels_by_lines(server: Server, write_spectrum: Write, tmp_path: Path) -> None:
    write_spectrum(lite(server, 1))
    (tmp_path / "s.csv").write_text("plate,mjd,fiber\n266,51602,1\n")
    for labels, expected in {"lines": "weak lines", "none": "", "class": "GALAXY"}.items():
        assert found(source(sample=str(tmp_path / "s.csv"), labels=labels), tmp_path)["0001"].label == expected


def test_a_query_is_asked_once_and_kept(server: Server, write_spectrum: Write, tmp_path: Path) -> None:
    write_spectrum(lite(server, 1))
    write_spectrum(lite(server, 2), seed=2)
    sql = "SELECT plate, mjd, fiberid, run2d FROM SpecObj WHERE z > 0.1"
    chosen = source(query=sql, server=server.address)
    assert sorted(found(chosen, tmp_path)) == ["0001", "0002"]
    questions = [asked for asked in server.asked if "cmd=" in asked]
    assert "dr17" in questions[0]
    assert parse_qs(urlsplit(questions[0]).query)["cmd"][0].split() == sql.split()
    name = query_name(sql, 17)
    assert (tmp_path / f"{name}.sql").read_text() == sql + "\n"
    assert len(read_sample(tmp_path / f"{name}.csv")) == 2
    found(chosen, tmp_path)
    assert len([asked for asked in server.asked if "cmd=" in asked]) == len(questions) == 1


@pytest.mark.parametrize(("answer", "said"), [("error_message: no column zz", "not answered"),
                                              ("#Table1\nplate,mjd,fiberid,run2d\n", "no such spectrum")])
def test_a_query_that_fails_is_said(server: Server, tmp_path: Path, answer: str, said: str) -> None:
    server.answer = answer
    with pytest.raises(UserError, match=said):
        obtain(source(query="SELECT", server=server.address), tmp_path, execution=EXECUTION)
    assert not list(tmp_path.glob("*.csv"))


def serve_catalogue(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve a catalogue of four radio galaxies as MiraBest's builder has it; the last one is too large for it."""
    rows = [(266, 51602, 1, 100), (266, 51602, 2, 210), (266, 51602, 3, 400), (266, 51602, 4, 200)]
    text = "".join(
        f"{plate} {mjd} {fiber} 9.9446{fiber} -0.0{fiber} 0.1 24.92 {900 if fiber == 4 else 107.66} {code}\n"
        for plate, mjd, fiber, code in rows
    )
    place = server.folder / mirabest.BUILDER.removeprefix("https://") / mirabest.CATALOGUE
    place.parent.mkdir(parents=True)
    place.write_text(text)
    monkeypatch.setattr(mirabest, "CATALOGUE_SIZE", len(text))
    monkeypatch.setattr(mirabest, "CATALOGUE_MD5", hashlib.md5(text.encode()).hexdigest())


def test_the_hosts_of_mirabest_are_a_sample(
    server: Server, write_spectrum: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_catalogue(server, monkeypatch)
    for fiber in (1, 2):
        write_spectrum(lite(server, fiber), seed=fiber)
    seen = found(source(sample="mirabest", labels="column", keep=["code", "radio_object"]), tmp_path)
    assert {fiber: one.label for fiber, one in seen.items()} == {"0001": "FRI", "0002": "FRII", "0003": ""}
    assert seen["0001"].extra["code"] == 100
    assert seen["0001"].extra["radio_object"] == "100_149.169-000.010_0.1000_0107.66"
    assert seen["0003"].reason == "missing: not at the archive: HTTP status 404 (Not Found)"
    assert found(source(sample="mirabest"), tmp_path)["0001"].label == "GALAXY"


def test_a_sample_that_the_archive_lacks_ends_with_the_remedy(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_catalogue(server, monkeypatch)
    manifest = obtain(source(sample="mirabest"), tmp_path, execution=EXECUTION)
    assert manifest["status"].tolist() == ["ok"] + ["missing"] * 3
    with pytest.raises(UserError, match=r"sdss: 1 of 4 files .*not at the archive.* lower source\.min_fraction"):
        step(source(sample="mirabest"), folder=tmp_path, out=tmp_path / "manifest.csv", execution=EXECUTION)
    assert not (tmp_path / "manifest.csv").exists()
    listed = pd.read_csv(tmp_path / "missing.csv")
    assert listed["path"].str[-9:].tolist() == ["0001.fits", "0002.fits", "0003.fits"]
    assert listed["reason"].str.startswith("not at the archive: HTTP status 404").all()


def test_a_block_has_its_own_rows(server: Server, write_spectrum: Write, tmp_path: Path) -> None:
    for fiber in range(1, 6):
        write_spectrum(lite(server, fiber), seed=fiber)
    (tmp_path / "s.csv").write_text("plate,mjd,fiber\n" + "".join(f"266,51602,{i}\n" for i in range(1, 6)))
    chosen = source(sample=str(tmp_path / "s.csv"))
    manifest = obtain(chosen, tmp_path, execution=EXECUTION)
    blocks = [[c.object_id[-1] for c in candidates(chosen, tmp_path, manifest, Block(n, 2))] for n in (1, 2)]
    assert blocks == [["1", "2"], ["3", "4", "5"]]


def test_the_sample_is_a_table_of_the_person(tmp_path: Path) -> None:
    assert tables(source(sample="s.csv")) == [Path("s.csv")]
    assert tables(source(sample="mirabest")) == tables(source(query="SELECT")) == []
