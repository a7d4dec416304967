"""Limits of a panel against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from astro_vae.spectra.limits import limits, peaks, with_gaps

NONE = np.zeros(1000)


def ramp() -> np.ndarray:
    return np.linspace(0.5, 1.0, 1000)


def test_a_panel_ends_a_little_above_what_it_shows() -> None:
    assert limits(ramp(), NONE) == pytest.approx((0, 1.1))


def test_a_narrow_line_leaves_a_third_of_the_panel_to_the_continuum() -> None:
    flux = ramp()
    flux[[300, 301, 302, 500]] = 100, 40, 20, 3
    assert limits(flux, NONE)[1] == pytest.approx(1.1 * 3, rel=0.02)
    flux[[300, 301, 302]] = 2.5  # one that a panel has room for is shown whole
    flux[500] = 0.7
    assert limits(flux, NONE)[1] == pytest.approx(1.1 * 2.5)


def test_a_line_at_the_edge_is_no_continuum() -> None:
    flux = ramp()
    flux[:7] = 50
    assert limits(flux, NONE)[1] < 3.4


def test_a_broad_line_is_shown_whole() -> None:
    x = np.arange(1000)
    flux = 1 + 20 * np.exp(-0.5 * ((x - 600) / 30) ** 2)
    assert limits(flux, NONE)[1] > flux.max()


def test_noise_is_shown_whole_and_one_wild_residual_does_not_hide_it() -> None:
    residual = np.random.default_rng(2).standard_normal(1000)
    low, high = limits(residual, NONE)
    assert low < residual.min() < residual.max() < high
    residual[[200, 700]] = 130, -60
    low, high = limits(residual, NONE)
    assert -13 < low < -7
    assert 7 < high < 13


def test_a_model_has_room_where_the_object_is_valid() -> None:
    flux, model = ramp(), ramp() + 1
    model[:100] = 500
    blind = flux.copy()
    blind[:100] = np.nan
    assert limits(blind, NONE, model)[1] == pytest.approx(2.2)
    assert limits(np.full(1000, np.nan), NONE, model) == (0, 1)


def test_bins_within_their_noise_do_not_count() -> None:
    flux, ivar = ramp(), np.full(1000, 400.0)
    flux[10], ivar[10] = 2.5, 1.0
    assert limits(*with_gaps(np.stack([flux, ivar])))[1] == pytest.approx(1.1, rel=0.01)
    ivar[10] = 0
    assert np.isnan(with_gaps(np.stack([flux, ivar]))[0][10])


def test_a_peak_of_each_run_beyond_a_limit_is_found() -> None:
    flux = np.array([0, 3, 5, 4, 0, np.nan, 9, 0, -7.0])
    assert peaks(flux, 2).tolist() == [2, 6]
    assert peaks(flux, -2, -1).tolist() == [8]
    assert peaks(flux, 10).tolist() == []
