"""The profiles for clusters send each rule where it belongs; that jobs then run there is tested in tests/cluster."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def planned(folder: Path, *words: str) -> dict[str, str]:
    """Return what Snakemake says of each rule that would run, its resources among it."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder),
               "--configfile", str(ROOT / "config" / "quick.yaml"), "--dry-run", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    blocks = re.split(r"^\[.*\]\n", done.stdout + done.stderr, flags=re.MULTILINE)
    found = [re.match(r"(?:local)?rule (\w+):\n(?:    .*\n)+", block) for block in blocks]
    return {match[1]: match[0] for match in found if match}


@pytest.mark.parametrize(("profile", "partition"), [("slurm", "slurm_partition"), ("generic", "partition")])
def test_trainings_go_to_the_gpu_and_the_rest_does_not(tmp_path: Path, profile: str, partition: str) -> None:
    rules = planned(tmp_path, "--profile", f"profiles/{profile}")
    jobs = {name: text for name, text in rules.items() if re.search(r"\bruntime=\d", text)}
    assert set(rules) - set(jobs) == {"download", "compare", "all"}  # these run at the head
    on_gpu = {name for name, text in jobs.items() if f" {partition}=gpu" in text and re.search(r"\bgpu=1\b", text)}
    assert on_gpu == {"train", "classifier"}
    assert all(f" {partition}=cpu" in text for name, text in jobs.items() if name not in on_gpu)
    assert all(re.search(r"\bmem_mb=\d", text) for text in jobs.values())


def test_downloads_are_a_target_of_their_own(tmp_path: Path) -> None:
    assert set(planned(tmp_path, "--cores", "1", "downloads")) == {"download", "downloads"}


def test_each_attempt_asks_for_more(tmp_path: Path) -> None:
    first, third = (planned(tmp_path, "--cores", "1", "--attempt", attempt)["train"] for attempt in ("1", "3"))
    for name in ("mem_mb", "runtime"):
        asked = [int(re.search(rf"\b{name}=(\d+)", text)[1]) for text in (first, third)]
        assert asked[1] == 3 * asked[0], name
