"""The list of surveys, and configuration files that name them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from astro_vae import surveys
from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.settings import SourceSettings


@pytest.mark.parametrize("name", surveys.SURVEYS)
def test_every_survey_has_its_parts(name: str) -> None:
    module = surveys.survey(name)
    assert module.Source.kind == module.KIND
    assert issubclass(module.Source, SourceSettings)
    assert surveys.SOURCES[name] is module.Source
    assert all(isinstance(column, Column) for column in module.COLUMNS.values())
    assert callable(module.obtain)
    assert callable(module.candidates)


def test_an_unknown_survey_is_named() -> None:
    with pytest.raises(UserError, match=r"'nvss' is no survey; known: .*folder, .*mirabest"):
        surveys.survey("nvss")


def test_a_configuration_file_knows_the_surveys(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("surveys: {m: {source: {survey: mirabest, klasses: [hybrid]}, models: {v: {}}}}")
    with pytest.raises(UserError, match="unknown setting 'klasses'; did you mean 'classes'"):
        surveys.load_settings(path)
    path.write_text("surveys: {m: {source: {survey: mirabest, classes: [hybrid]}, models: {v: {}}}}")
    settings = surveys.load_settings(path)
    assert settings.run == "mine"
    assert settings.surveys["m"].source.model_dump()["classes"] == ("hybrid",)


def test_importing_the_list_is_light() -> None:
    code = "import sys, astro_vae.surveys; print(*{'numpy', 'pandas', 'astropy', 'torch', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
