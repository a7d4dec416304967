"""What the targets share: run the workflow in a folder of its own, with small budgets where they do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

PROJECT = ("Snakefile", "workflow", "profiles")
"""What makes a folder one in which `astro-vae run` works."""


def project(root: Path, place: Path) -> None:
    """Make `place` a folder of the project, by links, so that data and results lie there and not in the clone."""
    for name in PROJECT:
        (place / name).unlink(missing_ok=True)
        (place / name).symlink_to(root / name)


def workflow(
    root: Path, place: Path, config: Path, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the workflow of `config` in `place`, as a user does, and return what it said; it goes on after a kill."""
    project(root, place)
    command = [sys.executable, "-m", "astro_vae", "run", "--config", str(config), "--cores", cores(), "--", *words]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})


def cores() -> str:
    """Return the number of processor cores that this process may use."""
    return str(len(os.sched_getaffinity(0)))


def small(config: Path, written: Path, *models: str, **source: Any) -> Path:
    """Write a configuration with small budgets, these models only (or all), and these settings of each source.

    Nothing else is changed, so that what is run is what the configuration says.
    """
    settings = yaml.safe_load(config.read_text())
    for survey in settings["surveys"].values():
        survey["source"] |= source
        survey.setdefault("augment", {})["total"] = 4000
        survey.setdefault("classifier", {})["examples"] = 4000
        survey["models"] = {name: model for name, model in survey["models"].items() if name in models or not models}
        for model in survey["models"].values():
            if model["type"] == "vae":
                model["train"] = model.get("train", {}) | {"examples": 5000}
            else:
                model["examples"] = 1000
        survey.setdefault("products", {}).update(rotations=2, draws=2, prior={"components": 2, "examples": 1000})
    written.write_text(yaml.safe_dump(settings))
    return written


def logs(place: Path) -> str:
    """Gather the logs of all steps, for a message of failure."""
    return "\n".join(f"== {p.relative_to(place)}\n{p.read_text()[-2000:]}" for p in sorted(place.rglob("logs/*.log")))


def mirror() -> Path:
    """Return the folder of real survey data."""
    folder = Path(os.environ.get("ASTRO_VAE_MIRROR", ""))
    assert (folder / "www.jb.man.ac.uk").is_dir(), "set ASTRO_VAE_MIRROR to a folder of survey data"
    return folder
