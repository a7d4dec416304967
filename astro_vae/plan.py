"""Say which settings each step sees, and the version of its results.

A rule of the workflow has one parameter: the JSON string made here. It holds the sections that its step
reads and the step's version, so that an edit reruns what depends on it and nothing else.
Raise a step's version by hand when its results change; a test keeps a hash of each step's output.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from astro_vae.settings import Settings


@dataclass(frozen=True)
class Step:
    """One step: the version of its results, and the sections of a survey's settings that it reads."""

    version: int
    sections: tuple[str, ...] = ()
    model: bool = False


STEPS = {
    "download": Step(1, ("source",)),
    "prepare": Step(3, ("source", "prepare")),
    "split": Step(1, ("split",)),
    "augment": Step(1, ("view", "augment")),
    "classifier": Step(2, ("view", "augment", "classifier")),
    "train": Step(4, ("view", "augment"), model=True),
    "fit-prior": Step(1, ("products.prior", "products.refine")),
    "encode": Step(4, ("products.rotations", "products.draws", "products.likelihood_power", "products.refine")),
    "generate": Step(3, ("products.samples_per_label", "products.samples_seed")),
    "rank": Step(
        6, ("products.rotations", "products.neighbours", "products.combined", "products.top", "products.refine")
    ),
    "evaluate": Step(
        6, ("products.bootstrap", "products.normal_labels", "products.samples_per_label", "products.samples_seed",
            "products.refine"),
    ),
    "compare": Step(4),
    "report": Step(1, ("source", "prepare", "split", "view", "augment", "classifier", "models", "products")),
}


def params(settings: Settings, step: str, survey: str, model: str | None = None) -> str:
    """Return the sorted JSON of what `step` sees of the settings, with the step's version."""
    chosen = STEPS[step]
    dump = settings.surveys[survey].model_dump(mode="json")
    if model is not None:
        own = dump["models"][model].pop("refine", None)  # how its latents are found is no matter of its training
        dump["products"]["refine"] = dump["products"]["refine"] if own is None else own
    seen = {name: _lookup(dump, name) for name in chosen.sections}
    if chosen.model:
        seen["model"] = dump["models"][model]
    return json.dumps({"step": step, "version": chosen.version, **seen}, sort_keys=True)


def _lookup(dump: dict, dotted: str) -> object:
    for key in dotted.split("."):
        dump = dump[key]
    return dump
