"""Three seeds at 8 and 32 latents on MiraBest confident, and the anomaly models; figures over the seeds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from acceptance._run import logs, mirror, workflow


def run(place: Path, root: Path) -> str:
    """Run config/mirabest_study.yaml and return mean and spread of each figure over the seeds."""
    mirror()
    done = workflow(root, place, root / "config" / "mirabest_study.yaml")
    assert done.returncode == 0, done.stderr[-3000:] + logs(place)
    tables = []
    for path in sorted(place.glob("results/mirabest_study/*/comparison.csv")):
        table = pd.read_csv(path)
        table.insert(0, "family", path.parent.name + "/" + table["model"].str.replace(r"_s\d$", "", regex=True))
        figures = table.drop(columns="model").groupby("family").agg(["mean", "std"])
        tables.append(figures.T.to_string(float_format="%.4g"))
    return "\n\n".join(tables)
