"""Write generated spectra as FITS tables with their wavelengths, which specutils reads as "tabular-fits"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astro_vae.settings_spectra import SpectrumViewSettings
from astro_vae.spectra.resample import bin_centres


def attributes(contract: Mapping[str, Any]) -> dict[str, Any]:
    """Return what files of samples say of their values, by the contract of the model that they are drawn from."""
    view = SpectrumViewSettings(**contract["view"])
    return {
        "grid": view.grid.model_dump(mode="json"), "wave_aa": bin_centres(view.grid).tolist(),
        "window_aa": list(view.window_aa), "unit": "", "scaled": False,
    }


def unit(spectra: np.ndarray, label: str, about: Mapping[str, Any]) -> fits.BinTableHDU:
    """Return the samples (n, bins) of a label as a table: a row per bin, with its wavelength and n flux densities.

    `about` has what `attributes` returns.
    """
    wave = np.array(about["wave_aa"])
    hdu = fits.BinTableHDU.from_columns([
        fits.Column("WAVELENGTH", "D", unit="Angstrom", array=wave),
        fits.Column("FLUX", f"{len(spectra)}E", array=np.ascontiguousarray(spectra.T)),
    ])
    low, high = about["window_aa"]
    hdu.header["EXTNAME"] = ((label or "SAMPLES0").upper(), "extension name")
    hdu.header["LABEL"] = (label, "class that the samples were asked for")
    hdu.header["COMMENT"] = "WAVELENGTH is that in vacuum, in the rest frame."
    hdu.header["COMMENT"] = f"FLUX is a flux density per wavelength, whose median from {low:g} to {high:g} Angstrom"
    hdu.header["COMMENT"] = "is about 1; the samples of the label stand side by side in it."
    return hdu


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
