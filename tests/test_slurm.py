"""What the queue says of jobs is read right, whatever it answers; the commands are stand-ins that write down calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from astro_vae import slurm
from astro_vae.errors import UserError

Commands = Callable[..., Path]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Give the function that puts shell scripts of these names first in PATH; their calls go to `calls`."""
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.01)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def write(**scripts: str) -> Path:
        for name, script in scripts.items():
            path = tmp_path / name
            path.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{script}\n')
            path.chmod(0o755)
        return tmp_path / "calls"

    return write


MINI = "echo 'ClusterName             = mini'"


@pytest.mark.parametrize(
    ("answer", "over"),
    [
        ("echo RUNNING", False),
        ("echo PENDING", False),
        ("echo COMPLETING", False),
        ("echo TIMEOUT", True),
        ("echo NODE_FAIL", True),
        ("echo COMPLETED; echo RUNNING", False),
        ("", True),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", True),
        ("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", False),
    ],
)
def test_a_job_is_over_when_the_queue_says_so(commands: Commands, answer: str, over: bool) -> None:
    calls = commands(squeue=answer, scontrol=MINI)
    assert slurm.is_over("12", "mini") is over
    assert "--jobs=12" in calls.read_text()


def test_a_job_of_another_cluster_is_not_asked_about(commands: Commands) -> None:
    commands(squeue="echo COMPLETED", scontrol=MINI)
    assert not slurm.is_over("12", "other")
    assert not slurm.is_over("12", "")


def test_without_slurm_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not slurm.is_over("12", "mini")
    assert slurm.cancel_named({"a"}) == []


def test_only_jobs_of_these_names_are_cancelled_and_waited_for(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "queue").write_text("7 mine\n8_[2-4] mine\n9 another\n10 mine-too\n")
    calls = commands(
        squeue=f"cat {tmp_path}/queue",
        scancel=f"(sleep 0.1; sed -i '/ mine$/d' {tmp_path}/queue) > /dev/null 2>&1 &",
    )
    assert slurm.cancel_named({"mine"}) == ["7", "8_[2-4]"]
    assert (tmp_path / "queue").read_text() == "9 another\n10 mine-too\n"
    assert [line for line in calls.read_text().splitlines() if "scancel" in line] == ["scancel 7 8_[2-4]"]


def test_a_job_that_does_not_end_is_named(commands: Commands) -> None:
    commands(squeue="echo '7 mine'", scancel="")
    with pytest.raises(UserError, match=r"cancelled jobs have not ended after 0 s: 7; see squeue"):
        slurm.cancel_named({"mine"}, seconds=0.05)


def test_a_queue_that_does_not_answer_is_named(commands: Commands) -> None:
    commands(squeue="echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(UserError, match=r"the queue does not answer \(Unable to contact slurm controller\)"):
        slurm.cancel_named({"mine"})


def test_no_name_means_no_question(commands: Commands) -> None:
    calls = commands(squeue="echo '7 mine'")
    assert slurm.cancel_named(set()) == []
    assert not calls.exists()


def test_this_job_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "mini")
    assert slurm.this_job() == {"job": "12", "cluster": "mini"}
    monkeypatch.delenv("SLURM_JOB_ID")
    assert slurm.this_job()["job"] == ""
