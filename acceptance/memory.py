"""Memory stays flat: what steps take for 20,000 spectra beside what they take for 1,000.

Real spectra are repeated until there are enough, each copy with another name and position and one pixel changed, since
what is there twice is refused. Every step is a process of its own, whose largest resident memory is noted; what was
measured is kept, so that the target goes on where it was stopped.
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from acceptance._run import mirror
from astro_vae import plan, section, settings, surveys

SIZES = (1_000, 20_000)
BLOCKS = 8
STREAMING = ("download", "prepare-block", "prepare (of blocks)", "prepare (one job)", "split", "encode", "rank")
LARGEST_ROW = 8.0
"""Memory in kB that each object more may take in these steps: less than the flux and ivar of its 1000 bins, since they
hold its rows of tables alone. The others hold what they draw from at random: training objects and their examples."""
TEMPLATES = 100
PIXEL = 100  # of the table of pixels of a lite file, whose first column is the flux
HIGH_WATER = "VmHWM:"
MEASURED = f"""
import atexit, pathlib, runpy, sys
atexit.register(lambda: print(*(
    line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("{HIGH_WATER}")
)))
sys.argv[0] = "astro-vae"
runpy.run_module("astro_vae", run_name="__main__")
"""
"""Runs the command line and says what the kernel counted of this process; `wait4` would count the parent's too."""
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
        target.write_bytes(templates[i % len(templates)].copy(1 + i // len(templates)))
    pd.DataFrame(rows, columns=["plate", "mjd", "fiber"]).assign(run2d="26").to_csv(csv, index=False)
    return made


@dataclass(frozen=True)
class Template:
    """A file, and where in it lie the flux of a pixel and the declination."""

    content: bytearray
    flux: int
    dec: int

    def copy(self, number: int) -> bytearray:
        """Return the file as that of another object."""
        made = bytearray(self.content)
        struct.pack_into(">f", made, self.flux, struct.unpack_from(">f", made, self.flux)[0] + 1e-3 * number)
        struct.pack_into(">d", made, self.dec, -0.1 * number)
        return made


def _templates() -> list[Template]:
    """Read galaxies that are taken."""
    from astropy.io import fits

    found = []
    for path in sorted((mirror() / "data.sdss.org/sas/dr17/sdss").rglob("spec-*.fits")):
        with fits.open(path) as units:
            row = units[2].data[0]
            if row["CLASS"] == "GALAXY" and row["ZWARNING"] == 0 and 0.05 < row["Z"] < 0.2 and row["SN_MEDIAN_ALL"] > 5:
                flux = units.fileinfo(1)["datLoc"] + PIXEL * units[1].header["NAXIS1"]
                dec = units.fileinfo(2)["datLoc"] + units[2].data.dtype.fields["PLUG_DEC"][1]
                found.append(Template(bytearray(path.read_bytes()), flux, dec))
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
    with log.open("w") as said:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "step", *words], cwd=folder, stdout=said, stderr=said, check=False,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
    assert done.returncode == 0, f"{words[0]}: {log.read_text()[-2000:]}"
    peak = int(re.findall(rf"{HIGH_WATER}\s+(\d+) kB", log.read_text())[-1]) / 1e3
    print(f"{folder.name} {words[0]}: {peak:.0f} MB, {time.monotonic() - start:.0f} s", flush=True)
    return peak


def _compared(peaks: dict[str, dict[str, float]]) -> str:
    """Return the table; blocks count by the one that took most."""
    few, many = SIZES
    small, large = (_by_step(peaks[str(size)]) for size in SIZES)
    rows = {step: 1e3 * (large[step] - small[step]) / (many - few) for step in small}
    lines = [f"| step | {few} spectra | {many} spectra | for each more |", "|---|---|---|---|"]
    lines += [f"| {step} | {small[step]:.0f} MB | {large[step]:.0f} MB | {row:.1f} kB |" for step, row in rows.items()]
    table = "\n".join(lines)
    grown = [step for step in STREAMING if rows[step] > LARGEST_ROW]
    assert not grown, f"grows with the sample: {', '.join(grown)}\n{table}"
    return table + "\n"


def _by_step(measured: dict[str, float]) -> dict[str, float]:
    found: dict[str, Any] = {}
    for name, peak in measured.items():
        step = "prepare-block" if name.startswith("prepare-block") else name
        found[step] = max(peak, found.get(step, 0.0))
    return found
