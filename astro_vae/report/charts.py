"""Draw small charts as SVG inside the page, in the page's own colours, light and dark.

Pictures of objects come from the products as PNG; lines, points and histograms are drawn here, because
an SVG of a few kilobytes takes its ink from the style sheet and stays sharp at every size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

COLOURS = 8
MARGIN = {"left": 58.0, "right": 14.0, "top": 12.0, "bottom": 42.0}


@dataclass(frozen=True)
class Series:
    """One line, or one cloud of points: name, coordinates (N,), NaN left out, and colour (its place by default)."""

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: int | None = None

    def finite(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the coordinates where both are finite."""
        x, y = np.asarray(self.x, dtype=float), np.asarray(self.y, dtype=float)
        good = np.isfinite(x) & np.isfinite(y)
        return x[good], y[good]


def ticks(low: float, high: float, about: int = 5) -> np.ndarray:
    """Return round numbers (1, 2 or 5 times a power of ten apart) within [low, high]."""
    if not high > low:
        return np.array([low])
    raw = (high - low) / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    return np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step + 0.0  # no -0


def log_ticks(low: float, high: float) -> np.ndarray:
    """Return the logarithms of 1, 2 and 5 times powers of ten (of the powers, where they are many) in [low, high]."""
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    found = np.array([power + np.log10(step) for power in powers for step in steps])
    return found[(found >= low) & (found <= high)]


def tick_text(value: float) -> str:
    """Write a tick without noise digits: 0.2, 150, 15k, 2M, 1e-4."""
    for size, suffix in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / {'M': 1e6, 'k': 1e3}[suffix]:.6g}{suffix}"
    return f"{value:.6g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


class Plot:
    """A frame with two axes, to which marks are added; `svg()` gives the drawing.

    Parameters
    ----------
    x, y : pair of float
        Range of each axis.
    size : pair of float
        Width and height in the drawing's own units; the page scales it.
    """

    def __init__(self, x: tuple[float, float], y: tuple[float, float], size: tuple[float, float] = (560, 250)) -> None:
        self.x_range, self.y_range, self.size = _padded(*x), _padded(*y), size
        self.marks: list[str] = []

    def px(self, x: np.ndarray | float) -> np.ndarray:
        """Return horizontal places in the drawing."""
        (low, high), span = self.x_range, self.size[0] - MARGIN["left"] - MARGIN["right"]
        return MARGIN["left"] + (np.asarray(x, dtype=float) - low) / (high - low) * span

    def py(self, y: np.ndarray | float) -> np.ndarray:
        """Return vertical places in the drawing, downwards."""
        (low, high), span = self.y_range, self.size[1] - MARGIN["top"] - MARGIN["bottom"]
        return self.size[1] - MARGIN["bottom"] - (np.asarray(y, dtype=float) - low) / (high - low) * span

    def axes(self, x_label: str, y_label: str, *, log: bool = False) -> None:
        """Add grid lines, tick labels and the names of the axes; with `log`, x holds logarithms."""
        right, bottom = self.size[0] - MARGIN["right"], self.size[1] - MARGIN["bottom"]
        for value in ticks(*self.y_range, about=4):
            y = float(self.py(value))
            self.marks.append(f'<line class="grid" x1="{MARGIN["left"]}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            self.text(MARGIN["left"] - 8, y + 4, tick_text(value), anchor="end")
        for value in log_ticks(*self.x_range) if log else ticks(*self.x_range, about=6):
            self.text(float(self.px(value)), bottom + 17, tick_text(10**value if log else value))
        self.marks.append(f'<line class="axis" x1="{MARGIN["left"]}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        self.text((MARGIN["left"] + right) / 2, self.size[1] - 6, x_label, kind="name")
        middle = (MARGIN["top"] + bottom) / 2
        self.marks.append(f'<text class="name" text-anchor="middle" '
                          f'transform="translate(13 {middle:.0f}) rotate(-90)">{escape(y_label)}</text>')

    def text(self, x: float, y: float, words: str, *, anchor: str = "middle", kind: str = "tick") -> None:
        """Add a text."""
        self.marks.append(f'<text class="{kind}" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>')

    def line(self, x: np.ndarray, y: np.ndarray, colour: int) -> None:
        """Add a line through points."""
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(self.px(x), self.py(y), strict=True))
        self.marks.append(f'<polyline class="line c{colour % COLOURS}" points="{points}"/>')

    def points(self, x: np.ndarray, y: np.ndarray, colour: int, radius: float = 2.4) -> None:
        """Add a cloud of points as one path, which keeps the page small."""
        spots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(self.px(x), self.py(y), strict=True))
        self.marks.append(f'<path class="cloud c{colour % COLOURS}" stroke-width="{2 * radius:g}" d="{spots}"/>')

    def rings(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add rings around points that deserve a look."""
        for a, b in zip(self.px(x), self.py(y), strict=True):
            self.marks.append(f'<circle class="ring" cx="{a:.1f}" cy="{b:.1f}" r="6"/>')

    def svg(self, title: str) -> Markup:
        """Return the drawing; `title` is what a screen reader says."""
        width, height = self.size
        return Markup(f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img">'
                      f"<title>{escape(title)}</title>{''.join(self.marks)}</svg>")


def _padded(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _range(arrays: Iterable[np.ndarray], pad: float = 0.04) -> tuple[float, float]:
    values = np.concatenate([np.asarray(a, dtype=float).ravel() for a in arrays] or [np.zeros(1)])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return low - pad * (high - low), high + pad * (high - low)


def legend(names: Sequence[str], colours: Sequence[int]) -> Markup:
    """Return the key of a chart as HTML."""
    keys = (f'<span class="key"><i class="swatch c{colour % COLOURS}"></i>{escape(name)}</span>'
            for name, colour in zip(names, colours, strict=True))
    return Markup(f'<p class="legend">{"".join(keys)}</p>')


def _drawn(series: Sequence[Series]) -> list[Series]:
    """Return the series without what is not finite, each with a colour; those without points are left out."""
    colours = [i if s.colour is None else s.colour for i, s in enumerate(series)]
    finite = [Series(s.name, *s.finite(), colour) for s, colour in zip(series, colours, strict=True)]
    return [s for s in finite if s.x.size]


def _keys(series: Sequence[Series]) -> Markup:
    return legend([s.name for s in series], [s.colour or 0 for s in series])


def lines(series: Sequence[Series], *, x_label: str, y_label: str, title: str, settled: float = 0.0) -> Markup:
    """Draw curves over a common axis, with their key; empty when there is nothing finite to draw.

    The axis spans the values after the first fraction `settled` of x: a training starts far away from where
    it is interesting. What lies outside is cut off.
    """
    drawn = _drawn(series)
    if not drawn:
        return Markup("")
    x_range = _range([s.x for s in drawn], pad=0)
    start = x_range[0] + settled * (x_range[1] - x_range[0])
    low, high = _range([s.y[s.x >= start] for s in drawn], pad=0.06)
    plot = Plot(x_range, (low, high))
    plot.axes(x_label, y_label)
    for s in drawn:
        inside = (s.y >= low) & (s.y <= high)
        plot.line(s.x[inside], s.y[inside], s.colour or 0)
    return plot.svg(title) + _keys(drawn)


def scatter(
    series: Sequence[Series], *, x_label: str, y_label: str, title: str, rings: Series | None = None,
    size: tuple[float, float] = (560, 380),
) -> Markup:
    """Draw clouds of points by group, with rings around the points of `rings`."""
    drawn = _drawn(series)
    plot = Plot(_range([s.x for s in drawn]), _range([s.y for s in drawn]), size)
    plot.axes(x_label, y_label)
    for s in drawn:
        plot.points(s.x, s.y, s.colour or 0)
    if rings is not None:
        plot.rings(*rings.finite())
    return plot.svg(title) + _keys(drawn)


def histogram(series: Sequence[Series], *, x_label: str, title: str, log: bool = False) -> Markup:
    """Draw step histograms of the x of each series over common bins, equal in the logarithm on request."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = [Series(s.name, np.log10(s.x) if log else s.x, np.zeros(len(s.x)), s.colour) for s in series]
    drawn = _drawn(values)
    if not drawn:
        return Markup("")
    edges = np.linspace(*_padded(*_range([s.x for s in drawn], pad=0)), 29)
    counts = [np.histogram(s.x, edges)[0] for s in drawn]
    plot = Plot((edges[0], edges[-1]), (0, 1.05 * max(c.max() for c in counts)))
    plot.axes(x_label, "objects", log=log)
    for s, count in zip(drawn, counts, strict=True):
        plot.line(np.repeat(edges, 2), np.concatenate([[0], np.repeat(count, 2), [0]]), s.colour or 0)
    return plot.svg(title) + _keys(drawn)

