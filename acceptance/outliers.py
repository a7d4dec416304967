"""Real anomalies: models of galaxies rank held-out galaxies, quasars, stars and sky fibres as if undetected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from acceptance._run import logs, mirror, workflow
from acceptance.network import server
from astro_vae.files import atomic
from astro_vae.objects import open_objects
from astro_vae.products.catalog import read_catalog
from astro_vae.products.quality import finding
from astro_vae.surveys._sdss_files import read_spectrum_file
from astro_vae.surveys.sdss import is_sky

TREE = "data.sdss.org/sas/dr17"
NAME = re.compile(r"spec-(\d+)-(\d+)-(\d+)\.fits")
HELD_OUT = 0.3  # fraction of the galaxies that are ranked and not trained on
BOOTSTRAP = 300
NETWORK = {
    "type": "vae", "latents": 6, "conditional": False, "likelihood": "gaussian_ivar", "error_floor": 0.005,
    "network": {"name": "dense", "hidden": [256], "path": "linear"},
    "train": {"examples": 60_000, "batch": 64, "learning_rate": 5e-4, "validate_every": 10_000},
}
PRODUCTS = {"prior": {"components": 5, "examples": 5000}, "draws": 10}  # for some 250 galaxies
MODELS = {
    "em_pca6": {"type": "em_pca", "latents": 6, "examples": 10_000},
    "curved6": {"type": "curved_pca", "latents": 6, "examples": 4000},
    "vae6": NETWORK,
}
KINDS = ("quasar", "star", "sky fibre", "doubtful redshift")
SCORES = {
    "combined": "combined (default)", "reconstruction": "reduced chi-square", "residual_runs": "residual runs",
    "latent_density": "latent density", "local_outlier_factor": "local outlier factor",
    "nearest_neighbours": "nearest neighbours", "isolation_forest": "isolation forest",
}
TRIVIAL = {"trivial_snr": "S/N", "trivial_mean": "chi-square of the mean spectrum", "trivial_lines": "strongest line"}


def run(place: Path, root: Path) -> str:
    """Run the study over HTTP from a mirror; return the tables, and draw outliers.png."""
    config = settings(place)
    targets = [f"results/outliers/sdss/{model}/anomalies.parquet" for model in MODELS]
    with server(mirror()) as address:
        done = workflow(root, place, config, *targets, ASTRO_VAE_MIRROR=address)
    assert done.returncode == 0, done.stderr[-3000:] + logs(place)
    results = place / "results" / "outliers" / "sdss"
    table = open_objects(results / "objects.h5").table
    kind = pd.Series(kinds(table), index=table["object_id"])
    found = {model: measured(results / model, kind) for model in MODELS}
    draw(found, place / "outliers.png")
    return "\n".join([*counts(table, kind, next(iter(found.values()))), "", *markdown(found)])


def settings(place: Path) -> Path:
    """Write the sample, named by the tree of the mirror, and the configuration of the run."""
    sample, config = place / "sample.csv", place / "outliers.yaml"
    if not sample.exists():
        with atomic(sample) as partial:
            _sample().to_csv(partial, index=False)
    source = {
        "survey": "sdss", "sample": str(sample), "part_column": "part", "classes": ["GALAXY", "QSO", "STAR"],
        "redshift": [-1, 10], "allow_zwarning": list(range(16)), "sky_fibres": True,
    }
    survey = {
        "source": source, "prepare": {"min_snr": -100}, "split": {"radius_arcsec": 2, "validation_fraction": 0.1},
        "augment": {"total": 10_000}, "models": MODELS, "products": PRODUCTS,
    }
    config.write_text(yaml.safe_dump({"surveys": {"sdss": survey}}))
    return config


def _sample() -> pd.DataFrame:
    """Return a row for each spectrum of the mirror."""
    files = sorted((mirror() / TREE).rglob("spec-*.fits"))
    assert files, f"{mirror() / TREE} has no spectra"
    rng = np.random.default_rng(1)
    return pd.DataFrame([_row(path, held_out=rng.random() < HELD_OUT) for path in files])


def _row(path: Path, *, held_out: bool) -> dict[str, Any]:
    """Return a row of the sample; all but a part of the ordinary galaxies are for testing."""
    plate, mjd, fiber = NAME.fullmatch(path.name).groups()  # type: ignore[union-attr]
    row = read_spectrum_file(path).row
    ordinary = row["CLASS"] == "GALAXY" and row["ZWARNING"] == 0 and 0 < row["Z"] <= 0.36 and not is_sky(row)
    return {"plate": int(plate), "mjd": int(mjd), "fiber": int(fiber), "run2d": path.parents[3].name,
            "part": "train" if ordinary and not held_out else "test"}


def kinds(table: pd.DataFrame) -> np.ndarray:
    """Say what each object is: galaxy, one of `KINDS`, or "" where it is none of these; texts (N,)."""
    doubtful, low = table["zwarning"] != 0, table["redshift"].between(0, 0.36, inclusive="right")
    choices = {
        "sky fibre": table["sky_fibre"] == 1, "star": table["class"] == "STAR", "doubtful redshift": doubtful,
        "quasar": table["class"] == "QSO", "galaxy": (table["class"] == "GALAXY") & low,
    }
    return np.select(list(choices.values()), list(choices), "")


def measured(folder: Path, kind: pd.Series) -> dict[str, Any]:
    """Measure how each score tells each kind from held-out galaxies, one spectrum for each object on the sky."""
    ranking = read_catalog(folder / "anomalies.parquet").sort_values("object_id")
    ranking = ranking[ranking["part"] == "test"].drop_duplicates("group").reset_index(drop=True)
    what = ranking["object_id"].map(kind)
    return {name: finding(ranking, what == "galaxy", what == name, BOOTSTRAP) for name in KINDS}


def counts(table: pd.DataFrame, kind: pd.Series, found: dict[str, Any]) -> list[str]:
    """Return a table of what was ranked, and why the others were not."""
    lines = ["| kind | spectra | held out and ranked, objects | refused |", "|---|---|---|---|"]
    refused = table[table["status"] == "refused"]
    for name in ("galaxy", *KINDS, ""):
        reasons = refused["reason"][refused["object_id"].map(kind) == name].str.split(":").str[0].value_counts()
        ranked = found[KINDS[0]]["ordinary"] if name == "galaxy" else found[name]["odd"] if name else ""
        why = ", ".join(f"{number} {reason}" for reason, number in reasons.items())
        lines.append(f"| {name or 'galaxy above z = 0.36'} | {(kind == name).sum()} | {ranked} | {why} |")
    return lines


def markdown(found: dict[str, Any]) -> list[str]:
    """Return a table: a row per model and score, a column per kind."""
    lines = ["| model | score | " + " | ".join(KINDS) + " |", "|" + "---|" * (2 + len(KINDS))]
    rows = [(model, name, words) for model in found for name, words in SCORES.items()]
    for model, name, words in [*rows, *((next(iter(found)), name, words) for name, words in TRIVIAL.items())]:
        cells = [_cell(found[model][kind][name]) for kind in KINDS]
        lines.append(f"| {'trivial' if name in TRIVIAL else model} | {words} | " + " | ".join(cells) + " |")
    return lines


def _cell(figures: dict[str, Any]) -> str:
    auc, five, ten = (figures[name] for name in ("auc", "recall_at_5_percent", "recall_at_10_percent"))
    return f"{auc['value']:.3f} ± {auc['error']:.3f}; " + ", ".join(
        f"{one['value']:.2f} ± {one['error']:.2f}" for one in (five, ten)
    )


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw the area under the curve by score, a panel per kind, a colour per model."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    names = {**SCORES, **TRIVIAL}
    for axes, kind in zip(figure.subplots(1, len(KINDS), sharey=True), KINDS, strict=True):
        for number, (model, by_kind) in enumerate(found.items()):
            values = [by_kind[kind][name]["auc"] for name in names]
            places = np.arange(len(names)) + 0.18 * (number - 1)
            axes.errorbar([one["value"] for one in values], places, xerr=[one["error"] for one in values], fmt="o",
                          ms=3.5, lw=1, label=model)
        axes.axvline(0.5, color="0.7", lw=0.8)
        axes.axhline(len(SCORES) - 0.5, color="0.7", lw=0.8)
        axes.set(title=f"{kind} ({by_kind[kind]['odd']})", xlim=(0, 1.03), xlabel="area under the curve")
    figure.axes[0].set_yticks(range(len(names)), list(names.values()))
    figure.axes[0].invert_yaxis()
    figure.axes[0].legend(fontsize=7, loc="lower left")
    with atomic(path) as partial:
        figure.savefig(partial, dpi=150, format="png")
