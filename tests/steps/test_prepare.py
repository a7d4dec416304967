"""Prepare keeps or refuses every candidate, says why, and measures what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.files import checksum
from astro_vae.images.cut import cut
from astro_vae.objects import FIRST_COLUMNS, Objects, open_objects
from astro_vae.settings import SourceSettings
from astro_vae.settings_images import PrepareSettings
from astro_vae.steps import prepare as step
from astro_vae.surveys.candidate import Candidate

SETTINGS = PrepareSettings(size=36, field=30)
BEAM = (5.4, 5.4, 0.0)
Prepare = Callable[..., Objects]


def candidate(name: str, values: np.ndarray | None, **known: Any) -> Candidate:
    placed = {"ra": 10.0, "dec": 20.0, "pixel_arcsec": 1.8, "beam": BEAM, "north_deg": 0.0}
    return Candidate(name, values, **(placed | known))


@pytest.fixture
def image(blobs: Callable) -> np.ndarray:
    return blobs(1, 40)[0]


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Give a function that prepares these candidates."""
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("address,path,bytes,checksum,status,reason\nhttp://a/b,b,3,md5:0,ok,\n")

    def prepare(candidates: Iterable[Candidate], name: str = "objects.h5", **changed: Any) -> Objects:
        survey = SimpleNamespace(
            KIND="image", COLUMNS={"redshift": Column("Redshift")}, candidates=lambda *_: iter(candidates)
        )
        monkeypatch.setattr(step.surveys, "survey", lambda _: survey)
        step.prepare(
            SourceSettings(survey="fake"), SETTINGS.model_copy(update=changed), folder=tmp_path, manifest=manifest,
            out=tmp_path / name,
        )
        return open_objects(tmp_path / name)

    return prepare


def test_a_good_candidate_is_kept_whole(prepare: Prepare, image: np.ndarray) -> None:
    made = prepare([candidate("A", image.astype(">f4"), label="FRI", part="test", extra={"redshift": 0.1})])
    row = made.table.iloc[0]
    assert tuple(made.table.columns[:7]) == FIRST_COLUMNS
    assert row[["object_id", "ra", "dec", "label", "status", "reason", "row"]].tolist() == [
        "A", 10.0, 20.0, "FRI", "ok", "", 0
    ]
    assert row["published_part"] == "test"
    assert row["redshift"] == 0.1
    assert made.columns["redshift"].description == "Redshift"
    assert row["noise"] == pytest.approx(0.01, rel=0.2)
    assert row["peak_flux"] == image[5:35, 5:35].max()
    assert row["bmaj_arcsec"] == 5.4
    np.testing.assert_array_equal(made.read(), image[None, 2:38, 2:38])


def test_what_made_the_file_is_kept(prepare: Prepare, image: np.ndarray, tmp_path: Path) -> None:
    made = prepare([candidate("A", image, label="FRI"), candidate("B", image * 2), candidate("C", None, label="X")])
    known = made.attributes
    assert (known["kind"], known["survey"], known["unit"], known["scaled"]) == ("image", "fake", "Jy/beam", False)
    assert known["labels"] == ["FRI"]
    assert known["settings"]["prepare"]["size"] == 36
    assert known["inputs"] == {"manifest": checksum(tmp_path / "manifest.csv")}
    assert "photutils" in known["software"]


def test_the_same_candidates_give_the_same_bytes(prepare: Prepare, blobs: Callable, tmp_path: Path) -> None:
    images = blobs(70)
    for name in ("a.h5", "b.h5"):
        made = prepare([candidate(f"J{i}", one) for i, one in enumerate(images)], name)
    assert len(made.usable) == 70
    np.testing.assert_array_equal(made.read(), images[:, 2:38, 2:38])
    assert checksum(tmp_path / "a.h5") == checksum(tmp_path / "b.h5")


def holed(image: np.ndarray, *place: slice) -> np.ndarray:
    image = image.copy()
    image[place] = np.nan
    return image


REFUSED = {
    "unreadable": lambda image: candidate("B", None),
    "truncated file": lambda image: candidate("B", None, reason="truncated file"),
    "faulty row of the survey": lambda image: candidate("B", image, reason="faulty row of the survey"),
    "not a two-dimensional image: shape (1, 40, 40)": lambda image: candidate("B", image[None]),
    "too small: 29 x 40 pixels, prepare.field needs 30": lambda image: candidate("B", image[:29]),
    "off the survey's field: no pixel of the field has a value": lambda image: candidate("B", image * np.nan),
    "NaN in the field: 3.3% of its pixels": lambda image: candidate("B", holed(image, slice(0, 6))),
    "empty: every pixel of the field is 0": lambda image: candidate("B", image * 0),
    "too faint: the peak in the field is 2.": lambda image: candidate("B", faint(image)),
    "header without WCS: neither position nor pixel scale": lambda image: candidate(
        "B", image * 2, ra=np.nan, dec=np.nan, pixel_arcsec=np.nan
    ),
    "no noise: the background is constant": lambda image: candidate("B", np.where(image > 0.5, image, 0)),
    "duplicate name: the first object of this name is kept": lambda image: candidate("A", image * 2),
    "duplicate image: the same pixels as A": lambda image: candidate("B", image.copy()),
    "another unit: 'mJy/beam' in a survey in 'Jy/beam'": lambda image: candidate("B", image * 2, unit="mJy/beam"),
}


def faint(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 1, image.shape)
    return np.clip(noise, -2, 2).astype(np.float32)


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_used_is_a_row_with_the_reason(prepare: Prepare, image: np.ndarray, reason: str) -> None:
    made = prepare([candidate("A", image), REFUSED[reason](image), candidate("C", image * 3)])
    row = made.table.iloc[1]
    assert (row["status"], row["row"]) == ("refused", -1)
    assert row["reason"].startswith(reason)
    assert np.isnan(row["peak_flux"])
    assert list(made.usable["object_id"]) == ["A", "C"]
    assert made.read().shape == (2, 36, 36)


def test_pixels_outside_the_field_may_be_missing(prepare: Prepare, image: np.ndarray) -> None:
    made = prepare([candidate("A", holed(image, slice(0, 5))), candidate("B", image[3:37, 3:37])])
    assert list(made.table["status"]) == ["ok", "ok"]
    values = made.read()
    assert np.isnan(values[0, :3]).all()
    assert np.isnan(values[1]).sum() == 36**2 - 34**2
    np.testing.assert_array_equal(values[1, 1:35, 1:35], image[3:37, 3:37])


def test_missing_pixels_are_allowed_on_request(prepare: Prepare, image: np.ndarray) -> None:
    made = prepare([candidate("A", holed(image, slice(0, 6)))], max_nan_fraction=0.1)
    assert made.table["status"].tolist() == ["ok"]


def test_what_is_not_known_of_the_sky_is_a_warning(prepare: Prepare, image: np.ndarray) -> None:
    made = prepare([
        candidate("A", image, ra=np.nan, dec=np.nan), candidate("B", image * 2, pixel_arcsec=np.nan, beam=(np.nan,) * 3)
    ])
    assert made.table["status"].tolist() == ["ok", "ok"]
    assert made.table["reason"][0].startswith("no position: header without WCS")
    assert made.table["reason"][1].startswith("no pixel scale: sizes and integrated fluxes are not known")


def test_images_of_8_bits_stay_what_they_are(prepare: Prepare, blobs: Callable, tmp_path: Path) -> None:
    images = blobs(3, 40, dtype="uint8")
    known = {"scaled": True, "unit": "", "ra": np.nan, "pixel_arcsec": np.nan}
    made = prepare([candidate("0", None)] + [candidate(f"J{i}", one, **known) for i, one in enumerate(images)])
    assert made.attributes["scaled"] is True
    assert made.read().dtype == np.uint8
    np.testing.assert_array_equal(made.read(), images[:, 2:38, 2:38])
    usable = made.usable
    assert usable[["noise", "peak_flux", "total_flux"]].isna().all(axis=None)
    assert (usable["n_nonzero"] > 0).all()


def test_an_odd_file_at_the_start_does_not_decide_for_the_others(prepare: Prepare, image: np.ndarray) -> None:
    odd = [candidate("A", image, unit=""), candidate("B", (image * 99).clip(0).astype(np.uint8), scaled=True, unit="")]
    made = prepare(odd + [candidate(f"J{i}", image * (2 + i)) for i in range(20)])
    assert made.attributes["unit"] == "Jy/beam"
    assert made.table["reason"].tolist()[:2] == ["another unit: '' in a survey in 'Jy/beam'"] * 2
    assert len(made.usable) == 20


def test_columns_of_the_user_are_kept(prepare: Prepare, image: np.ndarray) -> None:
    made = prepare([
        candidate("A", image, extra={"code": "100", "flux": 1.5, "n": 3, "noise": 7.0, "Row": 5, "group": "x"}),
        candidate("B", image * 2, extra={"flux": None, "n": 4}),
    ])
    assert made.table["code"].tolist() == ["100", ""]
    assert made.table["n"].tolist() == [3, 4]
    np.testing.assert_array_equal(made.table["flux"], [1.5, np.nan])
    np.testing.assert_array_equal(made.table["user_noise"], [7.0, np.nan])
    assert made.table["user_Row"][0] == 5  # FITS knows no capitals
    assert made.table["user_group"].tolist() == ["x", ""]
    assert "own table" in made.columns["code"].description


def test_the_summary_counts_reasons(prepare: Prepare, image: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    prepare([candidate("A", image), candidate("B", image * 0), candidate("C", image * 0 + 1), candidate("D", None)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["fake: 1 of 4 candidates kept", "  refused     2  empty", "  refused     1  unreadable"]


def test_a_survey_of_which_nothing_can_be_used_is_refused(
    prepare: Prepare, image: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"fake: no object can be used, such as A: empty.*\n0 of 1 .*\n .* 1  empty"):
        prepare([candidate("A", image * 0)])
    with pytest.raises(UserError, match="no object can be used"):
        prepare([candidate("A", None)])
    with pytest.raises(UserError, match="the survey has no candidates"):
        prepare([])
    assert not (tmp_path / "objects.h5").exists()


def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step.surveys, "survey", lambda _: SimpleNamespace(candidates=lambda *_: iter([])))
    manifest = tmp_path / "manifest.csv"
    arguments = {"folder": tmp_path, "manifest": manifest, "out": tmp_path / "objects.h5"}
    with pytest.raises(UserError, match=r"manifest\.csv: no such file; run the step 'download'"):
        step.prepare(SourceSettings(survey="fake"), SETTINGS, **arguments)
    manifest.write_text("")
    with pytest.raises(UserError, match=r"manifest\.csv: not a manifest"):
        step.prepare(SourceSettings(survey="fake"), SETTINGS, **arguments)


@pytest.mark.parametrize("side", [9, 10, 13, 14])
@pytest.mark.parametrize("size", [10, 13])
def test_a_cut_that_was_filled_up_gives_the_image_again(side: int, size: int) -> None:
    image = np.random.default_rng(1).normal(size=(side, side)).astype(np.float32)
    stored = cut(image, size, scaled=False)
    again = cut(stored, min(side, size), scaled=False)
    np.testing.assert_array_equal(again, cut(image, min(side, size), scaled=False))
    assert np.isnan(stored).sum() == size**2 - min(side, size) ** 2
