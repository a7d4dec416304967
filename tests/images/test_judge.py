"""Images before the judge: bytes, whose square root it sees."""

from __future__ import annotations

import numpy as np

from astro_vae.images.judge import conditions, observed, shown, veiled

RNG = np.random.default_rng(1)


def test_generated_images_become_bytes_as_real_ones_are_and_nothing_is_added() -> None:
    made = np.array([[[-0.1, 0.5], [1.2, 0.999]]], np.float32)
    seen = observed(made, conditions(made), RNG)
    np.testing.assert_array_equal(seen, np.array([[[0, 127], [255, 254]]], np.uint8))
    assert veiled(seen, conditions(seen), RNG) is seen
    assert observed(seen, conditions(seen), RNG) is seen


def test_the_judge_sees_twice_the_square_root() -> None:
    np.testing.assert_array_equal(shown(np.array([[[0, 255]]], np.uint8)), np.float32([[[[0, 2]]]]))
    np.testing.assert_array_equal(shown(np.array([[[-1, 0.25]]], np.float32)), np.float32([[[[0, 1]]]]))
