"""Copies of the project to run the workflow in, and what the cluster says of its jobs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from mini_slurm import IDLE

ROOT = Path(__file__).parents[2]
COPIED = ("Snakefile", "astro_vae", "workflow", "profiles", "tests/cluster/tiny.yaml")
# One thread each: more would wait for each other on a machine that has other work, and give other last digits.
EVERYWHERE = {"max-threads": 1, "latency-wait": 5}


class Project:
    """A copy of the project in a folder of its own.

    Parameters
    ----------
    folder : Path
    profile : str
        The profile to run with; empty for a run on this machine.
    edits : dict
        What a user changes in a copy of that profile; maps are merged.
    """

    def __init__(self, folder: Path, profile: str = "", **edits: Any) -> None:
        self.folder = folder
        for name in COPIED:
            (shutil.copytree if (ROOT / name).is_dir() else _copy)(ROOT / name, folder / name)
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.heads: list[subprocess.Popen[str]] = []
        self.words = ["--cores", "2", "--", "--max-threads", "1"]
        if profile:
            shutil.copytree(folder / "profiles" / profile, folder / "profiles" / "mine")
            path = folder / "profiles" / "mine" / "config.yaml"
            path.write_text(yaml.safe_dump(_merged(yaml.safe_load(path.read_text()), {**EVERYWHERE, **edits})))
            self.words = ["--profile", "profiles/mine"]

    @property
    def results(self) -> Path:
        return self.folder / "results" / "tiny" / "simulated"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the command that a user gives, in a process group of its own; what it says goes to said.log."""
        with self.said.open("a") as said:
            command = [*IDLE, sys.executable, "-m", "astro_vae", "run", "--config",
                       "tests/cluster/tiny.yaml", *self.words, *words]
            environment = {**os.environ, "TMPDIR": str(self.scratch), "PYTHONPATH": str(self.folder)}
            self.heads.append(subprocess.Popen(command, cwd=self.folder, env=environment, stdout=said, stderr=said,
                                               text=True, start_new_session=True))
            return self.heads[-1]

    def kill(self) -> None:
        """End what still runs, without a word."""
        for head in self.heads:
            if head.poll() is None:
                os.killpg(head.pid, signal.SIGKILL)
                head.wait()

    @property
    def said(self) -> Path:
        return self.folder / "said.log"

    def line(self, words: str) -> str:
        """Return the last line with these words that a run has said; an AssertionError shows all of it."""
        text = self.said.read_text()
        found = [line.strip() for line in text.splitlines() if words in line]
        assert found, f"'{words}' was not said:\n{text[-6000:]}"
        return found[-1]

    def writer(self, lock: str) -> dict[str, Any]:
        """Wait for the step of this lock to run; return its process and job."""
        return wait(f"the step of {lock}", lambda: _owner(self.results / lock))


class Frozen:
    """Within its context a process does nothing, so that what is timed does not depend on the machine's speed."""

    def __init__(self, process: int) -> None:
        self.process = process

    def __enter__(self) -> None:
        os.kill(self.process, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        if Path(f"/proc/{self.process}").exists():
            os.kill(self.process, signal.SIGCONT)


def wait(what: str, ready: Callable[[], Any], seconds: float = 900) -> Any:
    """Wait until `ready` returns something, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline, f"no sign of {what} after {seconds:.0f} s"
        time.sleep(0.1)
    return found


def jobs(**wanted: str) -> list[dict[str, str]]:
    """List the jobs of the cluster that `are`, also ended ones, oldest first."""
    command = ["scontrol", "--oneliner", "show", "job"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = [dict(word.partition("=")[::2] for word in line.split() if "=" in word) for line in shown.splitlines()]
    return sorted((row for row in rows if are(row, **wanted)), key=lambda row: int(row["JobId"]))


def are(job: dict[str, str], *, rule: str = "", **fields: str) -> bool:
    """Tell whether a job is of this rule, or of any, and has these values in these fields."""
    of_rule = not rule or job.get("Comment", "").startswith(f"rule_{rule}")
    return of_rule and all(job.get(name) == value for name, value in fields.items())


def told(job: dict[str, str]) -> str:
    """Say of a job what the tests look at."""
    names = ("JobId", "JobState", "Partition", "NodeList", "TimeLimit", "MinMemoryNode", "StartTime", "EndTime")
    return " ".join(f"{name}={job.get(name, '')}" for name in names)


def _owner(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(one[key], value) for key, value in other.items() if isinstance(value, dict) and key in one}
    return {**one, **other, **both}
