"""Examples are copied to the disk of the node, and nothing is left there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from astro_vae.errors import UserError
from astro_vae.steps._scratch import staged


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    path = tmp_path / "network" / "augmented.h5"
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)) * 100)
    return path


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_without_a_scratch_folder_the_file_is_read_where_it_is(examples: Path) -> None:
    with staged(examples, None) as near:
        assert near == examples


def test_a_copy_of_the_same_name_is_given_and_removed(
    examples: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_DISK", str(scratch))
    with staged(examples, "$NODE_DISK") as near:
        assert scratch in near.parents
        assert near.name == examples.name
        assert near.read_bytes() == examples.read_bytes()
    assert list(scratch.iterdir()) == []


def test_a_failure_leaves_nothing(examples: Path, scratch: Path) -> None:
    with pytest.raises(SystemExit), staged(examples, str(scratch)):
        raise SystemExit(143)
    assert list(scratch.iterdir()) == []
    assert examples.exists()


def test_what_a_killed_process_of_this_node_left_is_removed(examples: Path, scratch: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    prefix = f"astro-vae-scratch-{socket.gethostname()}"
    folders = [scratch / f"{prefix}-{dead.pid}", scratch / f"{prefix}-{os.getppid()}",
               scratch / f"astro-vae-scratch-elsewhere-{dead.pid}"]
    for folder in folders:
        folder.mkdir()
        (folder / "augmented.h5").touch()
    with staged(examples, str(scratch)):
        pass
    assert sorted(scratch.iterdir()) == sorted(folders[1:])


def test_a_full_disk_is_said_and_the_file_is_read_where_it_is(
    examples: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6, 25_600))
    with staged(examples, str(scratch)) as near:
        assert near == examples
    assert "it is read where it is" in capsys.readouterr().out
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("$NO_SUCH_VARIABLE/x", r"execution\.scratch: \$NO_SUCH_VARIABLE is not set on"),
        ("${NO_SUCH_VARIABLE}", r"execution\.scratch: \$NO_SUCH_VARIABLE is not set on"),
        ("/no/such/folder", r"execution\.scratch: /no/such/folder is no folder of"),
    ],
)
def test_a_folder_that_the_node_has_not(examples: Path, folder: str, message: str) -> None:
    with pytest.raises(UserError, match=message), staged(examples, folder):
        pass
