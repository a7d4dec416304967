"""A person's own folder: labels by several kinds of names, pictures, damaged files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image

from astro_vae.errors import UserError
from astro_vae.settings import ExecutionSettings
from astro_vae.surveys import folder as survey
from astro_vae.surveys.candidate import Candidate

RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    top = tmp_path / "images"
    (top / "deeper").mkdir(parents=True)
    fits.writeto(top / "a.fits", np.ones((8, 8), np.float32))
    fits.writeto(top / "deeper" / "b.v1.fits", np.ones((8, 8), np.float32))
    Image.fromarray(RAMP).save(top / "c.PNG")
    Image.fromarray(np.dstack([RAMP] * 3)).save(top / "d.jpg", quality=95)
    (top / "empty.fits").write_bytes(b"")
    (top / "notes.fits").write_text("no pixels")
    (top / "broken.png").write_bytes((top / "c.PNG").read_bytes()[:45])
    (top / "empty.png").write_bytes(b"")
    (top / "readme.txt").write_text("not an image, and not named like one")
    return top


def read(images: Path, labels: str = "", **known: Any) -> tuple[pd.DataFrame, dict[str, Candidate]]:
    """Return the manifest and the candidates by name."""
    table = images.parent / "labels.csv"
    table.write_text(labels)
    source = survey.Source(survey="folder", path=str(images), labels=str(table) if labels else "", **known)
    manifest = survey.obtain(source, images.parent / "data", execution=ExecutionSettings())
    found = {c.object_id: c for c in survey.candidates(source, images.parent / "data", manifest)}
    assert len(found) == len(manifest)
    return manifest, found


def test_every_image_is_a_candidate_and_damaged_ones_say_why(images: Path) -> None:
    manifest, found = read(images)
    assert set(found) == {"a", "deeper/b.v1", "c", "d", "empty.fits", "empty.png", "notes", "broken"}
    assert (manifest["status"] == "ok").all()
    assert manifest["checksum"].str.startswith("sha256:").all()
    assert found["a"].values is not None
    reasons = {Path(p).name: c.reason for p, c in zip(manifest["path"], found.values(), strict=True)}
    assert reasons["notes.fits"].startswith("not a FITS file")
    assert reasons["broken.png"].startswith("no picture, or damaged")
    assert reasons["empty.png"] == "empty file: 0 bytes"
    assert all(not reasons[name] for name in ("a.fits", "b.v1.fits", "c.PNG", "d.jpg"))


def test_pictures_are_bytes_with_the_lowest_line_first(images: Path) -> None:
    _, found = read(images)
    for name, tolerance in (("c", 0), ("d", 6)):
        picture = found[name]
        assert picture.scaled
        assert picture.values is not None
        assert picture.values.dtype == np.uint8
        assert np.abs(picture.values.astype(int) - RAMP[::-1]).max() <= tolerance
        assert math.isnan(picture.north_deg)


@pytest.mark.parametrize("name", ["deeper/b.v1.fits", "deeper/b.v1", "b.v1.fits", "b.v1"])
def test_labels_find_their_file(images: Path, name: str) -> None:
    manifest, found = read(images, f"file,label,flux,note\n{name}, FRI ,1.5,bright\na.fits,,2.5,\n")
    assert found["deeper/b.v1"].label == "FRI"
    assert found["deeper/b.v1"].extra == {"flux": 1.5, "note": "bright"}
    assert found["a"].label == ""
    assert found["c"].label == ""
    assert (manifest["status"] == "ok").all()


def test_a_label_without_file_is_a_row_with_the_reason(images: Path) -> None:
    manifest, found = read(images, "object_id,label\na,7\nzz,7\n")
    assert found["a"].label == "7"
    assert manifest["status"].tolist()[-1] == "missing"
    assert found["zz"].reason.startswith("missing: named in")


def test_settings_and_table_say_what_files_do_not(images: Path) -> None:
    _, found = read(images, "file,label,ra,dec\na,x,150.5,-3\nc,x,,\n", pixel_arcsec=2.0, beam=(6.0, 5.0, 10.0),
                    unit="Jy/beam")
    a, c = found["a"], found["c"]
    assert (a.ra, a.dec, a.pixel_arcsec, a.beam, a.unit) == (150.5, -3.0, 2.0, (6.0, 5.0, 10.0), "Jy/beam")
    assert a.extra == {}
    assert math.isnan(c.ra)


def test_mistakes_are_named(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder; set source\.path"):
        read(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match=r"no images; known endings: \.fits"):
        read(tmp_path / "bare")
    with pytest.raises(UserError, match=r"needs a column .label. and a column .*; found: name, class"):
        read(images, "name,class\na,b\n")
    with pytest.raises(UserError, match="'a' has two rows"):
        read(images, "file,label\na,x\na,y\n")
    source = survey.Source(survey="folder", path=str(images), labels=str(tmp_path / "none.csv"))
    with pytest.raises(UserError, match=r"none\.csv: no such file"):
        survey.obtain(source, tmp_path, execution=ExecutionSettings())


def test_a_file_that_went_away_says_so(images: Path) -> None:
    source = survey.Source(survey="folder", path=str(images))
    manifest = survey.obtain(source, images.parent, execution=ExecutionSettings())
    (images / "a.fits").unlink()
    found = {c.object_id: c for c in survey.candidates(source, images.parent, manifest)}
    assert found["a"].reason.startswith("missing: the file has gone")


def test_pictures_of_16_bits_are_not_cut_off(images: Path) -> None:
    Image.fromarray((RAMP * 400.0).astype(np.uint16)).save(images / "deep.png")
    _, found = read(images)
    assert found["deep"].values is not None
    np.testing.assert_array_equal(found["deep"].values, (255 * (RAMP[::-1] * 400.0) / 25_200).astype(np.uint8))


def test_endings_choose_the_files(images: Path) -> None:
    manifest, found = read(images, endings=(".png", ".jpg"))
    assert set(manifest["path"]) == {"c.PNG", "d.jpg", "broken.png", "empty.png"}
    assert found["c"].scaled


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grid_arcsec": 2.0, "pixel_arcsec": 1.8}, "leave out pixel_arcsec"),
        ({"common_beam": (5.0, 6.0, 0.0)}, "axes above 0"),
        ({"endings": (".tif",)}, "'.tif' is not known"),
    ],
)
def test_settings_that_contradict(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        survey.Source(survey="folder", path="x", **settings)


def test_a_picture_cannot_be_brought_to_a_grid(images: Path) -> None:
    _, found = read(images, grid_arcsec=2.0)
    assert found["c"].reason == "a picture has no pixel scale: it cannot be brought to one grid or beam"


def test_tables_whose_edit_begins_the_survey_again() -> None:
    source = survey.Source(survey="folder", path="x", labels="a.csv", catalog="b.fits")
    assert survey.tables(source) == [Path("a.csv"), Path("b.fits")]
    assert survey.tables(survey.Source(survey="folder", path="x")) == []
