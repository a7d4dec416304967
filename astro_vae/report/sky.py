"""Draw where objects lie on the sky: a Mollweide map of ICRS positions, East to the left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from astro_vae.report.charts import Plot, Series, legend

CENTRE_DEG = 180.0  # right ascension in the middle: the northern galactic cap is then in one piece
SIZE = (560.0, 330.0)


def mollweide(ra_deg: np.ndarray, dec_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project positions to x in [-2, 2] (East to the left) and y in [-1, 1].

    The auxiliary angle solves 2 t + sin 2t = pi sin(dec) by Newton's method (Snyder 1987, eq. 31-4).

    Parameters
    ----------
    ra_deg, dec_deg : ndarray, shape (N,)
        ICRS, degrees.
    """
    dec = np.radians(np.asarray(dec_deg, dtype=float))
    lon = np.radians((np.asarray(ra_deg, dtype=float) - CENTRE_DEG + 180) % 360 - 180)
    theta = 0.9 * dec  # inside the poles, where the derivative of the equation vanishes
    for _ in range(40):
        slope = np.maximum(2 + 2 * np.cos(2 * theta), 1e-9)
        theta = np.clip(theta - (2 * theta + np.sin(2 * theta) - np.pi * np.sin(dec)) / slope, -np.pi / 2, np.pi / 2)
    return -2 * lon / np.pi * np.cos(theta), np.sin(theta)


def sky_map(series: Sequence[Series], *, title: str) -> Markup:
    """Draw positions by group (x and y: right ascension and declination, degrees); empty when none is known."""
    places = [s.finite() for s in series]
    total = sum(len(ra) for ra, _ in places)
    if not total:
        return Markup("")
    plot = Plot((-2.06, 2.06), (-1.04, 1.1), SIZE)
    _graticule(plot)
    for s, (ra, dec) in zip(series, places, strict=True):
        plot.points(*mollweide(ra, dec), s.colour or 0, 1.7 if total > 300 else 2.6)
    _names(plot)
    return plot.svg(title) + legend([s.name for s in series], [s.colour or 0 for s in series])


def _graticule(plot: Plot) -> None:
    along = np.linspace(-89.9, 89.9, 61)
    for hour in range(2, 24, 2):
        _grid_line(plot, *mollweide(np.full(61, 15.0 * hour), along))
    for dec in (-60, -30, 0, 30, 60):
        _grid_line(plot, *mollweide(np.linspace(0.01, 359.99, 91), np.full(91, float(dec))))
    for edge in (0.01, 359.99):
        _grid_line(plot, *mollweide(np.full(61, edge), along), kind="axis")


def _names(plot: Plot) -> None:
    """Write hours and degrees over the points, which would hide them."""
    for dec in (-60, -30, 0, 30, 60):
        x, y = mollweide(np.array([359.99]), np.array([float(dec)]))
        plot.text(float(plot.px(x[0])) - 6, float(plot.py(y[0])) + 4, f"{dec:+d}°" if dec else "0°", anchor="end")
    for hour in (3, 6, 9, 12, 15, 18, 21):
        x, y = mollweide(np.array([15.0 * hour]), np.array([0.0]))
        plot.text(float(plot.px(x[0])), float(plot.py(y[0])) - 4, f"{hour}h")
    plot.text(SIZE[0] / 2, SIZE[1] - 14, "right ascension, declination (ICRS)", kind="name")


def _grid_line(plot: Plot, x: np.ndarray, y: np.ndarray, kind: str = "grid") -> None:
    order = np.argsort(x) if kind == "grid" and np.ptp(y) < 1e-9 else np.arange(len(x))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(plot.px(x[order]), plot.py(y[order]), strict=True))
    plot.marks.append(f'<polyline class="{kind} open" points="{points}"/>')
