"""Read metrics.json as a flat list of measures, and name them in words.

The page shows whatever a model was measured by: a new measure appears in its tables without a change
here. Only the headline figures know their names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

VALUE_KEYS = ("value", "mean")
NAMES = {
    "mse": "mean squared error",
    "mse_inferred_label": "mean squared error, inferred label",
    "mse_mean_image": "mean squared error of the mean image",
    "reduced_chi2": "reduced chi-square",
    "reduced_chi2_inferred_label": "reduced chi-square, inferred label",
    "reduced_chi2_mean_spectrum": "reduced chi-square of the mean spectrum",
    "negative_elbo": "negative ELBO (nat)",
    "negative_bound": "negative importance-weighted bound (nat)",
    "negative_bound_fitted_prior": "negative importance-weighted bound, fitted prior (nat)",
    "kl": "KL divergence (nat)",
    "accuracy": "label accuracy",
    "accuracy_most_frequent": "label accuracy of the most frequent",
    "sample_agreement": "samples obey their label",
    "sample_agreement_standard_normal": "samples obey their label, prior N(0, I)",
    "classifier_accuracy": "classifier on real test objects",
    "sample_distance": "samples: measured values against real ones (KS distance)",
    "redrawn_distance": "redrawn objects: measured values against real ones (KS distance)",
    "real_distance": "real test objects: measured values against those of training (KS distance)",
    "inception_score": "inception score of samples",
    "inception_score_of_real": "inception score of real test objects",
    "log_loss_frequencies": "log loss of the labels' frequencies",
    "cross_entropy_entropy": "least possible negative ELBO (nat)",
    "cross_entropy_floor": "least possible negative ELBO (nat)",
    "cross_entropy_mean_image": "negative pseudo-likelihood of the mean image (nat)",
}
LOWER = ("mse", "chi2", "negative", "loss", "calibration_error", "distance")
HIGHER = ("auc", "recall", "recovered", "agreement", "accuracy")


@dataclass(frozen=True)
class Measure:
    """A number with its error and median, NaN where they are not known."""

    value: float
    error: float = math.nan
    median: float = math.nan


def flat(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, Measure]:
    """Return every number of nested metrics by its dotted name; texts and lists are left out.

    >>> flat({"test": {"mse": {"mean": 2.0, "error": 0.1}, "n": 3}})["test.mse"].error
    0.1
    """
    return dict(_leaves(metrics, prefix))


def _leaves(metrics: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Measure]]:
    for key, value in metrics.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            measure = _measure(value)
            if measure is None:
                yield from _leaves(value, name)
            else:
                yield name, measure
        elif _is_number(value) and not (key.endswith("_error") and key.removesuffix("_error") in metrics):
            error = metrics.get(f"{key}_error")
            yield name, Measure(float(value), float(error) if _is_number(error) else math.nan)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _measure(entry: Mapping[str, Any]) -> Measure | None:
    """Return the measure that an entry with value (and error, median) is; None where it is a group."""
    value = next((entry[key] for key in VALUE_KEYS if _is_number(entry.get(key))), None)
    if value is None:
        return None
    error, median = entry.get("error"), entry.get("median")
    return Measure(float(value), *(float(v) if _is_number(v) else math.nan for v in (error, median)))


def words(name: str) -> str:
    """Turn the dotted name of a measure, or of a column of the comparison, into words."""
    for part in ("test", "validation"):
        if name.startswith(f"{part}_"):
            return f"{words(name.removeprefix(part + '_'))}, {part}"
    for misfit in ("mse", "reduced_chi2"):
        if name not in NAMES and name.startswith(f"{misfit}_"):
            return f"{NAMES[misfit]}, {name.removeprefix(misfit + '_').removeprefix('per_label.')}"
    name = re.sub(r"(?<=negative_bound)_\d+", "", name.removeprefix("label."))  # how many draws it is taken over
    return NAMES.get(name) or name.replace(".", ", ").replace("_", " ").replace("auc", "AUC")


def best_of(name: str, values: Mapping[str, float]) -> str | None:
    """Return the key of the best value of a measure; None where neither direction is better, or all are alike."""
    sign = next((s for s, parts in ((1, LOWER), (-1, HIGHER)) if any(p in name for p in parts)), 0)
    known = {key: sign * value for key, value in values.items() if math.isfinite(value)}
    references = ("mean_image", "mean_spectrum", "most_frequent")
    reference = any(part in name for part in references) or name.startswith(("classifier", "real_"))
    if not sign or reference or len(set(known.values())) < 2:
        return None
    return min(known, key=lambda key: known[key])
