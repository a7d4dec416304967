"""Choose the settings of a run by what was found, each with its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.init.look import Findings, pictures
from astro_vae.surveys.listing import FITS

NETWORK = 16  # the convolutional network halves twice what its patches of 4 pixels leave: no padding at multiples
LARGEST_VIEW = 96  # pixel; what two cores train in minutes
SMALLEST_VIEW = 32
LARGER = 90  # per cent of the sources that the view holds; measured sizes of the rest are often those of neighbours
MARGIN = 1.1  # of the view around these
FRAME = 150 / 96  # of the view, as in the defaults
UNEQUAL = 0.02  # parts by which pixel scales may differ
UNEQUAL_BEAM = 0.1
RATE = 400  # examples a second of a network for images of 96 pixels on two cores
FEW = 5  # labelled objects of a class that is not trained on


@dataclass(frozen=True)
class Choice:
    """One setting: its place in a survey's section, value and reason; `off` is written as a comment."""

    key: str
    value: Any
    reason: str = ""
    off: bool = False


@dataclass(frozen=True)
class Sizes:
    """The sizes (pixel) that must fit together: `size` <= `frame` = field <= `stored`."""

    stored: int
    frame: int
    size: int
    method: str
    reason: str


def choose(found: Findings) -> list[Choice]:
    """Return the settings for what was found, in the order of the configuration file."""
    grid = common_grid(found.readable)
    sizes = fit_sizes(*_sides(found, grid))
    usable = expected(found)
    return [
        *_source(found, grid, sizes),
        Choice("prepare.size", sizes.stored, _why_stored(found, sizes)),
        Choice("prepare.field", sizes.frame, "pixel; must be complete, and sources are measured in it"),
        *_missing(found),
        *_split(found, sizes, grid),
        Choice("view.frame", sizes.frame, "pixel; mask and scaling act on this field"),
        Choice("view.size", sizes.size, sizes.reason),
        Choice("view.method", sizes.method),
        *_training(found, usable, sizes),
    ]


def expected(found: Findings) -> int:
    """Return the number of objects that can be used, if all are like those that were looked at."""
    good = found.readable
    good = good[~good["blank"] & ~good["digest"].duplicated()]
    return round(found.objects * len(good) / max(1, len(found.images)))


def common_grid(images: pd.DataFrame) -> float | None:
    """Return the side (arcsec) of common pixels where those of the images differ, None where they do not."""
    scales = images["pixel_arcsec"].dropna()
    if len(scales) < 2 or scales.max() <= scales.min() * (1 + UNEQUAL):
        return None
    rounded = scales.map(lambda scale: float(f"{scale:.3g}"))
    return float(rounded.mode().max())  # the commonest; the coarsest of these, which invents no pixels


def _sides(found: Findings, grid: float | None) -> tuple[int, float]:
    """Return the side that nearly all images have, and the extent of the larger sources (pixel)."""
    images = found.readable
    scale = np.ones(len(images)) if grid is None else (images["pixel_arcsec"] / grid).fillna(1).to_numpy()
    extents = (images["extent_px"].to_numpy(float) * scale)[np.isfinite(images["extent_px"].to_numpy(float))]
    large = float(np.percentile(extents, LARGER)) if len(extents) else math.nan
    if found.source.catalog:
        return 10_000, large  # a mosaic gives what is asked for
    sides = np.floor(images[["height", "width"]].min(axis=1).to_numpy() * scale + 1e-6)
    return int(np.percentile(sides, 5, method="lower")), large


def fit_sizes(side: int, extent: float) -> Sizes:
    """Choose field, frame, view and stored cutout for images of a side with sources of an extent (pixel).

    Parameters
    ----------
    side : int
        That nearly all images have.
    extent : float
        Of the larger sources; NaN where it is not known.
    """
    needed = MARGIN * extent if math.isfinite(extent) else LARGEST_VIEW
    said = f"{LARGER} % of the sources are within {extent:.0f} pixels" if math.isfinite(extent) else "sizes not known"
    if needed > LARGEST_VIEW and side > LARGEST_VIEW:
        frame = _even(min(side, math.ceil(needed)))
        return Sizes(_stored(side, frame), frame, LARGEST_VIEW, "resample",
                     f"pixel; {said}: shrunk from the frame to what trains in minutes")
    size = min(max(math.ceil(needed / NETWORK) * NETWORK, SMALLEST_VIEW), LARGEST_VIEW)
    if size > side:
        size = max(side // NETWORK * NETWORK, min(side, NETWORK))
        said = f"the images have {side} pixels"
    frame = max(size, _even(min(side, round(size * FRAME))))
    fits = f"a multiple of {NETWORK} suits the network" if size % NETWORK == 0 else "all that the images have"
    return Sizes(_stored(side, frame), frame, size, "crop", f"pixel; {said}, and {fits}")


def _stored(side: int, frame: int) -> int:
    return min(side, 2 * round(frame / math.sqrt(2)))


def _even(size: int) -> int:
    return size - size % 2


def _why_stored(found: Findings, sizes: Sizes) -> str:
    if sizes.stored >= 2 * round(sizes.frame / math.sqrt(2)):
        return "pixel; sqrt(2) times the frame, so that a rotation has pixels to turn in"
    return "pixel; what nearly all images have" if not found.source.catalog else "pixel"


def _source(found: Findings, grid: float | None, sizes: Sizes) -> list[Choice]:
    given, images = found.source, found.readable
    chosen = [Choice("source.survey", "folder"), Choice("source.path", given.path)]
    for name in ("labels", "catalog"):
        if getattr(given, name):
            chosen.append(Choice(f"source.{name}", getattr(given, name)))
    if given.catalog:
        chosen.append(Choice("source.cutout", sizes.stored, "pixel; cut out of the mosaics"))
    elif 0 < pictures(found.endings) < sum(found.endings.values()):
        chosen.append(_one_kind(found))
    if given.follow_links:
        chosen.append(Choice("source.follow_links", True, "as asked for"))
    if found.planes:
        names = ", ".join(found.planes.most_common(1)[0][0])
        number = int(names.split(" ")[0].rstrip(","))
        chosen.append(Choice("source.hdu", number, f"the files have several images ({names})", off=True))
    chosen += absent(found)
    if grid:
        low, high = images["pixel_arcsec"].min(), images["pixel_arcsec"].max()
        chosen.append(Choice("source.grid_arcsec", grid, f"pixels are {low:.3g} to {high:.3g} arcsec wide: one grid"))
    return chosen + _said_by_hand(images, grid)


def absent(found: Findings) -> list[Choice]:
    """Return the fraction of files that must be there, where names without a file would end the run."""
    good = sum(not fault for _, fault in found.files)
    arrived = good / (len(found.files) + found.unmatched)
    if arrived >= found.source.min_fraction:
        return []
    return [Choice("source.min_fraction", math.floor(arrived * 100) / 100,
                   f"{found.unmatched} labels without a file, {len(found.files) - good} links or odd files")]


def _one_kind(found: Findings) -> Choice:
    """Take the FITS files where there are pictures of them too: these have a flux scale."""
    fits = [ending for ending in found.endings if ending in FITS]
    return Choice("source.endings", sorted(fits), f"{pictures(found.endings)} PNG and JPEG files are left out: they "
                  "have no flux scale, and one run takes one kind")


def _said_by_hand(images: pd.DataFrame, grid: float | None) -> list[Choice]:
    """Offer, as comments, what only the person can know."""
    physical = images[~images["scaled"].astype(bool)]
    offered = []
    if len(physical) and physical["bmaj"].isna().any():
        offered.append(Choice("source.beam", [6.0, 6.0, 0.0], "arcsec, arcsec, deg; not in all headers: without it no "
                              "integrated flux densities", off=True))
    beams = physical["bmaj"].dropna()
    if len(beams) and beams.max() > beams.min() * (1 + UNEQUAL_BEAM):
        wide = math.ceil(beams.max() * 10) / 10
        offered.append(Choice("source.common_beam", [wide, wide, 0.0], f"arcsec, arcsec, deg; beams differ, "
                              f"{beams.min():.3g} to {beams.max():.3g}: convolve all to one", off=True))
    if len(images) and images["pixel_arcsec"].isna().all() and grid is None:
        offered.append(Choice("source.pixel_arcsec", 1.0, "arcsec; not in the files: without it no angular sizes",
                              off=True))
    if len(physical) and (physical["unit"] == "").any():
        offered.append(Choice("source.unit", "Jy/beam", "the files do not say the unit of their values", off=True))
    return offered


def _missing(found: Findings) -> list[Choice]:
    """Allow missing pixels in the field where they are common."""
    holed = found.readable["missing"]
    holed = holed[(holed > 0) & (holed < 0.5)]
    if len(holed) <= 0.05 * len(found.readable):
        return []
    allowed = math.ceil(100 * holed.quantile(0.9)) / 100
    return [Choice("prepare.max_nan_fraction", allowed, f"{len(holed)} of {len(found.readable)} images have missing "
                   "pixels in their middle; they count as 0")]


def _split(found: Findings, sizes: Sizes, grid: float | None) -> list[Choice]:
    """Keep cutouts of one mosaic that show the same sky in one part, as long as that leaves groups."""
    if not found.source.catalog:
        return []
    images = found.readable
    pixel = grid or images["pixel_arcsec"].median()
    field = float(math.ceil(sizes.frame * pixel)) if math.isfinite(pixel) else 0.0
    if field <= 60:
        return []
    share = largest_group(images["ra"].to_numpy(float), images["dec"].to_numpy(float), field)
    if share > 0.2:
        return [Choice("split.radius_arcsec", field, "would keep apart all cutouts that overlap, but leaves too few "
                       f"groups ({share:.0%} of the objects in one): 60 arcsec is used", off=True)]
    return [Choice("split.radius_arcsec", field, "the field: cutouts that overlap go to one part")]


def largest_group(ra: np.ndarray, dec: np.ndarray, radius_arcsec: float) -> float:
    """Return the fraction of the positions (N,) that is in the largest group of neighbours."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from astro_vae.steps.split import near

    i, j = near(ra, dec, radius_arcsec).T
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(ra), len(ra)))
    return float(np.bincount(connected_components(graph, directed=False)[1]).max() / len(ra)) if len(ra) else 0.0


def _training(found: Findings, usable: int, sizes: Sizes) -> list[Choice]:
    latents = 8 if usable < 300 else 16 if usable < 2000 else 32
    total, examples = training_size(usable)
    minutes = examples / RATE / 60 * (sizes.size / 96) ** 2
    chosen = [
        Choice("augment.total", total, f"about 300 transforms of each of {usable} objects, 10,000 to 200,000"),
        Choice("models.cvae.type", "vae"),
        Choice("models.cvae.latents", latents, f"for about {usable} objects; more needs more of them"),
        *conditions(found.readable["label"]),
        Choice("models.cvae.train.examples", examples, f"about {max(1, math.ceil(minutes))} min on two cores; more is "
               "better where validation still improves"),
        Choice("models.pca.type", "pca"),
        Choice("models.pca.latents", latents, "the same number, for comparison"),
        Choice("models.pca.examples", min(12_000, total)),
        Choice("products.prior.components", int(np.clip(usable // 20, 2, 40)), "about 20 objects each"),
        Choice("products.draws", 12, "one per rotation; the default of 50 takes four times as long"),
    ]
    if usable < 60:
        chosen.append(Choice("products.neighbours", max(1, usable // 10), "few objects to be near to"))
    return chosen


def training_size(usable: int) -> tuple[int, int]:
    """Return how many examples to make of so many objects, and how many of them a network sees."""
    total = int(np.clip(_two_digits(300 * usable), 10_000, 200_000))
    return total, int(np.clip(_two_digits(600 * usable), 40_000, 360_000))


def conditions(labels: pd.Series) -> list[Choice]:
    """Condition on the labels that enough objects have; empty where an object has none."""
    counts = labels[labels != ""].value_counts()
    large = sorted(counts.index[counts >= FEW])
    if len(large) < 2:
        why = "no labels were given" if not len(counts) else f"fewer than two labels with {FEW} objects"
        return [Choice("models.cvae.conditional", False, why)]
    said = ", ".join(f"{name} {number}" for name, number in counts.items())
    chosen = [Choice("models.cvae.conditional", True, f"labels: {said}")]
    if len(large) < len(counts):
        chosen.append(Choice("models.cvae.labels", large, f"labels of fewer than {FEW} objects are not trained on, "
                             "but ranked"))
    return chosen


def _two_digits(number: float) -> int:
    return int(float(f"{number:.2g}"))
