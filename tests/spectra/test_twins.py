"""Twins share their noise, not only their form."""

from __future__ import annotations

import numpy as np

from astro_vae.spectra.twins import twins


def test_copies_are_found_and_repeats_are_not() -> None:
    rng = np.random.default_rng(1)
    x = np.linspace(0, 1, 400)
    form = 10 + 5 * x + 20 * np.exp(-0.5 * ((x - 0.5) / 0.004) ** 2)
    drawn = form + 0.5 * rng.standard_normal((4, 400))
    drawn = np.concatenate([drawn, 1.1 * drawn[2:3]])  # the same observation, calibrated otherwise
    ivar = np.full_like(drawn, 4.0)
    ivar[4] /= 1.1**2
    ivar[4, 100:120] = 0
    assert twins(np.stack([drawn, ivar], axis=1)).tolist() == [[2, 4]]
    assert twins(np.empty((0, 2, 400))).shape == (0, 2)
