"""Say the results in a few figures and sentences, for who reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from astro_vae.report.gather import ModelResults, SurveyResults
from astro_vae.report.measures import Measure, find, flat
from astro_vae.report.words import measured, number, plural

ERROR = (r"^test\.mse_true_label$", r"^test\.mse", r"^validation\.mse", r"mse")
ACCURACY = (r"^test\.label_accuracy", r"^test\..*accuracy", r"^validation\..*accuracy")
AGREEMENT = (r"sample.*agreement", r"agreement")
JUDGE = (r"classifier.*accuracy", r"classifier.*test")
AUC = (r"anomal.*combined.*auc", r"anomal.*auc", r"auc")
MEAN_IMAGE = (r"^test\.mean_image", r"mean_image")


def best(models: list[ModelResults]) -> ModelResults | None:
    """Return the model that the summary speaks of: that of the smallest error, a VAE where there is one."""
    found = [(m.is_linear, measure.value, m) for m in models if (measure := find(flat(m.metrics), *ERROR))]
    if found:
        return min(found, key=lambda entry: entry[:2])[2]
    return models[0] if models else None


def summary(results: SurveyResults) -> dict[str, Any]:
    """Return the lead, the cards and the sentences of the summary."""
    chosen = best(results.models)
    measures = flat(chosen.metrics) if chosen else {}
    return {
        "kicker": f"run {results.run}",
        "lead": _lead(results),
        "cards": [card for card in _cards(results, chosen, measures) if card],
        "findings": _findings(results, chosen, measures),
    }


def _lead(results: SurveyResults) -> Markup:
    kept, labels = int((results.objects.table["row"] >= 0).sum()), results.objects.attributes.get("labels") or []
    source = str(results.objects.attributes.get("survey", "")).replace("_", " ")
    known = f" labelled {' or '.join(labels)} where the class is known," if labels else ""
    return Markup("{} of {},{} seen by {}.").format(plural(kept, "object"), source, known,
                                                    plural(len(results.models), "model"))


def _card(what: str, measure: Measure | None, note: str) -> dict[str, Any] | None:
    return {"what": what, "value": measured(measure.value, measure.error), "note": note} if measure else None


def _cards(
    results: SurveyResults, chosen: ModelResults | None, measures: Mapping[str, Measure]
) -> list[dict[str, Any] | None]:
    table = results.objects.table
    refused = int((table["row"] < 0).sum())
    cards: list[dict[str, Any] | None] = [
        {"what": "Objects", "value": number(len(table) - refused), "note": f"{plural(refused, 'candidate')} refused"}
    ]
    if chosen is None:
        return cards
    judge = find(measures, *JUDGE) or find(flat(results.classifier), r"test.*accuracy", r"accuracy")
    beside = Markup("a classifier of real images; on real test images it is right in {}").format(
        number(judge.value)) if judge else "by an independent classifier"
    return [
        *cards,
        _card("Reconstruction error", find(measures, *ERROR), f"mean square per pixel, test images, {chosen.name}"),
        _card("Label recovered", find(measures, *ACCURACY), "fraction of test objects whose likeliest label is right"),
        _card("Samples obey their label", find(measures, *AGREEMENT), beside),
        _card("Anomalies found", find(measures, *AUC), "area under the curve of the combined ranking; 0.5 is chance"),
    ]


def _findings(
    results: SurveyResults, chosen: ModelResults | None, measures: Mapping[str, Measure]
) -> list[Markup]:
    if chosen is None:
        return [Markup("No model has been trained yet.")]
    return [f for f in (_against_mean(chosen, measures), _against_linear(results, chosen, measures)) if f]


def _against_mean(chosen: ModelResults, measures: Mapping[str, Measure]) -> Markup | None:
    error, reference = find(measures, *ERROR), find(measures, *MEAN_IMAGE)
    if error is None or reference is None or error.value <= 0:
        return None
    return Markup("{} reconstructs test images {} times better than the mean image ({} against {}).").format(
        chosen.name, number(reference.value / error.value, 2), number(error.value), number(reference.value))


def _against_linear(
    results: SurveyResults, chosen: ModelResults, measures: Mapping[str, Measure]
) -> Markup | None:
    """Compare with the linear model of as many latents, where there is one."""
    for other in results.models:
        theirs, ours = find(flat(other.metrics), *ERROR), find(measures, *ERROR)
        alike = other.is_linear and other.settings.get("latents") == chosen.settings.get("latents")
        if other is not chosen and alike and theirs and ours:
            better = theirs.value / ours.value
            return Markup("Against principal components of as many latents ({}) its error is {} times {}.").format(
                other.name, number(max(better, 1 / better), 2), "smaller" if better >= 1 else "larger")
    return None
