"""Emission lines of simulated spectra: recombination and forbidden lines of gas, with the ratios that nature has.

Balmer lines have the ratios of case B at 10^4 K (Osterbrock & Ferland 2006, table 4.4), 2.86 for H-alpha by H-beta;
doublets from one level those of their transition probabilities (Storey & Zeippen 2000); then dust reddens them.
Which ratios [NII]/H-alpha and [OIII]/H-beta gas has is drawn with the population.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from astro_vae.spectra.spectrum import LIGHT_KMS
from astro_vae.surveys._spectra_continua import reddened

HA_AA = 6564.61
WAVES_AA = {
    "ha": HA_AA, "hb": 4862.68, "hg": 4341.68, "hd": 4102.89, "he": 3971.19,
    "oii_3727": 3727.09, "oii_3730": 3729.88, "neiii_3870": 3869.86, "neiii_3969": 3968.59, "oiii_4364": 4364.44,
    "heii_4687": 4687.02, "oiii_4960": 4960.30, "oiii_5008": 5008.24, "hei_5877": 5877.25, "oi_6302": 6302.05,
    "oi_6366": 6365.54, "nii_6550": 6549.85, "nii_6585": 6585.27, "sii_6718": 6718.29, "sii_6733": 6732.67,
    "ariii_7138": 7137.77,
}
"""Vacuum wavelengths, Angstrom."""
BALMER = {"ha": 2.86, "hb": 1.0, "hg": 0.468, "hd": 0.259, "he": 0.159}
BROAD = {"ha": 3.06, "hb": 1.0, "hg": 0.45, "hd": 0.25, "he": 0.1, "hei_5877": 0.12, "heii_4687": 0.1}
"""Of broad lines; H-alpha by H-beta after Dong et al. (2008, MNRAS 383, 581)."""


def narrow_ratios(log_nii_ha: float, log_oiii_hb: float, *, active: bool) -> dict[str, float]:
    """Return the fluxes of narrow lines by that of H-beta, before reddening.

    Parameters
    ----------
    log_nii_ha, log_oiii_hb : float
        log10 [NII] 6585 / H-alpha and [OIII] 5008 / H-beta.
    active : bool
        The gas is lit by an active nucleus, whose hard light makes [OI], [SII], HeII and [NeIII] strong.
    """
    ha, n2, o3 = BALMER["ha"], 10**log_nii_ha, 10**log_oiii_hb
    sulphur, oxygen = (0.45 * ha, 0.12 * ha) if active else (0.35 * ha, 0.02 * ha)
    oii = 2.5 if active else 1.2 + 1.8 * min(1.0, o3)
    return BALMER | {
        "oiii_5008": o3, "oiii_4960": o3 / 2.98, "nii_6585": n2 * ha, "nii_6550": n2 * ha / 3.05,
        "oii_3727": oii * 0.42, "oii_3730": oii * 0.58, "sii_6718": 0.56 * sulphur, "sii_6733": 0.44 * sulphur,
        "oi_6302": oxygen, "oi_6366": oxygen / 3.03, "neiii_3870": (0.1 if active else 0.06) * o3,
        "neiii_3969": (0.1 if active else 0.06) * o3 / 3.32, "hei_5877": 0.12, "ariii_7138": 0.03 * o3,
        "heii_4687": 0.2 if active else 0.0, "oiii_4364": 0.02 * o3 if active else 0.004 * o3,
    }


def line_fluxes(ratios: Mapping[str, float], ha_flux: float, ebv: float) -> dict[str, float]:
    """Return the fluxes of lines that dust of colour excess `ebv` (mag) has reddened, with H-alpha at `ha_flux`."""
    through = reddened(np.array([WAVES_AA[name] for name in ratios] + [HA_AA]), ebv)
    return {
        name: ha_flux * ratio / ratios["ha"] * float(kept / through[-1])
        for (name, ratio), kept in zip(ratios.items(), through[:-1], strict=True)
    }


def emission(
    wave_aa: np.ndarray, fluxes: Mapping[str, float], sigma_kms: float, resolution_kms: np.ndarray
) -> np.ndarray:
    """Return Gaussian lines as seen: flux density (n,), in the unit of `fluxes` per Angstrom.

    Parameters
    ----------
    wave_aa : ndarray, shape (n,)
        In the rest frame.
    fluxes : mapping of str to float
        By the names of `WAVES_AA`.
    sigma_kms : float
        Standard deviation of the gas.
    resolution_kms : ndarray, shape (n,)
        That of the spectrograph at each pixel.
    """
    total = np.zeros_like(wave_aa)
    for name, flux in fluxes.items():
        centre = WAVES_AA[name]
        if wave_aa[0] < centre < wave_aa[-1]:
            width = centre * np.hypot(sigma_kms, np.interp(centre, wave_aa, resolution_kms)) / LIGHT_KMS
            total += flux * np.exp(-0.5 * ((wave_aa - centre) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
    return total
