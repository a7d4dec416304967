"""Numbers as a reader wants them."""

from __future__ import annotations

import math

import pytest

from astro_vae.report.words import duration, measured, number, plural, plus_minus, size

THIN, TIMES, PM, MINUS = "\u202f", "\u00d7", "\u00b1", "\u2212"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.943, "0.943"), (0.0521, "0.0521"), (5.61e-4, f"5.61{THIN}{TIMES}{THIN}10<sup>{MINUS}4</sup>"),
        (-20512.3, f"{MINUS}20512"), (9.996e-4, f"1.00{THIN}{TIMES}{THIN}10<sup>{MINUS}3</sup>"), (0.0, "0"),
        (3.2e7, f"3.20{THIN}{TIMES}{THIN}10<sup>7</sup>"), (200000, f"200{THIN}000"), (math.nan, "\u2013"),
        (None, "\u2013"), ("a<b", "a&lt;b"),
    ],
)
def test_number(value: object, text: str) -> None:
    assert str(number(value)) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.9432, 0.0213, f"0.943 {PM} 0.021"),
        (2.9e-4, 2.6e-5, f"(2.90 {PM} 0.26){THIN}{TIMES}{THIN}10<sup>{MINUS}4</sup>"),
        (-20512.3, 312.0, f"{MINUS}20512 {PM} 312"),
        (0.5, math.nan, "0.500"), (0.5, 0.0, "0.500"), (0.5, None, "0.500"),
    ],
)
def test_measured(value: float, error: float | None, text: str) -> None:
    assert str(measured(value, error)) == text


def test_plus_minus_stands_behind_its_value() -> None:
    assert str(plus_minus(2.9e-4, 2.6e-5)) == f"{PM} 0.26{THIN}{TIMES}{THIN}10<sup>{MINUS}4</sup>"
    assert str(plus_minus(0.5, None)) == ""


def test_sizes_and_times() -> None:
    assert [size(n) for n in (12, 1234, 1.8e9, 250e6)] == ["12 B", "1.2 kB", "1.8 GB", "250 MB"]
    times = ["0.5 s", "12 s", "1 min 00 s", "3 min 05 s", "2 h 10 min"]
    assert [duration(t) for t in (0.52, 12.3, 59.9, 185, 7800)] == times
    assert (plural(1, "object"), plural(2, "object")) == ("1 object", "2 objects")
