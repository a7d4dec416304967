"""Keep what a training needs to go on, and notice when it is asked to stop.

Checkpoints lie outside the declared outputs of the workflow, which deletes the outputs of a stopped job.
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType, TracebackType
from typing import Any

import torch

from astro_vae.files import atomic


class Checkpoint:
    """The last checkpoint of one training.

    Parameters
    ----------
    folder : Path
    fingerprint : str
        What the training is of, its settings and the checksums of its data: a checkpoint with another
        fingerprint is not resumed.
    minutes : float
        Time between two checkpoints.
    """

    def __init__(self, folder: Path, fingerprint: str, minutes: float) -> None:
        self.path = folder / "last.pt"
        self.fingerprint = fingerprint
        self._seconds = 60 * minutes
        self._saved_at = time.monotonic()

    def is_due(self) -> bool:
        """Tell whether the last checkpoint is older than it may be."""
        return time.monotonic() - self._saved_at >= self._seconds

    def save(self, state: dict[str, Any]) -> None:
        """Write the state (tensors, numbers, text, lists and maps of them) whole or not at all."""
        with atomic(self.path) as partial:
            torch.save({"fingerprint": self.fingerprint, "state": state}, partial)
        self._saved_at = time.monotonic()

    def load(self) -> tuple[dict[str, Any] | None, str]:
        """Return the state to go on from, or None and the reason, which is empty where nothing was kept."""
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None, ""
        except (RuntimeError, EOFError, UnpicklingError, OSError) as error:
            return None, f"{self.path} cannot be read ({type(error).__name__})"
        if kept["fingerprint"] != self.fingerprint:
            return None, f"{self.path} is of other settings, data or version"
        return kept["state"], ""


class StopRequest:
    """Within its context, SIGTERM and SIGINT are noted instead of ending the process.

    Attributes
    ----------
    signal : Signals or None
        The signal that came, if any; the shell's exit status for it is 128 plus its number.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __enter__(self) -> StopRequest:
        # Python lets only the main thread listen to signals.
        listens = threading.current_thread() is threading.main_thread()
        self._before = {s: signal.signal(s, self._note) for s in self.SIGNALS} if listens else {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
