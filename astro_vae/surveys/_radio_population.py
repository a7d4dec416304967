"""Draw the population of a simulated survey: classes, positions, redshifts, sizes, flux densities, angles."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astro_vae.surveys._radio_sources import ANOMALIES, SPECTRAL_INDEX, Rng

# Median and scatter (natural logarithm) of redshift and size (kpc), near those of MiraBest's confident sources.
REDSHIFTS = {"FRI": (0.16, 0.5), "FRII": (0.23, 0.5)}
SIZES_KPC = {"FRI": (270.0, 0.6), "FRII": (115.0, 0.95)}
LARGER = {"ring": 1.2, "x_shaped": 1.3, "double_double": 1.8, "one_sided": 1.3, "bent": 1.1, "compact": 0.02}
LIKE_FRII = ("FRII", "x_shaped", "double_double")
RESOLVED_ARCSEC = (10.0, 190.0)  # smaller ones are not told from points, larger ones leave the field
ANOMALIES_ARCSEC = (60.0, 170.0)
COMPACT_ARCSEC = (0.2, 4.0)
COUNTS_SLOPE = 1.1  # of the number of sources brighter than a flux density
BRIGHTEST_MJY = 3000.0
FIELD_RA_DEG, FIELD_DEC_DEG = (110.0, 260.0), (5.0, 60.0)  # where FIRST's beam is round


def draw_population(
    rng: Rng, *, labelled: int, unlabelled: int, other: int, anomalies: int, min_flux_mjy: float
) -> pd.DataFrame:
    """Draw a row per object: object_id, label, true_class, position, and what makes its image.

    Parameters
    ----------
    rng : Generator
    labelled, unlabelled, other, anomalies : int
        Numbers of FRI and FRII with and without label, of compact and bent sources, and of planted anomalies.
    min_flux_mjy : float
        Least integrated flux density (mJy).
    """
    classes, labels = _classes(rng, labelled, unlabelled, other, anomalies)
    like = ["FRII" if name in LIKE_FRII else "FRI" for name in classes]
    redshift = _lognormal(rng, [REDSHIFTS[name] for name in like], (0.03, 0.55))
    flux = np.minimum(min_flux_mjy * rng.uniform(size=len(classes)) ** (-1 / COUNTS_SLOPE), BRIGHTEST_MJY)
    sin_low, sin_high = np.sin(np.deg2rad(FIELD_DEC_DEG))
    table = pd.DataFrame({
        "object_id": [f"sim_{i:05d}" for i in range(len(classes))],
        "ra": rng.uniform(*FIELD_RA_DEG, len(classes)).round(6),
        "dec": np.rad2deg(np.arcsin(rng.uniform(sin_low, sin_high, len(classes)))).round(6),
        "label": labels, "true_class": classes, "is_anomaly": [int(name in ANOMALIES) for name in classes],
        "redshift": redshift.round(4), "true_flux_mjy": flux.round(3),
        # Directions in space are uniform; jets that point at us are quasars and blazars, not radio galaxies.
        "inclination_deg": np.rad2deg(np.arccos(rng.uniform(0, np.cos(np.deg2rad(30)), len(classes)))).round(2),
        "true_position_angle_deg": rng.uniform(0, 360, len(classes)).round(2),
    })
    return table.assign(**_sizes(rng, table, like), log_power=_log_power(table))


def _classes(rng: Rng, labelled: int, unlabelled: int, other: int, anomalies: int) -> tuple[list[str], list[str]]:
    """Return class and label of each object, in random order."""
    pairs = [(name, name) for name in _alternate(("FRI", "FRII"), labelled)]
    pairs += [(name, "") for name in _alternate(("FRI", "FRII"), unlabelled)]
    pairs += [(name, "") for name in _alternate(("compact", "bent"), other)]
    pairs += [(name, "") for name in _alternate(ANOMALIES, anomalies)]
    order = rng.permutation(len(pairs))
    return [pairs[i][0] for i in order], [pairs[i][1] for i in order]


def _alternate(names: tuple[str, ...], number: int) -> list[str]:
    return [names[i % len(names)] for i in range(number)]


def _lognormal(rng: Rng, parameters: list[tuple[float, float]], limits: tuple[float, float]) -> np.ndarray:
    medians, scatters = np.array(parameters).T
    return np.clip(medians * np.exp(scatters * rng.standard_normal(len(medians))), *limits)


def _sizes(rng: Rng, table: pd.DataFrame, like: list[str]) -> dict[str, np.ndarray]:
    """Return sizes in kpc, and as projected on the sky in arcsec; those out of range are drawn again."""
    ranges = [_range(name) for name in table["true_class"]]
    low, high = np.array(ranges).T
    larger = table["true_class"].map(LARGER).fillna(1.0).to_numpy()
    projected = _arcsec_per_kpc(table["redshift"].to_numpy()) * np.sin(np.deg2rad(table["inclination_deg"].to_numpy()))
    size_kpc = np.zeros(len(table))
    for _ in range(200):
        bad = (size_kpc * projected < low) | (size_kpc * projected > high)
        if not bad.any():
            break
        new = _lognormal(rng, [SIZES_KPC[name] for name in like], (5.0, 2000.0)) * larger
        size_kpc = np.where(bad, new, size_kpc)
    arcsec = np.clip(size_kpc * projected, low, high)
    return {"size_kpc": (arcsec / projected).round(2), "true_size_arcsec": arcsec.round(3)}


def _range(name: str) -> tuple[float, float]:
    """Return the sizes on the sky (arcsec) between which a class is drawn."""
    if name == "compact":
        return COMPACT_ARCSEC
    return ANOMALIES_ARCSEC if name in ANOMALIES else RESOLVED_ARCSEC


def _arcsec_per_kpc(redshift: np.ndarray) -> np.ndarray:
    from astropy.cosmology import Planck18

    return Planck18.arcsec_per_kpc_proper(redshift).value


def _log_power(table: pd.DataFrame) -> np.ndarray:
    r"""Return the logarithm of the power (W/Hz), :math:`4 \pi D_L^2 S (1+z)^{\alpha-1}`."""
    from astropy.cosmology import Planck18

    z = table["redshift"].to_numpy()
    distance_m = Planck18.luminosity_distance(z).to_value("m")
    flux = table["true_flux_mjy"].to_numpy() * 1e-29  # W / m2 / Hz
    return np.log10(4 * np.pi * distance_m**2 * flux * (1 + z) ** (SPECTRAL_INDEX - 1)).round(3)
