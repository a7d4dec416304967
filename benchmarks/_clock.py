"""Time two ways of doing the same in turns, so that both see the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def seconds(function: Callable[[], object]) -> float:
    """Return the time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def paired(ours: Callable[[], object], theirs: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Return the median times of both, called in turns after a call each to warm up."""
    ours(), theirs()
    times = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    return statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)


def compared(what: str, ours: float, theirs: float, aim: str) -> str:
    """Say how fast we are against them: above 1 is faster."""
    return f"{what}: {theirs / ours:.2f} times as fast ({ours:.3f} s against {theirs:.3f} s); aim {aim}"
