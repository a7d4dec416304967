"""Bring images to one grid and one beam: resample what was measured, convolve what was seen more sharply."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

Beam = tuple[float, float, float]
FWHM2 = 8 * math.log(2)  # square of the full width at half maximum of a Gaussian, in variances
SAME_SCALE = 1e-3  # parts by which a grid may differ and be taken for the same
SAME_BEAM = 0.01  # parts of the beam's area below which two beams are taken for the same
WHOLE = 0.999  # weight above which a resampled pixel has all that it is made of


def covariance(beam: Beam) -> np.ndarray:
    """Return the covariance (2, 2) in arcsec^2, axes East and North, of a Gaussian beam.

    Parameters
    ----------
    beam : (float, float, float)
        Major and minor axis (FWHM, arcsec), position angle (deg, North through East).
    """
    angle = math.radians(beam[2])
    turn = np.array([[math.sin(angle), math.cos(angle)], [math.cos(angle), -math.sin(angle)]])
    return turn @ np.diag([beam[0] ** 2, beam[1] ** 2]) @ turn.T / FWHM2


def to_beam(values: np.ndarray, own: Beam, common: Beam, matrix: np.ndarray, *, per_beam: bool) -> np.ndarray:
    r"""Convolve an image so that its beam becomes the common one.

    The kernel is the Gaussian of covariance C = C_common - C_own; it is built from its Fourier transform, so
    that one narrower than a pixel is exact too:

    .. math::
        \hat K(k) = \exp(-2 \pi^2 k^T C k)

    Missing pixels stay missing and do not spread.

    Parameters
    ----------
    values : ndarray, shape (H, W)
    own, common : (float, float, float)
        Major and minor axis (FWHM, arcsec), position angle (deg, North through East).
    matrix : ndarray, shape (2, 2)
        From columns and rows (pixel) to East and North (arcsec).
    per_beam : bool
        The values are per beam, and grow with its area.

    Raises
    ------
    ValueError
        If the image's beam is not known, or not inside the common one in every direction.
    """
    from astropy.convolution import convolve_fft

    if not np.isfinite(own).all():
        raise ValueError("the beam is not known, so that it cannot be brought to the common one")
    sky = covariance(common) - covariance(own)
    area = math.sqrt(np.linalg.det(covariance(common)) / np.linalg.det(covariance(own)))
    if np.linalg.eigvalsh(sky)[0] < -SAME_BEAM * np.trace(covariance(common)):
        raise ValueError(f"the beam, {own[0]:.4g} x {own[1]:.4g} arcsec, is larger than the common one")
    if np.abs(sky).max() < SAME_BEAM * np.trace(covariance(common)) and abs(area - 1) < SAME_BEAM:
        return values
    inverse = np.linalg.inv(matrix)
    kernel = _kernel(inverse @ sky @ inverse.T)
    smooth = convolve_fft(
        values, kernel, boundary="fill", fill_value=np.nan, nan_treatment="interpolate", preserve_nan=True,
        allow_huge=True,
    )
    return (smooth * (area if per_beam else 1)).astype(np.float32)


def _kernel(pixels: np.ndarray) -> np.ndarray:
    """Return the kernel (N, N) of a Gaussian with this covariance in columns and rows (pixel^2)."""
    reach = math.ceil(5 * math.sqrt(max(np.trace(pixels), 0))) + 4
    k = np.fft.fftfreq(2 * reach + 1)
    kx, ky = k[None, :], k[:, None]
    power = pixels[0, 0] * kx**2 + 2 * pixels[0, 1] * kx * ky + pixels[1, 1] * ky**2
    kernel = np.fft.fftshift(np.fft.ifft2(np.exp(-2 * math.pi**2 * np.maximum(power, 0))).real)
    return kernel / kernel.sum()


def to_grid(
    values: np.ndarray, wcs: Any, pixel_arcsec: float, *, side: int | None = None, centre: SkyCoord | None = None,
) -> tuple[np.ndarray, Any]:
    """Resample an image to square pixels with North up and East left, keeping its surface brightness.

    To smaller pixels it is interpolated (bicubic), to larger ones it is averaged over their area. An image
    that is on such a grid already is returned as it is.

    Parameters
    ----------
    values : ndarray, shape (H, W)
        NaN where missing; a pixel made of a missing one is missing.
    wcs : astropy.wcs.WCS
        Two celestial axes.
    pixel_arcsec : float
        Side of the new pixels.
    side : int, optional
        Side of the new image (pixel); that of the old one on the sky unless given.
    centre : SkyCoord, optional
        Centre of the new image; that of the old one unless given.

    Returns
    -------
    values : ndarray of float32, shape (H', W') or (side, side)
    wcs : astropy.wcs.WCS
        TAN, ICRS.
    """
    from reproject import reproject_exact, reproject_interp

    scales = np.hypot(*wcs.pixel_scale_matrix) * 3600  # of columns and rows
    if side is None and centre is None and _same_grid(wcs.pixel_scale_matrix * 3600, pixel_arcsec):
        return values, wcs
    height, width = values.shape
    shape = (side, side) if side else (max(1, round(height * scales[1] / pixel_arcsec)),
                                       max(1, round(width * scales[0] / pixel_arcsec)))
    new = _grid(centre or wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2), shape, pixel_arcsec)
    missing = ~np.isfinite(values)
    filled = np.where(missing, 0, values)
    if pixel_arcsec > scales.max() * (1 + SAME_SCALE):
        made, weight = reproject_exact((filled, wcs), new, shape_out=shape)
    else:
        made, weight = reproject_interp((filled, wcs), new, shape_out=shape, order="bicubic")
    if missing.any():
        weight = weight * np.nan_to_num(reproject_interp(
            ((~missing).astype(float), wcs), new, shape_out=shape, order="bilinear", return_footprint=False
        ))
    return np.where(weight > WHOLE, made, np.nan).astype(np.float32), new


def _same_grid(matrix: np.ndarray, pixel_arcsec: float) -> bool:
    """Tell whether pixels have this side already, North up and East left."""
    return bool(np.abs(matrix - np.diag([-pixel_arcsec, pixel_arcsec])).max() < SAME_SCALE * pixel_arcsec)


def _grid(centre: SkyCoord, shape: tuple[int, int], pixel_arcsec: float) -> Any:
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = [centre.icrs.ra.deg, centre.icrs.dec.deg]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    wcs.wcs.cdelt = [-pixel_arcsec / 3600, pixel_arcsec / 3600]
    wcs.wcs.set()
    return wcs
