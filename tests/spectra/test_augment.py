"""Transforms of spectra: shares of the errors, shifts, masks, mixtures; each row from its seed alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astro_vae.settings_spectra import GridSettings, SpectrumAugmentSettings, SpectrumViewSettings
from astro_vae.spectra.augment import COLUMNS, apply, draw_transforms, moved, nearest_mates
from astro_vae.spectra.examples import make
from astro_vae.spectra.spectrum import LIGHT_KMS

GRID = GridSettings(log_start=3.7, log_step=0.0004, bins=120)
MARGIN = 6
SETTINGS = SpectrumAugmentSettings(total=10)
STILL = {"mix_share": 0.0, "shift_bins": 0.0, "redshift_kms": 0.0, "noise_sigma": 0.0, "noise_seed": 1,
         "mask_runs": 0, "mask_seed": 1}


def ramps(n: int = 2) -> np.ndarray:
    """Make n spectra that rise by 1 from bin to bin, with errors of 2: (n, 2, L)."""
    flux = np.arange(GRID.bins + 2 * MARGIN) + 100.0 * np.arange(1, n + 1)[:, None]
    return np.stack([flux, np.full_like(flux, 0.25)], axis=1)


def applied(values: np.ndarray, parents: tuple[int, int] = (0, 0), n: int = 1, **changed: object) -> np.ndarray:
    transforms = pd.DataFrame([STILL | changed] * n)
    return apply(values, np.array([parents] * n), transforms, SETTINGS, grid=GRID)


def test_without_a_transform_the_central_bins_stay() -> None:
    values = ramps()
    np.testing.assert_array_equal(applied(values)[0], values[0, :, MARGIN:-MARGIN].astype(np.float32))


@pytest.mark.parametrize("shift", [2.0, -3.0, 0.25, -1.6])
def test_a_shift_moves_flux_and_adds_errors_in_quadrature(shift: float) -> None:
    flux, ivar = applied(ramps(), shift_bins=shift)[0]
    np.testing.assert_allclose(flux, 100 + MARGIN + np.arange(GRID.bins) - shift, rtol=1e-6)
    share = shift % 1
    np.testing.assert_allclose(1 / ivar, 4 * (share**2 + (1 - share) ** 2), rtol=1e-6)


@pytest.mark.parametrize("shift", [1.0, 0.25, -1.6, MARGIN + 2.0])
def test_a_move_is_a_shift_and_nothing_else(shift: float) -> None:
    values = ramps()
    values[1, 1, MARGIN + 50] = 0
    expected = [applied(values, (i, i), shift_bins=shift)[0] for i in range(2)]
    np.testing.assert_array_equal(moved(values, shift, grid=GRID), expected)


def test_an_error_of_the_redshift_is_a_shift() -> None:
    bin_kms = LIGHT_KMS * np.log(10) * GRID.log_step
    made = applied(ramps(), redshift_kms=1.5 * bin_kms)
    np.testing.assert_allclose(made, applied(ramps(), shift_bins=1.5), rtol=1e-6)


def test_bins_made_of_what_is_not_valid_are_not_valid() -> None:
    values = ramps()
    values[0, 1, MARGIN + 50] = 0
    made = applied(values, shift_bins=0.5)[0]
    assert np.flatnonzero(made[1] == 0).tolist() == [50, 51]
    assert made[0, 50] == 0
    assert np.flatnonzero(applied(values, shift_bins=MARGIN + 2.0)[0, 1] == 0).tolist() == [0, 1, 58]


def test_added_noise_has_its_share_of_the_inverse_variance() -> None:
    values = ramps()
    made = np.concatenate([applied(values, noise_sigma=1.5, noise_seed=seed) for seed in range(200)])
    np.testing.assert_allclose(made[:, 1], 0.25 / (1 + 1.5**2), rtol=1e-6)
    residual = made[:, 0] - values[0, 0, MARGIN:-MARGIN]
    added = 1.5 * 2
    assert residual.std() == pytest.approx(added, rel=5 / np.sqrt(2 * residual.size))
    assert residual.mean() == pytest.approx(0, abs=5 * added / np.sqrt(residual.size))


def test_masked_runs_are_short_and_everywhere() -> None:
    made = np.concatenate([applied(ramps(), mask_runs=1, mask_seed=seed)[:, 1] == 0 for seed in range(800)])
    assert made.any(axis=1).all()
    assert made.sum(axis=1).max() <= SETTINGS.mask_bins
    starts = made[:, 1:] & ~made[:, :-1]
    assert (starts.sum(axis=1) + made[:, 0] == 1).all()
    share = made.mean(axis=0)  # bins at the ends are masked as often as others
    assert share.max() < 1.6 * share.mean()
    assert share.min() > 0.4 * share.mean()


def test_a_mixture_has_the_brightness_of_the_parent() -> None:
    values = ramps()
    values[1, 0] = 3 * values[0, 0] + 0.0
    flux, ivar = applied(values, (0, 1), mix_share=0.25)[0]
    np.testing.assert_allclose(flux, values[0, 0, MARGIN:-MARGIN], rtol=1e-6)
    np.testing.assert_allclose(1 / ivar, 4 * (0.75**2 + (0.25 / 3) ** 2), rtol=1e-6)


def test_rows_depend_on_the_seed_and_their_place_alone() -> None:
    parents = np.arange(40) % 7
    mates = np.stack([(parents + 1) % 7, (parents + 2) % 7], axis=1)
    settings = SETTINGS.model_copy(update={"mix": 0.5})
    table = draw_transforms(parents, settings, seed=3, mates=mates)
    assert list(table) == list(COLUMNS)
    pd.testing.assert_frame_equal(draw_transforms(parents[:9], settings, seed=3, mates=mates[:9]), table[:9])
    assert not table.equals(draw_transforms(parents, settings, seed=4, mates=mates))
    mixed = table["mix_share"] > 0
    assert 5 < mixed.sum() < 35
    assert (table["mate"] == table["parent"])[~mixed].all()
    assert ((table["mate"] - table["parent"]) % 7).isin([1, 2])[mixed].all()
    assert table["shift_bins"].abs().max() <= SETTINGS.shift_bins
    assert set(table["mask_runs"]) == {0, 1, 2}


def test_each_example_can_be_made_again_alone() -> None:
    rng = np.random.default_rng(5)
    values = ramps(7) + rng.normal(0, 1, (7, 1, 1))
    parents = rng.integers(0, 7, 30)
    settings = SETTINGS.model_copy(update={"mix": 0.5})
    transforms = draw_transforms(parents, settings, seed=1, mates=(parents[:, None] + [1, 3]) % 7)
    rows = transforms[["parent", "mate"]].to_numpy()
    view, table = SpectrumViewSettings(grid=GRID), pd.DataFrame(index=range(30))
    everything = make(values, rows, table, transforms, view, settings, scaled=False)
    assert everything.shape == (30, 2, GRID.bins)
    alone = make(values, rows[[17]], table.iloc[[17]], transforms.iloc[[17]], view, settings, scaled=False)
    np.testing.assert_array_equal(alone[0], everything[17])


def test_mates_are_the_most_alike_of_the_same_label() -> None:
    slope = np.array([0.0, 0.1, 1.0, 1.1, 0.05, 5.0])
    x = np.linspace(-1, 1, 200)
    values = np.stack([np.stack([10 + s * x, np.ones(200)]) for s in slope])
    labels = np.array(["a", "a", "a", "a", "b", "c"])
    mates = nearest_mates(values, labels, 2)
    assert mates[:4, 0].tolist() == [1, 0, 3, 2]
    assert mates[4].tolist() == [4, 4]
    assert mates[5].tolist() == [5, 5]
