"""Tracks through the latent space, from one object or class to another: decoded, drawn and in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits

from astro_vae import model as models
from astro_vae.columns import ascii_text
from astro_vae.errors import UserError
from astro_vae.files import atomic
from astro_vae.products._inference import Inference
from astro_vae.products._sample_files import primary_hdu, sample_attributes, sample_table, write_objects
from astro_vae.products.catalog import read_catalog
from astro_vae.products.priors import Reference, load_prior
from astro_vae.products.tours import strongest_latents, typical
from astro_vae.trained import TrainedModel

STEPS = 9
PAIRS = 3  # of labels that are joined, at most
EDGES = (0.05, 0.95)  # quantiles of a latent between which a model without two labels is looked at
SEED = 0  # in the header of files; nothing is drawn
CATALOG = "latents.parquet"


@dataclass(frozen=True)
class Track:
    """A straight line between two places of the latent space.

    Attributes
    ----------
    name : str
        What it shows, in words.
    z : ndarray, shape (S, K)
    labels : ndarray of int, shape (S,)
        Label under which each step is decoded.
    """

    name: str
    z: np.ndarray
    labels: np.ndarray

    @property
    def fraction(self) -> np.ndarray:
        """Place of each step, from 0 at the start to 1 at the end: (S,)."""
        return np.linspace(0, 1, len(self.z))

    def decoded(self, inference: Inference) -> np.ndarray:
        """Return the mean objects (S, *shape), NaN where nothing is known of them."""
        values: np.ndarray = inference.blanked(inference.decode(self.z, self.labels), self.labels)
        return values


@dataclass(frozen=True)
class Place:
    """An end of a track: its name, latents (K,) and the number of its label."""

    name: str
    z: np.ndarray
    label: int


def straight(start: Place, end: Place, *, label: int | None = None, name: str = "", steps: int = STEPS) -> Track:
    """Return the track between two places; the label changes half-way, where it is discrete, unless one is given."""
    way = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    labels = np.where(way[:, 0] < 0.5, start.label, end.label) if label is None else np.full(steps, label)
    return Track(name or f"{start.name} to {end.name}", (1 - way) * start.z + way * end.z, labels)


def between_labels(inference: Inference, reference: Reference) -> list[Track]:
    """Return the tracks between typical objects of each pair of labels, under either where the model cares.

    Without two labels there is one track, along the latent that changes objects most.
    """
    if len(inference.labels) < 2:
        return [_along(inference, reference)]
    ends = [Place(name, typical(inference, reference, k), k) for k, name in enumerate(inference.labels)]
    tracks = []
    for start, end in list(combinations(ends, 2))[:PAIRS]:
        words = f"{start.name} to {end.name}"
        if inference.module.conditional:
            tracks += [straight(start, end, label=p.label, name=f"{words}, drawn as {p.name}") for p in (start, end)]
        else:
            tracks.append(straight(start, end, label=start.label, name=words))
    return tracks


def _along(inference: Inference, reference: Reference) -> Track:
    k = int(strongest_latents(inference, reference, 0)[0])
    middle = typical(inference, reference, 0)
    ends = []
    for value in np.quantile(reference.z[:, k], EDGES):
        z = middle.copy()
        z[k] = value
        ends.append(Place("", z, 0))
    return straight(*ends, name=f"latent {k}, from {EDGES[0]:.0%} of the objects to {EDGES[1]:.0%}")


def write_tracks(
    inference: Inference, tracks: Sequence[Track], trained: TrainedModel, attributes: Mapping[str, Any], out: Path
) -> None:
    """Write tracks as FITS, and as a picture, interpolations.png, beside it."""
    with atomic(out) as partial:
        write_fits(partial, inference, tracks, trained, attributes)
    draw(out.with_name("interpolations.png"), inference, tracks, trained, attributes)


def write_fits(
    path: Path, inference: Inference, tracks: Sequence[Track], trained: TrainedModel, attributes: Mapping[str, Any]
) -> None:
    """Write two units for each track: its objects as samples are written, and a row per step with its latents."""
    hdus: list[Any] = [primary_hdu(attributes)]
    for number, track in enumerate(tracks, start=1):
        hdu = trained.kind.export.unit(track.decoded(inference), "", attributes)
        del hdu.header["LABEL"]
        hdu.header["EXTNAME"] = (f"TRACK{number}", "extension name")
        hdu.header["TRACK"] = ascii_text(track.name)
        latents = _latents(inference, track)
        latents.header["EXTNAME"] = (f"LATENTS{number}", f"latents of the steps of TRACK{number}")
        hdus += [hdu, latents]
    fits.HDUList(hdus).writeto(path)


def _latents(inference: Inference, track: Track) -> fits.BinTableHDU:
    names = np.array([ascii_text(name) for name in _names(inference, track.labels)], dtype=np.str_)
    return fits.BinTableHDU.from_columns([
        fits.Column("FRACTION", "D", array=track.fraction),
        fits.Column("LABEL", f"{max(names.dtype.itemsize // 4, 1)}A", array=np.char.encode(names, "ascii")),
        fits.Column("LOG_PRIOR", "D", array=inference.log_prior(track.z, track.labels)),
        fits.Column("Z", f"{track.z.shape[1]}E", array=track.z),
    ])


def _names(inference: Inference, labels: np.ndarray) -> list[str]:
    return [inference.labels[label] if inference.labels else "" for label in labels]


def write_h5(
    path: Path, inference: Inference, tracks: Sequence[Track], trained: TrainedModel, attributes: Mapping[str, Any]
) -> None:
    """Write the objects of tracks as an object file, in whose table stand their latents."""
    tables = []
    for track in tracks:
        table = sample_table(inference, track.z, track.labels, track.name)
        tables.append(table.assign(label=_names(inference, track.labels), fraction=track.fraction))
    table = pd.concat(tables, ignore_index=True)
    values = [track.decoded(inference) for track in tracks]
    write_objects(path, values, trained.shape, table.assign(row=range(len(table))), attributes)


def draw(
    path: Path, inference: Inference, tracks: Sequence[Track], trained: TrainedModel, attributes: Mapping[str, Any]
) -> None:
    """Draw the way of each track."""
    room, fractions = trained.kind.draw, tracks[0].fraction
    room.ways(
        path, np.stack([track.decoded(inference) for track in tracks]), names=[track.name for track in tracks],
        steps=[f"{fraction:.0%}" for fraction in fractions], suptitle="Straight ways through the latent space",
        **room.known(trained.view, pd.DataFrame(), len(fractions)),
    )


WRITERS: dict[str, Callable[..., None]] = {".fits": write_fits, ".h5": write_h5, ".png": draw}
"""Writer of each format by its suffix."""


def track_new(model: Path, *, start: str, end: str, steps: int, out: Path) -> None:
    """Write the track between two objects of a run, or two labels, in the format of the ending of `out`.

    Parameters
    ----------
    model : Path
        `results/<run>/<survey>/<model>`, with the prior and, for objects, the latent catalog.
    start, end : str
        Each the `object_id` of an object of the catalog, or a label, whose typical object is taken.
    steps : int
    out : Path
        `.fits`, `.h5` or `.png`.

    Raises
    ------
    UserError
        If the ending or one of the two is not known.
    """
    if out.suffix not in WRITERS:
        raise UserError(f"{out}: tracks are not written as '{out.suffix}'; known: {', '.join(WRITERS)}")
    trained = models.load(model)
    place = trained.folder.parent if trained.folder.name == "model" else trained.folder
    prior, reference = load_prior(place / models.PRIOR)
    inference = Inference(trained, prior)
    ends = [_place(name, inference, reference, place / CATALOG) for name in (start, end)]
    with atomic(out) as partial:
        WRITERS[out.suffix](
            partial, inference, [straight(ends[0], ends[1], steps=steps)], trained,
            sample_attributes(trained, prior, SEED),
        )
    print(f"{out}: {steps} steps from {start} to {end}")


def _place(name: str, inference: Inference, reference: Reference, path: Path) -> Place:
    """Return the place of a label or of an object of the catalog."""
    if name in inference.labels:
        label = inference.labels.index(name)
        return Place(name, typical(inference, reference, label), label)
    catalog = read_catalog(path).set_index("object_id")
    if name not in catalog.index:
        known = [*inference.labels, *map(str, catalog.index)]
        near = get_close_matches(name, known, 1) or known[:1]
        raise UserError(f"{path}: '{name}' is neither one of its objects nor a label of the model; such as {near[0]}")
    row = catalog.loc[name]
    z = row[[f"z_mean_{k}" for k in range(inference.module.n_latents)]].to_numpy(np.float32)
    return Place(name, z, inference.labels.index(str(row["label_used"])) if inference.labels else 0)
