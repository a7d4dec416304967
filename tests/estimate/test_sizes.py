"""Bytes and objects that follow from settings, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image

from astro_vae.errors import UserError
from astro_vae.estimate.sizes import Counts, counts, examples_bytes, examples_words, values_bytes
from astro_vae.objects import Writer
from astro_vae.section import validate
from astro_vae.settings import ExecutionSettings, SurveySettings
from astro_vae.settings_images import AugmentSettings, PrepareSettings, ViewSettings
from astro_vae.surveys import SOURCES, mirabest, simulated_radio


def survey(source: dict[str, Any]) -> SurveySettings:
    return validate(SurveySettings, {"source": source, "models": {"m": {}}}, origin="test", sources=SOURCES)


def test_bytes_of_values_and_examples() -> None:
    images = survey({"survey": "mirabest"}).model_copy(update={
        "prepare": PrepareSettings(size=150), "augment": AugmentSettings(total=200_000), "view": ViewSettings(size=96),
    })
    found = Counts(1000, 2, False, 0, "settings")
    assert values_bytes(images, found) == 90_000_000
    assert values_bytes(images, replace(found, scaled=True)) == 22_500_000
    assert examples_bytes(images) == 1_843_200_000
    assert examples_words(images) == "200000 examples of 96 x 96 pixels"
    spectra = survey({"survey": "simulated_spectra"})
    assert values_bytes(spectra, found) == 1000 * (1000 + 2 * 16) * 9  # flux and ivar of 4 bytes, a mask of one
    assert examples_bytes(spectra) == 40_000 * 1000 * 2 * 4
    assert examples_words(spectra) == "40000 examples of 1000 bins"


def test_a_sample_of_sdss_is_counted(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("plate,mjd,fiber\n266,51602,1\n266,51602,2\n266,51602,2\n")
    found = counts(survey({"survey": "sdss", "sample": str(tmp_path / "s.csv")}), tmp_path)
    assert (found.objects, found.download_bytes, found.scaled) == (2, 2 * 190_000, False)
    with pytest.raises(UserError, match="do not tell how many objects there will be"):
        counts(survey({"survey": "sdss", "query": "SELECT 1"}), tmp_path)


def test_a_simulated_survey_writes_what_is_expected(tmp_path: Path) -> None:
    source = simulated_radio.Source(survey="simulated_radio", labelled=4, unlabelled=1, other=1, anomalies=1, size=40)
    manifest = simulated_radio.obtain(source, tmp_path, execution=ExecutionSettings())
    told = simulated_radio.expected(source)
    images = manifest[manifest["path"].str.endswith(".fits")]
    assert (told.objects, told.bytes, told.labels) == (7, int(images["bytes"].sum()), 2)


def test_mirabest_is_as_large_as_its_archive() -> None:
    batches = mirabest.expected(mirabest.Source(survey="mirabest", classes=("confident", "uncertain", "hybrid")))
    assert (batches.objects, batches.bytes, batches.scaled) == (1256, 765_686, True)
    cutouts = mirabest.expected(mirabest.Source(survey="mirabest", images="fits"))
    assert (cutouts.objects, cutouts.bytes, cutouts.scaled) == (833, 75_614 + 833 * 377_280, False)


def test_a_survey_that_cannot_tell_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="do not tell how many objects there will be; run its download and prepare"):
        counts(survey({"survey": "rgc"}), tmp_path)


def test_objects_are_counted_in_a_folder_or_in_what_was_made_of_it(tmp_path: Path) -> None:
    settings = survey({"survey": "folder", "path": str(tmp_path / "images")})
    with pytest.raises(UserError, match=r"no such folder; set source\.path"):
        counts(settings, tmp_path)
    (tmp_path / "images" / "deeper").mkdir(parents=True)
    for name in ("a.fits", "deeper/b.fits"):
        fits.PrimaryHDU().writeto(tmp_path / "images" / name)
    assert counts(settings, tmp_path).objects == 2
    assert not counts(settings, tmp_path).scaled
    for i in range(3):
        Image.new("L", (8, 8)).save(tmp_path / "images" / f"{i}.png")
    assert counts(settings, tmp_path).scaled
    table = pd.DataFrame({"object_id": ["a", "b"], "ra": 0.0, "dec": 0.0, "label": "", "status": "ok", "reason": "",
                          "row": [0, -1]})
    with Writer(tmp_path / "objects.h5", (4, 4), "float32", {"labels": ["a", "b", "c"], "scaled": False}) as writer:
        writer.table(table, {})
    made = counts(settings, tmp_path)
    assert (made.objects, made.labels, made.scaled) == (1, 3, False)
    assert made.known_from.endswith("objects.h5")
