"""Run the workflow so that the same command always goes on, whatever stopped the last one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from astro_vae.errors import UserError
from astro_vae.files import step_lock


def run_workflow(config: Path, *, cores: str = "all", dry_run: bool = False, folder: Path | None = None) -> int:
    """Run Snakemake on `config` and return its exit status.

    Snakemake's own lock outlives a killed run and cannot be told from a live one. This command holds a
    lock that can, so it may clear Snakemake's safely; what a step of the killed run may still be writing
    is guarded by the step's lock.

    Parameters
    ----------
    config : Path
        Configuration file.
    cores : str
        Number of cores, or "all".
    dry_run : bool
        Only list the jobs.
    folder : Path, optional
        Folder of the Snakefile; the current one unless given.

    Raises
    ------
    UserError
        If there is no Snakefile or configuration here, or another run is under way in this folder.
    """
    folder = folder or Path.cwd()
    if not (folder / "Snakefile").is_file():
        raise UserError(f"{folder}: no Snakefile here; run this command in the folder of the project")
    if not config.is_file():
        raise UserError(f"{config}: no such configuration file; those that come with the project lie in config/")
    if cores != "all" and not (cores.isdigit() and int(cores) > 0):
        raise UserError(f"--cores {cores}: give a number above 0, or 'all'")
    command = [sys.executable, "-m", "snakemake", "--configfile", str(config), "--cores", cores]
    if dry_run:
        return _call([*command, "--dry-run"], folder)
    with step_lock(folder / "results", "run"):
        if any((folder / ".snakemake" / "locks").glob("*")):
            _call([*command, "--unlock"], folder)
        return _call([*command, "--rerun-incomplete"], folder)


def _call(command: list[str], folder: Path) -> int:
    """Run a command; an interrupt from the keyboard reaches it too, and it ends by itself."""
    process = subprocess.Popen(command, cwd=folder, env=os.environ)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
