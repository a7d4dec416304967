"""Kill the main job in the middle of training, run the same command again, and compare the products."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from safetensors.numpy import load_file

from acceptance._run import logs
from astro_vae.objects import open_objects


def configuration(root: Path, place: Path) -> Path:
    """Write the quick configuration with a checkpoint every few seconds, on the CPU."""
    settings = yaml.safe_load((root / "config" / "quick.yaml").read_text())
    settings["execution"] = {"checkpoint_minutes": 0.05, "device": "cpu"}
    path = place / "quick.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def command(config: Path) -> list[str]:
    """Return the command that a user gives, again and again."""
    return [sys.executable, "-m", "astro_vae", "run", "--config", str(config),
            "--cores", str(len(os.sched_getaffinity(0)))]


def killed_run(clone: Path, config: Path) -> str:
    """Start the workflow, kill its whole process group a third into training; return the last line of progress.

    On the way, a second run in the same folder must be refused.
    """
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command(config), cwd=clone, start_new_session=True, stdout=quiet, stderr=quiet)
    deadline = time.monotonic() + 900
    while (share_trained(clone) < 1 / 3 or not list(clone.rglob("checkpoints/*"))) and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before a third of the training:\n" + logs(clone)
        time.sleep(0.2)
    second = subprocess.run(command(config), cwd=clone, capture_output=True, text=True, check=False)
    assert second.returncode == 1, "a second run at once was not refused"
    assert "already running" in second.stderr, second.stderr
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return next(clone.rglob("cvae*/logs/train.log")).read_text().strip().splitlines()[-1]


def share_trained(clone: Path) -> float:
    """Return the share of the examples that the last line of the autoencoder's log counts."""
    lines = [line for log in clone.rglob("cvae*/logs/train.log") for line in log.read_text().splitlines()]
    seen = re.match(r"\s*(\d+) of (\d+) examples", lines[-1]) if lines else None
    return int(seen[1]) / int(seen[2]) if seen else 0.0


def run(place: Path, root: Path) -> str:
    """Compare a run that was killed and resumed with one that was not, each in a clone of its own."""
    killed, whole = place / "killed", place / "whole"
    for clone in (killed, whole):
        shutil.rmtree(clone, ignore_errors=True)
        subprocess.run(["git", "clone", "--quiet", str(root), str(clone)], check=True)
    config = configuration(root, place)
    last = killed_run(killed, config)
    took = {}
    for clone in (killed, whole):
        start = time.monotonic()
        done = subprocess.run(command(config), cwd=clone, capture_output=True, text=True, check=False)
        took[clone.name] = time.monotonic() - start
        assert done.returncode == 0, done.stderr[-2000:] + logs(clone)
    resumed = next(killed.rglob("cvae*/logs/train.log")).read_text()
    assert "goes on from" in resumed, "the second run did not resume:\n" + resumed
    same = differences(killed, whole)
    assert same == [], f"these products differ: {same}"
    return (
        f"killed at: {last}\na second run at once was refused\nresumed, and all products equal those of the "
        f"unbroken run, which took {took['whole']:.0f} s"
    )


def differences(one: Path, other: Path) -> list[str]:
    """Name the products that differ: tables by their values, weights and images by their numbers."""
    found = []
    for path in sorted((one / "results").rglob("*")):
        twin = other / path.relative_to(one)
        if path.suffix == ".parquet" and not pd.read_parquet(path).equals(pd.read_parquet(twin)):
            found.append(str(path.relative_to(one)))
        if path.suffix == ".safetensors":
            mine, theirs = load_file(path), load_file(twin)
            if mine.keys() != theirs.keys() or any(not np.array_equal(mine[k], theirs[k]) for k in mine):
                found.append(str(path.relative_to(one)))
        if path.suffix == ".h5" and not np.array_equal(open_objects(path).read(), open_objects(twin).read()):
            found.append(str(path.relative_to(one)))
    return found
