"""The run command: what it passes to Snakemake, and what it clears away before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from astro_vae import runner, slurm
from astro_vae.errors import UserError
from astro_vae.files import _started
from astro_vae.runner import run_workflow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").touch()
    (tmp_path / "config.yaml").touch()
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "config.yaml").touch()
    return tmp_path


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note the commands instead of running them."""
    commands: list[list[str]] = []

    def note(command: list[str], folder: Path, *, locked: bool = False) -> int:
        commands.append(command[3:])
        return 0

    monkeypatch.setattr(runner, "_call", note)
    return commands


def test_all_cores_unless_a_profile_says_where_jobs_run(project: Path, called: list[list[str]]) -> None:
    config, profile = project / "config.yaml", project / "profile"
    run_workflow(config, folder=project)
    run_workflow(config, profile=profile, folder=project)
    run_workflow(config, profile=profile, cores="3", words=["downloads"], folder=project)
    first = ["--configfile", str(config)]
    assert called == [
        [*first, "--cores", "all", "--rerun-incomplete"],
        [*first, "--profile", str(profile), "--rerun-incomplete"],
        [*first, "--profile", str(profile), "--cores", "3", "--rerun-incomplete", "downloads"],
    ]


def test_a_profile_that_is_none(project: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no config\.yaml here"):
        run_workflow(project / "config.yaml", profile=project / "nowhere", folder=project)


def test_jobs_of_killed_runs_are_cancelled_before_the_lock_is_cleared(
    project: Path, called: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = project / ".snakemake" / "log"
    log.mkdir(parents=True)
    (log / "1.snakemake.log").write_text("Building DAG of jobs...\nSLURM run ID: 1f-2\nUsing shell: /bin/bash\n")
    (log / "2.snakemake.log").write_text("SLURM run ID: lab_3a-4\n")
    (project / ".snakemake" / "locks").mkdir()
    (project / ".snakemake" / "locks" / "0.output.lock").touch()
    asked: list[set[str]] = []

    def cancel(names: set[str]) -> list[str]:
        assert called == []
        asked.append(names)
        return ["12", "13_2"]

    monkeypatch.setattr(slurm, "cancel_named", cancel)
    assert run_workflow(project / "config.yaml", folder=project) == 0
    assert asked == [{"1f-2", "lab_3a-4"}]
    assert [command[-1] for command in called] == ["--unlock", "--rerun-incomplete"]
    assert "job 12, 13_2; a training goes on" in capsys.readouterr().out


@pytest.mark.parametrize("killed", [True, False])
def test_with_other_schedulers_the_commands_of_the_profile_are_asked(
    project: Path, called: list[list[str]], capsys: pytest.CaptureFixture[str], killed: bool
) -> None:
    log, profile = project / ".snakemake" / "log", project / "profile"
    log.mkdir(parents=True)
    (log / "1.snakemake.log").write_text("Submitted job 1 with external jobid '5'.\n")
    (log / "2.snakemake.log").write_text(
        "Submitted job 1 with external jobid '7'.\nSubmitted job 2 with external jobid '8.pbs'.\n"
    )
    (log / "3.snakemake.log").write_text("Unlocked\n")
    if killed:
        (project / ".snakemake" / "locks").mkdir()
        (project / ".snakemake" / "locks" / "0.output.lock").touch()
    (profile / "ask").write_text(f"#!/bin/sh\n[ -e {project}/$1 ] && echo running || echo success\n")
    (profile / "ask").chmod(0o755)
    for number in ("5", "8.pbs"):
        (project / number).touch()
    (profile / "cancel").write_text(f"#!/bin/sh\ncd {project} && rm $*\n")
    (profile / "cancel").chmod(0o755)
    (profile / "config.yaml").write_text("cluster-generic-status-cmd: ask\ncluster-generic-cancel-cmd: cancel\n")
    assert run_workflow(project / "config.yaml", profile=profile, folder=project) == 0
    assert ("job 8.pbs; a training" in capsys.readouterr().out) is killed
    assert (project / "5").exists()
    assert (project / "8.pbs").exists() is not killed


def test_a_dry_run_cancels_nothing(
    project: Path, called: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "cancel_named", lambda names: pytest.fail("asked the queue"))
    run_workflow(project / "config.yaml", dry_run=True, folder=project)
    assert called[0][-1] == "--dry-run"
    assert not (project / "results").exists()


def test_words_after_two_dashes_reach_snakemake() -> None:
    from typer.testing import CliRunner

    from astro_vae import cli

    given: dict[str, object] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "run_workflow", lambda config, **options: given.update(options) or 0)
        done = CliRunner().invoke(cli.app, ["run", "--profile", "profiles/slurm", "--", "--quiet", "downloads"])
    assert done.exit_code == 0, done.output
    assert given["words"] == ["--quiet", "downloads"]
    assert given["profile"] == Path("profiles/slurm")


def test_the_interpreter_of_the_run_is_this_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(runner, "_call", lambda command, folder, **_: commands.append(command) or 0)
    run_workflow(project / "config.yaml", folder=project)
    assert commands[0][:3] == [sys.executable, "-m", "snakemake"]


def started(project: Path, program: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a run in which a program stands for Snakemake; return the command, and the program's process."""
    (project / "snakemake.py").write_text(program)
    code = "from astro_vae.runner import *; raise SystemExit(run_workflow(Path('config.yaml').absolute()))"
    places = [str(project), str(Path(runner.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    head = subprocess.Popen([sys.executable, "-c", code], cwd=project, stdin=subprocess.PIPE, env=environment)
    lock, deadline = project / "results" / ".run.lock", time.monotonic() + 60
    while not (project / "begun").exists() or json.loads(lock.read_text())["process"] == head.pid:
        assert time.monotonic() < deadline, "the run did not begin"
        time.sleep(0.02)
    return head, json.loads(lock.read_text())["process"]


def test_a_second_is_refused_where_the_command_alone_was_killed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, child = started(project, "import sys; open('begun', 'w'); sys.stdin.read()")  # until its input is closed
    head.kill()
    head.wait()
    with pytest.raises(UserError, match=f"step 'run' is already running .process {child} "):
        run_workflow(project / "config.yaml", folder=project)
    assert head.stdin is not None
    head.stdin.close()
    deadline = time.monotonic() + 60
    while _started(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    monkeypatch.setattr(runner, "_call", lambda command, folder, **_: 7)
    assert run_workflow(project / "config.yaml", folder=project) == 7


def test_a_signal_to_end_is_passed_on(project: Path) -> None:
    program = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); open('begun', 'w'); " \
        "sys.stdin.read()"
    head, child = started(project, program)
    head.terminate()
    assert head.wait(60) == 9
    assert not _started(child)
    assert not (project / "results" / ".run.lock").exists()
    assert head.stdin is not None
    head.stdin.close()
