"""Write generated images as FITS cubes with the pixel scale of the survey, at a nominal position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astro_vae.columns import ascii_text


def attributes(contract: Mapping[str, Any]) -> dict[str, Any]:
    """Return what files of samples say of their values, by the contract of the model that they are drawn from."""
    return {"pixel_arcsec": contract.get("pixel_arcsec"), "unit": "", "scaled": True}


def unit(images: np.ndarray, label: str, about: Mapping[str, Any]) -> fits.ImageHDU:
    """Return the samples (n, H, W) of a label as a cube; `about` has what `attributes` returns."""
    hdu = fits.ImageHDU(images)
    _describe(hdu.header, label, images.shape[1:], about)
    return hdu


def append(
    path: Path, label: str, n: int, shape: tuple[int, ...], blocks: Iterable[np.ndarray], about: Mapping[str, Any]
) -> None:
    """Append the n samples of a label, of this shape each, to a FITS file, block by block."""
    header = fits.Header([("XTENSION", "IMAGE"), ("BITPIX", -32), ("NAXIS", 1 + len(shape))])
    for axis, size in enumerate((*shape[::-1], n), start=1):
        header[f"NAXIS{axis}"] = size
    header["PCOUNT"], header["GCOUNT"] = 0, 1
    _describe(header, label, shape, about)
    stream = fits.StreamingHDU(str(path), header)
    try:
        for images in blocks:
            stream.write(images)
    finally:
        stream.close()


def _describe(header: fits.Header, name: str, shape: tuple[int, ...], about: Mapping[str, Any]) -> None:
    """Say in the header of a cube of samples (n, *shape) of one label what they are."""
    header["EXTNAME"] = (ascii_text(name or "SAMPLES0").upper(), "extension name")
    header["LABEL"] = (ascii_text(name), "class that the samples were asked for")
    header["BUNIT"] = ("", "fraction of the brightness of each image's peak")
    header.update(_wcs(shape, about["pixel_arcsec"]))


def _wcs(shape: tuple[int, ...], pixel_arcsec: float | None) -> fits.Header:
    """Return a header with North up and East left; samples have no place, so the reference is (0, 0)."""
    header = fits.Header()
    if pixel_arcsec is None or len(shape) != 2:
        return header
    step = pixel_arcsec / 3600
    for axis, (kind, size, delta) in enumerate(
        (("RA---TAN", shape[1], -step), ("DEC--TAN", shape[0], step)), start=1
    ):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = kind, "deg"
        header[f"CRPIX{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"] = (size + 1) / 2, 0.0, delta
    header["CTYPE3"], header["CRPIX3"], header["CRVAL3"], header["CDELT3"] = "SAMPLE", 1.0, 1.0, 1.0
    header["RADESYS"] = "ICRS"
    header["COMMENT"] = "The position is nominal: no sample lies anywhere on the sky. The pixel scale is the survey's."
    return header
