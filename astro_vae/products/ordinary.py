"""What is known of the objects that a model was trained on, for scores that compare with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from astro_vae.products.priors import Reference
from astro_vae.products.residuals import Residuals


@dataclass(frozen=True)
class Ordinary:
    """What is known of ordinary objects, which scores compare with.

    Attributes
    ----------
    reference : Reference
        Latents of training examples.
    residuals : Residuals
        Residuals of objects.
    neighbours : int
    """

    reference: Reference
    residuals: Residuals
    neighbours: int

    @cached_property
    def forests(self) -> dict[int, IsolationForest]:
        """Isolation forests by label."""
        return forests(self.reference)

    @cached_property
    def factors(self) -> dict[int, LocalOutlierFactor]:
        """Local outlier factors by label."""
        return local_factors(self.reference, self.neighbours)


def forests(reference: Reference, seed: int = 0) -> dict[int, IsolationForest]:
    """Fit an isolation forest (Liu et al. 2008; 200 trees of 256 latents each) to the references of each label."""
    return {
        int(label): IsolationForest(n_estimators=200, random_state=seed).fit(reference.z[reference.label == label])
        for label in np.unique(reference.label)
    }


def local_factors(reference: Reference, neighbours: int) -> dict[int, LocalOutlierFactor]:
    """Fit local outlier factors (Breunig et al. 2000) to the references of each label, the mean of each object's."""
    fitted = {}
    for label in np.unique(reference.label):
        rows = reference.label == label
        z = pd.DataFrame(reference.z[rows]).groupby(reference.parent[rows]).mean().to_numpy(np.float32)
        if len(z) < 3:  # an outlier among so few cannot be told: the examples themselves stand in
            z = reference.z[rows]
        fitted[int(label)] = LocalOutlierFactor(n_neighbors=min(neighbours, len(z) - 1), novelty=True).fit(z)
    return fitted
