"""Write generated spectra as FITS tables with their wavelengths, which specutils reads as "tabular-fits"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.units import Unit, UnrecognizedUnit

from astro_vae.columns import ascii_text
from astro_vae.settings_spectra import SpectrumViewSettings
from astro_vae.spectra.resample import bin_centres

CARD = 72  # letters of a comment in a FITS header


def attributes(contract: Mapping[str, Any]) -> dict[str, Any]:
    """Return what files of samples say of their values, by the contract of the model that they are drawn from."""
    view = SpectrumViewSettings(**contract["view"])
    return {
        "grid": view.grid.model_dump(mode="json"), "wave_aa": bin_centres(view.grid).tolist(),
        "window_aa": list(view.window_aa), "unit": contract.get("unit") or "", "scaled": False,
    }


def unit(spectra: np.ndarray, label: str, about: Mapping[str, Any]) -> fits.BinTableHDU:
    """Return decoded spectra (n, bins) of a label as a table: a row per bin, with its wavelength and n flux densities.

    `about` has what `attributes` returns, and `fewest`, the number of training spectra that a bin must have.
    """
    wave, flux = np.array(about["wave_aa"]), np.ascontiguousarray(spectra.T)
    hdu = fits.BinTableHDU.from_columns([
        fits.Column("WAVELENGTH", "D", unit="Angstrom", array=wave),
        fits.Column("FLUX", f"{len(spectra)}E", unit=_fits_unit(about["unit"]), array=flux),
        fits.Column("mask", f"{len(spectra)}L", array=np.isnan(flux)),  # specutils knows it by this name alone
    ])
    low, high = about["window_aa"]
    hdu.header["EXTNAME"] = (ascii_text(label or "SAMPLES0").upper(), "extension name")
    hdu.header["LABEL"] = (ascii_text(label), "class that the samples were asked for")
    words = (
        "WAVELENGTH is that in vacuum, in the rest frame. FLUX holds the spectra side by side. Its scale is nominal: "
        f"what a model draws has no brightness, and its median from {low:g} to {high:g} Angstrom is about 1. The unit "
        f"is the survey's. FLUX is NaN, and mask true, in bins that fewer than {about['fewest']} training spectra of "
        "the label have."
    )
    for line in wrap(words, CARD):
        hdu.header["COMMENT"] = line
    return hdu


def _fits_unit(unit: str) -> str | None:
    """Return a unit as FITS writes it; None where it is none."""
    parsed = Unit(unit, parse_strict="silent")
    return None if not unit or isinstance(parsed, UnrecognizedUnit) else parsed.to_string("fits")


def append(
    path: Path, label: str, n: int, shape: tuple[int, ...], blocks: Iterable[np.ndarray], about: Mapping[str, Any]
) -> None:
    """Append the n samples of a label, of this shape each, to a FITS file."""
    spectra = np.empty((n, *shape), np.float32)
    start = 0
    for block in blocks:
        spectra[start : start + len(block)] = block
        start += len(block)
    with fits.open(path, mode="append") as file:
        file.append(unit(spectra, label, about))
