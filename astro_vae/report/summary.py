"""Say the results in a few figures and sentences, for who reads nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from astro_vae.report.gather import ModelResults, SurveyResults
from astro_vae.report.measures import Measure, flat
from astro_vae.report.models_section import kind_words
from astro_vae.report.words import number, plural, plus_minus
from astro_vae.surveys import OWN_FILES

Measures = Mapping[str, Measure]
Card = dict[str, Any]
SAMPLES, JUDGE = "samples.agreement.all", "samples.classifier_on_real_test.all"


def best(models: list[ModelResults]) -> ModelResults | None:
    """Return the model that the summary speaks of: that of the smallest error, a VAE where there is one."""
    found = [(m.is_linear, error.value, m) for m in models if (error := _error(flat(m.metrics)))]
    if found:
        return min(found, key=lambda entry: entry[:2])[2]
    return models[0] if models else None


MISFITS = {  # in metrics.json, by the kind of the data: what it is, and the reference
    "mse": ("mean square per pixel", "mean image"), "reduced_chi2": ("reduced chi-square", "mean spectrum"),
}


def _misfit(measures: Measures) -> str:
    """Return the name of the error of the reconstruction, of the test part where it is there."""
    names = [f"{part}.{misfit}" for part in ("test", "validation") for misfit in MISFITS]
    return next((name for name in names if name in measures), "")


def _error(measures: Measures) -> Measure | None:
    return measures.get(_misfit(measures))


def summary(results: SurveyResults) -> dict[str, Any]:
    """Return the lead, the cards and the sentences of the summary."""
    chosen = best(results.models)
    measures = flat(chosen.metrics) if chosen else {}
    cards = [_objects_card(results), *(_cards(chosen, measures) if chosen else ())]
    findings = list(_findings(results, chosen, measures)) if chosen else [Markup("No model has been trained yet.")]
    return {"kicker": f"run {results.run}", "lead": _lead(results), "cards": cards, "findings": findings}


def _lead(results: SurveyResults) -> Markup:
    kept, labels = int((results.objects.table["row"] >= 0).sum()), results.objects.attributes.get("labels") or []
    survey = str(results.objects.attributes.get("survey", ""))
    source = "your own" if survey in OWN_FILES.values() else survey.replace("_", " ")
    known = f" labelled {', '.join(labels[:-1])}{' or ' if labels[1:] else ''}{labels[-1]}" if labels else ""
    names = f"{known} where the class is known," if known else ""
    return Markup("{} of {},{} seen by {}.").format(plural(kept, "object"), source, names,
                                                    plural(len(results.models), "model"))


def _objects_card(results: SurveyResults) -> Card:
    refused = int((results.objects.table["row"] < 0).sum())
    kept = number(len(results.objects.table) - refused)
    return {"what": "Objects", "value": kept, "error": "", "note": f"{plural(refused, 'candidate')} refused"}


def _cards(chosen: ModelResults, measures: Measures) -> list[Card]:
    """Return the cards of the figures that were measured."""
    part, _, misfit = _misfit(measures).partition(".")
    usual, judge = (measures.get(name) for name in (f"{part}.label.accuracy_most_frequent", JUDGE))
    beside = Markup(", by an independent classifier that is right on {} of the real ones").format(number(judge.value)) \
        if judge else ""
    against = Markup("; always the most frequent: {}").format(number(usual.value)) if usual else ""
    cards = [
        _card("Reconstruction error", _error(measures), Markup("{}, {} objects, {}").format(
            MISFITS[misfit][0] if misfit else "", part, chosen.name)),
        _card("Label found", measures.get(f"{part}.label.accuracy"),
              Markup("of the {} objects by p(label | object){}").format(part, against)),
        _card("Samples obey their label", measures.get(SAMPLES), Markup("of the samples{}").format(beside)),
        _anomaly_card(measures),
    ]
    return [card for card in cards if card]


def _card(what: str, measure: Measure | None, note: Markup) -> Card | None:
    if measure is None:
        return None
    error = plus_minus(measure.value, measure.error)
    return {"what": what, "value": number(measure.value), "error": error, "note": note}


def _anomaly_card(measures: Measures) -> Card | None:
    """Speak of planted anomalies where there are any, otherwise of the other labels."""
    planted, found = measures.get("anomalies.planted.planted"), measures.get("anomalies.planted.first_n")
    if planted and found:
        n = number(int(planted.value))
        return _card("Planted anomalies found", found, Markup("of {} lie among the first {} ranks").format(n, n))
    name = next((n for n in anomaly_sets(measures)), None)
    if name is None:
        return None
    note = Markup("area under the curve, {} against ordinary objects; chance: 0.5").format(name.replace("_", " "))
    return _card("Anomalies found", measures.get(f"anomalies.{name}.combined.auc"), note)


def anomaly_sets(measures: Measures) -> list[str]:
    """Return the sets of odd objects that the ranking was tried on, the widest first."""
    names = [n.split(".")[1] for n in measures if n.startswith("anomalies.") and n.endswith(".combined.auc")]
    return sorted(names, key=lambda name: (name != "planted", name != "other_labels"))


def _findings(results: SurveyResults, chosen: ModelResults, measures: Measures) -> Iterator[Markup]:
    yield from _against_references(results, chosen, measures)
    fitted, plain = measures.get(SAMPLES), measures.get("samples.agreement_standard_normal.all")
    if plain and fitted:
        yield Markup("Samples from the fitted prior obey their label in {} of cases, those from N(0, I) in {}.").format(
            number(fitted.value), number(plain.value))
    apart, usual = (measures.get(f"samples.ks_distance{name}.all") for name in ("", "_of_real_test"))
    if apart and usual:
        yield Markup("What is measured on samples lies {} from that of real training objects, what is measured on real "
                     "test objects {} (distance of Kolmogorov and Smirnov, mean over labels and measures).").format(
            number(apart.value), number(usual.value))
    for name in anomaly_sets(measures)[:3]:
        yield _against_trivial(name, measures)


def _against_references(results: SurveyResults, chosen: ModelResults, measures: Measures) -> Iterator[Markup]:
    """Compare the error with that of the mean object, and of the linear model of as many latents."""
    name, ours = _misfit(measures), _error(measures)
    words = MISFITS[name.partition(".")[2]][1] if name else ""
    mean = measures.get(f"{name}_{words.replace(' ', '_')}")
    if ours and mean and min(ours.value, mean.value) > 0:
        times = mean.value / ours.value
        much = Markup("{} times {} than").format(number(max(times, 1 / times), 2), "better" if times > 1 else "worse")
        yield Markup("{} reconstructs {} the {} ({} against {}).").format(
            chosen.name, much if abs(times - 1) >= 0.05 else "as well as", words, number(ours.value),
            number(mean.value))
    for other in results.models:
        alike = other.is_linear and other.settings.get("latents") == chosen.settings.get("latents")
        theirs = _error(flat(other.metrics))
        if other is not chosen and alike and ours and theirs and ours.value > 0:
            times = theirs.value / ours.value
            much = Markup("{} times {}").format(number(max(times, 1 / times), 2), "smaller" if times > 1 else "larger")
            yield Markup("Against {} of as many latents ({}) its error is {} ({} against {}).").format(
                kind_words(other), other.name, much if abs(times - 1) >= 0.05 else "the same within 5 %",
                number(ours.value), number(theirs.value))


def _against_trivial(name: str, measures: Measures) -> Markup:
    """Compare the ranking with the best score that needs no model."""
    prefix = f"anomalies.{name}."
    trivial = {n.removeprefix(f"{prefix}trivial_").removesuffix(".auc"): m.value for n, m in measures.items()
               if n.startswith(f"{prefix}trivial_") and n.endswith(".auc")}
    ours = measures[f"{prefix}combined.auc"]
    said = Markup("{}: the ranking reaches an area under the curve of {}").format(
        name.replace("_", " ").capitalize(), number(ours.value))
    if not trivial:
        return said + "."
    simple = max(trivial, key=lambda key: trivial[key])
    return said + Markup(", the best score that needs no model ({}) {}.").format(simple, number(trivial[simple]))
