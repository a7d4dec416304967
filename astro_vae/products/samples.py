"""Generated samples per label: an object file, a FITS file and a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from astropy.io import fits

from astro_vae import __version__
from astro_vae import model as models
from astro_vae.columns import Column
from astro_vae.files import atomic, step_lock
from astro_vae.kinds import Kind
from astro_vae.objects import FIRST_COLUMNS, Writer
from astro_vae.products._inference import Inference
from astro_vae.products.priors import load_prior
from astro_vae.products.tours import write_tours
from astro_vae.settings import ProductSettings
from astro_vae.trained import TrainedModel, thresholded

SHOWN = 12  # samples of each label in a row of the picture
ROWS = 2

SAMPLE_COLUMNS = {"log_prior": Column("Log density of the sample's latents under the prior of its label (nat)")}


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
        The object file; .fits, .png and the pictures of `astro_vae.products.tours` are written beside it.
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
    print(f"{out.name}: {settings.samples_per_label} samples per label ({', '.join(inference.labels) or 'no labels'})")


def sample_attributes(trained: TrainedModel, prior: Any, seed: int) -> dict[str, Any]:
    """Return what the files of samples say of the model that they are drawn from."""
    return {
        **{name: trained.contract.get(name) for name in ("kind", "survey")},
        **trained.kind.export.attributes(trained.contract),
        "labels": list(trained.labels), "prior": type(prior).__name__,
        "seed": seed, "threshold": trained.threshold, "astro_vae": __version__, "model": trained.contract["weights"],
    }


def draw(inference: Inference, n: int, seed: int, *, threshold: float | None) -> tuple[np.ndarray, pd.DataFrame]:
    """Draw n samples per label: values (C n, *shape), float32, and their object table with latents.

    What is fainter than `threshold` is set to 0, as the view does to the survey's own images; None: nothing is.
    """
    generator = torch.Generator().manual_seed(seed)
    images, tables = [], []
    for number, name in enumerate(_names(inference)):
        z = inference.prior.sample(n, number, generator).float().cpu().numpy()
        label = np.full(n, number)
        images.append(thresholded(inference.decode(z, label), threshold))
        tables.append(sample_table(inference, z, label, name))
    return np.concatenate(images), pd.concat(tables, ignore_index=True).assign(row=range(n * len(tables)))


def sample_table(inference: Inference, z: np.ndarray, label: np.ndarray, name: str) -> pd.DataFrame:
    """Return the object table of samples of one label from their latents (n, K)."""
    return pd.DataFrame({
        "object_id": [f"{name or 'sample'}/{i:05d}" for i in range(len(z))], "ra": math.nan, "dec": math.nan,
        "label": name, "status": "ok", "reason": "", "row": np.arange(len(z)),
        "log_prior": inference.log_prior(z, label), **{f"z_{k}": z[:, k] for k in range(z.shape[1])},
    })


def _names(inference: Inference) -> list[str]:
    return inference.labels or [""]


def write_objects(
    path: Path, blocks: Iterable[np.ndarray], shape: tuple[int, ...], table: pd.DataFrame,
    attributes: Mapping[str, Any],
) -> None:
    """Write blocks of samples (n, *shape), float32, and their table as an object file."""
    own = {name: Column("Latent of the sample") for name in table.columns if name not in FIRST_COLUMNS}
    with atomic(path) as partial, Writer(partial, shape, "float32", attributes) as writer:
        for images in blocks:
            writer.append(images)
        writer.table(table, {**own, **SAMPLE_COLUMNS})


def _write_fits(
    path: Path, kind: Kind, samples: np.ndarray, table: pd.DataFrame, attributes: Mapping[str, Any]
) -> None:
    """Write a unit per label: a cube of images (n, H, W), or a table of spectra with their wavelengths."""
    hdus = [primary_hdu(attributes)]
    for name in attributes["labels"] or [""]:
        hdus.append(kind.export.unit(samples[(table["label"] == name).to_numpy()], name, attributes))
    with atomic(path) as partial:
        fits.HDUList(hdus).writeto(partial)


def primary_hdu(attributes: Mapping[str, Any]) -> fits.PrimaryHDU:
    """Return the first unit of a FITS file of samples: no image, but what holds for all."""
    primary = fits.PrimaryHDU()
    primary.header["ORIGIN"] = f"astro_vae {__version__}"
    primary.header["SURVEY"] = str(attributes["survey"])
    primary.header["PRIOR"] = str(attributes["prior"])
    primary.header["SEED"] = (attributes["seed"], "of the samples")
    return primary


def picture(
    path: Path, trained: TrainedModel, samples: np.ndarray, labels: np.ndarray, attributes: Mapping[str, Any]
) -> None:
    """Draw the first samples of each label; `labels` (n,) are those of the samples (n, *shape)."""
    shown, row_labels = [], []
    names, counts = np.unique(labels, return_counts=True)
    columns = min(SHOWN, int(counts.min()))
    for name in sorted(names, key=(attributes["labels"] or [""]).index):
        of_label = samples[labels == name]
        rows = max(1, min(ROWS, len(of_label) // columns))
        shown.append(of_label[: rows * columns])
        row_labels += [name or "samples"] * rows
    room, pixel = trained.kind.draw, pd.DataFrame({"pixel_arcsec": [attributes.get("pixel_arcsec")]})
    drawn = np.concatenate(shown)
    room.grid(
        path, drawn, columns=columns, row_labels=row_labels, **room.known(trained.view, pixel, len(drawn)),
        suptitle="Samples from the fitted prior" if attributes["prior"] == "LabelMixture" else "Samples from N(0, I)",
    )
