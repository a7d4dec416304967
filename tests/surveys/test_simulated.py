"""What the simulated surveys have in common: the same bytes for the same seed, complete or not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from astro_vae.errors import UserError
from astro_vae.settings import SECTIONS, ExecutionSettings
from astro_vae.surveys import SIMULATED
from astro_vae.surveys._simulated import folder_name
from astro_vae.surveys.candidate import Candidate

EXECUTION = ExecutionSettings()


@pytest.fixture(scope="module", params=SIMULATED.values(), ids=SIMULATED)
def survey(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


@pytest.fixture
def few(survey: ModuleType) -> Any:
    """Give the settings of four labelled objects."""
    return survey.trial(4, SECTIONS[survey.KIND]["prepare"]())


def test_the_manifest_names_every_file(
    survey: ModuleType, source: Callable[..., Any], made: tuple[Path, pd.DataFrame], found: list[Candidate]
) -> None:
    folder, manifest = made
    told, objects = survey.expected(source()), manifest[:-1]
    assert (told.objects, told.bytes) == (len(objects), objects["bytes"].sum())
    assert told.labels == len({c.label for c in found} - {""})
    assert manifest["path"].iloc[-1].endswith("/truth.csv")
    assert [(folder / path).stat().st_size for path in manifest["path"]] == manifest["bytes"].to_list()
    assert survey.obtain(source(), folder, execution=EXECUTION).equals(manifest)


def test_the_same_seed_gives_the_same_bytes(
    survey: ModuleType, source: Callable[..., Any], few: Any, made: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    again = survey.obtain(source(min_fraction=0.5), tmp_path, execution=EXECUTION)
    assert again.equals(made[1])
    other = survey.obtain(few.model_copy(update={"seed": 2}), tmp_path, execution=EXECUTION)
    assert not set(other["checksum"]) & set(again["checksum"])


def test_an_unfinished_simulation_is_made_again(survey: ModuleType, few: Any, tmp_path: Path) -> None:
    left = tmp_path / f".{folder_name(few, few.seed, survey.VERSION)}.partial"
    left.mkdir()
    (left / "sim_99999.fits").write_bytes(b"half")
    names = [Path(path).name for path in survey.obtain(few, tmp_path, execution=EXECUTION)["path"]]
    assert names == [*(f"sim_{i:05d}.fits" for i in range(4)), "truth.csv"]
    assert not left.exists()


def test_without_its_files_the_survey_says_so(
    survey: ModuleType, source: Callable[..., Any], made: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"truth\.csv: no such file; run the step 'download' again"):
        next(survey.candidates(source(), tmp_path, made[1]))


def test_a_damaged_file_is_a_row_with_its_reason(survey: ModuleType, few: Any, tmp_path: Path) -> None:
    manifest = survey.obtain(few, tmp_path, execution=EXECUTION)
    (tmp_path / manifest["path"][0]).write_bytes(b"")
    (tmp_path / manifest["path"][1]).unlink()
    first, second, third, _ = survey.candidates(few, tmp_path, manifest)
    assert (first.values, first.reason) == (None, "unreadable: empty file: 0 bytes")
    assert second.values is None
    assert second.reason.startswith("unreadable: ")
    assert third.reason == ""
