"""The study of Portillo et al. (2020) on real spectra of SDSS: reduced chi-square against the number of latents.

The files come from a mirror over HTTP. `ASTRO_VAE_SDSS_SPLITS` names a table of plate, mjd, fiber and the parts in
part_0, part_1 and part_2; without it three splits are drawn.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from acceptance._run import logs, workflow
from acceptance.network import server
from astro_vae.files import atomic, write_text
from astro_vae.products.statistics import resampled

SPLITS = 3
OURS, BASELINE, SEEDED = "vae", "em_pca", "vae_d6"
SEEDS = (2, 3)
RESAMPLINGS = 2000
FAMILIES = {
    "infill_pca": "PCA after iterative infill", "em_pca": "EM-PCA", "nmf": "NMF", "ae": "autoencoder of the paper",
    "info_vae": "InfoVAE of the paper", "vae": "ours",
}
STATISTICS: dict[str, Callable[[np.ndarray], float]] = {
    "mean": lambda values: float(values.mean()), "median": lambda values: float(np.median(values)),
}
CLASSES = {"": "all", "GALAXY": "galaxies", "QSO": "quasars"}
KNOWN = {
    "infill_pca": {2: (24.5, 4.39), 4: (10.9, 3.14), 6: (7.50, 2.33), 10: (4.32, 1.44)},
    "em_pca": {2: (11.87, 2.46), 4: (6.90, 1.61), 6: (4.60, 1.37), 10: (3.14, 1.30)},
}
"""Mean and median that another implementation finds with the same splits: these should come back within 5 %."""


def run(place: Path, root: Path) -> str:
    """Run config/sdss.yaml for each split; return the tables, and draw sdss.png."""
    tree = Path(os.environ.get("ASTRO_VAE_MIRROR", ""))
    assert (tree / "data.sdss.org").is_dir(), "set ASTRO_VAE_MIRROR to a folder with spectra, data.sdss.org/sas/…"
    write_sample(tree, place / "sample.csv")
    settings = yaml.safe_load((root / "config" / "sdss.yaml").read_text())
    with server(tree) as address:
        for split in range(SPLITS):
            config = place / f"split_{split}.yaml"
            write_text(config, yaml.safe_dump(of_split(settings, split, place / "sample.csv"), sort_keys=False))
            models = yaml.safe_load(config.read_text())["surveys"]["sdss"]["models"]
            wanted = [f"results/split_{split}/sdss/{model}/latents.parquet" for model in models]
            done = workflow(root, place, config, *wanted, ASTRO_VAE_MIRROR=address)
            assert done.returncode == 0, done.stderr[-3000:] + logs(place / "results" / f"split_{split}")
            print(f"split {split} is done", flush=True)
    text = summary(place)
    write_text(place / "sdss.md", text)
    return text


def summary(place: Path) -> str:
    """Return the tables of finished runs, and draw sdss.png."""
    from acceptance import sdss_calibration

    objects = tested(place)
    table = chi_squares(objects)
    draw(table, place / "sdss.png")
    return "\n".join([
        f"{objects['object_id'].nunique()} spectra, {objects.groupby('split')['object_id'].nunique().tolist()} of them "
        "in the test parts.", "", *markdown(table), "", *known(table), "",
        *sdss_calibration.tables(place / "results" / "split_0" / "sdss", SEEDED),
    ])


def write_sample(tree: Path, path: Path) -> None:
    """Write plate, mjd, fiber and reduction of every lite file of a tree that is laid out as the archive's."""
    rows = []
    for file in sorted((tree / "data.sdss.org/sas").glob("*/*/spectro/redux/*/spectra/lite/*/spec-*.fits")):
        plate, mjd, fiber = re.findall(r"\d+", file.stem)
        rows.append((int(plate), int(mjd), int(fiber), file.parts[-5]))
    text = pd.DataFrame(rows, columns=["plate", "mjd", "fiber", "run2d"]).to_csv(index=False)
    if not path.is_file() or path.read_text() != text:  # a newer file would begin the runs again
        write_text(path, text)


def of_split(settings: dict[str, Any], split: int, sample: Path) -> dict[str, Any]:
    """Return the settings for one split, with more seeds of one model."""
    made = copy.deepcopy(settings)
    survey = made["surveys"]["sdss"]
    survey["source"]["sample"] = str(sample)
    table = os.environ.get("ASTRO_VAE_SDSS_SPLITS")
    survey["split"] |= (
        {"table": str(Path(table).resolve()), "column": f"part_{split}"} if table else {"seed": split + 1}
    )
    one = survey["models"][SEEDED]
    survey["models"] |= {f"{SEEDED}_s{seed}": {**one, "train": {**one["train"], "seed": seed}} for seed in SEEDS}
    return made


def tested(place: Path) -> pd.DataFrame:
    """Return a row per split, model and test object, with family, latents and seed of the model."""
    rows = []
    for split in range(SPLITS):
        models = yaml.safe_load((place / f"split_{split}.yaml").read_text())["surveys"]["sdss"]["models"]
        for model in models:
            named = re.fullmatch(r"(\w+)_d(\d+)(?:_s(\d+))?", model)
            assert named is not None, f"{model}: a model is called <family>_d<latents>"
            family, latents, seed = named.groups()
            path = place / "results" / f"split_{split}" / "sdss" / model / "latents.parquet"
            table = pd.read_parquet(path, columns=["object_id", "part", "group", "label", "reduced_chi2"])
            rows.append(table[table["part"] == "test"].assign(
                split=split, family=family, latents=int(latents), seed=int(seed or 1)
            ))
    return pd.concat(rows, ignore_index=True)


def chi_squares(objects: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row per model: means and medians over all and per class, and ratios to the baseline of as many latents.

    Figures are averages over splits. Ratios are those of means and medians over the test objects of all splits,
    paired, with the interval of 95 % over resampled groups: an object in two test parts is drawn with both.
    """
    rows = []
    for (family, latents, seed), one in objects.groupby(["family", "latents", "seed"]):
        base = objects[(objects["family"] == BASELINE) & (objects["latents"] == latents)]
        keys = ["split", "object_id"]
        both = one.merge(base[[*keys, "reduced_chi2"]], on=keys, suffixes=("", "_base"))
        row: dict[str, Any] = {"family": family, "latents": latents, "seed": seed}
        for label, words in CLASSES.items():
            each = one[one["label"] == label] if label else one
            per_split = each.groupby("split")["reduced_chi2"]
            row |= {f"mean {words}": per_split.mean().mean(), f"median {words}": per_split.median().mean()}
            paired = both[both["label"] == label] if label else both
            row |= {f"{name} ratio {words}": ratio(paired, statistic) for name, statistic in STATISTICS.items()}
        rows.append(row)
    families = list(FAMILIES)
    return sorted(rows, key=lambda row: (
        row["latents"], families.index(row["family"]) if row["family"] in families else len(families), row["family"],
        row["seed"],
    ))


def ratio(both: pd.DataFrame, statistic: Callable[[np.ndarray], float]) -> tuple[float, float, float]:
    """Return the ratio of a statistic of two chi-squares of the same objects, and the ends of its interval of 95 %."""
    own, base = both["reduced_chi2"].to_numpy(), both["reduced_chi2_base"].to_numpy()
    drawn = resampled(lambda rows: statistic(own[rows]) / statistic(base[rows]), both["group"].to_numpy(), RESAMPLINGS)
    return (statistic(own) / statistic(base), *np.quantile(drawn, [0.025, 0.975]).tolist())


def markdown(table: list[dict[str, Any]]) -> list[str]:
    """Return the lines of two tables: chi-squares, and their ratios to those of EM-PCA of as many latents."""
    names = [f"{what} {words}" for words in CLASSES.values() for what in STATISTICS]
    ratios = [f"{what} ratio {words}" for words in CLASSES.values() for what in STATISTICS]
    return [
        "Reduced chi-square of the test parts, averaged over splits:", "",
        *_table(names, table, lambda value: f"{value:.3g}"), "",
        "By that of EM-PCA with as many latents, on the same spectra, with intervals of 95 %:", "",
        *_table(ratios, table, lambda value: "{:.3f} [{:.3f}, {:.3f}]".format(*value)),
    ]


def _table(names: list[str], table: list[dict[str, Any]], cell: Callable[[Any], str]) -> list[str]:
    lines = ["| d | model | " + " | ".join(names) + " |", "|" + "---|" * (2 + len(names))]
    for row in table:
        words = _words(row["family"]) + (f", seed {row['seed']}" if row["seed"] > 1 else "")
        lines.append(f"| {row['latents']} | {words} | " + " | ".join(cell(row[name]) for name in names) + " |")
    return lines


def _words(family: str) -> str:
    return FAMILIES.get(family, family.replace("_", " "))


def known(table: list[dict[str, Any]]) -> list[str]:
    """Compare linear methods with what is known of them; only the given splits are those that it is known for."""
    if "ASTRO_VAE_SDSS_SPLITS" not in os.environ:
        return []
    lines = ["| d | method | mean by the known one | median by the known one |", "|---|---|---|---|"]
    for row in table:
        expected = KNOWN.get(row["family"], {}).get(row["latents"])
        if expected:
            ratios = [row[f"{what} all"] / value for what, value in zip(("mean", "median"), expected, strict=True)]
            marks = [f"{value:.3f}{'' if abs(value - 1) <= 0.05 else ' (beyond 5 %)'}" for value in ratios]
            lines.append(f"| {row['latents']} | {_words(row['family'])} | " + " | ".join(marks) + " |")
    return lines


def draw(table: list[dict[str, Any]], path: Path) -> None:
    """Draw mean and median against the number of latents, a panel per class, a line per method."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(2, len(CLASSES), sharex=True)
    for line, what in zip(panels, STATISTICS, strict=True):
        for axes, words in zip(line, CLASSES.values(), strict=True):
            _panel(axes, table, f"{what} {words}")
            axes.set_title(f"{what}, {words}", fontsize=9)
    figure.supxlabel("latents")
    figure.supylabel("reduced chi-square of test spectra")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6, fontsize=8,
                  frameon=False)
    with atomic(path) as partial:
        figure.savefig(partial, dpi=150, format="png")


def _panel(axes: Any, table: list[dict[str, Any]], name: str) -> None:
    """Draw one figure against the number of latents; more seeds of a model are crosses."""
    for number, family in enumerate(dict.fromkeys(row["family"] for row in table)):
        for first, style in ((True, "o-"), (False, "x")):
            of = [row for row in table if row["family"] == family and (row["seed"] == 1) == first]
            axes.plot([row["latents"] for row in of], [row[name] for row in of], style, ms=4, color=f"C{number}",
                      label=_words(family) if first else None, lw=2 if family == OURS else 1)
    sizes = sorted({row["latents"] for row in table})
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
