"""The environment files name what is there: paths are easily broken, and building them takes a network."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "workflow" / "envs"


def test_conda_finds_the_lock_file_and_the_package() -> None:
    environment = yaml.safe_load((ENVIRONMENTS / "astro_vae.yaml").read_text())
    (words,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    paths = [word.removeprefix("--requirement ") for word in words]
    # conda runs pip in the folder of the file, Snakemake puts a copy of the file into .snakemake/conda
    for folder in (ENVIRONMENTS, ROOT / ".snakemake" / "conda"):
        assert [(folder / path).resolve() for path in paths] == [ROOT / "requirements.lock", ROOT]


def test_python_is_new_enough_and_the_same_in_both() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    environment = yaml.safe_load((ENVIRONMENTS / "astro_vae.yaml").read_text())
    (conda,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python=")]
    image = re.search(r"From: python:([\d.]+)-", (ENVIRONMENTS / "astro_vae.def").read_text())
    assert image
    assert {conda.removeprefix("python="), image[1]} == {needed}


def test_apptainer_copies_what_is_there_and_all_that_the_build_reads() -> None:
    text = (ENVIRONMENTS / "astro_vae.def").read_text()
    files = re.search(r"%files\n(.*?)\n\n", text, re.DOTALL)
    assert files
    pairs = dict(line.split() for line in files[1].splitlines())
    assert all((ROOT / name).exists() for name in pairs)
    assert set(pairs.values()) == {f"/opt/astro_vae/{name}" for name in pairs}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"], "pyproject.toml", "astro_vae"} <= set(pairs)


def test_the_lock_file_has_the_executors() -> None:
    locked = (ROOT / "requirements.lock").read_text()
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["cluster"]
    for requirement in extra:
        name, least = requirement.split(">=")
        found = re.search(rf"^{name}==([\d.]+)$", locked, re.MULTILINE)
        assert found, name
        assert [int(x) for x in found[1].split(".")] >= [int(x) for x in least.split(".")]
