"""Figures of merit with their errors: bootstrap over sources, calibration, ranking. Knows no astronomy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import rankdata

BINS = 10
"""Bins of the confidence in a reliability diagram."""

KS_LEAST = 5


def resampled(
    statistic: Callable[[np.ndarray], float], groups: np.ndarray, n: int, *, seed: int = 0
) -> np.ndarray:
    """Return a statistic of resamplings of whole groups, with replacement: (n,), or fewer where it is NaN.

    Parameters
    ----------
    statistic : callable
        Takes rows (an array of int, with repetitions) and returns a number; NaN is left out.
    groups : ndarray, shape (N,)
        Objects of one group (one source on the sky) are drawn together. With fewer than two there is nothing to draw.
    n : int
        Number of resamplings.
    """
    _, number = np.unique(groups, return_inverse=True)
    count = int(number.max()) + 1 if len(number) else 0
    if count < 2:
        return np.empty(0)
    order = np.argsort(number, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(number))[:-1])
    single = count == len(number)
    rng = np.random.default_rng(seed)
    values = np.empty(n)
    for i in range(n):
        drawn = rng.integers(count, size=count)
        values[i] = statistic(order[drawn] if single else np.concatenate([members[j] for j in drawn]))
    return values[np.isfinite(values)]


def bootstrap(
    statistic: Callable[[np.ndarray], float], groups: np.ndarray, n: int, *, seed: int = 0
) -> float:
    """Return the standard deviation of a statistic over resamplings; see `resampled`. NaN where there are none."""
    values = resampled(statistic, groups, n, seed=seed)
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def measure(values: np.ndarray, groups: np.ndarray, n: int) -> dict[str, Any]:
    """Return mean and median of per-object values (N,), the bootstrap error of each, and their number."""
    if not len(values):
        return {"mean": None, "median": None, "error": None, "median_error": None, "n": 0}
    return {
        "mean": float(values.mean()), "median": float(np.median(values)),
        "error": none_if_nan(bootstrap(lambda rows: values[rows].mean(), groups, n)),
        "median_error": none_if_nan(bootstrap(lambda rows: float(np.median(values[rows])), groups, n)),
        "n": len(values),
    }


def estimate(statistic: Callable[[np.ndarray], float], groups: np.ndarray, n: int) -> dict[str, Any]:
    """Return a statistic of all objects with its bootstrap error and their number."""
    value = statistic(np.arange(len(groups))) if len(groups) else float("nan")
    return {"value": none_if_nan(value), "error": none_if_nan(bootstrap(statistic, groups, n)), "n": len(groups)}


def none_if_nan(value: float) -> float | None:
    """Return the number as JSON can hold it."""
    return float(value) if np.isfinite(value) else None


def auc(ordinary: np.ndarray, odd: np.ndarray) -> float:
    """Return the probability that an odd object scores above an ordinary one, ties counting half.

    For Gaussian scores that differ by d standard deviations it is Phi(d / sqrt 2).
    """
    if not len(ordinary) or not len(odd):
        return float("nan")
    ranks = rankdata(np.concatenate([odd, ordinary]))
    return float((ranks[: len(odd)].sum() - len(odd) * (len(odd) + 1) / 2) / (len(odd) * len(ordinary)))


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the two-sample distance of Kolmogorov and Smirnov, 0 to 1: that of the cumulative distributions.

    NaN are left out; NaN where fewer than `KS_LEAST` values are left on either side.
    """
    a, b = (np.sort(values[np.isfinite(values)]) for values in (a, b))
    if min(len(a), len(b)) < KS_LEAST:
        return float("nan")
    both = np.concatenate([a, b])
    below = [np.searchsorted(values, both, side="right") / len(values) for values in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def recall_at(ordinary: np.ndarray, odd: np.ndarray, false_positives: float) -> float:
    """Return the fraction of odd objects above the score that this fraction of the ordinary ones exceeds."""
    if not len(ordinary) or not len(odd):
        return float("nan")
    # At most floor(f N) ordinary objects lie strictly above this one of them.
    allowed = int(false_positives * len(ordinary) + 1e-9)
    threshold = np.sort(ordinary)[::-1][min(allowed, len(ordinary) - 1)]
    return float(np.mean(odd > threshold))


def log_loss(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return minus the log probability (nat) of the true label, per object: (N,) from (N, C) and int (N,)."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return -np.log(np.maximum(chosen, np.finfo(np.float64).tiny))


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Return the expected calibration error of the most probable label (Guo et al. 2017, eq. 3)."""
    bins = reliability(probabilities, truth)
    return float(sum(b["n"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / max(len(truth), 1))


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[dict[str, Any]]:
    """Return number, mean confidence and accuracy of each bin of the confidence that has objects."""
    if not len(truth):
        return []
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {"n": int(here.sum()), "confidence": float(confidence[here].mean()), "accuracy": float(right[here].mean())}
        for here in (place == i for i in range(BINS)) if here.any()
    ]


def inception_score(probabilities: np.ndarray) -> float:
    """Return exp(E KL(p(y | x) || p(y))) of a classifier's probabilities (N, C): 1 to C, higher is better.

    It is high where each image has a clear label and all labels occur (Salimans et al. 2016, section 4).
    """
    p = np.clip(probabilities, 1e-12, 1)
    return float(np.exp((p * np.log(p / p.mean(axis=0))).sum(axis=1).mean()))


def cross_entropy(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return minus the Bernoulli pseudo-likelihood of grey values, nat: float64 (N,).

    With `mean` equal to `x` it is the entropy of the grey values, which no model can go below.

    Parameters
    ----------
    x : ndarray, shape (N, *shape)
        Values in [0, 1].
    mean : ndarray, shape (N, *shape) or (*shape)
        Mean of each pixel; one that is 0 or 1 counts as 1e-6 away from it.
    """
    m = np.clip(np.asarray(mean, dtype=np.float64), 1e-6, 1 - 1e-6)
    return -(x * np.log(m) + (1 - x) * np.log1p(-m)).reshape(len(x), -1).sum(axis=1)


def tempered(log_evidence: np.ndarray, frequencies: np.ndarray, temperature: float) -> np.ndarray:
    r"""Return label probabilities by Bayes' rule with a tempered evidence.

    .. math:: p(y \mid x) \propto p(y)\, p(x \mid y)^{1/T}

    At T = 1 it is Bayes' rule; as T grows it tends to the natural frequencies, since an evidence over
    thousands of correlated pixels is worth less than it says.

    Parameters
    ----------
    log_evidence : ndarray, shape (N, C)
    frequencies : ndarray, shape (C,)
    temperature : float
    """
    return np.exp(log_softmax(log_evidence / temperature + np.log(frequencies), axis=1))


def fit_temperature(log_evidence: np.ndarray, frequencies: np.ndarray, truth: np.ndarray) -> float:
    """Return the temperature of `tempered` with the least log loss on labelled objects; 1 where there are none.

    The search goes from 0.1 to 10^5.
    """
    if len(np.unique(truth)) < 2:
        return 1.0

    def loss(log_temperature: float) -> float:
        return float(log_loss(tempered(log_evidence, frequencies, np.exp(log_temperature)), truth).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(1e5)), method="bounded")
    return float(np.exp(found.x))
