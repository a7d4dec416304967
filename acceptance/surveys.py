"""Every radio survey's configuration over HTTP to its report, with small budgets.

The archives are a folder of survey data on loopback, and what it lacks is not at the archive. SkyView is a server that
answers as it does, with the FIRST cutouts that are at hand and with simulated ones elsewhere; the real one is not
reached. Each fortieth position has none, as where a survey ends.
"""

from __future__ import annotations

import io
import re
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from acceptance._run import logs, mirror, small, workflow
from acceptance.folder import FITS
from acceptance.replay import Services, serve
from astro_vae.files import write_text
from astro_vae.objects import open_objects
from astro_vae.settings import ExecutionSettings
from astro_vae.surveys import simulated_radio

SURVEYS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "frdeep": (("cvae_d8",), {}),
    "frdeep2": ((), {"min_fraction": 0.05}),
    "rgc": ((), {}),
    "first": ((), {}),
}
"""For each configuration the models to keep (all of them if none is named) and what is set of its source."""
SIMULATED, UNCOVERED = 100, 40
AT_ARCHIVE = re.compile(r"^(missing|failed):")


def sky(folder: Path, cutouts: Path) -> Callable[[float, float], bytes | None]:
    """Return the function from a position to a FIRST cutout: of `cutouts`, simulated, or none.

    Parameters
    ----------
    folder : Path
        Where the simulated survey lies.
    cutouts : Path
        Folder of FITS files whose names hold their position, as MiraBest's do.
    """
    source = simulated_radio.Source(survey="simulated_radio", labelled=SIMULATED, unlabelled=0, other=0, anomalies=0,
                                    size=300)
    manifest = simulated_radio.obtain(source, folder, execution=ExecutionSettings())
    drawn = [folder / name for name in manifest["path"] if name.endswith(".fits")]
    known = {(round(float(p.name[4:11]), 3), round(float(p.name[11:19]), 3)): p for p in cutouts.glob("*.fits")}

    def image(ra: float, dec: float) -> bytes | None:
        number = zlib.crc32(f"{ra:.6f} {dec:.6f}".encode())
        for place in known:  # names have three digits, of positions that were cut and not rounded now and then
            if abs(place[0] - ra) < 0.0015 and abs(place[1] - dec) < 0.0015:
                return known[place].read_bytes()
        return None if number % UNCOVERED == 0 else _moved(drawn[number % len(drawn)], ra, dec, number)

    return image


def _moved(path: Path, ra: float, dec: float, seed: int) -> bytes:
    """Return a simulated cutout as one of another position, with some noise of its own."""
    with fits.open(path) as file:
        values, header = file[0].data, file[0].header
        values = values + np.random.default_rng(seed).normal(0, 1e-5, values.shape)
        header["CRVAL1"], header["CRVAL2"] = ra, dec
        written = io.BytesIO()
        fits.writeto(written, values.astype(">f4"), header)
    return written.getvalue()


def survey(name: str, place: Path, root: Path) -> str:
    """Run one configuration and return what became of its objects."""
    models, source = SURVEYS[name]
    config = small(root / "config" / f"{name}.yaml", place / f"{name}.yaml", *models, **source)
    services = Services()
    services.archive = mirror()
    if name == "first":
        services.draw = sky(place / "sky", mirror() / FITS)
    with serve(services) as address:
        done = workflow(root, place, config, ASTRO_VAE_MIRROR=address)
    assert done.returncode == 0, done.stderr[-3000:] + logs(place)
    results = place / "results" / name / name
    assert (results / "report.html").is_file(), f"{name}: no report"
    return f"{name}: {told(open_objects(results / 'objects.h5').table)}"


def told(table: Any) -> str:
    """Count the objects of a survey, and the reasons of those that cannot be used."""
    refused = table[table["status"] != "ok"]
    absent = refused["reason"].str.match(AT_ARCHIVE)
    reasons = Counter(reason.partition(":")[0] for reason in refused["reason"][~absent])
    why = "".join(f"\n  {number} {reason}" for reason, number in sorted(reasons.items()))
    return (f"{len(table) - len(refused)} of {len(table)} objects usable, {absent.sum()} not at the archive, "
            f"{(~absent).sum()} refused; report.html is there{why}")


def run(place: Path, root: Path) -> str:
    """Return what was said of each survey; one that came to its report is not run again."""
    said = []
    for name in SURVEYS:
        kept = place / f"{name}.txt"
        if not kept.is_file():
            write_text(kept, survey(name, place, root))
        said.append(kept.read_text())
        print(said[-1], flush=True)
    return "\n".join(said)
