"""What the targets share: run the workflow in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def snakemake(
    root: Path, place: Path, config: Path, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the workflow of `config` in `place` and return what it said."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(place),
               "--configfile", str(config), "--cores", str(len(os.sched_getaffinity(0))), "--rerun-incomplete", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def logs(place: Path) -> str:
    """Gather the logs of all steps, for a message of failure."""
    return "\n".join(f"== {p.relative_to(place)}\n{p.read_text()[-2000:]}" for p in sorted(place.rglob("logs/*.log")))


def mirror() -> Path:
    """Return the folder of real survey data."""
    folder = Path(os.environ.get("ASTRO_VAE_MIRROR", ""))
    assert (folder / "www.jb.man.ac.uk").is_dir(), "set ASTRO_VAE_MIRROR to a folder of survey data"
    return folder
