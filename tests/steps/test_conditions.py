"""Conditions of observation: drawn from all objects, or from those of a label."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astro_vae.kinds import kind
from astro_vae.steps._conditions import Conditions

BINS, N = 8, 300
LABELS = np.array(["faint", "bright"] * 10, dtype=object)
IVAR = np.where(LABELS == "faint", 1.0, 100.0)


def pool() -> Conditions:
    return Conditions(kind("spectrum"), np.repeat(IVAR[:, None], BINS, axis=1).astype(np.float32), LABELS)


def test_conditions_tell_nothing_of_the_label_unless_they_are_asked_for_by_label() -> None:
    asked = pd.Series(["faint"] * N + ["bright"] * N + ["unheard of"])
    made = np.ones((len(asked), BINS), np.float32)
    by_label = pool().observed(made, np.random.default_rng(1), asked)[:, 1, 0]
    assert set(by_label[:N]) == {1.0}
    assert set(by_label[N : 2 * N]) == {100.0}
    blind = pool().observed(made, np.random.default_rng(1))[:, 1, 0]
    for half in (blind[:N], blind[N : 2 * N]):
        assert abs(np.mean(half == 1) - 0.5) < 5 * 0.5 / np.sqrt(N)


def test_a_veil_is_drawn_from_the_whole_pool_and_from_the_seed_alone() -> None:
    seen = np.stack([np.ones((N, BINS)), np.full((N, BINS), 100.0)], axis=1).astype(np.float32)
    veiled = pool().veiled(seen, np.random.default_rng(1))
    assert abs(np.mean(veiled[:, 1, 0] == 1) - 0.5) < 5 * 0.5 / np.sqrt(N)
    np.testing.assert_array_equal(veiled, pool().veiled(seen, np.random.default_rng(1)))
