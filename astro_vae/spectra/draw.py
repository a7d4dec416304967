"""Draw spectra, all in one look, without a display."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from astro_vae import files
from astro_vae.settings_spectra import SpectrumViewSettings
from astro_vae.spectra.limits import limits, peaks, with_gaps
from astro_vae.spectra.outline import thumbnail as thumbnail
from astro_vae.spectra.resample import bin_centres
from astro_vae.spectra.view import to_network

PANEL_INCH = (2.6, 1.3)
WAY_INCH = (5.2, 2.2)  # a panel that holds a whole way
PER_ROW = 4
"""Objects in a row of a gallery: more could not be read on a page."""
SAMPLES = (4, 3)
"""Columns and rows of the samples of a label in a picture."""
TITLE = (50, 1)
"""Characters in a line of a title, and lines of a reason in it."""
INK, ERROR, MODEL = "#1f4e79", "#b8cbe0", "#d1611c"
WAYS = "viridis"  # colours along a way; its yellow end would be lost on white
MARKED = {  # vacuum wavelength (Angstrom), side of the line on which its name stands
    "Ly\N{GREEK SMALL LETTER ALPHA} ": (1215.7, "right"), " CIV": (1549.5, "left"), " CIII]": (1908.7, "left"),
    " MgII": (2799.1, "left"),
    "[OII]": (3728.5, "left"), "H\N{GREEK SMALL LETTER BETA} ": (4862.7, "right"), " [OIII]": (5008.2, "left"),
    "H\N{GREEK SMALL LETTER ALPHA} ": (6564.6, "right"),
}


def grid(
    path: Path, seen: np.ndarray | Sequence[np.ndarray | None], *, titles: Sequence[str] | None = None,
    rows: int | None = None, columns: int | None = None, row_labels: Sequence[str] | None = None,
    suptitle: str | None = None, wave_aa: np.ndarray | None = None, scale: str = "",
) -> None:
    """Write a picture of many spectra, with wavelengths and lines where they are known.

    Parameters
    ----------
    path : Path
        The suffix says the format.
    seen : ndarray, shape (N, 3, L), (N, 2, L) or (N, L), or sequence
        Flux and its inverse variance (invalid bins are gaps, errors a band) and what a model makes of it, or the first
        two, or flux alone; None for an empty panel.
    titles : sequence of N str, optional
    rows, columns : int, optional
        By default about as many rows as columns.
    row_labels : sequence of str, optional
        One per row.
    suptitle : str, optional
    wave_aa : ndarray, shape (L,), optional
        Vacuum wavelengths in the rest frame, Angstrom.
    scale : str
        What flux is divided by, in words.
    """
    columns = columns or math.ceil(len(seen) / rows if rows else math.sqrt(len(seen)))
    rows = rows or math.ceil(len(seen) / columns)
    lines = max((label.count("\n") for label in row_labels or ()), default=0)  # beyond the first
    figure = _figure(rows, columns, titles=_most_lines(titles), suptitle=suptitle, lines=lines)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for axes in panels.flat[len(seen) :]:
        axes.set_axis_off()
    for axes, spectrum in zip(panels.flat, seen, strict=False):
        if spectrum is None:
            axes.set_axis_off()
        else:
            show(axes, spectrum, wave_aa)
    for axes, title in zip(panels.flat, titles or (), strict=False):
        axes.set_title(title, fontsize=6, pad=3, linespacing=1.1)
    for axes, label in zip(panels[:, 0], row_labels or (), strict=False):
        axes.set_ylabel(label, fontsize=6)
    _finish(figure, path, wave_aa, scale)


def ways(
    path: Path, values: np.ndarray, *, names: Sequence[str], steps: Sequence[str], suptitle: str,
    wave_aa: np.ndarray | None = None, scale: str = "",
) -> None:
    """Write a picture of ways through spectra: a panel for each, in which the colour tells the step.

    Parameters
    ----------
    path : Path
        The suffix says the format.
    values : ndarray, shape (W, S, L)
        Flux of each step of each way; NaN for a gap.
    names, steps : sequence of str
        Of the W ways and the S steps.
    suptitle : str
    wave_aa : ndarray, shape (L,), optional
        As of `grid`.
    scale : str
        As of `grid`.
    """
    columns = min(2, len(values))
    rows = math.ceil(len(values) / columns)
    figure = _figure(rows, columns, titles=1, suptitle=suptitle, lines=0, panel=WAY_INCH, key=True)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
    colours = colormaps[WAYS](np.linspace(0, 0.92, len(steps)))
    for axes, way, name in zip(panels.flat, values, names, strict=False):
        x, none = _x(way, wave_aa), np.zeros(way.size)
        between = _frame(axes, limits(np.concatenate(way), none), x, marked=wave_aa is not None)
        for flux, colour in zip(way, colours, strict=True):
            axes.plot(x, flux, color=colour, lw=0.6, drawstyle="steps-mid")
        _mark(axes, x, np.fmax.reduce(way), between, "0.3")
        axes.set_title(name, fontsize=7, pad=2)
    for axes in panels.flat[len(values) :]:
        axes.set_axis_off()
    lines = [Line2D([], [], color=colour, lw=2, label=step) for step, colour in zip(steps, colours, strict=True)]
    figure.legend(handles=lines, ncols=len(lines), fontsize=6, frameon=False, loc="upper center", handlelength=1,
                  bbox_to_anchor=(0.5, 1 - 0.22 / figure.get_figheight()))
    _finish(figure, path, wave_aa, scale)


def _finish(figure: Figure, path: Path, wave_aa: np.ndarray | None, scale: str) -> None:
    """Name the axes of all panels below them, and write the picture."""
    words = "bin" if wave_aa is None else "vacuum wavelength in the rest frame (Å)"
    words += f"; flux density by {scale}" if scale else ""
    figure.text(0.5, 0.06 / figure.get_figheight(), words, fontsize=7, ha="center", va="bottom")
    with files.atomic(path) as partial:
        figure.savefig(partial, dpi=150, metadata={"Software": None} if path.suffix == ".png" else None)


def _figure(
    rows: int, columns: int, *, titles: int, suptitle: str | None, lines: int,
    panel: tuple[float, float] = PANEL_INCH, key: bool = False,
) -> Figure:
    """Return a figure with room for so many panels; margins are in inches, since a solver takes long with many."""
    left, right, bottom = 0.5 + 0.12 * lines, 0.08, 0.4
    above = 0.04 + 0.1 * titles if titles else 0.0  # inches of titles
    top = 0.08 + above + (0.25 if suptitle else 0) + 0.2 * key
    between = 0.26, 0.06 + above
    width, height = panel[0] * columns + left + right, panel[1] * rows + bottom + top
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(
        left=left / width, right=1 - right / width, bottom=bottom / height, top=1 - top / height,
        wspace=between[0] / (panel[0] - between[0]), hspace=between[1] / (panel[1] - between[1]),
    )
    if suptitle:
        figure.suptitle(suptitle, fontsize=9, y=1 - 0.05 / height, va="top")
    return figure


def _most_lines(titles: Sequence[str] | None) -> int:
    """Return the lines of the longest title."""
    return max((title.count("\n") + 1 for title in titles or () if title), default=0)


def known(view: SpectrumViewSettings, objects: pd.DataFrame, n: int) -> dict[str, Any]:
    """Return what `grid` is to know of n panels: the wavelengths of the bins, and what flux is divided by.

    Parameters
    ----------
    view : SpectrumViewSettings
    objects : DataFrame
        Not looked at.
    n : int
        Number of panels; not looked at, since all spectra share their bins.
    """
    low, high = view.window_aa
    return {"wave_aa": bin_centres(view.grid), "scale": f"its median from {low:g} to {high:g} Å"}


def beside(seen: np.ndarray, redrawn: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the rows in which objects and what a model makes of them are drawn, with their names.

    Parameters
    ----------
    seen : ndarray, shape (N, 2, bins)
        Views: flux and its inverse variance.
    redrawn : ndarray, shape (N, bins)
    """
    flux, weight = to_network(seen)
    residual = np.where(weight > 0, (flux - redrawn) * np.sqrt(weight), np.nan)
    both = np.concatenate([np.asarray(seen, np.float32), np.asarray(redrawn, np.float32)[:, None]], axis=1)
    return [("object (blue),\nmodel (orange)", both), ("residual (sigma)", residual)]


def blank(seen: np.ndarray) -> None:
    """Return what fills the places that spectra leave in a row: nothing."""


def show(axes: Axes, spectrum: np.ndarray, wave_aa: np.ndarray | None = None) -> None:
    """Show one spectrum, (2, L) with errors or (L,) without; bins that are not valid are gaps.

    Of (3, L) the last row is what a model makes of it, drawn over it. What leaves the panel (see `limits`) is marked
    by a triangle on its edge, and the farthest value is written beside.
    """
    x = _x(spectrum, wave_aa)
    flux, error = with_gaps(spectrum[:2] if spectrum.ndim == 2 else spectrum)
    model = spectrum[2:].astype(float) if spectrum.ndim == 2 else spectrum[:0]
    between = _frame(axes, limits(flux, error, *model), x, marked=wave_aa is not None)
    axes.fill_between(x, flux - error, flux + error, step="mid", color=ERROR, lw=0)
    axes.plot(x, flux, color=INK, lw=0.6, drawstyle="steps-mid")
    for redrawn in model:
        axes.plot(x, redrawn, color=MODEL, lw=0.6, alpha=0.8, drawstyle="steps-mid")
        _mark(axes, x, redrawn, between, MODEL, said=False)
    _mark(axes, x, flux, between, INK)


def _x(spectrum: np.ndarray, wave_aa: np.ndarray | None) -> np.ndarray:
    return np.arange(spectrum.shape[-1]) if wave_aa is None else wave_aa


def _frame(axes: Axes, between: tuple[float, float], x: np.ndarray, *, marked: bool) -> tuple[float, float]:
    """Set the limits of a panel, its ticks, and the names of lines where x are wavelengths; return the limits."""
    low, high = between
    axes.set_ylim(low, high)
    axes.set_xlim(x[0], x[-1])
    if low < 0:
        axes.axhline(0, color="0.7", lw=0.4, zorder=0)
    axes.tick_params(labelsize=5, length=2, pad=1)
    for axis in (axes.xaxis, axes.yaxis):  # few ticks, which take most of the time of a picture
        axis.set_major_locator(MaxNLocator(4))
    for name, (wave, side) in MARKED.items() if marked else ():
        if x[0] < wave < x[-1]:
            axes.axvline(wave, color="0.7", lw=0.4, zorder=0)
            axes.text(wave, high, name, fontsize=5, ha=side, va="top", color="0.4")
    return between


def _mark(
    axes: Axes, x: np.ndarray, flux: np.ndarray, between: tuple[float, float], colour: Any, *, said: bool = True
) -> None:
    """Mark on the edge of a panel where flux (L,) leaves it, and say at the farthest bin how far it goes."""
    for edge, (limit, sign, symbol) in enumerate(((between[0], -1, "v"), (between[1], 1, "^"))):
        bins = peaks(flux, limit, sign)
        if not len(bins):
            continue
        across = axes.get_xaxis_transform()
        axes.plot(x[bins], np.full(len(bins), edge), symbol, color=colour, ms=2.5, mew=0, clip_on=False,
                  transform=across)
        farthest = bins[(sign * flux[bins]).argmax()]
        if said:
            side, away = ("right", -3) if x[farthest] > (x[0] + x[-1]) / 2 else ("left", 3)
            axes.annotate(f"{flux[farthest]:.3g}", (x[farthest], 0.88 if edge else 0.03), (away, 0), across,
                          "offset points", fontsize=5, ha=side, va="top" if edge else "bottom", color=colour)
