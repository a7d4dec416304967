"""Generated samples per label: an object file, a FITS file and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from astropy.io import fits

from astro_vae import model as models
from astro_vae.files import atomic, step_lock
from astro_vae.kinds import Kind
from astro_vae.products._inference import Inference
from astro_vae.products._sample_files import primary_hdu, sample_attributes, sample_table, write_objects
from astro_vae.products.priors import load_prior
from astro_vae.products.tours import write_tours
from astro_vae.products.tracks import between_labels, write_tracks
from astro_vae.settings import ProductSettings
from astro_vae.trained import TrainedModel, thresholded


def generate(settings: ProductSettings, *, model: Path, prior: Path, out: Path) -> None:
    """Write samples of each label: samples.h5, samples.fits and samples.png, and the tours through the latents.

    A sample is the mean object of latents that are drawn from the prior of its label, thresholded as the images
    of a survey that is cut off. All are kept: none is chosen by its looks or by a classifier. The same seed gives the
    same samples.

    Parameters
    ----------
    settings : ProductSettings
    model, prior : Path
        Of the steps train and fit-prior.
    out : Path
        The object file; .fits, .png, the pictures of `astro_vae.products.tours` and what
        `astro_vae.products.tracks` makes are written beside it.
    """
    trained = models.load(model)
    fitted, reference = load_prior(prior)
    inference = Inference(trained, fitted)
    with step_lock(out.parent, "generate"):
        threshold = trained.threshold
        images, table = draw(inference, settings.samples_per_label, settings.samples_seed, threshold=threshold)
        attributes = sample_attributes(trained, fitted, settings.samples_seed)
        write_objects(out, [images], images.shape[1:], table, attributes)
        _write_fits(out.with_suffix(".fits"), trained.kind, images, table, attributes)
        picture(out.with_suffix(".png"), trained, images, table["label"].to_numpy(), attributes)
        write_tours(inference, reference, trained, out.parent)
        write_tracks(inference, between_labels(inference, reference), trained, attributes, out.with_name("tracks.fits"))
    print(f"{out.name}: {settings.samples_per_label} samples per label ({', '.join(inference.labels) or 'no labels'})")


def draw(inference: Inference, n: int, seed: int, *, threshold: float | None) -> tuple[np.ndarray, pd.DataFrame]:
    """Draw n samples per label: values (C n, *shape), float32, and their object table with latents.

    What is fainter than `threshold` is set to 0, as the view does to the survey's own images; None: nothing is.
    What too few training objects of the label have is NaN; see `TrainedModel.blanked`.
    """
    generator = torch.Generator().manual_seed(seed)
    images, tables = [], []
    for number, name in enumerate(_names(inference)):
        z = inference.prior.sample(n, number, generator).float().cpu().numpy()
        label = np.full(n, number)
        images.append(inference.blanked(thresholded(inference.decode(z, label), threshold), label))
        tables.append(sample_table(inference, z, label, name))
    return np.concatenate(images), pd.concat(tables, ignore_index=True).assign(row=range(n * len(tables)))


def _names(inference: Inference) -> list[str]:
    return inference.labels or [""]


def _write_fits(
    path: Path, kind: Kind, samples: np.ndarray, table: pd.DataFrame, attributes: Mapping[str, Any]
) -> None:
    """Write a unit per label: a cube of images (n, H, W), or a table of spectra with their wavelengths."""
    hdus = [primary_hdu(attributes)]
    for name in attributes["labels"] or [""]:
        hdus.append(kind.export.unit(samples[(table["label"] == name).to_numpy()], name, attributes))
    with atomic(path) as partial:
        fits.HDUList(hdus).writeto(partial)


def picture(
    path: Path, trained: TrainedModel, samples: np.ndarray, labels: np.ndarray, attributes: Mapping[str, Any]
) -> None:
    """Draw the first samples of each label; `labels` (n,) are those of the samples (n, *shape)."""
    shown, row_labels = [], []
    names, counts = np.unique(labels, return_counts=True)
    room, pixel = trained.kind.draw, pd.DataFrame({"pixel_arcsec": [attributes.get("pixel_arcsec")]})
    columns = min(room.SAMPLES[0], int(counts.min()))
    for name in sorted(names, key=(attributes["labels"] or [""]).index):
        of_label = samples[labels == name]
        rows = max(1, min(room.SAMPLES[1], len(of_label) // columns))
        shown.append(of_label[: rows * columns])
        row_labels += [name or "samples"] * rows
    drawn = np.concatenate(shown)
    room.grid(
        path, drawn, columns=columns, row_labels=row_labels, **room.known(trained.view, pixel, len(drawn)),
        suptitle="Samples from the fitted prior" if attributes["prior"] == "LabelMixture" else "Samples from N(0, I)",
    )
