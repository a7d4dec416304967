"""Run the workflow so that the same command always goes on, whatever stopped the last one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from astro_vae import slurm
from astro_vae.errors import UserError
from astro_vae.files import step_lock


def run_workflow(
    config: Path, *, cores: str | None = None, profile: Path | None = None, dry_run: bool = False,
    words: Sequence[str] = (), folder: Path | None = None,
) -> int:
    """Run Snakemake on `config` and return its exit status.

    Snakemake's own lock outlives a killed run and cannot be told from a live one. This command holds a
    lock that can, so it may clear Snakemake's safely. What a killed run has left in the queue of a Slurm
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
        _end_jobs_of_killed_runs(folder)
        if any((folder / ".snakemake" / "locks").glob("*")):
            _call([*command, "--unlock"], folder)
        return _call([*command, "--rerun-incomplete", *words], folder)


def _end_jobs_of_killed_runs(folder: Path) -> None:
    """Cancel what earlier runs in this folder have left in the queue: a new run would submit the same jobs again.

    Each run of Snakemake names all its jobs by an identifier that stands in its log.
    """
    logs = (folder / ".snakemake" / "log").glob("*.log")
    names = {name for log in logs for name in re.findall(r"SLURM run ID: (\S+)", log.read_text(errors="replace"))}
    jobs = slurm.cancel_named(names)
    if jobs:
        print(
            f"astro-vae: cancelled what an earlier run had left in the queue: job {', '.join(jobs)}; "
            "a training goes on from its last checkpoint", flush=True,
        )


def _call(command: list[str], folder: Path) -> int:
    """Run a command; an interrupt from the keyboard reaches it too, and it ends by itself."""
    process = subprocess.Popen(command, cwd=folder, env=os.environ)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
