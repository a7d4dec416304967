"""FR-DEEP with the setting of Bastien et al. (2021): -ELBO beside what their training logs say, and more."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from acceptance._run import logs, mirror, workflow
from acceptance.network import server
from astro_vae.files import atomic

LOGGED = {
    "vae": {2: 123.2, 8: 125.8, 32: 118.9},
    "cvae": {2: 126.1, 4: 122.7, 8: 132.0, 16: 122.1, 32: 124.9, 64: 122.1},
}
"""Least -ELBO over their evaluations on the test images (nat per image), with ln 2 for the label inside."""
FAMILIES = {"cvae": "convolutional, conditional", "vae": "convolutional", "bastien_cvae": "theirs re-run, conditional",
            "bastien_vae": "theirs re-run"}
COLUMNS = {
    "nelbo": "-ELBO on test (nat)", "logged": "in their logs (nat)", "agreement": "samples that obey their label",
    "inception": "inception score",
}


def run(place: Path, root: Path) -> str:
    """Run config/frdeep.yaml over HTTP from a mirror; return the table, and draw frdeep.png."""
    with server(mirror()) as address:
        done = workflow(root, place, root / "config" / "frdeep.yaml", ASTRO_VAE_MIRROR=address)
    assert done.returncode == 0, done.stderr[-3000:] + logs(place)
    table = pd.read_csv(next(place.glob("results/frdeep/frdeep/comparison.csv")))
    rows = summary(table)
    draw(rows, place / "frdeep.png")
    floor, mean = (table[f"test_cross_entropy_{name}"].iloc[0] for name in ("floor", "mean_image"))
    real = {name: table[name].iloc[0] for name in ("inception_score_of_real", "classifier_accuracy")}
    return "\n".join([
        *markdown(rows), "", f"Least possible {floor:.1f} nat, mean image {mean:.1f} nat.",
        f"Real test images: inception score {real['inception_score_of_real']:.2f}, the judge finds the label of "
        f"{real['classifier_accuracy']:.2f}.",
    ])


def summary(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what is compared of each model; -ELBO of conditional models has ln 2 for the label added, as theirs."""
    rows = []
    for model in table.to_dict("records"):
        family, _, latents = model["model"].rpartition("_d")
        conditional = family.endswith("cvae")
        logged = LOGGED["cvae" if conditional else "vae"]
        rows.append({
            "model": FAMILIES[family], "family": family, "latents": int(latents),
            "nelbo": model["test_negative_elbo"] + conditional * math.log(2),
            "nelbo_error": model["test_negative_elbo_error"], "logged": logged.get(int(latents)),
            "agreement": model.get("sample_agreement") if conditional else math.nan,
            "agreement_error": model.get("sample_agreement_error"),
            "inception": model.get("inception_score"), "inception_error": model.get("inception_score_error"),
        })
    return sorted(rows, key=lambda row: (list(FAMILIES).index(row["family"]), row["latents"]))


def markdown(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a table."""
    lines = ["| model | latents | " + " | ".join(COLUMNS.values()) + " |", "|" + "---|" * (2 + len(COLUMNS))]
    for row in rows:
        cells = [_cell(row[name], row.get(f"{name}_error"), 1 if "elbo" in name or name == "logged" else 2)
                 for name in COLUMNS]
        lines.append(f"| {row['model']} | {row['latents']} | " + " | ".join(cells) + " |")
    return lines


def _cell(value: float | None, error: float | None, digits: int) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value:.{digits}f}" + (f" ± {error:.{digits}f}" if error is not None and not math.isnan(error) else "")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw -ELBO against the number of latents, a line per family, and theirs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (family, words) in enumerate(FAMILIES.items()):
        of = [row for row in rows if row["family"] == family]
        if not of:
            continue
        axes.errorbar([r["latents"] * 1.03**number for r in of], [r["nelbo"] for r in of],
                      yerr=[r["nelbo_error"] for r in of], fmt="o-", ms=4, capsize=2, label=words)
    for name, marker in (("cvae", "s"), ("vae", "D")):
        words = "logged by Bastien et al." + (", conditional" if name == "cvae" else "")
        axes.plot(list(LOGGED[name]), list(LOGGED[name].values()), marker, color="0.4", ls=":", label=words)
    axes.set(xscale="log", xlabel="latents", ylabel="-ELBO of the 50 test images (nat)")
    sizes = sorted({row["latents"] for row in rows} | set(LOGGED["cvae"]))
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    with atomic(path) as partial:
        figure.savefig(partial, dpi=150, format="png")
