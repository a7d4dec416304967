"""The survey's own threshold, as the training images show it."""

from __future__ import annotations

import numpy as np
import pytest

from astro_vae.steps._training_data import faintest


def test_the_threshold_is_the_median_of_the_least_values_above_zero() -> None:
    images = np.zeros((3, 4, 4), np.uint8)
    for image, least in zip(images, (5, 10, 200), strict=True):
        image[0] = [least, 220, 230, 255]
    assert faintest(images) == pytest.approx(10 / 255)


def test_images_that_are_nowhere_zero_have_none() -> None:
    assert faintest(np.full((3, 4, 4), 7, np.uint8)) == 0.0
    assert faintest(np.zeros((3, 4, 4), np.uint8)) == 0.0
