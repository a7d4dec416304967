"""Files are written whole or not at all, and two writers are kept apart."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from astro_vae import files, slurm
from astro_vae.errors import UserError
from astro_vae.files import atomic, checksum, read_json, step_lock, write_json, write_text


def finished_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def lock(folder: Path, **owner: object) -> Path:
    path = folder / ".train.lock"
    path.write_text(json.dumps({"host": socket.gethostname(), "process": 1, "started": "", "job": ""} | owner))
    return path


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic(path) as partial:
        partial.write_text("whole")
        assert partial.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic(path) as partial:
            partial.write_text("half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    host = socket.gethostname()
    dead = tmp_path / f".a.partial-{host}-{finished_process()}.txt"
    alive = tmp_path / f".a.partial-{host}-{os.getppid()}.txt"
    elsewhere = tmp_path / f".a.partial-elsewhere-{finished_process()}.txt"
    other = tmp_path / f".b.partial-{host}-{finished_process()}.txt"
    for path in (dead, alive, elsewhere, other):
        path.write_text("half")
    write_text(tmp_path / "a.txt", "whole")
    assert {path for path in (dead, alive, elsewhere, other) if path.exists()} == {alive, elsewhere, other}


def test_checksums_are_the_published_ones(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert checksum(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert checksum(path, "md5") == hashlib.md5(b"abc").hexdigest()


def test_json_goes_round_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": [1, 2.5, "ä"]})
    assert read_json(path) == {"b": [1, 2.5, "ä"]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"b": float("nan")})
    assert read_json(path) == {"b": [1, 2.5, "ä"]}


def test_json_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.json: no such file"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match=r"a\.json: not valid JSON .* make it again by its step"):
        read_json(tmp_path / "a.json")


def test_a_lock_is_held_and_released(tmp_path: Path) -> None:
    with step_lock(tmp_path / "new", "train"):
        running = rf"'train' is already running \(process {os.getpid()} on this machine\)"
        with pytest.raises(UserError, match=running), step_lock(tmp_path / "new", "train"):
            pass
        with step_lock(tmp_path / "new", "encode"):
            pass
    with step_lock(tmp_path / "new", "train"):
        pass
    assert list((tmp_path / "new").iterdir()) == []


def test_a_lock_is_released_by_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="in the middle"), step_lock(tmp_path, "train"):
        raise RuntimeError("in the middle")
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    path = lock(tmp_path, process=finished_process())
    with step_lock(tmp_path, "train"):
        assert json.loads(path.read_text())["process"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the start of a process is not told here")
def test_the_lock_of_a_process_whose_number_was_given_again_is_taken_over(tmp_path: Path) -> None:
    lock(tmp_path, process=os.getpid(), started="1")
    with step_lock(tmp_path, "train"):
        pass


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the start of a process is not told here")
def test_the_lock_of_a_process_that_has_ended_unnoticed_is_taken_over(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    lock(tmp_path, process=child.pid, started=files._started(child.pid))
    child.kill()
    deadline = time.monotonic() + 30
    while files._started(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    with step_lock(tmp_path, "train"):
        pass
    child.wait()


def test_the_lock_of_another_host_is_left_alone(tmp_path: Path) -> None:
    path = lock(tmp_path, host="elsewhere", process=7, job="123")
    running = r"process 7 on elsewhere.*, job 123\).*has ended for certain"
    with pytest.raises(UserError, match=running), step_lock(tmp_path, "train"):
        pass
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("over", [True, False])
def test_the_lock_of_a_job_on_another_host_is_stale_when_the_queue_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over: bool
) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(slurm, "is_over", lambda job, cluster: asked.append((job, cluster)) or over)
    path = lock(tmp_path, host="elsewhere", process=7, job="123", cluster="mini")
    if over:
        with step_lock(tmp_path, "train"):
            assert json.loads(path.read_text())["process"] == os.getpid()
    else:
        with pytest.raises(UserError, match="process 7 on elsewhere"), step_lock(tmp_path, "train"):
            pass
    assert asked[0] == ("123", "mini")


@pytest.mark.parametrize(("cluster", "same"), [("mini", True), ("other", False)])
def test_a_job_that_was_put_back_into_the_queue_takes_its_own_lock_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str, same: bool
) -> None:
    monkeypatch.setattr(slurm, "this_job", lambda: {"job": "123", "cluster": "mini"})
    monkeypatch.setattr(slurm, "is_over", lambda job, cluster: False)
    path = lock(tmp_path, host="elsewhere", process=7, job="123", cluster=cluster)
    if same:
        with step_lock(tmp_path, "train"):
            assert json.loads(path.read_text())["host"] == socket.gethostname()
    else:
        with pytest.raises(UserError, match="job 123"), step_lock(tmp_path, "train"):
            pass


def test_of_many_processes_one_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    lock(tmp_path, process=finished_process())
    code = (
        "import sys, time; from pathlib import Path; from astro_vae.files import step_lock\n"
        "from astro_vae.errors import UserError\n"
        "try:\n"
        "    with step_lock(Path(sys.argv[1]), 'train'):\n"
        "        held = Path(sys.argv[1], 'held'); held.open('x').close(); time.sleep(0.2); held.unlink()\n"
        "except UserError: sys.exit(3)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(6)]
    ends = [process.wait() for process in processes]
    assert set(ends) <= {0, 3}
    assert 0 in ends
    assert list(tmp_path.iterdir()) == []
