"""Shapes of simulated sources: what makes each class, and how they are imaged."""

from __future__ import annotations

import math

import numpy as np
import pytest

from astro_vae.surveys import _radio_sky as sky
from astro_vae.surveys._radio_sources import SHAPES, Blobs, Geometry, blob, doppler, fri, frii

TELESCOPE = sky.Telescope(size=212, pixel_arcsec=1.8, beam_arcsec=5.4, noise=1.5e-4, stripe_sigma=0.3)
BEAM_PIXELS = math.pi * 5.4**2 / (4 * math.log(2)) / 1.8**2


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def edge(blobs: Blobs, length: float) -> float:
    """Return where the flux lies: its mean distance from the core, in arm lengths."""
    return float((np.hypot(blobs.along, blobs.across) * blobs.flux).sum() / blobs.flux.sum() / length)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_finite_and_fits_its_length(name: str) -> None:
    for seed in range(30):
        blobs = SHAPES[name](rng(seed), Geometry(50.0, 60.0))
        for values in (blobs.along, blobs.across, blobs.sigma, blobs.flux):
            assert np.isfinite(values).all()
        assert (blobs.flux >= 0).all()
        assert (blobs.sigma >= 0).all()
        weights = blobs.flux / blobs.flux.sum()
        assert weights[np.hypot(blobs.along, blobs.across) > 1.9 * 50].sum() < 0.02


def test_fri_sources_are_bright_inside_and_frii_sources_outside() -> None:
    inner = np.array([edge(fri(rng(i), Geometry(50.0, 70.0)), 50) for i in range(200)])
    outer = np.array([edge(frii(rng(i), Geometry(50.0, 70.0)), 50) for i in range(200)])
    assert np.mean(inner < 0.5) > 0.9
    assert np.mean(outer > 0.5) > 0.95
    assert np.median(outer) > np.median(inner) + 0.25


def side_ratio(inclination_deg: float) -> float:
    """Return the flux of the approaching jets by that of the receding ones, median over FRI sources."""
    ratios = []
    for seed in range(150):
        blobs = fri(rng(seed), Geometry(50.0, inclination_deg), turn_deg=0.0)
        ratios.append(blobs.flux[blobs.along > 1].sum() / blobs.flux[blobs.along < -1].sum())
    return float(np.median(ratios))


def test_the_side_that_comes_towards_us_is_brighter() -> None:
    assert side_ratio(90.0) == pytest.approx(1, abs=0.25)
    assert side_ratio(35.0) > 1.5
    assert doppler(0.5, 60) == pytest.approx(0.75**-2.7)
    assert doppler(0.9, 90) == pytest.approx(1)


def test_a_point_is_the_beam_with_its_flux() -> None:
    image = sky.render(blob(0.9, 0.9, 0, 0.02), TELESCOPE, 0.0)  # 0.9 arcsec North and East: on a pixel's centre
    assert image.max() == pytest.approx(0.02)
    assert np.argwhere(image == image.max()).tolist() == [[106, 105]]
    assert image.sum() / BEAM_PIXELS == pytest.approx(0.02, rel=1e-6)
    assert image[106, 105 + 3] == pytest.approx(0.02 / 2**4)  # three pixels are one full width at half maximum


def test_flux_is_kept_when_a_source_is_extended() -> None:
    image = sky.render(fri(rng(), Geometry(40.0, 60.0)).scaled(0.1), TELESCOPE, 123.0)
    assert image.sum() / BEAM_PIXELS == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize(("angle", "row", "column"), [(0, 20, 0), (90, 0, -20), (180, -20, 0), (45, 14.14, -14.14)])
def test_position_angles_run_from_north_through_east(angle: float, row: float, column: float) -> None:
    image = sky.render(blob(36.0, 0, 1.0, 1), TELESCOPE, angle)
    rows, columns = np.indices(image.shape) - 105.5
    assert (image * rows).sum() / image.sum() == pytest.approx(row, abs=0.01)
    assert (image * columns).sum() / image.sum() == pytest.approx(column, abs=0.01)


def test_noise_has_its_level_and_is_correlated_over_the_beam() -> None:
    images = np.stack([sky.noise(rng(i), TELESCOPE) for i in range(20)]) / TELESCOPE.noise
    assert images.std() == pytest.approx(1, abs=0.02)
    assert images.mean() == pytest.approx(0, abs=0.03)
    # White noise smoothed with standard deviation s has the autocorrelation exp(-r^2 / 4 s^2).
    s = 5.4 / sky.FWHM / 1.8
    for lag in (1, 2, 3):
        found = (images[:, :, lag:] * images[:, :, :-lag]).mean()
        assert found == pytest.approx(math.exp(-(lag**2) / (4 * s**2)), abs=0.02)


def test_stripes_scale_with_their_strength() -> None:
    weak, strong = (sky.stripes(rng(3), TELESCOPE, strength) for strength in (0.3, 3.0))
    assert np.allclose(strong, 10 * weak)
    assert not sky.stripes(rng(3), TELESCOPE, 0.0).any()


def test_neighbours_have_their_density() -> None:
    numbers = [0 if found is None else len(found.flux) for found in
               (sky.neighbours(rng(i), TELESCOPE, 90.0) for i in range(600))]
    expected = 90 * (212 * 1.8 / 3600) ** 2 * 1.25  # a quarter have a companion
    assert np.mean(numbers) == pytest.approx(expected, abs=5 * math.sqrt(expected * 1.4 / 600))
    assert sky.neighbours(rng(), TELESCOPE, 0.0) is None
