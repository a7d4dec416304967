"""Measure how well a model redraws, labels, samples and finds: each figure with its error and a reference beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.products._inference import Inference
from astro_vae.products.scores import SCORES, TRIVIAL
from astro_vae.products.statistics import (
    auc,
    calibration_error,
    cross_entropy,
    estimate,
    inception_score,
    log_loss,
    measure,
    none_if_nan,
    recall_at,
    reliability,
)
from astro_vae.vae.likelihoods import Bernoulli

PARTS = ("validation", "test")
ELBO_DRAWS = 8
BOUND_DRAWS = 50
ACTIVE_VARIANCE = 0.01
FALSE_POSITIVES = {"recall_at_5_percent": 0.05, "recall_at_10_percent": 0.10}
PLANTED = "is_anomaly"
"""Column of a survey that knows the truth: objects that were planted as anomalies."""


def redrawing(
    inference: Inference, seen: np.ndarray, label: np.ndarray, inferred: np.ndarray, *, groups: np.ndarray,
    mean: np.ndarray, n: int,
) -> dict[str, Any]:
    """Measure reconstruction and bounds on one part.

    Parameters
    ----------
    inference : Inference
    seen : ndarray, shape (N, *shape of a view)
    label, inferred : ndarray of int, shape (N,)
        The survey's label, -1 where unknown, and the predicted one.
    groups : ndarray, shape (N,)
    mean : ndarray, shape (*shape)
        Of the training part: the reference.
    n : int
        Bootstrap resamplings.

    Returns
    -------
    dict
        Misfit of the posterior-mean reconstruction: mean squared errors per pixel (values 0 to 1) of images,
        reduced chi-square over the valid bins of spectra; the same for the objects of each label; bounds on
        log p(x | y) in nats, negative, under N(0, I) and under the fitted prior; active units
        (Burda et al. 2016, sec. 5.2). Under a Bernoulli pseudo-likelihood, the least value that -ELBO could
        have, and that of the mean image. All are over the labelled objects; where there are none, what needs no
        label is over all objects.
    """
    known = label >= 0
    used = known if known.any() else np.ones(len(label), bool)
    fit, mean_name = inference.kind.fit, f"mean_{inference.kind.name}"
    under = _bounds(inference, seen[known], label[known], groups[known], n) if known.any() else {}
    if isinstance(getattr(inference.module, "likelihood", None), Bernoulli):
        x, _ = inference.kind.view.to_network(seen[used])
        references = {"entropy": x, mean_name: mean}
        for name, expected in references.items():
            under[f"cross_entropy_{name}"] = measure(cross_entropy(x, expected), groups[used], n)
    found = misfit(inference, seen[known], label[known])
    return {
        fit.NAME: measure(found, groups[known], n),
        f"{fit.NAME}_per_label": per_label(found, label[known], inference.labels, groups[known], n),
        f"{fit.NAME}_inferred_label": measure(misfit(inference, seen[used], inferred[used]), groups[used], n),
        f"{fit.NAME}_{mean_name}": measure(fit.misfit_of_mean(seen[used], mean), groups[used], n),
        **under,
    }


def per_label(
    values: np.ndarray, label: np.ndarray, labels: Sequence[str], groups: np.ndarray, n: int
) -> dict[str, Any]:
    """Measure per-object values (N,) of each label that occurs, by its name."""
    masks = {name: label == i for i, name in enumerate(labels)}
    return {name: measure(values[mask], groups[mask], n) for name, mask in masks.items() if mask.any()}


def misfit(inference: Inference, seen: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the misfit of the posterior-mean reconstruction, float64 (N,); see `fit` of the kind."""
    if not len(seen):
        return np.zeros(0)
    z, _ = inference.encode(seen, label)
    return np.asarray(inference.kind.fit.misfit(seen, inference.decode(z, label)))


def _bounds(inference: Inference, seen: np.ndarray, label: np.ndarray, groups: np.ndarray, n: int) -> dict[str, Any]:
    mean, sd = inference.encode(seen, label)
    kl = 0.5 * (mean**2 + sd**2 - 1 - 2 * np.log(sd)).astype(np.float64)
    elbo = np.mean([inference.bound(seen, label, 1) for _ in range(ELBO_DRAWS)], axis=0)
    active = mean.var(axis=0) > ACTIVE_VARIANCE
    return {
        "negative_elbo": measure(-elbo, groups, n),
        f"negative_bound_{BOUND_DRAWS}": measure(-inference.bound(seen, label, BOUND_DRAWS), groups, n),
        f"negative_bound_{BOUND_DRAWS}_fitted_prior": measure(
            -inference.bound(seen, label, BOUND_DRAWS, inference.prior), groups, n
        ),
        "kl": measure(kl.sum(axis=1), groups, n),
        "active_units": {"value": int(active.sum()), "of": len(active), "n": len(mean)},
    }


def labelling(
    p: Mapping[str, np.ndarray], truth: np.ndarray, *, frequencies: np.ndarray, groups: np.ndarray, n: int
) -> dict[str, Any]:
    """Measure label probabilities p (N, C), `raw` and `calibrated`, against labels (N,); frequencies as reference."""
    if len(frequencies) < 2 or not len(truth):
        return {}
    first = p["raw"]
    always = np.tile(frequencies, (len(truth), 1))
    found: dict[str, Any] = {
        "accuracy": estimate(lambda rows: float(np.mean(first[rows].argmax(axis=1) == truth[rows])), groups, n),
        "accuracy_most_frequent": estimate(lambda rows: float(np.mean(truth[rows] == frequencies.argmax())), groups, n),
        "log_loss_frequencies": measure(log_loss(always, truth), groups, n),
    }
    for name, probabilities in p.items():
        found[f"log_loss_{name}"] = measure(log_loss(probabilities, truth), groups, n)
        found[f"calibration_error_{name}"] = estimate(
            lambda rows, q=probabilities: calibration_error(q[rows], truth[rows]), groups, n  # type: ignore[misc]
        )
        found[f"reliability_{name}"] = reliability(probabilities, truth)
    return found


def agreement(
    probabilities: np.ndarray, known: Sequence[str], labels: Sequence[str], asked: np.ndarray, *, n: int,
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """Measure how often a classifier finds the label that was asked for (or is true), over all and per label.

    Parameters
    ----------
    probabilities : ndarray, shape (N, C')
        Of the classifier, over its own labels `known`; only those of `labels` compete.
    known, labels : sequence of str
    asked : ndarray of str, shape (N,)
    n : int
        Bootstrap resamplings.
    groups : ndarray, shape (N,), optional
        Each image is its own group unless given.
    """
    places = [list(known).index(name) for name in labels]
    found = np.array(labels, dtype=object)[probabilities[:, places].argmax(axis=1)]
    right = (found == asked).astype(float)
    groups = np.arange(len(right)) if groups is None else groups
    each = {
        name: estimate(lambda rows, r=right[asked == name]: float(r[rows].mean()), groups[asked == name], n)  # type: ignore[misc]
        for name in labels
    }
    return {"all": estimate(lambda rows: float(right[rows].mean()), groups, n), **each}


def inception(probabilities: np.ndarray, *, n: int, groups: np.ndarray | None = None) -> dict[str, Any]:
    """Measure the inception score of images from a classifier's probabilities (N, C)."""
    groups = np.arange(len(probabilities)) if groups is None else groups
    return estimate(lambda rows: inception_score(probabilities[rows]), groups, n)


def finding(ranking: pd.DataFrame, ordinary: pd.Series, odd: pd.Series, n: int) -> dict[str, Any]:
    """Measure how each score tells odd objects from ordinary ones (masks over the ranking), random beside.

    Returns
    -------
    dict
        By score: area under the receiver operating characteristic, and recall at 5 and 10 % false positives.
    """
    found: dict[str, Any] = {"ordinary": int(ordinary.sum()), "odd": int(odd.sum())}
    scores = [str(name) for name in ranking if name in ("combined", *SCORES) or str(name).startswith(TRIVIAL)]
    for name in scores:
        values = ranking[name].to_numpy(float)
        used = (ordinary | odd).to_numpy() & np.isfinite(values)
        score, is_odd = values[used], odd.to_numpy()[used]
        if not 0 < is_odd.sum() < len(is_odd):
            continue
        found[name] = _curve(score, is_odd, ranking["group"].to_numpy()[used], n)
    found["random"] = {"auc": 0.5, **FALSE_POSITIVES}
    return found


def _curve(score: np.ndarray, is_odd: np.ndarray, groups: np.ndarray, n: int) -> dict[str, Any]:
    """Return area under the curve and recalls of one score, for objects of which some are odd: (N,) each."""

    def of(figure: Callable[[np.ndarray, np.ndarray], float]) -> dict[str, Any]:
        return estimate(lambda rows: figure(score[rows][~is_odd[rows]], score[rows][is_odd[rows]]), groups, n)

    recalls = {name: of(partial(recall_at, false_positives=f)) for name, f in FALSE_POSITIVES.items()}
    return {"auc": of(auc), **recalls}


def recovered(ranking: pd.DataFrame, odd: pd.Series) -> dict[str, Any]:
    """Count how many of the n planted objects lie within the first n and 2 n ranks, with what chance would find."""
    total, planted = len(ranking), int(odd.sum())
    made: dict[str, Any] = {"planted": planted, "ranked": total}
    for name, times in (("first_n", 1), ("first_2n", 2)):
        taken = min(times * planted, total)
        share = float(odd[ranking["rank"] <= taken].sum() / planted)
        error = np.sqrt(share * (1 - share) / planted)
        made[name] = {"value": share, "error": none_if_nan(float(error)), "n": planted, "random": taken / total}
    return made


def finding_all(ranking: pd.DataFrame, normal: Sequence[str], trained: Sequence[str], n: int) -> dict[str, Any]:
    """Measure the ranking against every label that is not ordinary, and against planted anomalies where there are any.

    Ordinary objects are those of the test part with a label of `normal`. Odd ones are those with another
    label: of all parts where the model was not trained on it, otherwise of the test part.
    """
    label, part = ranking["label"], ranking["part"]
    ordinary = label.isin(list(normal)) & (part == "test")
    others = [name for name in sorted(set(label) - {""}) if name not in normal]
    sets = {name: (label == name) & ((part == "test") if name in trained else (part != "dropped")) for name in others}
    if len(others) > 1:
        sets["other_labels"] = pd.concat(sets, axis=1).any(axis=1)
    found = {name: finding(ranking, ordinary, odd, n) for name, odd in sets.items() if odd.any() and ordinary.any()}
    planted = planted_mask(ranking)
    if planted.any():
        # All objects are ranked and the planted ones have no label, so all others are the ordinary ones.
        found["planted"] = {**recovered(ranking, planted), **finding(ranking, ~planted, planted, n)}
    return found


def planted_mask(table: pd.DataFrame) -> pd.Series:
    """Tell which objects were planted as anomalies; none where the survey does not know."""
    if PLANTED not in table:
        return pd.Series(False, index=table.index)
    return table[PLANTED].astype(str).str.lower().isin(["true", "1", "1.0"])


def probabilities(catalog: pd.DataFrame, labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the label probabilities of a latent catalog: (N, C), `raw` and `calibrated`."""
    return {
        "raw": catalog[[f"p_{name}" for name in labels]].to_numpy(float),
        "calibrated": catalog[[f"p_{name}_calibrated" for name in labels]].to_numpy(float),
    }

