"""`astro-vae init` and the command that it names on four folders as people have them, to the report.

FR-DEEP v2's FITS files as they are, RGC's images as PNG in nested folders with a table of labels, a mosaic of
simulated sources with a table of positions, and a folder of which half of the files cannot be used. What is run has
small budgets; nothing else in the configuration is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from acceptance._run import cores, logs, mirror, project, small
from astro_vae.files import write_text
from astro_vae.objects import open_objects
from astro_vae.surveys import _radio_sky as sky
from astro_vae.surveys import simulated_radio
from astro_vae.surveys._radio_population import draw_population
from astro_vae.surveys._radio_sources import SHAPES, Geometry

FRDEEP = "raw.githubusercontent.com/HongmingTang060313/FRDEEP_v2.0/master/2_Source_raw_fits_image/FIRST"
RGC = "zenodo.org/record/7689127/files/galaxy_data_h5.zip"
RGC_LABELS = ("FRI", "FRII", "Compact", "Bent")
SIDE, STAMP = 3000, 150  # pixel
PIXELS = 92_160  # bytes after the header of FR-DEEP's files


def frdeep(place: Path) -> list[str]:
    """Take the files from the mirror: their names hold blanks and plus signs."""
    shutil.copytree(mirror() / FRDEEP, place / "images", dirs_exist_ok=True)
    return ["--images", "images"]


def rgc(place: Path) -> list[str]:
    """Write RGC's images as PNG, ten folders for each label, and a table of their labels."""
    if not (place / "rgc.h5").is_file():
        with zipfile.ZipFile(mirror() / RGC) as archive, archive.open(archive.namelist()[0]) as file:
            (place / "rgc.h5").write_bytes(file.read())
    rows = []
    with h5py.File(place / "rgc.h5") as file:
        for name, group in file.items():
            label = RGC_LABELS[int(group["Label_literature"][()])]
            path = place / "images" / label / name[-1] / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(group["Img"][()]).save(path)
            rows.append({"file": path.name, "label": label, "ra": float(group["Img"].attrs["RA"]),
                         "dec": float(group["Img"].attrs["DEC"])})
    pd.DataFrame(rows).to_csv(place / "labels.csv", index=False)
    return ["--images", "images", "--labels", "labels.csv"]


def mosaic(place: Path) -> list[str]:
    """Write a mosaic with axes of frequency and polarisation, and the positions and classes of its sources."""
    rng = np.random.default_rng(1)
    source = simulated_radio.Source(survey="simulated_radio")
    stamp = sky.Telescope(STAMP, source.pixel_arcsec, source.beam_arcsec, source.noise_mjy / 1000, 0)
    image = sky.noise(rng, sky.Telescope(SIDE, source.pixel_arcsec, source.beam_arcsec, source.noise_mjy / 1000, 0))
    header, rows = _header(source), []
    wcs = WCS(header).celestial
    drawn = draw_population(rng, labelled=160, unlabelled=20, other=10, anomalies=10, min_flux_mjy=source.min_flux_mjy)
    for one in drawn.to_dict("records"):
        shape = SHAPES[one["true_class"]](rng, Geometry(one["true_size_arcsec"] / 2, one["inclination_deg"]))
        x, y = rng.integers(STAMP // 2, SIDE - STAMP // 2, 2)
        here = slice(y - STAMP // 2, y + STAMP // 2), slice(x - STAMP // 2, x + STAMP // 2)
        image[here] += sky.render(shape.scaled(one["true_flux_mjy"] / 1000), stamp, one["true_position_angle_deg"])
        at = wcs.pixel_to_world(x - 0.5, y - 0.5)
        rows.append({"object_id": one["object_id"], "RA": at.ra.deg, "DEC": at.dec.deg, "label": one["label"]})
    rows.append({"object_id": "elsewhere", "RA": 10.0, "DEC": -60.0, "label": ""})
    (place / "images").mkdir(exist_ok=True)
    fits.writeto(place / "images" / "mosaic.fits", image.astype(">f4")[None, None], header, overwrite=True)
    pd.DataFrame(rows).to_csv(place / "positions.csv", index=False)
    return ["--images", "images", "--catalog", "positions.csv"]


def _header(source: simulated_radio.Source) -> fits.Header:
    scale, beam, centre = source.pixel_arcsec / 3600, source.beam_arcsec / 3600, (SIDE + 1) / 2
    return fits.Header({
        "BUNIT": "JY/BEAM", "BMAJ": beam, "BMIN": beam, "BPA": 0.0, "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN",
        "CUNIT1": "deg", "CUNIT2": "deg", "CRPIX1": centre, "CRPIX2": centre, "CRVAL1": 200.0, "CRVAL2": 30.0,
        "CDELT1": -scale, "CDELT2": scale, "CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CDELT3": 1e6,
        "CTYPE4": "STOKES", "CRVAL4": 1.0, "CRPIX4": 1.0, "CDELT4": 1.0, "RADESYS": "ICRS",
    })


def half(place: Path) -> list[str]:
    """Copy FR-DEEP's files, and spoil every second one in one of seven ways."""
    frdeep(place)
    outside = place / "outside.fits"
    for i, path in enumerate(sorted((place / "images").glob("*.fits"))[::2]):
        content = path.read_bytes()
        path.chmod(0o644)
        if i == 0:
            shutil.copy(path, outside)
        blank = content[:-PIXELS] + bytes(PIXELS)
        spoilt = (content[: 2880 * 10], b"", b"not FITS\n" * 500, _claiming(content), b"\x1f\x8b" + content, blank)
        if i % 7 < 6:
            path.write_bytes(spoilt[i % 7])
        else:
            path.unlink()
            path.symlink_to(outside)
    return ["--images", "images"]


def _claiming(content: bytes) -> bytes:
    """Return a FITS file whose header claims 10^12 pixels."""
    header = content.replace(b"NAXIS1  =                  150", b"NAXIS1  =              1000000", 1)
    return header.replace(b"NAXIS2  =                  150", b"NAXIS2  =              1000000", 1)


CASES: dict[str, Callable[[Path], list[str]]] = {"frdeep": frdeep, "mosaic": mosaic, "half": half, "rgc": rgc}
REFUSED = {"mosaic": 1, "half": 29}  # at least


def begun(name: str, here: Path, root: Path) -> str:
    """Make one folder and run `init` on it; return what it said. The command that it names must know what to do."""
    kept = here / "told.txt"
    if not kept.is_file():
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir(parents=True)
        project(root, here)
        told = _shell(here, f"astro-vae init {name} {' '.join(CASES[name](here))}")
        _shell(here, f"{_next(told)} --dry-run")
        write_text(kept, told)
    return kept.read_text()


def _next(told: str) -> str:
    return told.rpartition("next: ")[2].strip()


def case(name: str, here: Path, root: Path) -> str:
    """Return what `init` said of one folder, and how many objects the named command took to the report."""
    told = begun(name, here, root)
    own = small(here / f"{name}.yaml", here / f"{name}_small.yaml")
    _shell(here, f"{_next(told).replace(f'{name}.yaml', own.name)} --cores {cores()}")
    results = here / "results" / own.stem / name
    assert (results / "report.html").is_file(), f"{name}: no report"
    table = open_objects(results / "objects.h5").table
    refused = table[table["status"] != "ok"]
    assert (refused["reason"] != "").all()
    assert len(refused) >= REFUSED.get(name, 0), f"{name}: {len(refused)} refused"
    seconds = sum(pd.read_csv(path, sep="\t")["s"].sum() for path in results.rglob("benchmarks/*.tsv"))
    return (f"== {name}\n{told}{len(table) - len(refused)} of {len(table)} objects came to the report; "
            f"the steps took {seconds / 60:.1f} minutes together")


def _shell(here: Path, command: str) -> str:
    """Run what a user types, and return what it said."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(command, shell=True, cwd=here, capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": path})
    assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}{done.stderr[-2000:]}{logs(here)}"
    return done.stdout


def run(place: Path, root: Path) -> str:
    """Return what was said of each folder; one that came to its report is not run again."""
    said = []
    for name in CASES:
        kept = place / name / "said.txt"
        if not kept.is_file():
            write_text(kept, case(name, place / name, root))
        said.append(kept.read_text())
        print(said[-1], flush=True)
    return "\n".join(said)
