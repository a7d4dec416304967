"""One warp per image, against a bare OpenCV loop with the same matrices."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pandas as pd

from astro_vae.images import augment
from astro_vae.settings_images import AugmentSettings
from benchmarks._clock import compared, paired

N, IN, OUT = 20_000, 150, 96


def workload() -> tuple[np.ndarray, np.ndarray, pd.DataFrame, np.ndarray]:
    """Return 600 mostly dark images, and parents, transforms and maps of 20,000 examples of them."""
    rng = np.random.default_rng(1)
    values = np.where(rng.random((600, IN, IN)) < 0.02, rng.integers(0, 256, (600, IN, IN)), 0).astype(np.uint8)
    parents = rng.integers(0, len(values), N)
    transforms = augment.draw_transforms(parents, AugmentSettings(total=N), seed=1)
    return values, parents, transforms, augment.matrices(transforms, IN, OUT)


def bare(values: np.ndarray, parents: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Warp one image after the other, and nothing else."""
    cv2.setNumThreads(1)
    out = np.empty((len(parents), OUT, OUT), np.uint8)
    for i, parent in enumerate(parents):
        cv2.warpAffine(values[parent], maps[i], (OUT, OUT), out[i], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return out


def ratios() -> Iterator[str]:
    """Time 20,000 transforms of 600 images, on one thread and on two."""
    values, parents, transforms, maps = workload()
    settings = AugmentSettings(total=N)
    for threads, aim in ((1, "0.9"), (2, "1.5")):
        ours, theirs = paired(
            lambda n=threads: augment.apply(values, parents, transforms, settings, out_size=OUT, threads=n),
            lambda: bare(values, parents, maps),
        )
        yield compared(f"warp on {threads} thread(s) against a bare loop on one", ours, theirs, aim)
