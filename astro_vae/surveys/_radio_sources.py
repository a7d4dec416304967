"""Shapes of simulated radio sources, as round blobs in arcsec along and across the axis of their jets.

An arm is the jet of one side: its path bends, and what the jet does along it decides the class. In FRI
sources the jets shine brightest near the core, decelerate, widen and fade into plumes; in FRII sources they
stay fast and dark until they end in hot spots, from which lobes flow back (Fanaroff & Riley 1974). The side
that comes towards us is brightened by

.. math::
    D^{2+\\alpha}, \\quad D = \\frac{1}{\\Gamma (1 - \\beta \\cos\\theta)}

for speed beta (units of c), angle theta between jet and line of sight, and spectral index alpha = 0.7
(Blandford & Koenigl 1979, for a continuous jet); Gamma cancels, since fluxes are relative to a right angle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator
SPECTRAL_INDEX = 0.7


@dataclass(frozen=True)
class Blobs:
    """Round Gaussian blobs.

    Attributes
    ----------
    along, across : ndarray, shape (K,)
        Offsets from the core (arcsec); `across` is left of `along`.
    sigma : ndarray, shape (K,)
        Standard deviations (arcsec); 0 for a point.
    flux : ndarray, shape (K,)
        Flux densities (any unit).
    """

    along: np.ndarray
    across: np.ndarray
    sigma: np.ndarray
    flux: np.ndarray

    def scaled(self, total: float) -> Blobs:
        """Return the same blobs with another total flux."""
        return Blobs(self.along, self.across, self.sigma, self.flux * (total / self.flux.sum()))

    def turned(self, angle_deg: float) -> Blobs:
        """Return the blobs turned counter-clockwise, from `along` to `across`."""
        c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
        return Blobs(c * self.along - s * self.across, s * self.along + c * self.across, self.sigma, self.flux)


def join(*parts: Blobs) -> Blobs:
    """Put blobs together."""
    fields = ("along", "across", "sigma", "flux")
    return Blobs(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def blob(along: float, across: float, sigma: float, flux: float) -> Blobs:
    """Return one blob."""
    return Blobs(*(np.array([value], float) for value in (along, across, sigma, flux)))


def doppler(beta: float, inclination_deg: float) -> float:
    """Return how much brighter a jet at this angle to the line of sight is than one at a right angle."""
    return float((1 - beta * np.cos(np.deg2rad(inclination_deg))) ** -(2 + SPECTRAL_INDEX))


@dataclass(frozen=True)
class Geometry:
    """What all shapes have in common.

    Attributes
    ----------
    length : float
        Projected length of the longer arm (arcsec).
    inclination_deg : float
        Angle between the approaching jet and the line of sight, in (0, 90].
    """

    length: float
    inclination_deg: float


@dataclass(frozen=True)
class Path:
    """The way of an arm: it leaves along the axis and bends.

    Attributes
    ----------
    length : float
        Along the way (arcsec).
    turn_deg : float
        By how much the heading has changed at the end.
    late : float
        Power of the fraction of the way with which it changes; 1 is an arc.
    wiggle_deg, phase : float
        Amplitude and phase (cycles) of a wave of the heading that grows outwards.
    """

    length: float
    turn_deg: float = 0.0
    late: float = 1.0
    wiggle_deg: float = 0.0
    phase: float = 0.0

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the points at fractions `s` of the way, along and across the axis (arcsec)."""
        grid = np.linspace(0, 1, 65)
        wave = np.sin(2 * np.pi * (1.2 * grid + self.phase)) * np.sqrt(grid)
        heading = np.deg2rad(self.turn_deg * grid**self.late + self.wiggle_deg * wave)
        steps = self.length / 64 * np.stack([np.cos(heading), np.sin(heading)])
        points = np.concatenate([np.zeros((2, 1)), np.cumsum(steps[:, 1:], axis=1)], axis=1)
        return np.interp(s, grid, points[0]), np.interp(s, grid, points[1])


def _arm(rng: Rng, s: np.ndarray, width: np.ndarray, flux: np.ndarray, path: Path) -> Blobs:
    """Lay blobs at fractions `s` of a path; they scatter across it and are 0.6 of the width wide."""
    along, across = path.at(s)
    scatter = width * rng.standard_normal((2, len(s)))
    return Blobs(along + 0.5 * scatter[0], across + 0.7 * scatter[1], 0.6 * width, flux)


def _knots(rng: Rng, s: np.ndarray, strength: float) -> np.ndarray:
    """Return a factor with mean near 1 that varies smoothly along an arm, as shocks make a jet brighter."""
    phases, waves = rng.uniform(0, 1, 4)[:, None], np.array([1.3, 2.6, 4.1, 6.3])[:, None]
    pattern = np.sin(2 * np.pi * (waves * s + phases)) * rng.normal(0, strength, 4)[:, None]
    return np.exp(pattern.sum(axis=0) - strength**2)


def _two_sided(arm: Callable[[bool], Blobs]) -> Blobs:
    """Join the approaching arm and the receding one, which leaves the other way."""
    return join(arm(True), arm(False).turned(180))


def fri(rng: Rng, geometry: Geometry, *, turn_deg: float | None = None) -> Blobs:
    """Make an FRI source: bright inner jets that fade outwards into plumes.

    `turn_deg` is by how much the two jets bend to the same side; a small random one unless given.
    """
    turn = rng.normal(0, 25) if turn_deg is None else turn_deg
    mirror = rng.choice([-1, 1]) if turn_deg is None else -1  # S-shaped or C-shaped
    speed, brightest, plume = rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.42), rng.uniform(0.15, 0.8)
    opening, shorter, late = rng.uniform(0.05, 0.17), rng.uniform(0.6, 1), rng.uniform(0.7, 2.5)

    def arm(approaching: bool) -> Blobs:
        s = np.sort(rng.uniform(0.02, 1, 90))
        jet = (s / brightest) * np.exp(1 - s / brightest)
        slower = speed * np.exp(-s / 0.3)
        cosine = np.cos(np.deg2rad(geometry.inclination_deg)) * (1 if approaching else -1)
        boost = (1 - slower * cosine) ** -(2 + SPECTRAL_INDEX)
        flux = (jet * boost + plume * np.clip((s - 0.25) / 0.4, 0, 1)) * _knots(rng, s, 0.6)
        path = Path(geometry.length * (1 if approaching else shorter), turn if approaching else mirror * turn,
                    late, rng.uniform(0, 40), rng.uniform())
        return _arm(rng, s, geometry.length * (0.015 + opening * s**1.5), flux, path)

    jets = _two_sided(arm).scaled(1)
    core = blob(0, 0, 0, np.exp(rng.normal(np.log(0.08), 1.1)) * min(doppler(0.3, geometry.inclination_deg), 2))
    return join(core, jets)


def frii(rng: Rng, geometry: Geometry, *, turn_deg: float = 0.0, hot: tuple[float, float] = (0.1, 0.55)) -> Blobs:
    """Make an FRII source: dark jets, hot spots at the ends, lobes that flow back from them.

    `turn_deg` bends both arms to the same side; `hot` is the range of the part of an arm's flux that is in
    its hot spot.
    """
    ratio, shorter = np.exp(rng.normal(0, 0.3)), rng.uniform(0.7, 1)
    back, fat, misaligned = rng.uniform(0.12, 0.5), rng.uniform(0.08, 0.25), rng.normal(0, 7)
    longer_first = rng.uniform() < 0.5

    def arm(approaching: bool) -> Blobs:
        length = geometry.length * (1 if approaching == longer_first else shorter)
        s = np.clip(1 - np.abs(rng.normal(0, back * rng.uniform(0.7, 1.3), 80)), 0.1, 0.97)
        width = length * fat * np.clip(2.2 * np.sqrt(s * (1.02 - s)), 0.3, 1)
        path = Path(length, turn_deg if approaching else misaligned - turn_deg)
        lobe, end = _arm(rng, s, width, _knots(rng, s, 0.3), path), path.at(np.array([1.0]))
        spot = blob(end[0][0], end[1][0], rng.uniform(0.4, 1.0) + rng.uniform(0.03, 0.07) * length, 1)
        part, angle = rng.uniform(*hot), geometry.inclination_deg
        side = (ratio if approaching else 1 / ratio) * doppler(0.15, angle if approaching else 180 - angle)
        return join(lobe.scaled((1 - part) * side), spot.scaled(part * side))

    lobes = _two_sided(arm).scaled(1)
    core = blob(0, 0, 0, np.exp(rng.normal(np.log(0.012), 1.0)) * min(doppler(0.5, geometry.inclination_deg), 10))
    return join(core, lobes, _jet(rng, geometry)) if rng.uniform() < 0.35 else join(core, lobes)


def _jet(rng: Rng, geometry: Geometry) -> Blobs:
    """Return the faint straight jet that is seen on the approaching side of some FRII sources."""
    s = np.linspace(0.1, 0.8, 20)
    flux = rng.uniform(0.01, 0.06) / 20 * _knots(rng, s, 0.5)
    return Blobs(s * geometry.length, np.zeros(20), np.full(20, 0.01 * geometry.length), flux)


def compact(rng: Rng, geometry: Geometry) -> Blobs:
    """Make a source that the beam hardly resolves: one component, or two that lie close together."""
    size = 2 * geometry.length
    if rng.uniform() < 0.3:
        return join(blob(size / 2, 0, 0.2 * size, 1), blob(-size / 2, 0, 0.2 * size, rng.uniform(0.1, 0.9)))
    return blob(0, 0, 0.4 * size, 1)


def bent(rng: Rng, geometry: Geometry) -> Blobs:
    """Make a source whose jets are swept to one side by the gas of its cluster: wide-angle or narrow-angle tail."""
    if rng.uniform() < 0.35:  # wide-angle tails end in lobes
        return frii(rng, geometry, turn_deg=rng.uniform(60, 100), hot=(0.1, 0.3))
    return fri(rng, geometry, turn_deg=rng.uniform(60, 130))


def ring(rng: Rng, geometry: Geometry) -> Blobs:
    """Make an odd radio circle: an edge-brightened ring around a faint core."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = 0.75 * geometry.length * (1 + 0.06 * np.cos(2 * angle + rng.uniform(0, 6)))
    squash, thick = rng.uniform(0.75, 1), rng.uniform(0.05, 0.1) * geometry.length
    flux = 1 + 0.5 * np.cos(angle - rng.uniform(0, 6)) + 0.2 * rng.standard_normal(90)
    shell = Blobs(radius * np.cos(angle), squash * radius * np.sin(angle), np.full(90, thick), np.clip(flux, 0.1, None))
    return join(shell.scaled(1), blob(0, 0, 0, rng.uniform(0.005, 0.03)))


def x_shaped(rng: Rng, geometry: Geometry) -> Blobs:
    """Make an X-shaped source: an FRII source with long faint wings across it."""
    active = frii(rng, Geometry(0.75 * geometry.length, geometry.inclination_deg))
    s = np.sort(rng.uniform(0.05, 1, 60))
    width, length = geometry.length * (0.04 + 0.06 * s), rng.uniform(0.8, 1.1) * geometry.length
    wings = _two_sided(lambda _: _arm(rng, s, width, _knots(rng, s, 0.2) * (1.2 - s), Path(length, 8.0)))
    return join(active.scaled(1), wings.scaled(rng.uniform(0.7, 1.3)).turned(rng.uniform(60, 110)))


def double_double(rng: Rng, geometry: Geometry) -> Blobs:
    """Make a restarted source: a young bright pair of hot spots inside the lobes of an older one."""
    old = frii(rng, geometry, hot=(0.05, 0.2))
    young = frii(rng, Geometry(rng.uniform(0.25, 0.45) * geometry.length, geometry.inclination_deg), hot=(0.6, 0.9))
    return join(old.scaled(1), young.scaled(rng.uniform(0.5, 1.2)).turned(rng.normal(0, 3)))


def one_sided(rng: Rng, geometry: Geometry) -> Blobs:
    """Make a source of which only one long jet is seen, with a bright core and a hot spot at its end."""
    s = np.sort(rng.uniform(0.03, 1, 70))
    width = geometry.length * (0.008 + 0.02 * s)
    path = Path(1.7 * geometry.length, rng.normal(0, 25), 1.0, rng.uniform(0, 12))
    jet = _arm(rng, s, width, _knots(rng, s, 0.6), path)
    return join(blob(0, 0, 0, rng.uniform(0.3, 0.8)), jet.scaled(1))


SHAPES: dict[str, Callable[[Rng, Geometry], Blobs]] = {
    "FRI": fri, "FRII": frii, "compact": compact, "bent": bent,
    "ring": ring, "x_shaped": x_shaped, "double_double": double_double, "one_sided": one_sided,
    "artefact": fri,  # what is odd about it is the image, not the source
}
ANOMALIES = ("ring", "x_shaped", "double_double", "one_sided", "artefact")
