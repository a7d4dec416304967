"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Give the folder of real survey data, laid out as the archives serve it, or skip."""
    folder = os.environ.get("ASTRO_VAE_MIRROR", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ASTRO_VAE_MIRROR is not set to a folder of real survey data")
    return Path(folder)


@pytest.fixture
def single_thread() -> Iterator[None]:
    """Let torch compute on one thread, so that sums are the same on every machine with these units."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _no_settings_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests from reading the settings of a surrounding run."""
    monkeypatch.delenv("ASTRO_VAE_EXECUTION", raising=False)
