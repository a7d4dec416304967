"""Say how the results were made: times, versions, checksums, files, settings."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from astro_vae import __version__
from astro_vae.report.gather import ModelResults, SurveyResults
from astro_vae.report.words import MISSING, duration, number, plural, size

MEANINGS = {
    "manifest.csv": "address, size, checksum and state of each download",
    "objects.h5": "every candidate: its values and measurements, or why it was refused",
    "split.csv": "part (train, validation, test) of each object",
    "augmented.h5": "the training examples, each with its parent and transform",
    "comparison.csv": "the models side by side",
    "weights.safetensors": "weights of the trained model",
    "model.json": "what the model expects and what it was made of",
    "history.csv": "the course of the training",
    "prior.safetensors": "prior of the latents per label",
    "latents": "latent catalog: latents, label probabilities and measurements of every object",
    "samples": "generated objects per label",
    "tracks": "tracks between labels: what lies on the way, and its latents",
    "coverage": "how many training objects have each bin, by label",
    "anomalies": "the ranking: scores, ranks, reasons",
    "metrics.json": "measures with errors and references",
}
ALSO_NAMED = ("numpy", "astropy", "torch", "scikit-learn", "photutils")
RAN_ON = ("python", "torch", "lightning_fabric")


def times_rows(results: SurveyResults) -> list[tuple[Any, ...]]:
    """Return a row per step that the workflow timed: name, time, largest memory."""
    rows = [
        (row["step"], duration(row["seconds"]), _memory(row["memory_mb"])) for row in results.times.to_dict("records")
    ]
    if len(rows) < 2:
        return rows
    whole, most = float(results.times["seconds"].sum()), _memory(float(results.times["memory_mb"].max()))
    return [*rows, (Markup("<b>all steps</b>"), duration(whole), f"largest: {most}")]


def _memory(mb: float) -> str:
    return size(mb * 1e6) if math.isfinite(mb) else MISSING


def versions_rows(results: SurveyResults) -> list[tuple[str, Any]]:
    """Return software versions and checksums, as far as the files say them; this installation's otherwise."""
    rows: list[tuple[str, Any]] = [("astro_vae", __version__)]
    written = {str(k): str(v) for k, v in (results.objects.attributes.get("software") or {}).items()}
    for machine in (model.contract.get("ran_on") or {} for model in results.models):
        written |= {name: str(machine[name]) for name in RAN_ON if name in machine}
    for package in sorted({*written, *ALSO_NAMED} - {"astro_vae", "astro-vae"}):
        rows.append((package, written.get(package) or _installed(package)))
    for name, text in _checksums(results).items():
        rows.append((name, Markup("<code>{}</code>").format(text)))
    return rows


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return MISSING


def _checksums(results: SurveyResults) -> dict[str, str]:
    """Return the checksums of what the models were made of; they are the same for all models of a survey."""
    for model in results.models:
        found = model.contract.get("inputs")
        if isinstance(found, Mapping):
            return {f"{name} (sha256)": str(value) for name, value in found.items()}
    return {}


def files_rows(results: SurveyResults) -> list[tuple[str, str, str]]:
    """Return a row per file of the survey's folder: path, size, meaning."""
    rows = []
    for path in sorted(results.folder.rglob("*")):
        inner = path.relative_to(results.folder)
        skipped = {"logs", "benchmarks", "checkpoints"} & set(inner.parts)
        if path.is_file() and not path.name.startswith(".") and not skipped and path.name != "report.html":
            rows.append((str(inner), size(path.stat().st_size), _meaning(path)))
    return rows


def _meaning(path: Path) -> str:
    if path.suffix == ".png":
        return "figure"
    if path.suffix == ".reg":
        return "regions for DS9"
    return MEANINGS.get(path.name, MEANINGS.get(path.stem, ""))


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return the settings of this page's steps as YAML, as a configuration file holds them."""
    import yaml

    shown = {key: value for key, value in settings.items() if key not in ("step", "version")}
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=100) if shown else "not given to this page"


def python_lines(results: SurveyResults) -> str:
    """Return the three lines that use a model of this page."""
    if not results.models:
        return ""
    model: ModelResults = results.models[0]
    path = f"results/{results.run}/{results.name}/{model.name}"
    labels = model.contract.get("labels") or [""]
    return (
        "import astro_vae\n"
        f'model = astro_vae.load("{path}")\n'
        f'samples = model.generate("{labels[0]}", 16, seed=1)  # also encode, decode, score\n'
    )


def footer(results: SurveyResults, settings: Mapping[str, Any]) -> Markup:
    """Return the last line of the page: what made it, and a short name for its settings."""
    name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    return Markup("Written by astro_vae {} from {} of run {}, settings <code>{}</code>. "
                  "This page is one file and loads nothing from elsewhere.").format(
        __version__, plural(len(results.models), "model"), results.run, name)


def facts(model: ModelResults) -> list[tuple[str, Any]]:
    """Return what is worth knowing of a model at a glance, as far as its contract says it."""
    contract, settings = model.contract, model.settings
    network, train = settings.get("network") or {}, settings.get("train") or {}
    ran_on, trained = contract.get("ran_on") or {}, contract.get("trained") or {}
    rows = [
        ("Latents", settings.get("latents")),
        ("Labels", ", ".join(contract.get("labels") or [])),
        ("Likelihood", str(settings.get("likelihood") or "").replace("_", " ")),
        ("Network", network.get("name")),
        ("Parameters", number(model.metrics["parameters"]) if network and "parameters" in model.metrics else None),
        ("Examples seen", number(trained["examples"]) if "examples" in trained else None),
        ("Best after", number(trained["best_at"]) if train and "best_at" in trained else None),
        ("Learning rate", number(train["learning_rate"]) if "learning_rate" in train else None),
        ("Precision", ran_on.get("precision")),
        ("Ran on", ran_on.get("device_name") or ran_on.get("device")),
    ]
    return [(name, value) for name, value in rows if value not in (None, "", [])]
