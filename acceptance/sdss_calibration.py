"""Are latents as sure as their errors say, and do they stay where they are when a redshift is wrong?"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from astro_vae.products._inference import Inference
from astro_vae.products._views import Views
from astro_vae.products.calibration import coverage, displacement
from astro_vae.products.new_objects import open_result
from astro_vae.spectra.augment import moved
from astro_vae.spectra.spectrum import LIGHT_KMS
from astro_vae.spectra.view import view

COPIES = 10
"""Draws of the latents and of the noise for each test spectrum."""
SHIFTS = (0.1, 0.5, 1.0)
"""Errors of the redshift, in bins."""


def tables(survey: Path, model: str) -> list[str]:
    """Return the lines of both tables, for the test part of a survey and one of its models."""
    opened = open_result(survey / model)
    views = Views(survey / "objects.h5", survey / "split.csv", opened.model)
    test = (views.table["part"] == "test").to_numpy()
    label = opened.inference().label_numbers(views.table["label"])[test].clip(min=0)
    return [
        f"Calibration of {model}, split 0, {test.sum()} test spectra.", "",
        *_coverage(opened.inference(), views.images(test), label), "",
        *_shifts(opened.inference(), views, test, label),
    ]


def _coverage(inference: Inference, seen: np.ndarray, label: np.ndarray) -> list[str]:
    """Draw latents from the posteriors of real spectra, decode them, add noise once, and encode."""
    seen, label = np.tile(seen, (COPIES, 1, 1)), np.tile(label, COPIES)
    mean, sd = inference.encode(seen, label)
    z = mean + sd * np.random.default_rng(1).standard_normal(mean.shape)
    found = coverage(inference, z.astype(np.float32), label, seen)
    figures = [found["all"], *found["per_latent"]]
    head = ["all", *(f"z_{k}" for k in range(mean.shape[1]))]
    return [
        f"Known latents inside the interval of one sigma (right: {100 * found['expected']:.1f} %):", "",
        "| " + " | ".join(head) + " |", "|" + "---|" * len(head),
        "| " + " | ".join(f"{100 * one['value']:.1f} ± {100 * one['error']:.1f} %" for one in figures) + " |",
    ]


def _shifts(inference: Inference, views: Views, test: np.ndarray, label: np.ndarray) -> list[str]:
    """Move real spectra along their bins, as an error of the redshift does."""
    seen, settings = views.images(test), views.settings
    values = views.objects.stored()[test]
    bin_kms = LIGHT_KMS * math.log(10) * settings.grid.log_step
    lines = ["Copies moved in redshift: shift of the latents by their errors, over all latents and spectra.", "",
             "| bins | km/s | median | 84 % below | mean square, root |", "|---|---|---|---|---|"]
    for shift in SHIFTS:
        other = view(moved(values, shift, grid=settings.grid), views.table[test], settings, scaled=False)
        sigma = displacement(inference, seen, other, label)
        rms = np.sqrt((sigma**2).mean())
        lines.append(f"| {shift:g} | {shift * bin_kms:.0f} | {np.median(sigma):.2f} | {np.quantile(sigma, 0.84):.2f} "
                     f"| {rms:.2f} |")
    return lines
