"""Generated samples per label: an object file, FITS cubes and a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
        attributes = {
            **{name: trained.contract.get(name) for name in ("kind", "survey", "pixel_arcsec")},
            "unit": "", "scaled": True, "labels": inference.labels, "prior": type(fitted).__name__,
            "seed": settings.samples_seed, "threshold": threshold, "astro_vae": __version__,
            "model": trained.contract["weights"],
        }
        _write_objects(out, images, table, attributes)
        _write_fits(out.with_suffix(".fits"), images, table, attributes)
        _picture(out.with_suffix(".png"), images, table, attributes)
        write_tours(inference, reference, trained.contract, out.parent)
    print(f"{out.name}: {settings.samples_per_label} samples per label ({', '.join(inference.labels) or 'no labels'})")


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
        names = [f"{name or 'sample'}/{i:05d}" for i in range(n)]
        tables.append(pd.DataFrame({
            "object_id": names, "ra": math.nan, "dec": math.nan, "label": name, "status": "ok", "reason": "",
            "row": np.arange(number * n, (number + 1) * n), "log_prior": inference.log_prior(z, label),
            **{f"z_{k}": z[:, k] for k in range(z.shape[1])},
        }))
    return np.concatenate(images), pd.concat(tables, ignore_index=True)


def _names(inference: Inference) -> list[str]:
    return inference.labels or [""]


def _write_objects(path: Path, images: np.ndarray, table: pd.DataFrame, attributes: Mapping[str, Any]) -> None:
    own = {name: Column("Latent of the sample") for name in table.columns if name not in FIRST_COLUMNS}
    with atomic(path) as partial, Writer(partial, images.shape[1:], "float32", attributes) as writer:
        writer.append(images)
        writer.table(table, {**own, **SAMPLE_COLUMNS})


def _write_fits(path: Path, images: np.ndarray, table: pd.DataFrame, attributes: Mapping[str, Any]) -> None:
    """Write an image cube (n, H, W) per label, with the pixel scale of the survey at a nominal position."""
    primary = fits.PrimaryHDU()
    primary.header["ORIGIN"] = f"astro_vae {__version__}"
    primary.header["SURVEY"] = str(attributes["survey"])
    primary.header["PRIOR"] = str(attributes["prior"])
    primary.header["SEED"] = (attributes["seed"], "of the samples")
    hdus = [primary]
    for number, name in enumerate(attributes["labels"] or [""]):
        hdu = fits.ImageHDU(images[(table["label"] == name).to_numpy()], name=name or f"SAMPLES{number}")
        hdu.header["LABEL"] = (name, "class that the samples were asked for")
        hdu.header["BUNIT"] = ("", "fraction of the brightness of each image's peak")
        hdu.header.update(_wcs(images.shape[1:], attributes["pixel_arcsec"]))
        hdus.append(hdu)
    with atomic(path) as partial:
        fits.HDUList(hdus).writeto(partial)


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


def _picture(path: Path, images: np.ndarray, table: pd.DataFrame, attributes: Mapping[str, Any]) -> None:
    shown, row_labels = [], []
    columns = min(SHOWN, int(table["label"].value_counts().min()))
    for name in attributes["labels"] or [""]:
        of_label = images[(table["label"] == name).to_numpy()]
        rows = max(1, min(ROWS, len(of_label) // columns))
        shown.append(of_label[: rows * columns])
        row_labels += [name or "samples"] * rows
    kinds.kind(str(attributes["kind"])).draw.grid(
        path, np.concatenate(shown), columns=columns, row_labels=row_labels, pixel_arcsec=attributes["pixel_arcsec"],
        suptitle="Samples from the fitted prior" if attributes["prior"] == "LabelMixture" else "Samples from N(0, I)",
    )
