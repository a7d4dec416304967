"""Tell how far what is measured on some objects is from the same of others, label by label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from astro_vae.products.statistics import estimate, ks_distance, none_if_nan

NOT_MEASURED = ("label", "group")


class Distances:
    """Distances of Kolmogorov and Smirnov between the measured values of two sets of objects.

    Parameters
    ----------
    made, real : DataFrame
        A column per measured value, `label`, and `group`, whose objects the bootstrap draws together.
    n : int
        Bootstrap resamplings, of both sides.
    """

    def __init__(self, made: pd.DataFrame, real: pd.DataFrame, n: int) -> None:
        table = pd.concat([made, real], ignore_index=True)
        self._n = n
        self._names = [str(name) for name in made if name not in NOT_MEASURED]
        self._values = table[self._names].to_numpy(float)
        self._is_made = np.arange(len(table)) < len(made)
        self._groups = np.where(self._is_made, "made ", "real ") + table["group"].astype(str).to_numpy(str)
        labels = sorted({*made["label"]} & {*real["label"]})
        self._of_label = {name: (table["label"] == name).to_numpy() for name in labels}

    def mean(self) -> dict[str, Any]:
        """Return the mean over measured values and labels, with its bootstrap error."""

        def each(rows: np.ndarray) -> float:
            own = [rows[mask[rows]] for mask in self._of_label.values()]
            found = [self._distance(some, k) for some in own for k in range(len(self._names))]
            return float(np.mean(known)) if (known := [one for one in found if np.isfinite(one)]) else float("nan")

        return estimate(each, self._groups, self._n)

    def by_value(self) -> dict[str, Any]:
        """Return the distance and both medians by measured value and label; by value alone where the label is ""."""
        found = {}
        for k, name in enumerate(self._names):
            by_label = {label: self._one(np.flatnonzero(mask), k) for label, mask in self._of_label.items()}
            found[name] = by_label.get("", by_label)
        return found

    def _one(self, own: np.ndarray, k: int) -> dict[str, Any]:
        """Return the figure of one value, over the objects of one label."""
        figure = estimate(lambda rows: self._distance(own[rows], k), self._groups[own], self._n)
        sides = {"made": own[self._is_made[own]], "real": own[~self._is_made[own]]}
        return {**figure, **{f"median_{side}": _median(self._values[rows, k]) for side, rows in sides.items()}}

    def _distance(self, rows: np.ndarray, k: int) -> float:
        made = self._is_made[rows]
        return ks_distance(self._values[rows[made], k], self._values[rows[~made], k])


def _median(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return none_if_nan(float(np.median(values))) if len(values) else None
