"""Run the workflow so that the same command always goes on, whatever stopped the last one."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from astro_vae import slurm
from astro_vae.errors import UserError
from astro_vae.files import hand_lock, step_lock

END_SECONDS = 300.0


def run_workflow(
    config: Path, *, cores: str | None = None, profile: Path | None = None, dry_run: bool = False,
    words: Sequence[str] = (), folder: Path | None = None,
) -> int:
    """Run Snakemake on `config` and return its exit status.

    Snakemake's own lock outlives a killed run and cannot be told from a live one. This command holds a
    lock that can, so it may clear Snakemake's safely. What a killed run has left in the queue of a
    cluster is cancelled before; what a step on this machine may still be writing is guarded by the step's
    lock.

    Parameters
    ----------
    config : Path
        Configuration file.
    cores : str, optional
        Number of cores, or "all"; all of them unless a profile says where jobs run.
    profile : Path, optional
        Folder of a profile, such as profiles/slurm.
    dry_run : bool
        Only list the jobs.
    words : sequence of str
        Further words for Snakemake: options or targets.
    folder : Path, optional
        Folder of the Snakefile; the current one unless given.

    Raises
    ------
    UserError
        If there is no Snakefile, configuration or profile here, another run is under way in this folder,
        or jobs of an earlier run cannot be ended.
    """
    folder = folder or Path.cwd()
    if not (folder / "Snakefile").is_file():
        raise UserError(f"{folder}: no Snakefile here; run this command in the folder of the project")
    if not config.is_file():
        raise UserError(f"{config}: no such configuration file; those that come with the project lie in config/")
    if cores not in (None, "all") and not (cores.isdigit() and int(cores) > 0):
        raise UserError(f"--cores {cores}: give a number above 0, or 'all'")
    if profile and not (profile / "config.yaml").is_file():
        raise UserError(f"{profile}: no config.yaml here; the profiles that come with the project lie in profiles/")
    command = [sys.executable, "-m", "snakemake", "--configfile", str(config)]
    command += ["--profile", str(profile)] if profile else []
    command += ["--cores", cores or "all"] if cores or not profile else []
    if dry_run:
        return _call([*command, "--dry-run", *words], folder)
    with step_lock(folder / "results", "run"):
        _end_jobs_of_killed_runs(folder, profile)
        if _has_lock(folder):
            _call([*command, "--unlock"], folder)
        return _call([*command, "--rerun-incomplete", *words], folder, locked=True)


def _end_jobs_of_killed_runs(folder: Path, profile: Path | None) -> None:
    """Cancel what earlier runs in this folder have left in the queue: a new run would submit the same jobs again.

    On Slurm each run of Snakemake names all its jobs by an identifier that stands in its log. With other
    schedulers the log has the numbers of the jobs, and the profile the commands that ask for and cancel them.
    """
    texts = [log.read_text(errors="replace") for log in sorted((folder / ".snakemake" / "log").glob("*.log"))]
    jobs = slurm.cancel_named({name for text in texts for name in re.findall(r"SLURM run ID: (\S+)", text)})
    numbers = [found for text in texts if (found := re.findall(r"external jobid '([^']+)'", text))]
    if profile and numbers and _has_lock(folder):
        jobs += _cancel_by_profile(numbers[-1], profile, folder)
    if jobs:
        print(
            f"astro-vae: cancelled what an earlier run had left in the queue: job {', '.join(jobs)}; "
            "a training goes on from its last checkpoint", flush=True,
        )


def _cancel_by_profile(numbers: Sequence[str], profile: Path, folder: Path) -> list[str]:
    """Cancel those of the jobs that a profile of cluster-generic says are running, and wait for their end."""
    given = yaml.safe_load((profile / "config.yaml").read_text()) or {}
    status, cancel = (given.get(f"cluster-generic-{name}-cmd") for name in ("status", "cancel"))
    if not (status and cancel):
        return []
    status, cancel = (str(profile / word) if (profile / word).exists() else word for word in (status, cancel))

    def running() -> list[str]:
        return [number for number in numbers if _says(f"{status} {shlex.quote(number)}", folder) == "running"]

    jobs = running()
    if jobs:
        _says(shlex.join([cancel, *jobs]), folder)
    deadline = time.monotonic() + END_SECONDS
    while left := running() if jobs else []:
        if time.monotonic() > deadline:
            raise UserError(f"cancelled jobs have not ended after {END_SECONDS:.0f} s: {', '.join(left)}")
        time.sleep(slurm.POLL_SECONDS)
    return jobs


def _has_lock(folder: Path) -> bool:
    return any((folder / ".snakemake" / "locks").glob("*"))


def _says(command: str, folder: Path) -> str:
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False).stdout.strip()


def _call(command: list[str], folder: Path, *, locked: bool = False) -> int:
    """Run a command; an interrupt from the keyboard reaches it too, and it ends by itself. SIGTERM is passed on.

    With `locked`, the lock of the run is in its name: it may outlive this process, and is the one that submits jobs.
    """
    process = subprocess.Popen(command, cwd=folder, env=os.environ)
    if locked:
        hand_lock(folder / "results", "run", process.pid)
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
    finally:
        signal.signal(signal.SIGTERM, before)
