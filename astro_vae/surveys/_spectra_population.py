"""Draw the population of a simulated spectroscopic survey: classes, redshifts, stars, gas, nuclei, anomalies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

Rng = np.random.Generator
CLASSES = ("quiescent", "star-forming", "narrow-line AGN", "broad-line AGN")
HOSTS = {
    "wrong_redshift": CLASSES[:3],
    "two_objects": CLASSES[:3],
    "spurious_line": CLASSES,
    "missing_lines": CLASSES[1:3],
    "featureless": CLASSES[:1],
    "broad_absorption": CLASSES,
    "flux_step": CLASSES,
}
"""Kinds of planted anomalies, and the classes of the objects that they befall."""
REDSHIFTS = {"broad-line AGN": (0.18, 0.35)}  # median and scatter (natural logarithm)
REDSHIFT = (0.09, 0.45)  # of galaxies
REDSHIFT_RANGE = (0.02, 0.28)  # within it 0.8 of the usual grid is covered
REDSHIFT_ERR = 2e-5
WRONG_BY = (0.03, 0.12)  # of the redshift
BRIGHTNESS = 0.45  # scatter of the flux density (natural logarithm)
FIELD_RA_DEG, FIELD_DEC_DEG = (120.0, 250.0), (0.0, 60.0)


@dataclass(frozen=True)
class Properties:
    """What makes the spectrum of an object.

    Attributes
    ----------
    age_gyr, young_age_gyr : float
        Of the older and the younger stars.
    young_share : float
        Of the stars' light at 5500 Angstrom.
    stellar_sigma_kms, gas_sigma_kms : float
        Standard deviations of velocities.
    gas_ebv : float
        Colour excess of the gas (mag); stars have 0.44 of it (Calzetti et al. 2000).
    gas_ha_ew_aa : float
        Equivalent width of narrow H-alpha, 0 without gas.
    gas_log_nii_ha, gas_log_oiii_hb : float
        Ratios of the narrow lines; 0 without gas.
    nuclear_share : float
        Of the light at 5500 Angstrom from the continuum of a broad-line nucleus.
    slope : float
        Of that continuum, flux per Angstrom.
    blr_ew_aa, blr_sigma_kms : float
        Of the broad component of H-alpha; 0 without one.
    iron_ew_aa : float
        Equivalent width of blends of FeII by the nuclear continuum.
    """

    age_gyr: float
    young_share: float = 0.0
    young_age_gyr: float = 1.0
    stellar_sigma_kms: float = 200.0
    gas_sigma_kms: float = 100.0
    gas_ebv: float = 0.0
    gas_ha_ew_aa: float = 0.0
    gas_log_nii_ha: float = 0.0
    gas_log_oiii_hb: float = 0.0
    nuclear_share: float = 0.0
    slope: float = 0.0
    blr_ew_aa: float = 0.0
    blr_sigma_kms: float = 0.0
    iron_ew_aa: float = 0.0


def _quiescent(rng: Rng) -> Properties:
    return Properties(
        age_gyr=rng.uniform(5, 12), young_share=rng.uniform(0, 0.1), young_age_gyr=rng.uniform(0.8, 2.5),
        stellar_sigma_kms=rng.uniform(120, 300), gas_ebv=min(rng.exponential(0.12), 0.4),
    )


def star_forming_ratio(gas_log_nii_ha: float) -> float:
    """Return log10 [OIII]/H-beta of star-forming galaxies (Kewley et al. 2013, ApJ 774, L10, eq. 3, at z = 0)."""
    return 0.61 / (gas_log_nii_ha + 0.08) + 1.1


def _star_forming(rng: Rng) -> Properties:
    young = rng.beta(2.2, 2.0)
    n2 = rng.uniform(-1.2, -0.4) if young > 0.5 else rng.uniform(-0.65, -0.38)
    return Properties(
        age_gyr=rng.uniform(3, 10), young_share=0.2 + 0.75 * young, young_age_gyr=10 ** rng.uniform(-2, -0.4),
        stellar_sigma_kms=rng.uniform(60, 150), gas_sigma_kms=rng.uniform(50, 130),
        gas_ebv=min(rng.gamma(3, 0.1), 0.9), gas_ha_ew_aa=float(np.exp(2.4 + 1.9 * young + rng.normal(0, 0.35))),
        gas_log_nii_ha=n2, gas_log_oiii_hb=star_forming_ratio(n2) + rng.normal(0, 0.06),
    )


def _narrow_line(rng: Rng) -> Properties:
    seyfert = rng.uniform() < 0.7
    ratios = (rng.normal(-0.05, 0.1), rng.normal(0.9, 0.12)) if seyfert else (rng.normal(0.08, 0.07),
                                                                             rng.normal(0.36, 0.06))
    return Properties(
        age_gyr=rng.uniform(3, 11), young_share=rng.uniform(0.05, 0.45), young_age_gyr=10 ** rng.uniform(-1, 0),
        stellar_sigma_kms=rng.uniform(100, 250), gas_sigma_kms=rng.uniform(110, 250),
        gas_ebv=min(rng.gamma(3, 0.1), 0.9), gas_ha_ew_aa=float(np.exp((2.9 if seyfert else 2.1) + rng.normal(0, 0.4))),
        gas_log_nii_ha=ratios[0], gas_log_oiii_hb=ratios[1],
    )


def _broad_line(rng: Rng) -> Properties:
    share = rng.uniform(0.35, 0.97)
    return Properties(
        age_gyr=rng.uniform(3, 10), young_share=rng.uniform(0.05, 0.5), young_age_gyr=10 ** rng.uniform(-1, 0),
        gas_sigma_kms=rng.uniform(110, 250), gas_ebv=min(rng.gamma(2, 0.06), 0.5),
        gas_ha_ew_aa=float(np.exp(2.5 + rng.normal(0, 0.5))), gas_log_nii_ha=rng.normal(-0.1, 0.1),
        gas_log_oiii_hb=rng.normal(0.95, 0.12), nuclear_share=share, slope=rng.uniform(-2.0, -0.6),
        blr_ew_aa=float(share * np.exp(5.3 + rng.normal(0, 0.35))),
        blr_sigma_kms=float(np.exp(rng.normal(7.35, 0.35))), iron_ew_aa=rng.exponential(22),
    )


DRAW: dict[str, Callable[[Rng], Properties]] = dict(
    zip(CLASSES, (_quiescent, _star_forming, _narrow_line, _broad_line), strict=True)
)


def draw_population(
    seed: int, *, labelled: int, unlabelled: int, anomalies: int, median_flux: float
) -> pd.DataFrame:
    """Draw a row per object: its name, label, true class, position and redshift, and its `Properties`.

    Which number gets which class depends on the seed and all numbers of objects; all else of an object on the
    seed, its class and its number alone.

    Parameters
    ----------
    seed : int
    labelled, unlabelled, anomalies : int
        Numbers of objects.
    median_flux : float
        Median flux density at 5500 Angstrom in the rest frame, 1e-17 erg / (s cm2 Angstrom).
    """
    kinds: list[tuple[str, str, str]] = [(name, name, "") for name in _alternate(CLASSES, labelled)]
    kinds += [(name, "", "") for name in _alternate(CLASSES, unlabelled)]
    for i, kind in enumerate(_alternate(tuple(HOSTS), anomalies)):
        hosts = HOSTS[kind]
        kinds.append((hosts[i // len(HOSTS) % len(hosts)], "", kind))
    order = np.random.default_rng(seed).permutation(len(kinds))
    rows = [_row(np.random.default_rng([seed, i]), f"sim_{i:05d}", *kinds[j]) for i, j in enumerate(order)]
    table = pd.DataFrame(rows)
    return table.assign(true_flux=(median_flux * table["true_flux"]).round(4))


def _alternate(names: tuple[str, ...], number: int) -> list[str]:
    return [names[i % len(names)] for i in range(number)]


def _row(rng: Rng, object_id: str, name: str, label: str, anomaly: str) -> dict[str, Any]:
    """Draw an object; its flux is by the median."""
    redshift = _redshift(rng, *REDSHIFTS.get(name, REDSHIFT))
    sin_low, sin_high = np.sin(np.deg2rad(FIELD_DEC_DEG))
    error = REDSHIFT_ERR * rng.lognormal(0, 0.4)
    given = redshift + rng.normal(0, error)
    return {
        "object_id": object_id, "label": label, "true_class": name, "is_anomaly": int(bool(anomaly)),
        "anomaly_kind": anomaly, "ra": round(rng.uniform(*FIELD_RA_DEG), 6),
        "dec": round(float(np.rad2deg(np.arcsin(rng.uniform(sin_low, sin_high)))), 6),
        "ebv": round(min(float(rng.lognormal(np.log(0.03), 0.6)), 0.3), 4), "true_redshift": redshift,
        "redshift": round(_wrong(rng, redshift) if anomaly == "wrong_redshift" else given, 6),
        "redshift_err": round(error, 7), "true_flux": rng.lognormal(0, BRIGHTNESS),
    } | {key: round(float(value), 5) for key, value in asdict(DRAW[name](rng)).items()}


def _redshift(rng: Rng, median: float, scatter: float) -> float:
    """Draw until the redshift is in range."""
    while True:
        redshift = round(median * float(rng.lognormal(0, scatter)), 6)
        if REDSHIFT_RANGE[0] < redshift < REDSHIFT_RANGE[1]:
            return redshift


def _wrong(rng: Rng, redshift: float) -> float:
    """Return a redshift that is wrong, above or below, and in range."""
    by = rng.uniform(*WRONG_BY)
    below = redshift - by > REDSHIFT_RANGE[0] and rng.uniform() < 0.5
    above = redshift + by < REDSHIFT_RANGE[1]
    return redshift - by if below or not above else redshift + by
