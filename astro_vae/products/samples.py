"""Generated samples per label: an object file, FITS cubes and a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from astropy.io import fits

from astro_vae import __version__, kinds
from astro_vae import model as models
from astro_vae.columns import Column
from astro_vae.files import atomic, step_lock
from astro_vae.objects import FIRST_COLUMNS, Writer
from astro_vae.products._inference import Inference
from astro_vae.products.priors import load_prior
from astro_vae.products.tours import write_tours
from astro_vae.settings import ProductSettings

SHOWN = 12  # samples of each label in a row of the picture
ROWS = 2

SAMPLE_COLUMNS = {"log_prior": Column("Log density of the sample's latents under the prior of its label (nat)")}


def generate(settings: ProductSettings, *, model: Path, prior: Path, out: Path) -> None:
    """Write samples of each label: samples.h5, samples.fits and samples.png, and the tours through the latents.

    A sample is the mean image of latents that are drawn from the prior of its label, thresholded as the images
    of the survey are. All are kept: none is chosen by its looks or by a classifier. The same seed gives the
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
        _write_fits(out.with_suffix(".fits"), images, table, attributes)
        picture(out.with_suffix(".png"), images, table["label"].to_numpy(), attributes)
        write_tours(inference, reference, trained.contract, out.parent)
    print(f"{out.name}: {settings.samples_per_label} samples per label ({', '.join(inference.labels) or 'no labels'})")


def sample_attributes(trained: models.TrainedModel, prior: Any, seed: int) -> dict[str, Any]:
    """Return what the files of samples say of the model that they are drawn from."""
    return {
        **{name: trained.contract.get(name) for name in ("kind", "survey", "pixel_arcsec")},
        "unit": "", "scaled": True, "labels": list(trained.labels), "prior": type(prior).__name__,
        "seed": seed, "threshold": trained.threshold, "astro_vae": __version__, "model": trained.contract["weights"],
    }


def draw(inference: Inference, n: int, seed: int, *, threshold: float) -> tuple[np.ndarray, pd.DataFrame]:
    """Draw n samples per label: images (C n, *shape), float32 in [0, 1], and their object table with latents.

    What is fainter than `threshold` is set to 0, as the view does to the survey's own images.
    """
    generator = torch.Generator().manual_seed(seed)
    images, tables = [], []
    for number, name in enumerate(_names(inference)):
        z = inference.prior.sample(n, number, generator).float().cpu().numpy()
        label = np.full(n, number)
        images.append(models.thresholded(inference.decode(z, label), threshold))
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


def _write_fits(path: Path, images: np.ndarray, table: pd.DataFrame, attributes: Mapping[str, Any]) -> None:
    """Write an image cube (n, H, W) per label, with the pixel scale of the survey at a nominal position."""
    hdus = [primary_hdu(attributes)]
    for name in attributes["labels"] or [""]:
        hdu = fits.ImageHDU(images[(table["label"] == name).to_numpy()])
        describe_cube(hdu.header, name, images.shape[1:], attributes)
        hdus.append(hdu)
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


def describe_cube(header: fits.Header, name: str, shape: tuple[int, ...], attributes: Mapping[str, Any]) -> None:
    """Say in the header of a cube of samples (n, *shape) of one label what they are."""
    header["EXTNAME"] = ((name or "SAMPLES0").upper(), "extension name")
    header["LABEL"] = (name, "class that the samples were asked for")
    header["BUNIT"] = ("", "fraction of the brightness of each image's peak")
    header.update(_wcs(shape, attributes["pixel_arcsec"]))


def _wcs(shape: tuple[int, ...], pixel_arcsec: float | None) -> fits.Header:
    """Return a header with North up and East left; samples have no place, so the reference is (0, 0)."""
    header = fits.Header()
    if pixel_arcsec is None or len(shape) != 2:
        return header
    step = pixel_arcsec / 3600
    for axis, (kind, size, delta) in enumerate(
        (("RA---TAN", shape[1], -step), ("DEC--TAN", shape[0], step)), start=1
    ):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = kind, "deg"
        header[f"CRPIX{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"] = (size + 1) / 2, 0.0, delta
    header["CTYPE3"], header["CRPIX3"], header["CRVAL3"], header["CDELT3"] = "SAMPLE", 1.0, 1.0, 1.0
    header["RADESYS"] = "ICRS"
    header["COMMENT"] = "The position is nominal: a sample lies nowhere on the sky. The pixel scale is the survey's."
    return header


def picture(path: Path, images: np.ndarray, labels: np.ndarray, attributes: Mapping[str, Any]) -> None:
    """Draw the first samples of each label; `labels` (n,) are those of the images (n, *shape)."""
    shown, row_labels = [], []
    names, counts = np.unique(labels, return_counts=True)
    columns = min(SHOWN, int(counts.min()))
    for name in sorted(names, key=(attributes["labels"] or [""]).index):
        of_label = images[labels == name]
        rows = max(1, min(ROWS, len(of_label) // columns))
        shown.append(of_label[: rows * columns])
        row_labels += [name or "samples"] * rows
    kinds.kind(str(attributes["kind"])).draw.grid(
        path, np.concatenate(shown), columns=columns, row_labels=row_labels, pixel_arcsec=attributes["pixel_arcsec"],
        suptitle="Samples from the fitted prior" if attributes["prior"] == "LabelMixture" else "Samples from N(0, I)",
    )
