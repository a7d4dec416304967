"""What the files of samples and tracks have in common: attributes, table of latents, object file, first FITS unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits

from astro_vae import __version__
from astro_vae.columns import Column
from astro_vae.files import atomic
from astro_vae.objects import FIRST_COLUMNS, Writer
from astro_vae.products._inference import Inference
from astro_vae.trained import TrainedModel

SAMPLE_COLUMNS = {
    "log_prior": Column("Log density of the latents under the prior of the label (nat)"),
    "fraction": Column("Place on a track, from 0 at its start to 1 at its end"),
}


def sample_attributes(trained: TrainedModel, prior: Any, seed: int) -> dict[str, Any]:
    """Return what the files of samples say of the model that they are drawn from."""
    return {
        **{name: trained.contract.get(name) for name in ("kind", "survey")},
        **trained.kind.export.attributes(trained.contract),
        "labels": list(trained.labels), "prior": type(prior).__name__,
        "seed": seed, "threshold": trained.threshold, "fewest": trained.fewest,
        "astro_vae": __version__, "model": trained.contract["weights"],
    }


def sample_table(inference: Inference, z: np.ndarray, label: np.ndarray, name: str) -> pd.DataFrame:
    """Return the object table of samples of one label from their latents (n, K)."""
    return pd.DataFrame({
        "object_id": [f"{name or 'sample'}/{i:05d}" for i in range(len(z))], "ra": math.nan, "dec": math.nan,
        "label": name, "status": "ok", "reason": "", "row": np.arange(len(z)),
        "log_prior": inference.log_prior(z, label), **{f"z_{k}": z[:, k] for k in range(z.shape[1])},
    })


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


def primary_hdu(attributes: Mapping[str, Any]) -> fits.PrimaryHDU:
    """Return the first unit of a FITS file of samples: no image, but what holds for all."""
    primary = fits.PrimaryHDU()
    primary.header["ORIGIN"] = f"astro_vae {__version__}"
    primary.header["SURVEY"] = str(attributes["survey"])
    primary.header["PRIOR"] = str(attributes["prior"])
    primary.header["SEED"] = (attributes["seed"], "of the samples")
    return primary
