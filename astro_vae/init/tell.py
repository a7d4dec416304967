"""Say what was found, and what is odd about it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from astro_vae.init.choose import FEW, UNEQUAL, UNEQUAL_BEAM
from astro_vae.init.look import Findings, pictures

MANY_FAINT = 0.1
HOURS = 24.0


def facts(found: Findings) -> list[tuple[str, str]]:
    """Return what was found as pairs of words and values."""
    images, said = found.readable, about_files(found)
    if not len(images):
        return said
    return [
        *said, ("size", span(images[["height", "width"]].min(axis=1), "pixel")),
        ("pixel", span(images["pixel_arcsec"], "arcsec")), ("beam", span(images["bmaj"], "arcsec, major axis")),
        ("unit", counted(images["unit"].where(~images["scaled"].astype(bool), "8-bit grey"))),
        ("positions", f"{images['ra'].notna().sum()} of {len(images)}"),
        ("missing pixels", f"in {(images['missing'] > 0).sum()} of {len(images)}"),
        ("extent of sources", span(images["extent_px"], "pixel")),
        ("labels", counted(images["label"].replace("", "none"))),
    ]


def about_files(found: Findings) -> list[tuple[str, str]]:
    """Return how many files and objects there are, and how many were read."""
    endings = ", ".join(f"{n} {e}" for e, n in sorted(found.endings.items()))
    folders = len({path.rpartition("/")[0] for path, _ in found.files})
    return [
        ("files", f"{len(found.files)} ({endings}) in {folders} folder{'s' * (folders > 1)}, {size(found.size)}"),
        ("objects", f"{found.objects}" + (f", of which {len(found.images)} were looked at"
                                          if len(found.images) < found.objects else "")),
        ("readable", f"{len(found.readable)} of {len(found.images)}; {found.read_ms:.1f} ms each"),
    ]


def odd(found: Findings) -> list[str]:
    """Return what a person should look at, a line each."""
    images = found.readable
    said = [*unreadable(found), *_duplicates(images), *about_labels(found)]
    if not len(images):
        tables = found.images["reason"].str.startswith("no two-dimensional image").sum()
        return [*said, f"{tables} FITS files without an image: for spectra give --spectra"] if tables else said
    kinds = pictures(found.endings)
    if 0 < kinds < len(found.files) and not found.source.endings and not found.source.catalog:
        said.append(f"{kinds} pictures lie beside {len(found.files) - kinds} FITS files; the FITS files are taken")
    if found.planes:
        (names, number), *_ = found.planes.most_common(1)
        said.append(f"FITS files have several images ({', '.join(names)}, in {number} files looked at): the first is "
                    "taken unless source.hdu says another")
    said += _unequal(images)
    for column, what in (("blank", "the same value in every pixel"),
                         ("no_noise", "a background without noise, so that no threshold can be set")):
        if images[column].any():
            said.append(f"{_part(images[column])} {what}{_example(images, images[column])}; they will be refused")
    faint = (images["snr"] < 3).sum()
    if faint > MANY_FAINT * images["snr"].notna().sum():
        said.append(f"{faint} of {images['snr'].notna().sum()} images measured have no source above 3 sigma; they will "
                    "be refused unless prepare.min_snr is smaller")
    return said


def unreadable(found: Findings) -> list[str]:
    """Say how many objects cannot be used, and why."""
    reasons = found.images[found.images["reason"] != ""]
    if not len(reasons):
        return []
    said = [f"{len(reasons)} of {len(found.images)} cannot be used; each gets a row with its reason"]
    for reason, rows in reasons.groupby(reasons["reason"].str.split(":").str[0], sort=False):
        said.append(f"  {len(rows)} {reason}: such as {rows['object_id'].iloc[0]} ({rows['reason'].iloc[0]})")
    if getattr(found.source, "catalog", "") and found.readable.empty and found.images["ra"].max() <= HOURS:
        said.append(f"no position has ra above {HOURS:g}: are these hours? degrees are needed")
    return said


def _duplicates(images: pd.DataFrame) -> list[str]:
    twins = images["digest"].duplicated() & (images["digest"] != "") & ~images["blank"]
    if not twins.any():
        return []
    return [f"{_part(twins)} the same pixels as another{_example(images, twins)}; the first is kept"]


def about_labels(found: Findings) -> list[str]:
    """Say what is odd about the labels."""
    said = []
    if found.unmatched:
        said.append(f"{found.unmatched} of the names in {found.source.labels} belong to no file")
    labels = found.readable["label"]
    counts = labels[labels != ""].value_counts()
    if found.unmatched and not len(counts):
        said.append(f"no object has a label: do the names in {found.source.labels} match those of the files?")
    rare = [f"{name} ({n})" for name, n in counts.items() if n < FEW]
    if rare:
        said.append(f"labels of fewer than {FEW} objects, which no model is trained on: {', '.join(rare)}")
    return said


def _unequal(images: pd.DataFrame) -> list[str]:
    """Say in what images differ that should be alike."""
    said = []
    for column, what, part in (("pixel_arcsec", "pixel scales", UNEQUAL), ("bmaj", "beams", UNEQUAL_BEAM)):
        known = images[column].dropna()
        if len(known) and known.max() > known.min() * (1 + part):
            end = "; they are resampled to one grid" if column == "pixel_arcsec" else "; source.common_beam makes one"
            said.append(f"{what} differ: {known.min():.4g} to {known.max():.4g} arcsec{end}")
    units = Counter(zip(images["unit"], images["scaled"], strict=True))
    if len(units) > 1:
        said.append("units differ: " + ", ".join(f"{n} {unit or ('8-bit' if scaled else 'none')}"
                                                 for (unit, scaled), n in units.most_common())
                    + "; only those in the unit of most of the first images are kept")
    physical = images[~images["scaled"].astype(bool)]
    placeless = physical["ra"].isna() & physical["pixel_arcsec"].isna()
    if placeless.any():
        said.append(f"{placeless.sum()} FITS files have neither position nor pixel scale, and will be refused unless "
                    "source.pixel_arcsec or the table of labels says it")
    return said


def _part(chosen: pd.Series) -> str:
    return f"{chosen.sum()} of {len(chosen)} images {'has' if chosen.sum() == 1 else 'have'}"


def _example(images: pd.DataFrame, chosen: pd.Series) -> str:
    return f", such as {images.loc[chosen, 'object_id'].iloc[0]}"


def span(values: pd.Series, unit: str) -> str:
    """Return smallest, largest and median value as text, and for how many it is known."""
    known = values.dropna().to_numpy(float)
    if not len(known):
        return "not known"
    low, middle, high = (f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
                         for value in np.percentile(known, [0, 50, 100]))
    said = low if low == high else f"{low} to {high}, median {middle}"
    part = f" (known for {len(known)} of {len(values)})" if len(known) < len(values) else ""
    return f"{said} {unit}".strip() + part


def counted(values: pd.Series) -> str:
    """Return how often each value occurs, as text."""
    return ", ".join(f"{name or 'none'} {number}" for name, number in values.value_counts().items())


def size(number: int) -> str:
    """Return a number of bytes as text."""
    return f"{number / 1e6:.1f} MB" if number < 1e9 else f"{number / 1e9:.2f} GB"
