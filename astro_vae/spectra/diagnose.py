"""Measure what a model makes of spectra as the spectra themselves are measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astro_vae.columns import MODEL, modelled
from astro_vae.settings_spectra import SpectrumViewSettings
from astro_vae.spectra.measure import COLUMNS as MEASURED
from astro_vae.spectra.measure import features, measure_continuum
from astro_vae.spectra.resample import bin_centres
from astro_vae.spectra.spectrum import Spectrum
from astro_vae.spectra.view import central, normalisation

NAMES = tuple(
    name for name in MEASURED if name not in ("noise", "snr", "coverage", "warning") and not name.endswith("_err")
)
COLUMNS = modelled(MEASURED, NAMES)
"""Columns that `diagnose` returns."""


def diagnose(
    values: np.ndarray, table: pd.DataFrame, view: SpectrumViewSettings, redrawn: np.ndarray, *, scaled: bool
) -> dict[str, np.ndarray]:
    """Measure continuum, lines, their class and indices in what a model makes of spectra.

    What the view has divided by is multiplied in again, so that fluxes compare. Bins count as they do in the object:
    with its inverse variances, and not where it has none. A line is therefore known in both or in neither, and the
    class is the one that the object would get if it were what the model says, with its own errors. The object was
    measured on its own pixels, which are narrower than bins; on simulated spectra this changes line fluxes by about
    their errors at most.

    Parameters
    ----------
    values : ndarray, shape (B, 2, L)
        Flux density and its inverse variance, as stored.
    table : DataFrame, B rows
        Not looked at.
    view : SpectrumViewSettings
        What the model saw.
    redrawn : ndarray, shape (B, bins)
        Decoded means, in the normalisation of the view.
    scaled : bool
        Spectra are never scaled.

    Returns
    -------
    dict of str to ndarray, shape (B,)
        A value for each of `COLUMNS`; NaN (classes: empty) where it cannot be had.
    """
    flux, ivar = central(values, view.grid.bins).astype(np.float64).transpose(1, 0, 2)
    scale, wave = normalisation(flux, ivar, view), bin_centres(view.grid)
    rows = []
    for one, weight in zip(redrawn.astype(np.float64) * scale[:, None], ivar, strict=True):
        spectrum = Spectrum(wave, one, weight)
        rows.append({"continuum": measure_continuum(spectrum), **features(spectrum)})
    found = pd.DataFrame(rows, columns=list(NAMES))
    return {f"{MODEL}{name}": found[name].to_numpy() for name in NAMES}
