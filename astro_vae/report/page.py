"""Write one page for a survey: a single HTML file that needs nothing else and no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.files import write_text
from astro_vae.report import provenance
from astro_vae.report.comparison import comparison_section
from astro_vae.report.gather import SurveyResults, gather
from astro_vae.report.models_section import models_section
from astro_vae.report.objects_section import objects_section
from astro_vae.report.ranking import rankings_section, shown_ids, strip
from astro_vae.report.summary import best, summary
from astro_vae.report.thumbnails import Sheets, sheets
from astro_vae.section import validate
from astro_vae.settings import section_class

CONTENTS = {
    "summary": "Summary", "objects": "Objects", "comparison": "Comparison", "models": "Models",
    "anomalies": "Anomalies", "provenance": "How it was made",
}


def report(
    settings: str | Mapping[str, Any], *, folder: Path, out: Path, models: Sequence[str] | None = None
) -> None:
    """Write the page of a survey.

    Parameters
    ----------
    settings : str or mapping
        What the step sees of the settings, as JSON or parsed; it is shown, and `view` says how to draw.
    folder : Path
        `results/<run>/<survey>`; whatever the steps have not written yet is left out.
    out : Path
        The HTML file.
    models : sequence of str, optional
        Models in the order of the page; those of the settings, or all that have a folder, unless given.

    Raises
    ------
    UserError
        If the settings are not valid JSON, or the folder has no object file.
    """
    seen = _parsed(settings)
    named = list(models) if models is not None else [m for m in seen.get("models", {}) if (Path(folder) / m).is_dir()]
    results = gather(folder, named)
    shown = _view(seen, results)
    view = validate(section_class("view", shown), shown, origin="--settings, view")
    page = _page(results, seen, sheets(results.objects, shown_ids(results.models), view))
    write_text(out, render(page))


def _parsed(settings: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(settings, Mapping):
        return settings
    try:
        parsed = json.loads(settings)
    except json.JSONDecodeError as error:
        raise UserError(f"--settings: not valid JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise UserError(f"--settings: expected a map, found {type(parsed).__name__}")
    return parsed


def _view(seen: Mapping[str, Any], results: SurveyResults) -> Mapping[str, Any]:
    """Return the view of the settings or, failing that, of a model."""
    contracts = [model.contract.get("view") for model in results.models]
    return seen.get("view") or next((view for view in contracts if view), {})


def _page(results: SurveyResults, seen: Mapping[str, Any], drawn: Sheets) -> dict[str, Any]:
    """Return everything that the template shows."""
    rankings = rankings_section(results, drawn)
    ranked = [model for model in results.models if model.ranking is not None]
    first = next((m for m in ranked if m is best(results.models)), ranked[0] if ranked else None)
    page = {
        **summary(results), "title": results.name, "sheets": drawn,
        "strip": strip(first, drawn) if first else [], "strip_model": first.name if first else "",
        "objects": objects_section(results), "comparison": comparison_section(results),
        "models": models_section(results.models), "rankings": rankings,
        "ranking_words": _averaged(results) + "ars show the fraction of objects that "
        "score lower. The combined score makes the rank: Fisher's combination of the scores that the settings name.",
        "times": provenance.times_rows(results), "versions": provenance.versions_rows(results),
        "files": provenance.files_rows(results), "settings": provenance.settings_text(seen),
        "python": provenance.python_lines(results), "footer": provenance.footer(results, seen),
    }
    absent = {"comparison": not page["comparison"], "models": not results.models, "anomalies": not rankings}
    page["contents"] = [(name, title) for name, title in CONTENTS.items() if not absent.get(name)]
    return page


def _averaged(results: SurveyResults) -> str:
    """Return how scores were averaged, with the beginning of the next sentence."""
    oriented = kinds.kind(results.objects.attributes.get("kind", "image")).orient.ORIENTED
    return "Each score is averaged over rotations of the image; b" if oriented else "B"


def render(page: Mapping[str, Any]) -> str:
    """Return the HTML of a page; everything that comes from files is escaped."""
    templates = resources.files("astro_vae.report") / "templates"
    environment = Environment(
        loader=PackageLoader("astro_vae.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        page=page,
        style=Markup((templates / "report.css").read_text("utf-8")),
        script=Markup((templates / "report.js").read_text("utf-8")),
    )
