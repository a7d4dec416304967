"""Continua of simulated spectra: stellar populations from young to old, and active nuclei; no emission lines.

A population is a mixture of stars of seven temperatures. Each has a black body with the absorption that its
spectral type has: Balmer lines and jump, the break at 4000 Angstrom, the strongest lines and bands of metals and
molecules, and a forest of weak ones. These are caricatures with the right indices, no models of atmospheres.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from astro_vae.spectra.spectrum import LIGHT_KMS

LOG_STEP = 5e-5  # of the table of stars, half a pixel of SDSS
TABLE_AA = 10 ** np.arange(3.43, 3.99, LOG_STEP)
PIVOT_AA = 5500.0  # where continua are 1
HC_OVER_K = 1.43877688e8  # Angstrom K


class Star(NamedTuple):
    """What a spectral type absorbs.

    Attributes
    ----------
    temperature : float
        Of the black body, K.
    balmer_aa, width_aa : float
        Equivalent width of H-gamma, and full width at half maximum of its wings.
    jump : float
        Flux above the Balmer jump by that below.
    metals, molecules : float
        Strength of lines of metals and of bands of TiO and CN; 1 for a K star and an M star.
    """

    temperature: float
    balmer_aa: float
    width_aa: float
    jump: float
    metals: float
    molecules: float


STARS = (
    Star(32000, 2.5, 8, 1.05, 0.00, 0.0),
    Star(16000, 6.0, 14, 1.4, 0.03, 0.0),
    Star(9500, 17.0, 22, 2.1, 0.12, 0.0),
    Star(6900, 7.5, 13, 1.6, 0.45, 0.0),
    Star(5700, 3.0, 8, 1.15, 0.80, 0.05),
    Star(4500, 1.0, 6, 1.0, 1.10, 0.25),
    Star(3600, 0.0, 6, 1.0, 1.20, 1.0),
)
AGES_GYR = (0.005, 0.05, 0.3, 1.0, 3.0, 12.0)
LIGHT = np.array([  # share of each star in the light at 5500 Angstrom, by age
    [0.62, 0.28, 0.05, 0.00, 0.00, 0.02, 0.03],
    [0.06, 0.58, 0.21, 0.04, 0.01, 0.06, 0.04],
    [0.00, 0.12, 0.66, 0.09, 0.04, 0.07, 0.02],
    [0.00, 0.01, 0.40, 0.33, 0.11, 0.12, 0.03],
    [0.00, 0.00, 0.03, 0.42, 0.31, 0.20, 0.04],
    [0.00, 0.00, 0.00, 0.06, 0.36, 0.48, 0.10],
])
BALMER_AA = tuple(3647.05 * n**2 / (n**2 - 4) for n in range(3, 21))
BALMER_SHARES = (0.55, 0.9, 1.0, 1.0, 0.95, 0.85, 0.75, 0.65, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.13, 0.1, 0.08, 0.06)
JUMP_AA, JUMP_WIDTH_AA = 3700.0, 25.0  # the last lines of the series move the jump to the red
BREAK_AA, BREAK_WIDTH_AA, BREAK_DEPTH = 3990.0, 12.0, 0.47
METALS = (  # vacuum wavelength, standard deviation, equivalent width in a K star, all in Angstrom
    (3735, 8, 5.0), (3825, 9, 6.0), (3934.8, 5.0, 8.0), (3969.6, 5.0, 6.5), (4055, 14, 4.0), (4150, 14, 5.0),
    (4227.9, 3, 1.4), (4305, 8, 6.0), (4384.8, 4, 3.5), (4532, 7, 2.8), (4669, 10, 4.0), (5016, 10, 3.5),
    (5110, 35, 4.0), (5168.7, 2.5, 1.0), (5174.1, 2.5, 1.3), (5185.0, 2.5, 1.4), (5271, 5, 2.6), (5329, 4, 2.0),
    (5407.7, 4, 1.4), (5710, 3, 0.8), (5891.6, 1.6, 1.9), (5897.6, 1.6, 1.5), (6497.5, 4, 1.0), (8500.4, 2.5, 1.4),
    (8544.4, 2.5, 3.4), (8664.5, 2.5, 2.8),
)
MOLECULES = (  # the same, in an M star
    (3870, 14, 10.0), (4770, 25, 8.0), (4970, 25, 10.0), (5230, 30, 10.0), (5480, 25, 8.0), (5900, 30, 14.0),
    (6230, 35, 10.0), (6800, 40, 6.0), (7130, 50, 30.0), (7680, 35, 10.0), (8880, 40, 15.0),
)
FOREST_LINES, FOREST_SEED = 1500, 20100  # the weak lines are the same for all stars
IRON = (  # strongest blends of FeII in broad-line nuclei: vacuum wavelength, relative flux (after Boroson & Green 1992)
    (4234, 0.5), (4305, 0.4), (4353, 0.6), (4418, 0.4), (4492, 0.6), (4525, 0.8), (4557, 0.9), (4585, 1.0),
    (4630, 0.9), (4668, 0.5), (4925, 0.8), (5020, 0.9), (5170, 1.0), (5199, 0.8), (5236, 0.9), (5277, 1.1),
    (5318, 1.2), (5364, 0.6), (5536, 0.3), (6149, 0.2), (6249, 0.3), (6458, 0.3),
)


def black_body(wave_aa: np.ndarray, temperature: float) -> np.ndarray:
    """Return the flux per Angstrom of a black body (K), 1 at `PIVOT_AA`."""
    x, pivot = HC_OVER_K / (wave_aa * temperature), HC_OVER_K / (PIVOT_AA * temperature)
    return (PIVOT_AA / wave_aa) ** 5 * np.expm1(pivot) / np.expm1(x)


def _gaussian(wave_aa: np.ndarray, centre: float, sigma: float) -> np.ndarray:
    return np.exp(-0.5 * ((wave_aa - centre) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)


@cache
def _forest() -> np.ndarray:
    """Return the optical depth of the weak lines in a K star; most are in the blue: (T,)."""
    rng = np.random.default_rng(FOREST_SEED)
    centres = 3000 * (1 - rng.uniform(0, 1 - (3000 / 9700) ** 3, FOREST_LINES)) ** (-1 / 3)
    depth = np.zeros_like(TABLE_AA)
    for centre, strength in zip(centres, rng.exponential(0.35, FOREST_LINES), strict=True):
        near = slice(*np.searchsorted(TABLE_AA, (centre - 8, centre + 8)).tolist())
        depth[near] += strength * _gaussian(TABLE_AA[near], centre, 1.5)
    return depth


@cache
def stars() -> np.ndarray:
    """Return the spectra of `STARS` at `TABLE_AA` in the rest frame, 1 at `PIVOT_AA`: (7, T), not to be changed."""
    table = np.stack([_star(star) for star in STARS])
    table.flags.writeable = False
    return table


def _star(star: Star) -> np.ndarray:
    wave = TABLE_AA
    depth = star.metals * (_forest() + sum(width * _gaussian(wave, at, sigma) for at, sigma, width in METALS))
    depth = depth + star.molecules * sum(width * _gaussian(wave, at, sigma) for at, sigma, width in MOLECULES)
    half = star.width_aa / 2
    for centre, share in zip(BALMER_AA, BALMER_SHARES, strict=True):
        depth = depth + star.balmer_aa * share * half / np.pi / ((wave - centre) ** 2 + half**2)
    below_jump = 1 / (1 + np.exp((wave - JUMP_AA) / JUMP_WIDTH_AA))
    below_break = 1 / (1 + np.exp((wave - BREAK_AA) / BREAK_WIDTH_AA))
    flux = black_body(wave, star.temperature) * np.exp(-depth)
    flux *= (1 - BREAK_DEPTH * min(star.metals, 1.0) * below_break) / (1 + (star.jump - 1) * below_jump)
    return flux / _level(flux)


def _level(flux: np.ndarray) -> float:
    """Return the mean flux near `PIVOT_AA`."""
    return float(flux[np.abs(TABLE_AA - PIVOT_AA) < 40].mean())


def population(age_gyr: float) -> np.ndarray:
    """Return the spectrum of stars of one age at `TABLE_AA`, 1 at `PIVOT_AA`: (T,)."""
    x = np.log10(np.clip(age_gyr, AGES_GYR[0], AGES_GYR[-1]))
    light = [np.interp(x, np.log10(AGES_GYR), column) for column in LIGHT.T]
    return np.array(light) @ stars()


def galaxy(age_gyr: float, young: float, young_age_gyr: float) -> np.ndarray:
    """Return an old population with a share `young` of the light at `PIVOT_AA` from a younger one: (T,)."""
    return (1 - young) * population(age_gyr) + young * population(young_age_gyr)


def nucleus(slope: float, iron: float, sigma_kms: float) -> np.ndarray:
    """Return the continuum of a broad-line nucleus at `TABLE_AA`, 1 at `PIVOT_AA` without iron: (T,).

    Parameters
    ----------
    slope : float
        Of the power law, flux per Angstrom.
    iron : float
        Equivalent width of the blends of FeII from 4434 to 4684 Angstrom, Angstrom.
    sigma_kms : float
        Width of these blends.
    """
    power = (TABLE_AA / PIVOT_AA) ** slope
    balmer = black_body(TABLE_AA, 15000) * 0.2 / (1 + np.exp((TABLE_AA - 3680) / 60))  # the small blue bump
    blends = sum(share * _gaussian(TABLE_AA, at, at * sigma_kms / LIGHT_KMS) for at, share in IRON)
    optical = sum(share for at, share in IRON if 4434 < at < 4684)
    return power + balmer + iron / optical * (4560 / PIVOT_AA) ** slope * blends


def reddened(wave_aa: np.ndarray, ebv: float) -> np.ndarray:
    """Return the part of the light that dust of this colour excess (mag) lets through (Fitzpatrick 1999, R_V 3.1)."""
    from astropy import units
    from dust_extinction.parameter_averages import F99

    return F99(Rv=3.1).extinguish(wave_aa * units.AA, Ebv=ebv)
