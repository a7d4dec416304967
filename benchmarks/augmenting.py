"""One warp per image, against a bare OpenCV loop with the same matrices."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

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

    def part(rows: slice) -> np.ndarray:
        return augment.apply(values, parents[rows], transforms.iloc[rows], settings, out_size=OUT)

    for parts, aim in (([slice(N)], "0.9"), ([slice(N // 2), slice(N // 2, N)], "1.5")):
        with ThreadPoolExecutor(len(parts)) as pool:
            ours, theirs = paired(lambda to=pool, of=parts: list(to.map(part, of)), lambda: bare(values, parents, maps))
        yield compared(f"warp on {len(parts)} thread(s) against a bare loop on one", ours, theirs, aim)
