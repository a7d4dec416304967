"""Test samples against real objects: by the label that a judge finds in them, and by what is measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.classifier import Classifier
from astro_vae.objects import Objects
from astro_vae.products import quality
from astro_vae.products._inference import Inference
from astro_vae.products._views import Views
from astro_vae.products.distances import Distances
from astro_vae.products.samples import draw
from astro_vae.steps._conditions import Conditions
from astro_vae.trained import thresholded
from astro_vae.vae.priors import StandardNormal

MEASURED = 100  # objects of a label that are measured, of each sort


@dataclass(frozen=True)
class SampleTests:
    """Samples of a model, and the real objects that they are held against.

    Attributes
    ----------
    inference : Inference
    views : Views
    conditions : Conditions
        Of real training objects.
    samples : Objects
    n : int
        Bootstrap resamplings.
    """

    inference: Inference
    views: Views
    conditions: Conditions
    samples: Objects
    n: int

    def results(self, judge: Classifier | None) -> dict[str, Any]:
        """Return all figures; those of the judge where there is one that knows the labels of the model."""
        labels = [name for name in self.inference.labels if judge and name in judge.labels]
        judged = judge and len(labels) >= 2 and len(labels) == len(self.inference.labels)
        return {**(self.judged(judge, labels) if judge and judged else {}), **self.measured()}

    def judged(self, judge: Classifier, labels: Sequence[str]) -> dict[str, Any]:
        """Measure whether samples have the label that they were asked for; the judge on real test objects beside.

        Samples and real objects are shown to the judge alike: under conditions of training objects of any label.
        """
        made, asked, about = self.samples.read(), self.samples.usable["label"], self.samples.attributes
        seen = self._shown(made)
        found = {
            "agreement": self._agreement(judge, labels, seen, asked),
            "inception": quality.inception(judge.predict(seen), n=self.n),
        }
        if about["threshold"] is not None:
            found["agreement_not_thresholded"] = self._agreement(judge, labels, self._shown(self._decoded()), asked)
        if not isinstance(self.inference.prior, StandardNormal):
            plain = self.inference.under(StandardNormal(self.inference.module.n_latents))
            number = len(self.samples.usable) // len(labels)
            made, table = draw(plain, number, about["seed"], threshold=about["threshold"])
            found["agreement_standard_normal"] = self._agreement(judge, labels, self._shown(made), table["label"])
        real = (self.views.table["part"] == "test") & self.views.table["label"].isin(labels)
        if real.any():
            table = self.views.table[real]
            seen, groups = self.conditions.veiled(self.views.images(real.to_numpy()), self._rng), table["group"]
            found["classifier_on_real_test"] = self._agreement(judge, labels, seen, table["label"], groups.to_numpy())
            found["inception_of_real_test"] = quality.inception(
                judge.predict(seen), n=self.n, groups=groups.to_numpy()
            )
        return found

    def measured(self) -> dict[str, Any]:
        """Measure how far what is measured on samples is from that of real training objects of their label.

        Samples are measured under the conditions of real ones of their label; as references, redrawn training
        objects are measured in the same way, and real test objects.
        """
        train, test = self._real("train"), self._real("test")
        if not len(train) or not len(test):
            return {}
        asked = self.samples.usable[["label"]].assign(group=np.arange(len(self.samples.usable)))
        chosen = _some(asked, self._names)
        made = {
            "ks_distance": (self.samples.read()[chosen.index], chosen),
            "ks_distance_of_redrawn": (self._redrawn(train), train),
        }
        sides = {
            name: self._traits(self.conditions.observed(values, self._rng, self._named(table)), table)
            for name, (values, table) in made.items()
        }
        sides["ks_distance_of_real_test"] = self._traits(self._images(test), test)
        against = self._traits(self._images(train), train)
        distances = {name: Distances(side, against, self.n) for name, side in sides.items()}
        found = {name: {"all": each.mean()} for name, each in distances.items()}
        found["ks_distance"] |= distances["ks_distance"].by_value()
        return found

    @property
    def _names(self) -> list[str]:
        return self.inference.labels or [""]

    @property
    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self.samples.attributes["seed"])

    def _shown(self, made: np.ndarray) -> np.ndarray:
        rng = self._rng
        return self.conditions.veiled(self.conditions.observed(made, rng), rng)

    def _decoded(self) -> np.ndarray:
        """Decode the samples' latents again: the objects before their threshold."""
        z = self.samples.usable[[f"z_{k}" for k in range(self.inference.module.n_latents)]].to_numpy()
        return self.inference.decode(z, self.inference.label_numbers(self.samples.usable["label"]))

    def _redrawn(self, table: pd.DataFrame) -> np.ndarray:
        """Return what the model makes of objects, as it makes samples."""
        numbers = self.inference.label_numbers(table["label"])
        z, _ = self.inference.encode(self._images(table), numbers)
        return thresholded(self.inference.decode(z, numbers), self.samples.attributes["threshold"])

    def _agreement(
        self, judge: Classifier, labels: Sequence[str], seen: np.ndarray, asked: pd.Series,
        groups: np.ndarray | None = None,
    ) -> dict[str, Any]:
        p = judge.predict(seen)
        return quality.agreement(p, judge.labels, labels, asked.to_numpy(object), n=self.n, groups=groups)

    def _real(self, part: str) -> pd.DataFrame:
        """Return the objects of a part that are measured: the model's labels, or all where it has none."""
        table = self.views.table
        kept = table["label"].isin(self.inference.labels) if self.inference.labels else table["label"].notna()
        return _some(table[(table["part"] == part) & kept], self._names)

    def _images(self, table: pd.DataFrame) -> np.ndarray:
        wanted = np.zeros(len(self.views), bool)
        wanted[table.index] = True
        return self.views.images(wanted)

    def _named(self, table: pd.DataFrame) -> pd.Series | None:
        return table["label"] if self.inference.labels else None

    def _traits(self, seen: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
        """Measure views; the columns `label`, empty for a model without labels, and `group` follow."""
        label = table["label"] if self.inference.labels else pd.Series("", table.index)
        traits = self.inference.kind.traits.traits(seen, self.views.settings)
        return traits.assign(label=label.to_numpy(object), group=table["group"].to_numpy())


def _some(table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Return at most `MEASURED` rows of each label, evenly spaced, in their order; of all where there are no labels."""
    kept = []
    for name in labels:
        of_label = table[table["label"] == name] if name else table
        kept.append(of_label.iloc[np.linspace(0, len(of_label) - 1, min(MEASURED, len(of_label))).astype(int)])
    return pd.concat(kept).sort_index()
