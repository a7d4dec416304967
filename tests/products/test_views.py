"""Turns act on the stored values, and the view is the last act."""

from __future__ import annotations

import numpy as np
import pytest

from astro_vae import model as models
from astro_vae.errors import UserError
from astro_vae.products._views import Views


@pytest.fixture
def views(survey) -> Views:
    return Views(survey.objects, survey.split, models.load(survey.model("conditional")))


def test_the_first_rotation_is_the_view_and_quarter_turns_are_exact(views: Views) -> None:
    block = next(views.blocks())
    turned = list(block.rotations(4))
    whole = block.as_it_lies()
    assert np.array_equal(turned[0], whole)
    # counter-clockwise as displayed with row 0 below is clockwise in the order of the array
    inner = turned[1][:, 1:, 1:]  # the published disc has no middle pixel, so one row and column differ
    expected = np.rot90(whole, -1, axes=(1, 2))[:, 1:, 1:]
    assert np.mean(inner != expected) < 0.02


def test_blocks_give_the_rows_of_a_mask(views: Views) -> None:
    mask = np.zeros(len(views), bool)
    mask[[3, 7, 50]] = True
    whole = views.images(np.ones(len(views), bool))
    assert np.array_equal(views.images(mask), whole[mask])
    assert views.images(np.zeros(len(views), bool)).shape == (0, 16, 16)


def test_upright_puts_the_long_axis_up_and_the_brighter_half_above(views: Views) -> None:
    block = next(views.blocks())
    images, known = block.upright()
    assert np.array_equal(known, (views.table["label"] == "double").to_numpy())
    lower, upper = images[known, :8].sum(axis=(1, 2), dtype=int), images[known, 8:].sum(axis=(1, 2), dtype=int)
    assert (upper >= lower).all()
    assert np.array_equal(images[~known], block.as_it_lies()[~known])


def test_objects_of_another_sort_are_refused(survey) -> None:
    trained = models.load(survey.model("conditional"))
    trained.contract["scaled"] = True
    with pytest.raises(UserError, match="its 'scaled' is False, the model was trained on True"):
        Views(survey.objects, survey.split, trained)


def test_an_object_without_a_part_is_named(survey, tmp_path) -> None:
    lines = survey.split.read_text().splitlines()
    (tmp_path / "split.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UserError, match="'J059' has no row"):
        Views(survey.objects, tmp_path / "split.csv", models.load(survey.model("conditional")))
