"""Draw images with North up and East left, all in one look, without a display."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from astro_vae import files
from astro_vae.images.view import to_network
from astro_vae.settings_images import ViewSettings

COLOURS = "inferno"
GAMMA = 0.5  # linear colours would show the hot spots of a radio galaxy and hide its lobes
PANEL_INCH = 1.25
PER_ROW = 8
"""Objects in a row of a gallery."""
SAMPLES = (12, 2)
"""Columns and rows of the samples of a label in a picture."""
TITLE = (27, 3)
"""Characters in a line of a title, and lines of a reason in it."""
INK = "white"  # of what is written on an image
ARROW = 0.16  # length of the arrows of the compass, by the side of a panel


def grid(
    path: Path, images: np.ndarray | Sequence[np.ndarray], *, titles: Sequence[str] | None = None,
    rows: int | None = None, columns: int | None = None, row_labels: Sequence[str] | None = None,
    suptitle: str | None = None, north_deg: float | np.ndarray | None = None,
    pixel_arcsec: float | np.ndarray | None = None,
) -> None:
    """Write a picture of many images, with compass and scale where the sky is known.

    Parameters
    ----------
    path : Path
        The suffix says the format.
    images : ndarray, shape (N, H, W), or sequence of N
        uint8, or float from 0 to 1; row 0 is South.
    titles : sequence of N str, optional
    rows, columns : int, optional
        By default as square as it can be.
    row_labels : sequence of str, optional
        One per row.
    suptitle : str, optional
    north_deg : float or ndarray, shape (N,), optional
        Angle of North from the direction of the rows, counter-clockwise as displayed; NaN where unknown.
    pixel_arcsec : float or ndarray, shape (N,), optional
    """
    rows, columns = _layout(len(images), rows, columns)
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    figure = Figure(figsize=_size(rows, columns, titles, suptitle), layout=layout)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(images) :]:
        axes.set_axis_off()
    for axes, image in zip(panels.flat, images, strict=False):
        show(axes, image)
    for axes, title in zip(panels.flat, titles or (), strict=False):
        axes.set_title(title, fontsize=6, pad=2)
    for axes, label in zip(panels[:, 0], row_labels or (), strict=False):
        axes.set_ylabel(label, fontsize=7)
    _sky(panels.ravel()[: len(images)], north_deg, pixel_arcsec)
    if suptitle:
        figure.suptitle(suptitle, fontsize=9)
    with files.atomic(path) as partial:
        figure.savefig(partial, dpi=150, metadata={"Software": None} if path.suffix == ".png" else None)


def ways(
    path: Path, values: np.ndarray, *, names: Sequence[str], steps: Sequence[str], suptitle: str, **sky: Any
) -> None:
    """Write a picture of ways through images, a row for each; `sky` is what `known` returns.

    Parameters
    ----------
    path : Path
        The suffix says the format.
    values : ndarray, shape (W, S, H, W)
        Each step of each way.
    names, steps : sequence of str
        Of the ways and the steps.
    suptitle : str
    """
    grid(path, np.concatenate(values), columns=len(steps), row_labels=[_broken(name) for name in names],
         titles=steps, suptitle=suptitle, **sky)


def _broken(name: str) -> str:
    """Return the name of a way in lines that fit beside a row."""
    return name.replace(" to ", "\nto ").replace(", ", "\n")


def known(view: ViewSettings, objects: pd.DataFrame, n: int) -> dict[str, Any]:
    """Return what `grid` is to know of n panels: direction of North and pixel scale, where all objects have the same.

    Parameters
    ----------
    view : ViewSettings
    objects : DataFrame
        Rows of the object table.
    n : int
    """
    found = {}
    for name in ("north_deg", "pixel_arcsec"):
        values = objects[name].to_numpy(float) if name in objects else np.array([np.nan])
        if len(values) and np.all(values == values[0]):
            found[name] = np.full(n, values[0])
    return found


def beside(seen: np.ndarray, redrawn: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the rows in which objects and what a model makes of them are drawn, with their names.

    Parameters
    ----------
    seen : ndarray, shape (N, size, size)
        Views.
    redrawn : ndarray, shape (N, size, size)
    """
    return [("object", to_network(seen)[0]), ("as the model redraws it", redrawn)]


def blank(seen: np.ndarray) -> np.ndarray:
    """Return what fills the places that images (N, H, W) leave in a row: a black one."""
    return np.zeros(seen.shape[1:], np.float32)


def show(axes: Axes, image: np.ndarray) -> None:
    """Show one image (H, W), uint8 or float, of which 0 to 1 is shown, with its row 0 below."""
    white = 255 if image.dtype == np.uint8 else 1
    image = np.clip(image, 0, white)
    axes.imshow(image, origin="lower", cmap=COLOURS, norm=PowerNorm(GAMMA, 0, white), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def thumbnail(image: np.ndarray) -> bytes:
    """Return one image (H, W), uint8 or float from 0 to 1, as PNG in colour with North up."""
    grey = image / 255 if image.dtype == np.uint8 else np.clip(image, 0, 1)
    levels = np.rint(255 * grey**GAMMA).astype(np.uint8)
    blue_green_red = np.rint(255 * colormaps[COLOURS](np.arange(256))[:, 2::-1]).astype(np.uint8)
    return cv2.imencode(".png", blue_green_red[levels[::-1]])[1].tobytes()


def compass(axes: Axes, north_deg: float) -> None:
    """Draw arrows to North and East in the lower right corner; nothing where North is unknown.

    Parameters
    ----------
    axes : Axes
    north_deg : float
        Angle of North from the direction of the rows, counter-clockwise as displayed.
    """
    if not math.isfinite(north_deg):
        return
    directions = {name: _direction(north_deg + turn) for name, turn in (("N", 0), ("E", 90))}
    # About the middle of the two arrows, so that they stay on the panel wherever North is.
    start = np.array([0.8, 0.2]) - ARROW * sum(directions.values()) / 2
    style = {"arrowstyle": "-|>", "color": INK, "lw": 0.7, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 5}
    for name, direction in directions.items():
        tip = start + ARROW * direction
        axes.annotate("", tuple(tip), tuple(start), "axes fraction", "axes fraction", arrowprops=style)
        _write(axes, name, *(tip + 0.07 * direction))


def _write(axes: Axes, text: str, x: float, y: float) -> None:
    axes.text(x, y, text, color=INK, fontsize=5, ha="center", va="center", transform=axes.transAxes)


def _direction(angle_deg: float) -> np.ndarray:
    """Return the unit vector (right, up) at an angle from upwards, counter-clockwise."""
    return np.array([-math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))])


def scale_bar(axes: Axes, pixel_arcsec: float, width: int) -> None:
    """Draw a bar of a round angle in the lower left corner; nothing where the scale is unknown.

    Parameters
    ----------
    axes : Axes
    pixel_arcsec : float
    width : int
        Of the image (pixel).
    """
    if not math.isfinite(pixel_arcsec):
        return
    angle = _round_down(0.4 * width * pixel_arcsec)
    length = angle / pixel_arcsec / width
    axes.plot([0.06, 0.06 + length], [0.08, 0.08], color=INK, lw=1, transform=axes.transAxes, solid_capstyle="butt")
    _write(axes, f'{angle:g}"', 0.06 + length / 2, 0.13)


def _round_down(value: float) -> float:
    """Return the largest 1, 2, 3 or 6 times a power of ten, as angles go, that is not above the value."""
    power = 10.0 ** math.floor(math.log10(value))
    return power * max(step for step in (1, 2, 3, 6) if step * power <= value)


def _layout(number: int, rows: int | None, columns: int | None) -> tuple[int, int]:
    if columns is None:
        columns = math.ceil(number / rows) if rows else math.ceil(math.sqrt(number))
    return rows or math.ceil(number / columns), columns


def _size(rows: int, columns: int, titles: Sequence[str] | None, suptitle: str | None) -> tuple[float, float]:
    lines = [title.count("\n") + 1 if title else 0 for title in titles or ()]
    most = [max(lines[start : start + columns]) for start in range(0, len(lines), columns)]  # of each row
    above = sum(0.04 + 0.1 * n for n in most if n)
    return PANEL_INCH * columns + 0.25, PANEL_INCH * rows + above + (0.3 if suptitle else 0)


def _sky(panels: np.ndarray, north_deg: float | np.ndarray | None, pixel_arcsec: float | np.ndarray | None) -> None:
    """Draw compass and scale: on every panel, or on the first alone where they are the same for all."""
    for axes, north in zip(panels, _per_panel(north_deg, len(panels)), strict=False):
        compass(axes, north)
    for axes, scale in zip(panels, _per_panel(pixel_arcsec, len(panels)), strict=False):
        scale_bar(axes, scale, axes.images[0].get_array().shape[1])


def _per_panel(values: float | np.ndarray | None, number: int) -> np.ndarray:
    if values is None:
        return np.array([])
    array = np.broadcast_to(np.asarray(values, dtype=float), number)
    alike = number > 0 and bool(np.all(array == array[0]))
    return array[:1] if alike else array
