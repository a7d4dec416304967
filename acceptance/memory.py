"""Memory stays flat: each step takes as much for 20,000 spectra as for 1,000.

Real spectra are repeated until there are enough, each copy with another name and one pixel changed, since what is
there twice is refused. Every step is a process of its own, whose largest resident memory is noted; what was measured
is kept, so that the target goes on where it was stopped.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from acceptance._run import mirror
from astro_vae import plan, section, settings, surveys

SIZES = (1_000, 20_000)
BLOCKS = 8
LARGEST_GROWTH = 1.15
TEMPLATES = 100
PIXEL = 100  # of the table of pixels of a lite file, whose first column is the flux
MODEL = {
    "type": "vae", "latents": 6, "conditional": False, "likelihood": "gaussian_ivar",
    "network": {"name": "dense", "hidden": [64]}, "train": {"examples": 2048, "validate_every": 2048},
}


def run(place: Path, root: Path) -> str:
    """Measure every step at both sizes, and compare."""
    kept = place / "peaks.json"
    peaks: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.exists() else {}
    for size in SIZES:
        folder = place / str(size)
        spectra = _sample(folder, size)
        for name, words, out in _commands(folder, spectra, size):
            if name in peaks.get(str(size), {}) and out.exists():
                continue
            out.parent.mkdir(parents=True, exist_ok=True)
            peaks.setdefault(str(size), {})[name] = _peak(words, root, folder)
            kept.write_text(json.dumps(peaks, indent=1))
    return _compared(peaks)


def _sample(folder: Path, size: int) -> settings.Settings:
    """Write the spectra where downloads go, and their sample; return the settings of the run."""
    csv, data = folder / "sample.csv", folder / "data"
    run = {
        "source": {"survey": "sdss", "sample": str(csv), "redshift": [0, 1], "min_fraction": 1.0},
        "split": {"radius_arcsec": 0}, "augment": {"total": 2 * size}, "models": {"model": MODEL},
        "products": {"draws": 4, "prior": {"components": 2, "examples": 1000}},
    }
    made = section.validate(settings.Settings, {"surveys": {"sdss": run}}, origin="memory", sources=surveys.SOURCES)
    if csv.exists():
        return made
    rows = [(1 + i // 640, 51602, 1 + i % 640) for i in range(size)]
    chosen = made.surveys["sdss"].source
    templates = _templates()
    for i, (plate, mjd, fiber) in enumerate(rows):
        target = data / surveys.sdss.path(chosen, {"plate": plate, "mjd": mjd, "fiber": fiber, "run2d": "26"})
        target.parent.mkdir(parents=True, exist_ok=True)
        content, offset = templates[i % len(templates)]
        flux = struct.unpack_from(">f", content, offset)[0]
        struct.pack_into(">f", content, offset, flux + 1e-3 * (1 + i // len(templates)))
        target.write_bytes(content)
        struct.pack_into(">f", content, offset, flux)
    pd.DataFrame(rows, columns=["plate", "mjd", "fiber"]).assign(run2d="26").to_csv(csv, index=False)
    return made


def _templates() -> list[tuple[bytearray, int]]:
    """Read galaxies that are taken; return each with the place of one of its pixels."""
    from astropy.io import fits

    found = []
    for path in sorted((mirror() / "data.sdss.org/sas/dr17/sdss").rglob("spec-*.fits")):
        with fits.open(path) as units:
            row = units[2].data[0]
            if row["CLASS"] == "GALAXY" and row["ZWARNING"] == 0 and 0.05 < row["Z"] < 0.2 and row["SN_MEDIAN_ALL"] > 5:
                place = units.fileinfo(1)["datLoc"] + PIXEL * units[1].header["NAXIS1"]
                found.append((bytearray(path.read_bytes()), place))
        if len(found) == TEMPLATES:
            break
    assert found, "the mirror has no galaxies"
    return found


def _commands(folder: Path, run: settings.Settings, size: int) -> list[tuple[str, list[str], Path]]:
    """Return name, words and output of each step."""
    model = folder / "model"
    objects, split, augmented = folder / "objects.h5", folder / "split.csv", folder / "augmented.h5"
    made = {"objects": objects, "split": split, "augmented": augmented, "model": model / "model",
            "prior": model / "prior.safetensors", "latents": model / "latents.parquet",
            "folder": folder / "data", "manifest": folder / "manifest.csv"}

    def words(step: str, seen: str, inputs: str, out: Path, *more: str) -> list[str]:
        given = [word for name in inputs.split() for word in (f"--{name}", str(made[name]))]
        return [step, "--settings", seen, *given, "--out", str(out), *more]

    def seen(step: str) -> str:
        return plan.params(run, step, "sdss", "model")

    parts = [folder / f"prepare-{number}-of-{BLOCKS}.h5" for number in range(1, BLOCKS + 1)]
    steps = [("download", words("download", seen("download"), "folder", made["manifest"]), made["manifest"])]
    for number, part in enumerate(parts, 1):
        block = ["--number", str(number), "--total", str(BLOCKS)]
        steps.append((f"prepare-block {number}", words("prepare-block", seen("prepare"), "folder manifest", part,
                                                       *block), part))
    steps += [
        ("prepare (of blocks)",
         words("prepare", seen("prepare"), "folder manifest", objects, *map(str, parts)), objects),
        ("split", words("split", seen("split"), "objects", split), split),
        ("augment", words("augment", seen("augment"), "objects split", augmented), augmented),
        ("train", words("train", seen("train"), "objects split augmented", made["model"]), made["model"]),
        ("fit-prior", words("fit-prior", seen("fit-prior"), "model objects augmented", made["prior"]), made["prior"]),
        ("encode", words("encode", seen("encode"), "model prior objects split", model / "latents.fits"),
         made["latents"]),
        ("rank", words("rank", seen("rank"), "model prior latents objects split", model / "anomalies.fits"),
         model / "anomalies.fits"),
        ("prepare (one job)", words("prepare", seen("prepare"), "folder manifest", folder / "whole.h5"),
         folder / "whole.h5"),
    ]
    return steps


def _peak(words: list[str], root: Path, folder: Path) -> float:
    """Run a step; return its largest resident memory in MB."""
    log, start = folder / "said.log", time.monotonic()
    with log.open("a") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "astro_vae", "step", *words], cwd=folder, stdout=said, stderr=said,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{words[0]}: {log.read_text()[-2000:]}"
    print(f"{folder.name} {words[0]}: {usage.ru_maxrss / 1e3:.0f} MB, {time.monotonic() - start:.0f} s", flush=True)
    return usage.ru_maxrss / 1e3


def _compared(peaks: dict[str, dict[str, float]]) -> str:
    """Return the table; blocks count by the one that took most."""
    small, large = (_by_step(peaks[str(size)]) for size in SIZES)
    lines = [f"{'step':<20} {SIZES[0]:>8} {SIZES[1]:>8}  ratio"]
    lines += [f"{step:<20} {small[step]:>5.0f} MB {large[step]:>5.0f} MB  {large[step] / small[step]:.2f}"
              for step in small]
    grown = [step for step in small if large[step] > LARGEST_GROWTH * small[step]]
    table = "\n".join(lines)
    assert not grown, f"grows with the sample: {', '.join(grown)}\n{table}"
    return table + "\n"


def _by_step(measured: dict[str, float]) -> dict[str, float]:
    found: dict[str, Any] = {}
    for name, peak in measured.items():
        step = "prepare-block" if name.startswith("prepare-block") else name
        found[step] = max(peak, found.get(step, 0.0))
    return found
