"""Errors of reconstructions, and the mean image, against hand-made answers."""

from __future__ import annotations

import numpy as np
import pytest

from astro_vae.images import fit

SEEN = np.array([[[0, 51], [102, 255]], [[0, 0], [0, 0]]], np.uint8)


def test_the_error_is_that_of_values_from_zero_to_one() -> None:
    redrawn = np.array([[[0, 0.2], [0.4, 0.6]], [[0.1, 0.1], [0.1, 0.1]]])
    np.testing.assert_allclose(fit.misfit(SEEN, redrawn), [0.16 / 4, 0.01], rtol=1e-5)
    np.testing.assert_allclose(fit.misfit_of_mean(SEEN, np.zeros((2, 2), np.float32))[0], 1.2 / 4, rtol=1e-6)


def test_the_mean_is_scaled_to_fit_best() -> None:
    found = fit.misfit_of_scaled_mean(SEEN, np.array([[0, 0.1], [0.2, 0.5]], np.float32))
    np.testing.assert_allclose(found, [0, 0], atol=1e-12)
    off = fit.misfit_of_scaled_mean(SEEN, np.array([[0, 0], [0, 1]], np.float32))
    assert off[0] == pytest.approx((0.2**2 + 0.4**2) / 4)


def test_the_mean_of_blocks() -> None:
    assert fit.mean(iter([SEEN, SEEN]))[1] == pytest.approx([0.2, 0.5])
