"""What the tests of `init` share: the command itself, and the first steps of what it writes."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from astro_vae import cli
from astro_vae.settings import ExecutionSettings
from astro_vae.steps.download import download
from astro_vae.steps.prepare import prepare
from astro_vae.surveys import load_settings


def init(*words: object) -> str:
    done = CliRunner().invoke(cli.app, ["init", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def prepared(config: Path, place: Path) -> None:
    """Run the first two steps of a written configuration; they say what is kept."""
    survey = load_settings(config).surveys[config.stem]
    download(survey.source, folder=place / "data", out=place / "m.csv", execution=ExecutionSettings())
    prepare(survey.source, survey.prepare, folder=place / "data", manifest=place / "m.csv", out=place / "objects.h5")
