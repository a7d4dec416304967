"""A kind names the rooms of its data, and nobody else does."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from astro_vae import kinds
from astro_vae.errors import UserError


@pytest.mark.parametrize("name", sorted(kinds.KINDS))
@pytest.mark.parametrize(
    ("room", "functions"),
    [
        ("cut", ("take", "known", "stored_shape", "grid", "COLUMNS")),
        ("twins", ("twins",)),
        ("view", ("view", "frame_size", "central", "to_network", "empty", "fault")),
        ("orient", ("ORIENTED", "number", "orientations", "upright")),
        ("fit", ("NAME", "SCORE", "COMBINED", "COLUMNS", "misfit", "misfit_of_mean", "misfit_of_scaled_mean", "mean")),
        ("residuals", ("RUNS", "COLUMNS")),
        ("measure", ("measure", "measure_noise", "trivial", "COLUMNS", "EXTREMES", "SHOWN", "TRIVIAL")),
        ("traits", ("traits", "TRAITS")),
        ("judge", ("conditions", "observed", "veiled", "shown", "CHANNELS", "PATCH", "PLACES")),
        ("diagnose", ("diagnose", "COLUMNS")),
        ("augment", ("draw_transforms", "apply", "PARENTS", "COLUMNS")),
        ("examples", ("make",)),
        ("export", ("attributes", "unit", "append")),
        ("draw", ("grid", "ways", "known", "beside", "blank", "show", "thumbnail", "PER_ROW", "SAMPLES")),
    ],
)
def test_every_kind_has_the_same_furniture(name: str, room: str, functions: tuple[str, ...]) -> None:
    module = getattr(kinds.kind(name), room)
    assert [function for function in functions if not hasattr(module, function)] == []


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UserError, match="'cube' is no kind of data; known: image, spectrum"):
        kinds.kind("cube")


def test_bytes_become_values_in_zero_to_one() -> None:
    images = np.array([[0, 51, 255]], dtype=np.uint8)
    seen, weight = kinds.kind("image").view.to_network(images)
    assert weight is None
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, np.float32([[0, 0.2, 1]]))


def test_no_room_is_entered_before_it_is_used() -> None:
    code = "import sys; from astro_vae import kinds; kinds.kind('image'); sys.exit('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
