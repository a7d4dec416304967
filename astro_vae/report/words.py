"""Write numbers, sizes and times as a reader wants to see them."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup, escape

MINUS, TIMES, THIN = "\u2212", "\u00d7", "\u202f"  # a thin space at which no line breaks
MISSING = "\u2013"
PLAIN = (-2, 5)  # leading powers of ten of the numbers that are written without one


def number(value: Any, digits: int = 3) -> Markup:
    """Write a number with `digits` significant digits; a dash where it is missing, words as they are.

    >>> str(number(0.000561))
    '5.61\u202f\u00d7\u202f10<sup>\u22124</sup>'
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return Markup(MISSING)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return escape(value)
    if isinstance(value, int):
        return Markup(f"{value:,}".replace(",", THIN).replace("-", MINUS))
    if value == 0:
        return Markup("0")
    power = _power(value)
    if PLAIN[0] <= power < PLAIN[1]:
        return Markup(f"{value:.{max(digits - 1 - power, 0)}f}".replace("-", MINUS))
    return Markup(f"{value / 10.0**power:.{digits - 1}f}".replace("-", MINUS)) + _times_ten(power)


def measured(value: Any, error: Any = None) -> Markup:
    """Write a value with its error, both to the error's second digit: 0.943 +- 0.021."""
    if not _finite(value) or not _finite(error) or not error:
        return number(value)
    power = _power(value) if value else 0
    scale = 10.0**power if not PLAIN[0] <= power < PLAIN[1] else 1.0
    places = max(1 - _power(error / scale), 0)
    if places > 6:
        return number(value)
    text = f"{value / scale:.{places}f} \u00b1 {error / scale:.{places}f}".replace("-", MINUS)
    return Markup(text) if scale == 1 else Markup(f"({text})") + _times_ten(power)


def plus_minus(value: Any, error: Any) -> Markup:
    """Write the error alone, as it stands behind its value; empty where there is none."""
    text = measured(value, error)
    return Markup("\u00b1") + text.split("\u00b1")[1].replace(")", "") if "\u00b1" in text else Markup("")


def _times_ten(power: int) -> Markup:
    return Markup(f"{THIN}{TIMES}{THIN}10<sup>{str(power).replace('-', MINUS)}</sup>")


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _power(value: float) -> int:
    """Return the power of ten of the leading digit, after rounding to three digits."""
    return int(f"{abs(value):.2e}".split("e")[1])


def size(n_bytes: float) -> str:
    """Write a number of bytes: 1.8 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 999.5 or unit == "GB":
            return f"{n_bytes:.0f} {unit}" if unit == "B" or n_bytes >= 99.5 else f"{n_bytes:.2g} {unit}"
        n_bytes /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """Write a time: 12 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def plural(n: int, word: str, many: str | None = None) -> str:
    """Write a count with its noun: 1 object, 1 256 objects."""
    return f"{number(int(n))} {word if n == 1 else many or word + 's'}"
