"""Kill the main job in the middle of training, run the same command again, and compare the products."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from safetensors.numpy import load_file

from acceptance._run import logs, snakemake
from astro_vae.objects import open_objects


def configuration(root: Path, place: Path) -> Path:
    """Write the quick configuration with a checkpoint every few seconds, on the CPU."""
    settings = yaml.safe_load((root / "config" / "quick.yaml").read_text())
    settings["execution"] = {"checkpoint_minutes": 0.05, "device": "cpu"}
    path = place / "quick.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def killed_run(root: Path, place: Path, config: Path) -> str:
    """Start the workflow, kill its whole process group a third into training; return the last line of progress."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(place),
               "--configfile", str(config), "--cores", "2"]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 900
    while not list(place.rglob("checkpoints/*")) and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before a checkpoint was written:\n" + logs(place)
        time.sleep(0.2)
    # every step of the workflow is in the group
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run([*command, "--unlock"], check=True, capture_output=True)
    return next(place.rglob("cvae*/logs/train.log")).read_text().strip().splitlines()[-1]


def run(place: Path, root: Path) -> str:
    """Compare a run that was killed and resumed with one that was not."""
    killed, whole = place / "killed", place / "whole"
    for folder in (killed, whole):
        folder.mkdir(exist_ok=True)
    config = configuration(root, place)
    last = killed_run(root, killed, config)
    for folder in (killed, whole):
        done = snakemake(root, folder, config)
        assert done.returncode == 0, done.stderr[-2000:] + logs(folder)
    resumed = next(killed.rglob("cvae*/logs/train.log")).read_text()
    assert "resum" in resumed.lower(), "the second run did not resume:\n" + resumed
    same = differences(killed, whole)
    assert same == [], f"these products differ: {same}"
    return f"killed at: {last}\nresumed, and all products equal those of the unbroken run"


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
