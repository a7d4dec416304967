"""MiraBest's FITS files as a person's own folder: some labels missing, some files damaged, one command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import yaml

from acceptance._run import logs, mirror, workflow
from astro_vae.objects import open_objects

FITS = "raw.githubusercontent.com/fmporter/MiraBest_builder/main/FITS"


def own_folder(place: Path) -> Path:
    """Copy the FITS files, take a fifth of the labels away, and add three files that are no images."""
    folder = place / "images"
    shutil.copytree(mirror() / FITS, folder, dirs_exist_ok=True)
    files = sorted(folder.glob("[12]*.fits")) + sorted(folder.glob("3*.fits"))
    labels = {"1": "FRI", "2": "FRII", "3": "hybrid"}
    rows = [{"file": f.name, "label": "" if i % 5 == 0 else labels[f.name[0]]} for i, f in enumerate(files)]
    (folder / "truncated.fits").write_bytes(files[0].read_bytes()[:100_000])
    (folder / "empty.fits").write_bytes(b"")
    (folder / "notes.fits").write_text("these are not the pixels that you look for\n")
    pd.DataFrame(rows).to_csv(place / "labels.csv", index=False)
    return folder


def run(place: Path, root: Path) -> str:
    """Run the folder survey and return what was refused and why."""
    settings = {"surveys": {"mine": {
        "source": {"survey": "folder", "path": str(own_folder(place)), "labels": str(place / "labels.csv")},
        "augment": {"total": 5000},
        "classifier": {"examples": 10_000},
        "models": {"cvae8": {"type": "vae", "latents": 8, "train": {"examples": 20_000}}},
        "products": {"rotations": 3, "draws": 6, "prior": {"components": 3, "examples": 4000}},
    }}}
    config = place / "own.yaml"
    config.write_text(yaml.safe_dump(settings))
    done = workflow(root, place, config)
    assert done.returncode == 0, done.stderr[-2000:] + logs(place)
    table = open_objects(place / "results" / "own" / "mine" / "objects.h5").table
    refused = table[table["status"] != "ok"]
    for name in ("truncated", "empty", "notes"):
        assert refused["object_id"].str.contains(name).any(), f"{name} is not among the refused"
    assert (refused["reason"] != "").all()
    return f"{len(table) - len(refused)} of {len(table)} objects usable; refused:\n" + "\n".join(
        f"  {row.object_id}: {row.reason}" for row in refused.itertuples()
    )
