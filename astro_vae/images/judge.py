"""Show images to the independent judge of samples: their conditions of observation play no part."""

from __future__ import annotations

import numpy as np

from astro_vae.images.view import to_network

CHANNELS, PATCH, PLACES = 1, 4, 3
"""Of the judge's network: channels of its input, side of its patches, places along a side that its features keep.
A source lies in the middle and at any angle, so that few places do."""


def conditions(seen: np.ndarray) -> np.ndarray:
    """Return what views (N, size, size) tell of how they were observed: nothing, (N, 0)."""
    return np.empty((len(seen), 0), np.float32)


def observed(made: np.ndarray, conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return generated images as views are: bytes, the fraction of grey values cut off as that of real images was."""
    return made if made.dtype == np.uint8 else (255 * np.clip(made, 0, 1)).astype(np.uint8)


def veiled(seen: np.ndarray, conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the views as they are."""
    return seen


def shown(seen: np.ndarray) -> np.ndarray:
    """Return the input of the judge, float32 (N, 1, size, size), of views: bytes or values from 0 to 1."""
    # Lobes are a few per cent of a hot spot; their square root reaches the network at the scale of the rest.
    return 2 * np.sqrt(np.maximum(to_network(seen)[0], 0))[:, None]
