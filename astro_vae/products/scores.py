"""Scores of strangeness: each a short function, found by its name in `SCORES`; higher is stranger.

A new one is a function from `Seen` to one number per object, and an entry in `SCORES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from astro_vae.kinds import Kind
from astro_vae.products._inference import Inference
from astro_vae.products.ordinary import Ordinary


@dataclass(frozen=True)
class Seen:
    """Objects as a model sees them, in one orientation.

    Attributes
    ----------
    views : ndarray, shape (B, *shape of a view)
    label : ndarray of int, shape (B,)
        The label under which each is judged.
    z : ndarray, shape (B, K)
        Posterior means under it.
    row : ndarray of int, shape (B,)
        Row of each object in the values of the object file; it tells an object's own copies among the references.
    inference : Inference
    ordinary : Ordinary
    """

    views: np.ndarray
    label: np.ndarray
    z: np.ndarray
    row: np.ndarray
    inference: Inference
    ordinary: Ordinary

    @cached_property
    def redrawn(self) -> np.ndarray:
        """What the model makes of them, (B, *shape)."""
        return self.inference.decode(self.z, self.label)


def reconstruction(seen: Seen) -> np.ndarray:
    """Return what the model cannot redraw: -log p(x | z, y) at the posterior mean, nat per pixel.

    Where data have inverse variances it is the reduced chi-square instead, since the likelihood says how noisy an
    object is too.
    """
    x, weight = seen.inference.kind.view.to_network(seen.views)
    if weight is None:
        return -seen.inference.log_likelihood(seen.views, seen.z, seen.label) / np.prod(x.shape[1:])
    return np.asarray(seen.inference.kind.fit.misfit(seen.views, seen.redrawn))


def residual_runs(seen: Seen) -> np.ndarray:
    """Return the strongest run of residuals of one sign, by that of ordinary objects; see `residuals` of the kind."""
    return np.asarray(seen.ordinary.residuals.runs.score(seen.views, seen.redrawn))


def latent_density(seen: Seen) -> np.ndarray:
    """Return -log p(z | y) of the posterior mean under the fitted prior, nat."""
    return -seen.inference.log_prior(seen.z, seen.label)


def isolation_forest(seen: Seen) -> np.ndarray:
    """Return the anomaly score 2^(-E[path] / c) of the latents (Liu et al. 2008, eq. 2), in (0, 1]."""
    return by_label(seen.label, lambda label, rows: -seen.ordinary.forests[label].score_samples(seen.z[rows]))


def nearest_neighbours(seen: Seen) -> np.ndarray:
    """Return the mean distance of the latents to the nearest references of the same label.

    Copies of the object itself do not count, so that objects of the training part are judged like others.
    """

    def distance(label: int, rows: np.ndarray) -> np.ndarray:
        reference, wanted = seen.ordinary.reference, seen.ordinary.neighbours
        of_label = reference.label == label
        z, parent = reference.z[of_label], reference.parent[of_label]
        own = int(np.unique(parent, return_counts=True)[1].max())
        found = NearestNeighbors(n_neighbors=min(wanted + own, len(z))).fit(z)
        distances, indices = found.kneighbors(seen.z[rows])
        foreign = parent[indices] != seen.row[rows, None]
        counted = foreign & (np.cumsum(foreign, axis=1) <= wanted)
        return np.where(counted, distances, 0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)

    return by_label(seen.label, distance)


def local_outlier_factor(seen: Seen) -> np.ndarray:
    """Return how much emptier it is around the latents than around their neighbours (Breunig et al. 2000, eq. 7).

    About 1 is ordinary. The references are the mean latents of each training object, among which an object of the
    training part is itself.

    References
    ----------
    Breunig M. M. et al., 2000, Proc. ACM SIGMOD, 93; used on latents of spectra by Portillo S. K. N. et al., 2020,
    AJ 160, 45.
    """
    return by_label(seen.label, lambda label, rows: -seen.ordinary.factors[label].score_samples(seen.z[rows]))


def by_label(label: np.ndarray, function: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
    """Return function(label, rows), put together over the labels that occur: (B,)."""
    values = np.empty(len(label))
    for one in np.unique(label):
        rows = np.flatnonzero(label == one)
        values[rows] = function(int(one), rows)
    return values


@dataclass(frozen=True)
class Score:
    """A score, and what to say of an object that is high in it; "" as description: what `fit` of the kind says.

    Those `of_runs` are for kinds of data whose residuals have runs.
    """

    function: Callable[[Seen], np.ndarray]
    description: str
    words: str
    unit: str = ""
    of_runs: bool = False


SCORES = {
    "reconstruction": Score(
        reconstruction, "",
        "the model redraws it badly",
    ),
    "residual_runs": Score(
        residual_runs, "Strongest run of residuals of one sign, by the one that one ordinary object in ten exceeds",
        "a run of residuals stands out", of_runs=True,
    ),
    "latent_density": Score(
        latent_density, "Minus log density of the latents under the prior of the label (nat)",
        "its latents are improbable",
    ),
    "isolation_forest": Score(
        isolation_forest, "Anomaly score of an isolation forest on the latents",
        "few cuts set its latents apart",
    ),
    "nearest_neighbours": Score(
        nearest_neighbours, "Mean distance of the latents to the nearest training objects",
        "far from its nearest neighbours",
    ),
    "local_outlier_factor": Score(
        local_outlier_factor, "Local outlier factor of the latents among those of training objects",
        "its latents lie apart for their surroundings",
    ),
}
"""Scores by name, each averaged over rotations; `fisher` combines them."""


def scores_of(kind: Kind) -> dict[str, Score]:
    """Return the scores that objects of a kind have."""
    return {name: one for name, one in SCORES.items() if kind.residuals.RUNS or not one.of_runs}


def described(name: str, kind: Kind) -> str:
    """Return the description of a score for objects of a kind."""
    averaged = ", mean over rotations" if kind.orient.ORIENTED else ""
    return (SCORES[name].description or str(kind.fit.SCORE)) + averaged


TRIVIAL = "trivial_"
"""Beginning of the names of scores that need no model, to see what a model adds; see `measure` of the kind."""


def percentile(scores: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """Return the fraction of the other objects that each one exceeds, ties counting half, in [0, 1]; NaN stays.

    The others are those of `scores` itself (N,), or those that are given as `among` (M,).
    """
    known = np.isfinite(scores)
    if among is not None:
        others = np.sort(among[np.isfinite(among)])
        below, not_above = (np.searchsorted(others, scores, side=side) for side in ("left", "right"))
        return np.where(known & (len(others) > 0), (below + not_above) / 2 / max(len(others), 1), np.nan)
    ranks = pd.Series(scores).where(known).rank().to_numpy()
    return (ranks - 1) / max(int(known.sum()) - 1, 1)


def fisher(percentiles: pd.DataFrame, n: int) -> np.ndarray:
    """Combine scores by Fisher's method: the mean of -log(fraction of objects at least as strange), nat.

    Under it an object that is extreme in one score outranks one that is a little high in all.

    Parameters
    ----------
    percentiles : DataFrame
        A column per score as `percentile` makes it, (N, S).
    n : int
        Objects that they are percentiles among.

    References
    ----------
    Fisher R. A., 1932, Statistical Methods for Research Workers, 4th edition, section 21.1.
    """
    at_least = ((1 - percentiles) * (n - 1) + 0.5) / n  # half an object: no fraction is 0
    return -np.log(at_least).mean(axis=1).to_numpy()
