"""Show how a training goes: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

REDRAW_SECONDS = 0.5
LINE_SECONDS = 30.0
WORDS = {
    "elbo": "ELBO", "reconstruction": "reconstruction", "kl": "KL", "validation_elbo": "validation ELBO",
    "validation_mse": "error", "active_units": "active",
}


class TrainingProgress:
    """Show examples seen, ELBO and its parts; use it as a context manager.

    Parameters
    ----------
    total, done : int
        Examples of the whole training, and of what was done before.
    bar : bool
        Show a bar where standard error is a terminal; otherwise a line now and then.
    """

    def __init__(self, total: int, done: int, *, bar: bool) -> None:
        self._total, self._seen, self._active = total, done, 0.0
        self._shown = time.monotonic()
        self._progress = _bar() if bar and sys.stderr.isatty() else None
        if self._progress:
            self._task = self._progress.add_task("", total=total, completed=done)

    def __enter__(self) -> TrainingProgress:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def is_due(self) -> bool:
        """Tell whether it is time to show something: values are read from the device only then."""
        return time.monotonic() - self._shown >= (REDRAW_SECONDS if self._progress else LINE_SECONDS)

    def show(self, seen: int, values: dict[str, float]) -> None:
        """Show the values that have a name in `WORDS`, in nats per object."""
        now = time.monotonic()
        rate = (seen - self._seen) / max(now - self._shown, 1e-9)
        shown = {**values, "active_units": self._active}
        words = [f"{word} {shown[name]:.5g}" for name, word in WORDS.items() if name in shown] + [f"{rate:.0f}/s"]
        self._shown, self._seen = now, seen
        if self._progress:
            self._progress.update(self._task, completed=seen, description="  ".join(words))
        else:
            self.say(f"{seen:>{len(str(self._total))}} of {self._total} examples: " + ", ".join(words))

    def evaluation(self, row: dict[str, float]) -> None:
        """Show the figures of an evaluation."""
        self._active = row["active_units"]
        self.show(int(row["examples"]), row)

    def say(self, text: str) -> None:
        """Print one line, above the bar where there is one."""
        if self._progress:
            self._progress.console.print(text, markup=False, highlight=False)
        else:
            print(text, flush=True)


def _bar() -> Progress:
    return Progress(
        BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(), console=Console(stderr=True),
    )
