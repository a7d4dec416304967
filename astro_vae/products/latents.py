"""The latent catalog: posterior, spread over rotations and label probabilities of every real object."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import kinds
from astro_vae import model as models
from astro_vae.columns import Column
from astro_vae.files import step_lock
from astro_vae.objects import Objects
from astro_vae.products._inference import Inference
from astro_vae.products._views import Block, Views
from astro_vae.products.catalog import write_catalog
from astro_vae.products.priors import load_prior
from astro_vae.products.statistics import fit_temperature, tempered
from astro_vae.settings import ProductSettings
from astro_vae.trained import thresholded

SEED = 1  # of the draws; more draws, not another seed, make the probabilities surer
HIDDEN = ("status", "row")
HOW = ("rotations", "draws", "likelihood_power", "refine")
"""Settings that a catalog is made with and keeps, so that new objects can be looked at in the same way."""

COLUMNS = {
    "part": Column("Part of the split: train, validation, test or dropped", ucd="meta.code"),
    "group": Column("Group of the split: objects of one piece of sky", ucd="meta.id"),
    "label_used": Column("Label under which the latents are given: its own, or the predicted one", ucd="src.class"),
    "label_predicted": Column("Most probable label", ucd="src.class"),
}


def encode(
    settings: ProductSettings, *, model: Path, prior: Path, objects: Path, split: Path, out: Path
) -> None:
    r"""Write the latent catalog as FITS, Parquet and VOTable.

    Label probabilities are Bayes' rule with the natural label frequencies,

    .. math:: p(y \mid x) \propto p(y) \exp \overline{\log \hat p(x \mid y)}

    where the mean is over `settings.rotations` turns of an image (a spectrum has one), and each evidence is the
    importance-weighted bound (Burda et al. 2016, eq. 8) with q(z | x, y) of that label and the fitted prior.
    `settings.draws` is the number of draws per object and label in all: each turn gets its share, rounded
    up, and the same draws serve every label. The likelihood counts with the power `settings.likelihood_power`,
    as in fractional posteriors (Grunwald & van Ommen 2017): a decoder's errors are shared by many pixels, which
    the likelihood takes for independent. The calibrated ones have the evidence tempered by one number,
    fitted on the labelled objects of the validation part.

    Parameters
    ----------
    settings : ProductSettings
    model, prior : Path
        Of the steps train and fit-prior.
    objects, split : Path
        The files of the steps prepare and split.
    out : Path
        The FITS table; .parquet and .vot are written beside it.
    """
    trained = models.load(model)
    inference = Inference(trained, load_prior(prior)[0], seed=SEED, refine=settings.refine)
    with step_lock(out.parent, "encode"):
        views = Views(objects, split, trained)
        known = inference.label_numbers(views.table["label"])
        found = look_at_all(views, inference, known, settings)
        fitted = calibration(views.table, found, inference, known)
        table, columns = catalog(views.table, views.objects, found, inference, fitted.get("temperature", math.nan))
        how = {name: getattr(settings, name) for name in HOW}
        write_catalog(table, columns, out, meta={"survey": views.objects.attributes["survey"], **how, **fitted})


def look_at_all(
    views: Views, inference: Inference, known: np.ndarray, settings: ProductSettings, rows: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return what `look` finds of all objects, or of those of a mask (N,), in blocks; `known` (N,) as there."""
    parts = []
    for block in views.blocks(rows):
        started = time.perf_counter()
        parts.append(look(inference, block, known[block.rows], settings))
        rate = len(block.rows) / (time.perf_counter() - started)
        print(f"encode: {block.rows[-1] + 1} of {len(views)} objects, {rate:.0f} per second", flush=True)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def look(inference: Inference, block: Block, known: np.ndarray, settings: ProductSettings) -> dict[str, np.ndarray]:
    """Return what the model says of a block of objects: see the keys; first axis B.

    `known` (B,) is each object's label, -1 where the most probable one is to be taken.
    """
    draws = math.ceil(settings.draws / block.kind.orient.number(settings.rotations))
    power = settings.likelihood_power
    answers = [inference.ask(seen, draws, power=power) for seen in block.rotations(settings.rotations)]
    evidence = np.mean([answer.log_evidence for answer in answers], axis=0)  # (B, C)
    predicted = np.argmax(evidence + np.log(inference.frequencies), axis=1)
    label = np.where(known >= 0, known, predicted)
    every = np.arange(len(label))
    turned = np.stack([answer.mean[every, label] for answer in answers])  # (rotations, B, K)
    found = {"z_mean": turned[0], "z_err": answers[0].sd[every, label], "log_evidence": evidence, "label": label}
    if block.kind.orient.ORIENTED:
        found |= {"z_rot_std": turned.std(axis=0), **_upright(inference, block, label)}
    redrawn = inference.decode(turned[0], label)
    if block.kind.fit.COLUMNS:
        found[block.kind.fit.NAME] = block.kind.fit.misfit(block.as_it_lies(), redrawn)
    return found | block.diagnosed(thresholded(redrawn, inference.threshold))


def _upright(inference: Inference, block: Block, label: np.ndarray) -> dict[str, np.ndarray]:
    """Return the posteriors of the objects turned to their long axis, NaN where they have none."""
    upright, has_axis = block.upright()
    mean, sd = inference.encode(upright, label)
    known = has_axis[:, None]
    return {"z_pa_mean": np.where(known, mean, np.nan), "z_pa_err": np.where(known, sd, np.nan)}


LATENTS = {
    "z_mean": "Posterior mean of latent {k}{lies}",
    "z_err": "Posterior standard deviation of latent {k}{lies}",
    "z_pa_mean": "Posterior mean of latent {k}, long axis turned upright with the brighter half above",
    "z_pa_err": "Posterior standard deviation of latent {k}, long axis turned upright with the brighter half above",
    "z_rot_std": "Standard deviation of the posterior mean of latent {k} over rotations",
}


def calibration(
    table: pd.DataFrame, found: dict[str, np.ndarray], inference: Inference, known: np.ndarray
) -> dict[str, Any]:
    """Return `temperature` of the calibrated probabilities, and on how many objects it is fitted; {} without labels."""
    if not inference.labels:
        return {}
    validation = (table["part"] == "validation").to_numpy() & (known >= 0)
    temperature = fit_temperature(found["log_evidence"][validation], inference.frequencies, known[validation])
    return {"temperature": temperature, "calibrated_on": int(validation.sum())}


def catalog(
    table: pd.DataFrame, objects: Objects, found: dict[str, np.ndarray], inference: Inference, temperature: float
) -> tuple[pd.DataFrame, dict[str, Column]]:
    """Return the catalog and the description of its columns.

    Parameters
    ----------
    table : DataFrame, N rows
        Usable objects of the file `objects`.
    objects : Objects
    found : dict
        What `look` has found of them.
    inference : Inference
    temperature : float
        Of the calibrated probabilities; with NaN, that is unknown, they are NaN.
    """
    table = table.drop(columns=list(HIDDEN)).reset_index(drop=True)
    kind = kinds.kind(objects.attributes["kind"])
    columns = {**objects.columns, **kind.measure.COLUMNS, **COLUMNS, **kind.fit.COLUMNS, **kind.diagnose.COLUMNS}
    made: dict[str, Any] = {}
    if inference.labels:
        labels = np.array(inference.labels, dtype=object)
        made |= {"label_used": labels[found["label"]]}
        for suffix, value in (("", 1.0), ("_calibrated", temperature)):
            p = tempered(found["log_evidence"], inference.frequencies, value)
            made |= {f"p_{name}{suffix}": p[:, i] for i, name in enumerate(inference.labels)}
        best = 1.0 if math.isnan(temperature) else temperature
        p = tempered(found["log_evidence"], inference.frequencies, best)
        made |= {"label_predicted": labels[p.argmax(axis=1)]}
        columns |= _label_columns(inference.labels)
    lies = ", image as it lies" if kind.orient.ORIENTED else ""
    for name in (name for name in LATENTS if name in found):
        words, latents = LATENTS[name], range(found[name].shape[1])
        made |= {f"{name}_{k}": found[name][:, k] for k in latents}
        columns |= {f"{name}_{k}": Column(words.format(k=k, lies=lies), ucd=_ucd(name)) for k in latents}
    made |= {name: found[name] for name in (*kind.fit.COLUMNS, *kind.diagnose.COLUMNS)}
    theirs = {name: f"user_{name}" for name in table if name in made}
    columns |= {new: objects.columns[old] for old, new in theirs.items()}
    return pd.concat([table.rename(columns=theirs), pd.DataFrame(made)], axis=1), columns


def _ucd(name: str) -> str:
    return "meta.modelled" if "mean" in name else "stat.stdev;meta.modelled"


def _label_columns(labels: list[str]) -> dict[str, Column]:
    columns = {}
    for name in labels:
        columns[f"p_{name}"] = Column(f"Probability of label {name} by Bayes' rule", ucd="stat.probability")
        columns[f"p_{name}_calibrated"] = Column(
            f"Probability of label {name}, the evidence tempered on validation", ucd="stat.probability"
        )
    return columns
