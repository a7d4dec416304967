"""Draw a spectrum as a small drawing of lines, which stays sharp at any size."""

from __future__ import annotations

import numpy as np

from astro_vae.spectra.limits import limits, peaks, with_gaps

SIZE = (800, 300)  # of the drawing, in units that are written as whole numbers
COLUMNS = 200
"""Places along the axis of wavelengths; of the bins at each the lowest and the highest are drawn, so that no line is
lost and a page stays small."""


def thumbnail(spectrum: np.ndarray) -> str:
    """Return one spectrum, (2, L) or (L,), as a drawing: an SVG symbol of about 2 kB without its name.

    Gaps stay open; a triangle at the top says that a line leaves the drawing (see `limits`). The style classes
    `flux` and `beyond` colour it.
    """
    flux, error = with_gaps(spectrum)
    low, high = limits(flux, error)
    x = np.linspace(0.02, 0.98, len(flux)) * SIZE[0]
    y = (0.97 - 0.94 * np.clip((flux - low) / (high - low), 0, 1)) * SIZE[1]
    runs = [run for run in np.split(np.arange(len(flux)), _breaks(flux)) if np.isfinite(flux[run]).all()]
    drawn = "".join(_path(*_reduced(x[run], y[run])) for run in runs if len(run))
    beyond = "".join(f"M{place:.0f} 0l-7 13h14z" for place in x[peaks(flux, high)])
    top = f'<path class="beyond" d="{beyond}"/>' if beyond else ""
    return f'<symbol viewBox="0 0 {SIZE[0]} {SIZE[1]}"><path class="flux" d="{drawn}"/>{top}</symbol>'


def _breaks(flux: np.ndarray) -> np.ndarray:
    """Return the bins at which valid ones begin or end."""
    return np.flatnonzero(np.diff(np.isfinite(flux).astype(int))) + 1


def _reduced(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of the lowest and the highest bin of each column, in their order."""
    column = np.floor(x * COLUMNS / SIZE[0]).astype(int)
    order = np.lexsort((y, column))
    first = np.flatnonzero(np.diff(column[order], prepend=-1))
    last = np.append(first[1:], len(order)) - 1
    chosen = np.unique(order[np.concatenate([first, last])])
    return x[chosen], y[chosen]


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """Return a line through points, each after the first by its distance from the one before."""
    x, y = np.rint(x).astype(int), np.rint(y).astype(int)
    steps = "".join(f"l{dx} {dy}" for dx, dy in zip(np.diff(x), np.diff(y), strict=True)).replace(" -", "-")
    return f"M{x[0]} {y[0]}" + (steps or "l0 0")
