"""A second system of lines: found where it is, and not made of a chance."""

from __future__ import annotations

import numpy as np
import pytest

from astro_vae.spectra.emitters import second_system
from astro_vae.spectra.lines import FEATURES_AA

EDGES = 3400.0 * np.exp(8.98e-4 * np.arange(1001))
SHIFT = 1.22  # at which no line falls on one of the object


def significance(**peaks: float) -> np.ndarray:
    """Return noise (1, L) with peaks, each by its wavelength written as `at_<wavelength>`."""
    made = np.random.default_rng(4).standard_normal(1000)
    for name, height in peaks.items():
        made[np.searchsorted(EDGES, float(name.removeprefix("at_"))) - 1] = height
    return made[None]


def lines(shift: float = SHIFT, **heights: float) -> dict[str, float]:
    waves = {"oii": "[OII] 3728", "hb": "H-beta", "weak": "[OIII] 4960", "strong": "[OIII] 5008"}
    return {f"at_{FEATURES_AA[waves[name]] * shift}": height for name, height in heights.items()}


@pytest.mark.parametrize(("peaks", "number"), [
    (lines(oii=10, hb=9, strong=20), 3),
    (lines(oii=10, hb=9, weak=8.5, strong=20), 4),
    (lines(weak=10, strong=30), 2),
    ({**lines(weak=10, strong=30), "at_3500": 40, "at_7600": 9}, 2),
])
def test_three_lines_or_the_doublet_make_a_system(peaks: dict[str, float], number: int) -> None:
    shift, found = second_system(significance(**peaks), EDGES)
    assert found.tolist() == [number]
    assert shift[0] == pytest.approx(SHIFT, rel=1.4e-3)


@pytest.mark.parametrize("peaks", [
    {}, lines(oii=10, strong=20),  # two lines may lie so by chance
    lines(weak=30, strong=10),  # the wrong way round
    lines(shift=1.004, oii=10, hb=9, strong=20),  # the object's own gas
    lines(oii=7, hb=7, strong=7),
    {**lines(weak=10, strong=30), "at_3500": 40, "at_3600": 50, "at_7600": 9},  # fewer than half of the peaks
])
def test_chance_and_the_own_lines_make_none(peaks: dict[str, float]) -> None:
    shift, found = second_system(significance(**peaks), EDGES)
    assert np.isnan(shift).all()
    assert np.isnan(found).all()


def test_bins_that_are_not_known_do_not_count() -> None:
    seen = significance(**lines(oii=10, hb=9, strong=20))
    seen[0, :400] = np.nan  # [OII]
    both = np.concatenate([seen, np.full_like(seen, np.nan)])
    assert np.isnan(second_system(both, EDGES)[1]).all()
