"""Generate samples from a trained model, in blocks: a FITS file, an object file or a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import model as models
from astro_vae.errors import UserError
from astro_vae.files import atomic
from astro_vae.products._inference import Inference
from astro_vae.products._sample_files import primary_hdu, sample_attributes, sample_table, write_objects
from astro_vae.products.samples import picture
from astro_vae.trained import TrainedModel, thresholded

BLOCK = 256  # images in memory at a time
SHOWN = 24  # samples of a label in a picture


@dataclass(frozen=True)
class Drawn:
    """Latents that were drawn, and what makes images of them.

    Attributes
    ----------
    model : TrainedModel
    latents : dict of str to ndarray, shape (n, K)
        By label.
    attributes : dict
        Of the files; see `astro_vae.products._sample_files.sample_attributes`.
    """

    model: TrainedModel
    latents: dict[str, np.ndarray]
    attributes: dict[str, Any]

    def blocks(self, label: str, limit: int | None = None) -> Iterator[np.ndarray]:
        """Yield the images of a label, the first `limit` or all, in blocks: float32 (b, *shape)."""
        latents = self.latents[label][:limit]
        number = self.model.label_numbers(label, 1)[0]
        for start in range(0, len(latents), BLOCK):
            images = self.model.decode(latents[start : start + BLOCK], int(number))
            yield self.model.blanked(thresholded(images, self.model.threshold), np.full(len(images), number))


def generate_new(model: Path, *, label: str | None, n: int, seed: int, out: Path) -> None:
    """Write samples in the format of the ending of `out`; the images are those of `TrainedModel.generate`.

    Parameters
    ----------
    model : Path
        Folder of a trained model.
    label : str or None
        None for labels in their natural frequencies.
    n : int
        Samples in all.
    seed : int
        The same seed gives the same samples on one machine.
    out : Path
        `.fits`, a cube of images or a table of spectra per label; `.h5`, an object file with the latents of each
        sample; `.png`, a picture of the first ones.

    Raises
    ------
    UserError
        If the ending, the label or the model is not known.
    """
    if out.suffix not in WRITERS:
        raise UserError(f"{out}: samples are not written as '{out.suffix}'; known: {', '.join(WRITERS)}")
    trained = models.load(model)
    latents, numbers = trained.draw_latents(label, n, seed)
    names = {number: trained.labels[number] if number >= 0 else "" for number in np.unique(numbers)}
    drawn = Drawn(
        trained, {name: latents[numbers == number] for number, name in names.items()},
        sample_attributes(trained, trained.prior, seed),
    )
    with atomic(out) as partial:
        WRITERS[out.suffix](drawn, partial)
    counts = ", ".join(f"{len(z)} {name}".strip() for name, z in drawn.latents.items())
    print(f"{out}: {counts} samples")


def _write_fits(drawn: Drawn, path: Path) -> None:
    """Write a unit per label, block by block where its format can be."""
    primary_hdu(drawn.attributes).writeto(path)
    for label, latents in drawn.latents.items():
        drawn.model.kind.export.append(
            path, label, len(latents), drawn.model.shape, drawn.blocks(label), drawn.attributes
        )


def _write_objects(drawn: Drawn, path: Path) -> None:
    inference = Inference(drawn.model)
    tables = [
        sample_table(inference, z, np.full(len(z), drawn.model.label_numbers(label, 1)[0]), label)
        for label, z in drawn.latents.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    blocks = (images for label in drawn.latents for images in drawn.blocks(label))
    write_objects(path, blocks, drawn.model.shape, table.assign(row=range(len(table))), drawn.attributes)


def _write_picture(drawn: Drawn, path: Path) -> None:
    shown = {label: np.concatenate(list(drawn.blocks(label, SHOWN))) for label in drawn.latents}
    labels = np.repeat(list(shown), [len(images) for images in shown.values()])
    picture(path, drawn.model, np.concatenate(list(shown.values())), labels, drawn.attributes)


WRITERS: dict[str, Callable[[Drawn, Path], None]] = {
    ".fits": _write_fits, ".h5": _write_objects, ".png": _write_picture,
}
"""Writer of each format by its suffix."""
