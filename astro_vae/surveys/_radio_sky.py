"""From the blobs of a simulated source to its image: beam, noise, sidelobe stripes, neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from astro_vae.surveys._radio_sources import Blobs, Rng, blob, join

FWHM = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian, in standard deviations
ARM_DEG = 60.0  # the VLA's three arms give its snapshots sidelobes in six directions
RAYS = 12
STEP_ARCSEC = 0.25  # of the table in which a ray's profile is looked up
FAINTEST_NEIGHBOUR_MJY, BRIGHTEST_NEIGHBOUR_MJY = 1.0, 300.0
COUNTS_SLOPE = 0.9  # of the number of sources brighter than a flux density, near 1 mJy at 1.4 GHz


@dataclass(frozen=True)
class Telescope:
    """How the sky is imaged.

    Attributes
    ----------
    size : int
        Side of the image (pixel).
    pixel_arcsec, beam_arcsec : float
        Side of a pixel; full width at half maximum of the round beam.
    noise : float
        Standard deviation (Jy/beam).
    stripe_sigma : float
        Typical amplitude of sidelobe stripes, in units of the noise.
    """

    size: int
    pixel_arcsec: float
    beam_arcsec: float
    noise: float
    stripe_sigma: float

    @property
    def offsets(self) -> np.ndarray:
        """Offsets of the pixels' centres from that of the image (arcsec), (size,)."""
        return (np.arange(self.size) - (self.size - 1) / 2) * self.pixel_arcsec


def render(blobs: Blobs, telescope: Telescope, position_angle_deg: float) -> np.ndarray:
    r"""Image blobs with the beam.

    A Gaussian of flux density S and standard deviation sigma, seen with a Gaussian beam of standard
    deviation b, is

    .. math::
        I(r) = S \frac{b^2}{\sigma^2 + b^2} \exp\left(-\frac{r^2}{2 (\sigma^2 + b^2)}\right)

    Parameters
    ----------
    blobs : Blobs
        Flux densities in Jy.
    telescope : Telescope
    position_angle_deg : float
        Of the axis `along`, from North through East.

    Returns
    -------
    ndarray of float64, shape (size, size)
        Jy/beam; row 0 in the South, columns towards West.
    """
    angle = math.radians(position_angle_deg)
    north = blobs.along * math.cos(angle) - blobs.across * math.sin(angle)
    east = blobs.along * math.sin(angle) + blobs.across * math.cos(angle)
    beam = (telescope.beam_arcsec / FWHM) ** 2
    variance = blobs.sigma**2 + beam
    # Round Gaussians are products of one in rows and one in columns: the image is one matrix product.
    rows = np.exp(-((telescope.offsets[:, None] - north) ** 2) / (2 * variance))  # (size, K)
    columns = np.exp(-((telescope.offsets[:, None] + east) ** 2) / (2 * variance))
    return (rows * (blobs.flux * beam / variance)) @ columns.T


def noise(rng: Rng, telescope: Telescope) -> np.ndarray:
    """Draw Gaussian noise that is correlated over the beam: (size, size), Jy/beam."""
    white = rng.standard_normal((telescope.size, telescope.size))
    k = np.fft.fftfreq(telescope.size)  # cycles per pixel
    sigma = telescope.beam_arcsec / FWHM / telescope.pixel_arcsec
    kernel = np.exp(-2 * (math.pi * sigma * k) ** 2)
    spectrum = np.fft.rfft2(white) * kernel[:, None] * kernel[: telescope.size // 2 + 1]
    return telescope.noise * np.fft.irfft2(spectrum, white.shape) / np.mean(kernel**2)


def stripes(rng: Rng, telescope: Telescope, strength: float, *, rays: int = RAYS) -> np.ndarray:
    """Draw what deconvolution leaves of sidelobes: rays in six directions through the source, and stray ones.

    Parameters
    ----------
    rng : Generator
    telescope : Telescope
    strength : float
        Typical amplitude, in units of the noise.
    rays : int
        The first three go through the centre, the others anywhere.

    Returns
    -------
    ndarray, shape (size, size)
        Jy/beam.
    """
    image = np.zeros((telescope.size, telescope.size))
    first, edge = rng.uniform(0, ARM_DEG), telescope.offsets[-1]
    across = np.arange(-4 * edge, 4 * edge, STEP_ARCSEC)
    for i in range(rays):
        angle = math.radians(first + ARM_DEG * (i % 3) + rng.normal(0, 3))
        away = telescope.offsets[:, None] * math.sin(angle) + telescope.offsets * math.cos(angle)
        start = 0 if i < 3 else rng.uniform(-edge, edge)
        wave, width = rng.uniform(20, 70), rng.uniform(6, 40)  # arcsec
        profile = np.exp(-((across / width) ** 2) / 2) * np.cos(2 * math.pi * across / wave)
        image += rng.normal(0, strength) * profile[((away - start) / STEP_ARCSEC + len(across) // 2).astype(int)]
    return telescope.noise * image


def neighbours(rng: Rng, telescope: Telescope, density: float) -> Blobs | None:
    """Draw unrelated sources in the field: points, a quarter of them doubles.

    Parameters
    ----------
    rng : Generator
    telescope : Telescope
    density : float
        Mean number per square degree brighter than 1 mJy.

    Returns
    -------
    Blobs or None
        `along` is North, `across` East (arcsec), flux densities in Jy; None where there is none.
    """
    side = telescope.size * telescope.pixel_arcsec
    found = []
    for _ in range(rng.poisson(density * (side / 3600) ** 2)):
        north, east = rng.uniform(-side / 2, side / 2, 2)
        flux = min(FAINTEST_NEIGHBOUR_MJY * rng.uniform() ** (-1 / COUNTS_SLOPE), BRIGHTEST_NEIGHBOUR_MJY) / 1000
        found.append(blob(north, east, rng.uniform(0, 1.5), flux))
        if rng.uniform() < 0.25:
            angle, apart = rng.uniform(0, 2 * math.pi), rng.uniform(5, 20)
            found.append(blob(north + apart * math.cos(angle), east + apart * math.sin(angle), 1.0,
                              flux * rng.uniform(0.3, 1)))
    return join(*found) if found else None
