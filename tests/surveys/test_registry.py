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
from astro_vae.surveys.candidate import Candidate


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


def test_surveys_of_many_files_come_in_blocks() -> None:
    several = {name for name in surveys.SURVEYS if surveys.in_blocks(name)}
    assert several == {"sdss", "first", "simulated_radio", "simulated_spectra", "folder", "spectra_folder"}


def test_objects_with_a_position_are_linked_to_what_is_known_there() -> None:
    source = surveys.SOURCES["folder"](survey="folder", path="mine")
    address = surveys.link(source, Candidate("a", None, ra=187.70593, dec=-12.39112))
    assert address.startswith("https://ned.ipac.caltech.edu/conesearch?")
    assert "ra=187.705930d&dec=-12.391120d&" in address
    assert surveys.link(source, Candidate("b", None)) == ""


@pytest.mark.parametrize("name", ["simulated_radio", "simulated_spectra"])
def test_simulated_objects_are_in_no_archive(name: str) -> None:
    source = surveys.SOURCES[name](survey=name)
    assert surveys.link(source, Candidate("a", None, ra=10.0, dec=10.0)) == ""


def test_a_configuration_file_knows_the_surveys(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("surveys: {m: {source: {survey: mirabest, klasses: [hybrid]}, models: {v: {}}}}")
    with pytest.raises(UserError, match="unknown setting 'klasses'; did you mean 'classes'"):
        surveys.load_settings(path)
    path.write_text("surveys: {m: {source: {survey: mirabest, classes: [hybrid]}, models: {v: {}}}}")
    settings = surveys.load_settings(path)
    assert settings.run == "mine"
    assert settings.surveys["m"].source.model_dump()["classes"] == ("hybrid",)


def test_the_run_is_named_after_its_file_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    text = "surveys: {m: {source: {survey: mirabest}, models: {v: {}}}}\n"
    path = tmp_path / "tiny.yaml"
    path.write_text(text)
    assert surveys.load_settings(path).run == "tiny"
    path.write_text(text + "run: test\n")
    assert surveys.load_settings(path).run == "test"


@pytest.mark.parametrize(("text", "words"), [("a: [", "not valid YAML"), ("- a", "found list"), ("", "found NoneType")])
def test_what_is_not_a_map_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        surveys.load_settings(path)
    with pytest.raises(UserError, match="no such configuration file"):
        surveys.load_settings(tmp_path / "none.yaml")


def test_importing_the_list_is_light() -> None:
    code = "import sys, astro_vae.surveys; print(*{'numpy', 'pandas', 'astropy', 'torch', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
