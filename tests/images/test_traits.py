"""What is measured on views of images: two sources of known places."""

from __future__ import annotations

import numpy as np

from astro_vae.images.traits import TRAITS, traits
from astro_vae.settings_images import ViewSettings


def test_single_bright_pixels_are_no_source() -> None:
    image = np.zeros((1, 24, 24), np.uint8)
    image[0, ::6, ::6] = 200
    found = traits(image, ViewSettings(size=24, frame=24)).iloc[0]
    assert found["n_components"] == 0
    assert np.isnan(found["extent"])


def test_two_sources_are_counted_and_measured() -> None:
    y, x = np.mgrid[:48, :48] - 23.5
    one = 200 * np.exp(-(x**2 + y**2) / 8)
    two = 200 * sum(np.exp(-((x - place) ** 2 + y**2) / 8) for place in (-8, 8))
    found = traits(np.stack([one, two]).astype(np.uint8), ViewSettings(size=48, frame=48))
    assert list(found) == list(TRAITS)
    assert list(found["n_components"]) == [1, 2]
    assert found["extent"][1] > found["extent"][0] + 14
    assert found["axis_ratio"][1] < 0.5 < found["axis_ratio"][0]
    np.testing.assert_array_equal(found["total"], [one.astype(np.uint8).sum(), two.astype(np.uint8).sum()])
