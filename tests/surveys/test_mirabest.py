"""MiraBest: names, classes, faulty rows; and, where the mirror is at hand, the published files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from astro_vae.settings import ExecutionSettings
from astro_vae.surveys import mirabest
from astro_vae.surveys._cutouts import known_files
from astro_vae.surveys.candidate import Candidate
from astro_vae.surveys.mirabest import Source, candidates, catalogue_rows, obtain

ALL = ("confident", "uncertain", "hybrid")


def source(**known: object) -> Source:
    return Source.model_validate({"survey": "mirabest", **known})


def test_a_name_says_class_position_redshift_and_size() -> None:
    known = mirabest._candidate(source(), "102_016.732-000.523_0.1538_0026.95")
    assert (known.ra, known.dec, known.label) == (16.732, -0.523, "FRI")
    assert known.extra == {"code": 102, "redshift": 0.1538, "las_catalog_arcsec": 26.95}
    assert mirabest._candidate(source(), "something else").reason.startswith("faulty")


def test_labels_are_what_the_settings_say() -> None:
    chosen = source(labels={"tail": [102, 201], "FRII": [200]})
    assert [chosen.label(code) for code in (100, 102, 200, 201)] == ["", "tail", "FRII", "tail"]
    assert [source(classes=["hybrid"]).wants(code) for code in (100, 300)] == [False, True]


@pytest.mark.parametrize(
    ("known", "said"),
    [({"labels": {"a": [999]}}, "999 is no class code"), ({"labels": {"a": [100], "b": [100]}}, "given twice"),
     ({"classes": []}, "at least 1"), ({"classes": ["sure"]}, "confident")],
)
def test_settings_that_cannot_be_are_refused(known: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        source(**known)


def test_the_catalogue_gives_names(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("267 51608 34 9.9446584 -0.02334 0.1392 24.92 107.66 200\n"
                                "267 51608 35 9.9 1.0 0.1 24.9 270.0 100\n")
    assert catalogue_rows(tmp_path / "c") == {
        "200_149.170-000.023_0.1392_0107.66": {
            "sdss_plate": 267, "sdss_mjd": 51608, "sdss_fiber": 34, "log_power": 24.92,
        }
    }


def test_the_list_of_cutouts_is_whole() -> None:
    known = known_files("mirabest")
    assert len(known) == 1260
    assert Counter(part for _, part in known.values()) == {"train": 1099, "test": 157, "": 4}
    assert all(mirabest.NAME.fullmatch(name) and len(md5) == 32 for name, (md5, _) in known.items())
    assert set(mirabest.FAULTY_IMAGES) | set(mirabest.FAULTY_OBJECTS) <= set(known)


def everything(chosen: Source, folder: Path, execution: ExecutionSettings) -> dict[str, Candidate]:
    manifest = obtain(chosen, folder, execution=execution)
    return {c.object_id: c for c in candidates(chosen, folder, manifest)}


def test_the_published_batches(from_mirror: ExecutionSettings, tmp_path: Path) -> None:
    found = everything(source(classes=ALL), tmp_path, from_mirror)
    assert len(found) == 1256
    assert Counter(c.part for c in found.values()) == {"train": 1099, "test": 157}
    codes = Counter((c.extra["code"], c.part) for c in found.values())
    assert (codes[100, "train"], codes[100, "test"], codes[310, "test"]) == (297, 42, 2)
    refused = {name for name, c in found.items() if c.reason}
    assert refused == {*mirabest.FAULTY_IMAGES, *mirabest.FAULTY_OBJECTS}
    one = found["200_149.170-000.023_0.1392_0107.66"]
    assert (one.extra["batch"], one.extra["batch_row"]) == ("data_batch_5", 123)
    assert (one.label, one.pixel_arcsec, one.north_deg, one.unit) == ("FRII", 1.8, 0, "")
    for c in found.values():
        assert c.scaled
        assert c.values is not None
        assert c.values.dtype == np.uint8
        assert c.values.shape == (150, 150)
        assert c.values.max() == 255


def test_the_cutouts(from_mirror: ExecutionSettings, tmp_path: Path) -> None:
    chosen = source(images="fits", classes=["uncertain", "hybrid"], labels={"FRI": [110, 112]})
    manifest = obtain(chosen, tmp_path, execution=from_mirror)
    found = {c.object_id: c for c in candidates(chosen, tmp_path, manifest)}
    assert len(found) == len(manifest) - 1  # the catalogue is a row too
    here = {name: c for name, c in found.items() if c.values is not None}
    assert 0 < len(here) == (manifest["status"] == "ok").sum() - 1
    assert all(c.reason.startswith("missing: not in the mirror") for name, c in found.items() if name not in here)
    for c in here.values():
        assert c.values is not None
        assert c.values.shape == (300, 300)
        assert (c.unit, c.scaled, c.north_deg) == ("Jy/beam", False, 0)
        assert c.pixel_arcsec == pytest.approx(1.8)
        assert c.beam[1] == 5.4
        assert c.extra["sdss_plate"] > 0
        assert abs(c.ra - float(c.object_id[4:11])) < 0.004
    assert {c.label for c in found.values()} == {"FRI", ""}
    assert {c.part for c in found.values()} <= {"train", "test", ""}
    again = obtain(chosen, tmp_path, execution=from_mirror)
    assert again.equals(manifest)


def test_without_the_catalogue_the_manifest_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASTRO_VAE_MIRROR", raising=False)
    manifest = obtain(source(images="fits"), tmp_path, execution=ExecutionSettings(mirror=str(tmp_path / "none")))
    assert manifest["status"].tolist() == ["missing"]
    assert manifest["address"][0].endswith("mirabestdata.txt")
