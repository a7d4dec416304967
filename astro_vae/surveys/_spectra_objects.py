"""Put a simulated spectrum together: stars, nucleus, gas and dust at a redshift, and what is odd about anomalies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from astro_vae.spectra.spectrum import LIGHT_KMS
from astro_vae.surveys import _spectra_continua as continua
from astro_vae.surveys import _spectra_lines as lines
from astro_vae.surveys._spectra_population import DRAW, HOSTS, REDSHIFT_RANGE, Properties, Rng
from astro_vae.surveys._spectra_sky import PIXEL_KMS, resolution

STARS_OF_GAS = 0.44  # colour excess of the stars by that of the gas
TABLE_KMS = continua.LOG_STEP * np.log(10) * LIGHT_KMS
LIBRARY_KMS = 40.0  # about the width of the narrowest lines of the table
LOST_LINES = ("ha", "nii_6550", "nii_6585", "sii_6718", "sii_6733")  # those in the blue are there


def emitted(
    known: Properties, wave_aa: np.ndarray, redshift: float, *, lost: tuple[str, ...] = ()
) -> np.ndarray:
    """Return the spectrum of an object without noise: stars and nucleus are about 1 at 5500 Angstrom, rest frame.

    Parameters
    ----------
    known : Properties
    wave_aa : ndarray, shape (n,)
        Vacuum wavelengths as observed, Angstrom.
    redshift : float
    lost : tuple of str
        Narrow lines that are left out.

    Returns
    -------
    ndarray, shape (n,)
    """
    rest, blur = wave_aa / (1 + redshift), resolution(wave_aa) * PIXEL_KMS
    continuum = _continuum(known, rest, blur)
    flux = continuum.copy()
    at_ha = float(np.interp(lines.HA_AA, rest, continuum))
    if known.gas_ha_ew_aa > 0:
        ratios = lines.narrow_ratios(known.gas_log_nii_ha, known.gas_log_oiii_hb, active=is_active(known))
        narrow = lines.line_fluxes(ratios, known.gas_ha_ew_aa * at_ha, known.gas_ebv)
        narrow = {name: value for name, value in narrow.items() if name not in lost}
        flux += lines.emission(rest, narrow, known.gas_sigma_kms, blur)
    if known.blr_ew_aa > 0:  # the nucleus is seen without the dust of its galaxy
        broad = lines.line_fluxes(lines.BROAD, known.blr_ew_aa * at_ha, 0.0)
        flux += lines.emission(rest, broad, known.blr_sigma_kms, blur)
    return flux


def is_active(known: Properties) -> bool:
    """Tell whether the gas is lit by an active nucleus: it lies above the line of Kauffmann et al. (2003)."""
    return known.gas_log_nii_ha >= 0.05 or known.gas_log_oiii_hb > 0.61 / (known.gas_log_nii_ha - 0.05) + 1.3


def _continuum(known: Properties, rest_aa: np.ndarray, blur_kms: np.ndarray) -> np.ndarray:
    """Return stars, as their velocities and the spectrograph blur them, and nucleus: (n,)."""
    stars = continua.galaxy(known.age_gyr, known.young_share, known.young_age_gyr)
    seen = _blurred(stars, rest_aa, known.stellar_sigma_kms, blur_kms)
    dust = continua.reddened(np.append(rest_aa, continua.PIVOT_AA), STARS_OF_GAS * known.gas_ebv)
    seen *= (1 - known.nuclear_share) * dust[:-1] / dust[-1]
    if known.nuclear_share == 0:
        return seen
    nucleus = continua.nucleus(known.slope, known.iron_ew_aa, known.blr_sigma_kms)
    return seen + known.nuclear_share * np.interp(rest_aa, continua.TABLE_AA, nucleus)


def _blurred(table: np.ndarray, rest_aa: np.ndarray, sigma_kms: float, blur_kms: np.ndarray) -> np.ndarray:
    """Return the table as seen with a resolution that changes: between its finest and its coarsest blur."""
    ends = (float(blur_kms.min()), float(blur_kms.max()))
    widths = [np.sqrt(max(sigma_kms**2 + end**2 - LIBRARY_KMS**2, 0)) / TABLE_KMS for end in ends]
    fine, coarse = (np.interp(rest_aa, continua.TABLE_AA, gaussian_filter1d(table, width)) for width in widths)
    share = (blur_kms**2 - ends[0] ** 2) / (ends[1] ** 2 - ends[0] ** 2)  # variances add, and so do small changes
    return (1 - share) * fine + share * coarse


def observable(row: Mapping[Any, Any], wave_aa: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Return the flux of an object above the atmosphere, and by what its calibration is wrong: two of (n,).

    Parameters
    ----------
    row : mapping
        Of the population.
    wave_aa : ndarray, shape (n,)
        Vacuum wavelengths as observed, Angstrom.
    rng : Generator
        For what is odd about an anomaly.
    """
    known = Properties(**{name: row[name] for name in Properties.__dataclass_fields__})
    kind = row["anomaly_kind"]
    flux = emitted(known, wave_aa, row["true_redshift"], lost=LOST_LINES if kind == "missing_lines" else ())
    if kind in CHANGES:
        flux = CHANGES[kind](rng, wave_aa, flux)
    calibration = _step(rng, wave_aa) if kind == "flux_step" else np.ones_like(wave_aa)
    return row["true_flux"] * flux * continua.reddened(wave_aa, row["ebv"]), calibration


def _step(rng: Rng, wave_aa: np.ndarray) -> np.ndarray:
    """Make the arms of the spectrograph, which meet near 6000 Angstrom, disagree."""
    by = rng.uniform(1.1, 1.7) ** rng.choice([-1, 1])
    return np.where(wave_aa > rng.uniform(5900, 6200), by, 1.0)


def _second_object(rng: Rng, wave_aa: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Add another galaxy at another redshift, as bright or fainter."""
    hosts = HOSTS["two_objects"]
    other = DRAW[hosts[int(rng.integers(len(hosts)))]](rng)
    return flux + rng.uniform(0.2, 1.2) * emitted(other, wave_aa, rng.uniform(*REDSHIFT_RANGE))


def _spurious_line(rng: Rng, wave_aa: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Add a line that no element has at this redshift."""
    centre, sigma = rng.uniform(4300, 8600), rng.uniform(150, 900) / LIGHT_KMS
    total = 7 * 10 ** rng.uniform(0, 1) * float(np.interp(centre, wave_aa, flux))
    width = sigma * centre
    return flux + total * np.exp(-0.5 * ((wave_aa - centre) / width) ** 2) / (np.sqrt(2 * np.pi) * width)


def _featureless(rng: Rng, wave_aa: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Put a power law without any line in the place of the stars, as BL Lac objects have."""
    return float(np.median(flux)) * (wave_aa / np.median(wave_aa)) ** rng.uniform(-2, 0.5)


def _broad_absorption(rng: Rng, wave_aa: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Absorb over a broad range, as fast outflows do."""
    centre, sigma = rng.uniform(4400, 8200), rng.uniform(2000, 5000) / LIGHT_KMS
    return flux * (1 - rng.uniform(0.12, 0.75) * np.exp(-0.5 * ((wave_aa / centre - 1) / sigma) ** 4))


CHANGES: dict[str, Callable[[Rng, np.ndarray, np.ndarray], np.ndarray]] = {
    "two_objects": _second_object,
    "spurious_line": _spurious_line,
    "featureless": _featureless,
    "broad_absorption": _broad_absorption,
}
"""What anomalies do to the spectrum (n,) of an object."""
