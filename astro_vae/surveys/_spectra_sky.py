"""How simulated spectra are observed: pixels, resolution, sky, noise from photons and detector, bad pixels.

Sky and resolution are medians of spectra of the SDSS spectrographs (RUN2D 26), the throughput is such that errors are
theirs, and the sky's lines are the peaks of the median sky: [OI], Na, Hg of street lamps, and above 6800 Angstrom OH.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astro_vae.spectra.spectrum import LIGHT_KMS
from astro_vae.surveys._sdss_sample import PIXEL_BITS

LOG_STEP = 1e-4  # a pixel, in log10 of the wavelength
PIXEL_KMS = 69.03
FIRST_LOG, PIXELS = 3.5805, 3830  # 3806 to 9194 Angstrom
CURVES_AA = (3800, 4000, 4500, 5000, 5500, 6000, 6500, 7000, 7500, 8000, 8500, 9000, 9250)
SKY_CURVE = (6.3, 6.3, 7.6, 7.6, 7.5, 8.5, 6.6, 5.7, 5.7, 5.9, 4.8, 3.8, 3.5)  # 1e-17 erg / (s cm2 Angstrom)
ELECTRONS = (7.0, 12.0, 23.0, 31.0, 40.0, 51.0, 67.0, 74.0, 71.0, 60.0, 36.0, 24.0, 18.0)  # per pixel and 1e-17
RESOLUTION = (1.18, 1.13, 1.03, 0.94, 0.86, 0.91, 0.90, 0.82, 0.76, 0.72, 0.70, 0.70, 0.70)  # sigma, pixel
EXPOSURE_S = 2700.0  # for which `ELECTRONS` are
READ_ELECTRONS = 16.0  # of all pixels of the detector that become one, in three exposures
SKY_LINES = (  # vacuum wavelength (Angstrom), peak above the continuum (1e-17 erg / (s cm2 Angstrom))
    (4047.7, 18), (4359.5, 34), (5462.4, 29), (5578.8, 467), (5690.4, 13), (5891.5, 82), (5897.4, 54), (6237.5, 12),
    (6259.8, 11), (6302.2, 92), (6365.7, 30), (6500.6, 12), (6555.4, 11), (6831.3, 20), (6835.8, 17), (6866.0, 29),
    (6925.2, 17), (6951.3, 19), (6980.6, 13), (7242.8, 49), (7278.5, 62), (7286.5, 24), (7306.0, 15), (7318.4, 46),
    (7331.4, 23), (7343.2, 57), (7360.7, 19), (7371.6, 42), (7394.3, 15), (7404.1, 28), (7440.6, 15), (7526.3, 34),
    (7574.0, 23), (7601.0, 25), (7630.9, 21), (7717.9, 66), (7727.2, 16), (7753.0, 80), (7762.2, 28), (7782.6, 17),
    (7796.4, 58), (7810.8, 26), (7823.7, 69), (7843.4, 23), (7855.7, 80), (7862.7, 30), (7872.4, 35), (7882.2, 24),
    (7892.1, 41), (7915.8, 86), (7923.2, 40), (7933.7, 29), (7951.4, 19), (7967.0, 65), (7981.5, 30), (7995.7, 74),
    (8016.5, 22), (8028.2, 52), (8054.1, 14), (8064.6, 27), (8283.4, 48), (8290.7, 63), (8300.8, 70), (8313.2, 22),
    (8346.9, 147), (8355.4, 53), (8367.0, 21), (8384.6, 37), (8401.7, 112), (8417.7, 47), (8432.7, 133), (8454.6, 41),
    (8467.9, 97), (8495.8, 27), (8507.3, 56), (8550.9, 25), (8631.6, 43), (8661.7, 43), (8763.7, 92), (8769.9, 113),
    (8780.1, 122), (8793.7, 40), (8829.3, 231), (8838.7, 93), (8852.4, 28), (8869.9, 61), (8888.2, 170), (8905.8, 78),
    (8922.3, 206), (8945.7, 60), (8960.4, 139), (8990.8, 51), (9003.6, 98), (9040.6, 23), (9051.7, 42), (9105.1, 21),
)
BRIGHT_SKY = 3.0  # lines of the sky by its continuum, above which pixels are marked BRIGHTSKY
HELIOCENTRIC_KMS = 20.0  # scatter of the sky's lines in the Sun's frame, by the Earth's motion
LONGEST_RUN = 60  # pixels


@dataclass(frozen=True)
class Spectrograph:
    """How spectra are taken.

    Attributes
    ----------
    exposure_s : float
        Exposure time, s.
    sky_residual : float
        Part of the sky's lines that the subtraction of the sky leaves, standard deviation.
    masked_runs : float
        Mean number of runs of bad pixels.
    """

    exposure_s: float
    sky_residual: float
    masked_runs: float


@dataclass(frozen=True)
class Observed:
    """A spectrum as observed, all of shape (n,): the columns of the archive's files but loglam and wdisp."""

    flux: np.ndarray
    ivar: np.ndarray
    and_mask: np.ndarray
    sky: np.ndarray
    model: np.ndarray


def pixels(rng: np.random.Generator) -> np.ndarray:
    """Return log10 of the pixels' vacuum wavelengths (Angstrom), which begin a little elsewhere in each file: (n,)."""
    return FIRST_LOG + LOG_STEP * (int(rng.integers(-8, 9)) + np.arange(PIXELS))


def resolution(wave_aa: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the line spread function at observed wavelengths, in pixels: (n,)."""
    return np.interp(wave_aa, CURVES_AA, RESOLUTION)


def sky(rng: np.random.Generator, wave_aa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw the continuum and the lines of the night sky: two of (n,), 1e-17 erg / (s cm2 Angstrom)."""
    continuum = np.interp(wave_aa, CURVES_AA, SKY_CURVE) * rng.lognormal(0, 0.15)
    shift, oh = 1 + rng.normal(0, HELIOCENTRIC_KMS) / LIGHT_KMS, rng.lognormal(0, 0.25)
    lines = np.zeros_like(wave_aa)
    for centre, peak in SKY_LINES:
        width = np.interp(centre, CURVES_AA, RESOLUTION)
        distance = np.log10(wave_aa / (centre * shift)) / LOG_STEP
        lines += peak * (oh if centre > 6800 else 1) * np.exp(-0.5 * (distance / width) ** 2)
    return continuum, lines


def residual(rng: np.random.Generator, lines: np.ndarray, size: float) -> np.ndarray:
    """Draw what the subtraction of the sky leaves of its lines, too much or too little and shifted: (n,)."""
    slowly = np.interp(np.arange(len(lines)), np.linspace(0, len(lines), 8), rng.normal(0, size, 8))
    return slowly * lines + rng.normal(0, size) * np.gradient(lines)


def observe(
    rng: np.random.Generator, wave_aa: np.ndarray, flux: np.ndarray, spectrograph: Spectrograph,
    calibration: np.ndarray | float = 1.0,
) -> Observed:
    r"""Observe a spectrum with its noise.

    With g electrons per unit of flux, the variance of a pixel is

    .. math:: \sigma^2 = (g (f + s) + r^2) / g^2

    for flux f, sky s and read noise r; large numbers of photons are Gaussian.

    Parameters
    ----------
    rng : Generator
    wave_aa, flux : ndarray, shape (n,)
        As they reach the telescope: vacuum Angstrom, 1e-17 erg / (s cm2 Angstrom).
    spectrograph : Spectrograph
    calibration : ndarray, shape (n,), or 1
        By which the calibration of the flux is wrong.
    """
    continuum, lines = sky(rng, wave_aa)
    electrons = np.interp(wave_aa, CURVES_AA, ELECTRONS) * spectrograph.exposure_s / EXPOSURE_S
    variance = (electrons * (np.maximum(flux, 0) + continuum + lines) + READ_ELECTRONS**2) / electrons**2
    seen = flux + np.sqrt(variance) * rng.standard_normal(len(flux)) + residual(rng, lines, spectrograph.sky_residual)
    bits = np.where(lines > BRIGHT_SKY * continuum, 1 << PIXEL_BITS["BRIGHTSKY"], 0)
    bad = _runs(rng, len(flux), spectrograph.masked_runs)
    bits[bad] |= 1 << PIXEL_BITS["NODATA"]
    return Observed(
        np.where(bad, 0, seen * calibration), np.where(bad, 0, 1 / (variance * np.square(calibration))), bits,
        continuum + lines, flux * calibration,
    )


def _runs(rng: np.random.Generator, size: int, number: float) -> np.ndarray:
    """Draw runs of bad pixels, most of them short: (size,), bool."""
    bad = np.zeros(size, bool)
    for _ in range(rng.poisson(number)):
        start, length = int(rng.integers(size)), int(LONGEST_RUN ** rng.uniform(0.3, 1))
        bad[start : start + length] = True
    return bad
