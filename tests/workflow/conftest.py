"""One finished run of the whole workflow, tiny, that the tests of the workflow share."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]

TINY: dict[str, Any] = {
    "surveys": {
        "simulated": {
            "source": {"survey": "simulated_radio", "labelled": 60, "unlabelled": 12, "anomalies": 6, "other": 8},
            "prepare": {"size": 150, "field": 96},
            "view": {"size": 48, "frame": 96, "method": "resample"},
            "augment": {"total": 1500},
            "classifier": {"examples": 2000},
            "models": {
                "cvae": {
                    "type": "vae",
                    "latents": 4,
                    "network": {"channels": [8, 16, 16], "hidden": [32]},
                    "train": {"examples": 4000, "batch": 64, "validate_every": 1000},
                },
                "pca": {"type": "pca", "latents": 4, "examples": 500},
            },
            "products": {
                "rotations": 2,
                "draws": 4,
                "samples_per_label": 12,
                "top": 6,
                "bootstrap": 50,
                "prior": {"components": 2, "examples": 400},
            },
        }
    }
}


class Workflow:
    """A folder to run in, with the settings of the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "tiny.yaml"

    def edited(self, place: str, value: Any) -> dict[str, Any]:
        """Return the tiny settings with one of them changed."""
        settings = copy.deepcopy(TINY)
        *path, last = place.split(".")
        section: dict[str, Any] = settings
        for key in path:
            section = section.setdefault(key, {})
        section[last] = value
        return settings

    @property
    def results(self) -> Path:
        return self.folder / "results" / "tiny" / "simulated"

    def snakemake(self, *words: str, settings: dict[str, Any] = TINY) -> subprocess.CompletedProcess[str]:
        self.config.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory",
                   str(self.folder), "--configfile", str(self.config), "--cores", "2", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """Run the tiny workflow once."""
    workflow = Workflow(tmp_path_factory.mktemp("run"))
    done = workflow.snakemake()
    logs = "\n".join(f"{p}:\n{p.read_text()}" for p in workflow.folder.rglob("*.log") if "logs" in p.parts)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{logs}"
    return workflow


@pytest.fixture
def would_run(finished: Workflow) -> Callable[[dict[str, Any]], set[str]]:
    """Give the function that names the rules that changed settings would run."""

    def rules(settings: dict[str, Any]) -> set[str]:
        done = finished.snakemake("--dry-run", settings=settings)
        assert done.returncode == 0, done.stderr
        lines = (done.stdout + done.stderr).splitlines()
        return {line.split()[1].rstrip(":") for line in lines if line.startswith(("rule ", "localrule "))}

    return rules
