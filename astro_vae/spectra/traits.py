"""Measure views of spectra: a few numbers by which generated ones are held against real ones."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from astro_vae.settings_spectra import SpectrumViewSettings
from astro_vae.spectra.broad import fit_broad
from astro_vae.spectra.lines import MIN_RATIO, Fitted, fit_lines, ratios
from astro_vae.spectra.measure import indices
from astro_vae.spectra.resample import bin_centres
from astro_vae.spectra.spectrum import Spectrum
from astro_vae.spectra.view import to_network

TRAITS = {
    "d4000": "break at 4000 Angstrom", "ha_ew": "equivalent width of H-alpha",
    "log_nii_ha": "log [NII]/H-alpha", "log_oiii_hb": "log [OIII]/H-beta",
    "broad_ew": "equivalent width of broad H-alpha",
}
"""What `traits` returns, in words."""


def traits(seen: np.ndarray, view: SpectrumViewSettings) -> pd.DataFrame:
    """Measure views (N, 2, bins) on their bins: a column for each of `TRAITS`, NaN where it cannot be had.

    The functions are those that measure the survey's objects, there on the pixels as observed: a bin of the view is
    wider than a pixel, so that these numbers are to be compared with one another alone.
    """
    wave = bin_centres(view.grid)
    flux, ivar = (part.astype(np.float64) for part in to_network(seen))
    return pd.DataFrame([_of(Spectrum(wave, *one)) for one in zip(flux, ivar, strict=True)], columns=list(TRAITS))


def _of(spectrum: Spectrum) -> dict[str, float]:
    lines, sigma_kms = fit_lines(spectrum.wave_aa, spectrum.flux, spectrum.ivar)
    n2, o3 = ratios(lines)
    return {
        "d4000": indices(spectrum)["d4000"], "ha_ew": lines["ha"].ew_aa,
        "log_nii_ha": n2 if _significant(lines["nii"], lines["ha"]) else math.nan,
        "log_oiii_hb": o3 if _significant(lines["oiii"], lines["hb"]) else math.nan,
        "broad_ew": fit_broad(spectrum, sigma_kms).ew_aa,
    }


def _significant(*lines: Fitted) -> bool:
    """Tell whether lines stand out from the noise, whose ratio would say nothing."""
    return all(line.flux >= MIN_RATIO * line.flux_err for line in lines)
