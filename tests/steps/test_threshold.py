"""Samples are cut off where as many pixels of redrawn images lie above as of the images above zero."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from astro_vae.steps.train import threshold
from astro_vae.vae.posteriors import DiagonalGaussian


def data(images: np.ndarray) -> Any:
    everything = np.ones(len(images), bool)
    targets = np.zeros(len(images), np.int64)
    return SimpleNamespace(targets=targets, kept=everything, images=lambda rows: images[rows], weighted=False)


class Ripple:
    """Redraw an image exactly where it is bright, with a ripple of up to 0.05 where it is dark."""

    def encode(self, x: torch.Tensor, *_: object) -> DiagonalGaussian:
        flat = x.flatten(1)
        return DiagonalGaussian(flat, torch.full_like(flat, -60))

    def decode(self, z: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        ripple = 0.05 * torch.rand(z.shape, generator=torch.Generator().manual_seed(1))
        return torch.where(z > 0.1, z, ripple)


def test_the_ripple_is_cut_off_and_the_source_is_kept() -> None:
    images = np.zeros((40, 10, 10), np.uint8)
    images[:, 3:5, 2:7] = 128
    found = threshold(Ripple(), data(images))  # type: ignore[arg-type]
    assert 0.049 < found <= 128 / 255


def test_a_ripple_of_half_the_bright_pixels_sets_the_level() -> None:
    images = np.random.default_rng(1).integers(0, 2, (50, 10, 10)).astype(np.uint8) * 10  # 0.039, drawn as ripple
    assert threshold(Ripple(), data(images)) == pytest.approx(0.025, abs=0.002)  # type: ignore[arg-type]


def test_images_that_are_nowhere_zero_have_no_threshold() -> None:
    assert threshold(Ripple(), data(np.full((8, 4, 4), 200, np.uint8))) == 0.0  # type: ignore[arg-type]
