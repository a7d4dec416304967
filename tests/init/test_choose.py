"""What is chosen fits what was found: sizes fit together, budgets fit the number of objects."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from astro_vae.init.choose import Choice, choose, common_grid, expected, fit_sizes, largest_group
from astro_vae.init.look import Findings
from astro_vae.init.tell import facts, odd
from astro_vae.init.text import config_text
from astro_vae.settings import SurveySettings
from astro_vae.surveys import settings_of
from astro_vae.surveys.folder import Source


def images(n: int = 40, **columns: Any) -> pd.DataFrame:
    """Return what is seen of n FITS cutouts of 150 pixels."""
    known: dict[str, Any] = {
        "object_id": [f"J{i}" for i in range(n)], "reason": "", "label": ["FRI", "FRII"] * (n // 2), "ra": 10.0,
        "dec": 5.0, "unit": "Jy/beam", "scaled": False, "height": 150, "width": 160, "pixel_arcsec": 1.8, "bmaj": 5.4,
        "bmin": 5.4, "missing": 0.0, "blank": False, "no_noise": False, "snr": 20.0, "extent_px": 30.0,
        "digest": [str(i) for i in range(n)],
    }
    return pd.DataFrame(known | columns)


def found(seen: pd.DataFrame, *, source: dict[str, Any] | None = None, **changed: Any) -> Findings:
    files = [(f"{name}.fits", "") for name in seen["object_id"]]
    known: dict[str, Any] = {"files": files, "endings": Counter({".fits": len(files)}), "size": 10**6,
                             "objects": len(seen), "images": seen, "read_ms": 2.0}
    return Findings(source=Source(survey="folder", path="/my images", **(source or {})), **(known | changed))


def settings(findings: Findings) -> SurveySettings:
    """Return the validated settings of the text that is written."""
    text = config_text("mine", choose(findings), [f"{a}: {b}" for a, b in facts(findings)])
    return settings_of(yaml.safe_load(text), Path("mine.yaml")).surveys["mine"]


@pytest.mark.parametrize("extent", [math.nan, 3.0, 25.0, 60.0, 90.0, 300.0])
@pytest.mark.parametrize("side", [8, 13, 16, 28, 31, 64, 97, 100, 150, 151, 212, 300, 3000])
def test_sizes_fit_together(side: int, extent: float) -> None:
    sizes = fit_sizes(side, extent)
    assert sizes.frame <= sizes.stored <= side
    assert sizes.size <= sizes.frame
    assert 8 <= sizes.size <= 96
    assert sizes.size % 16 == 0 or side < 16
    if math.isfinite(extent):  # the view holds the source where the image does
        seen = sizes.frame if sizes.method == "resample" else sizes.size
        assert seen >= min(1.1 * extent, side * 0.5)


def test_the_defaults_are_chosen_for_what_they_are_for() -> None:
    assert fit_sizes(300, 80.0).__dict__ | {"reason": ""} == {
        "stored": 212, "frame": 150, "size": 96, "method": "crop", "reason": ""
    }


def test_plain_cutouts_give_a_plain_configuration() -> None:
    made = settings(found(images()))
    assert (made.prepare.size, made.prepare.field, made.view.frame, made.view.size) == (104, 74, 74, 48)
    assert made.models["cvae"].conditional
    assert made.models["cvae"].latents == made.models["pca"].latents == 8
    assert made.source.path == "/my images"
    assert odd(found(images())) == []


@pytest.mark.parametrize(("n", "latents", "total", "examples"),
                         [(20, 8, 10_000, 40_000), (400, 16, 120_000, 240_000), (5000, 32, 200_000, 360_000)])
def test_latents_and_budget_grow_with_the_sample(n: int, latents: int, total: int, examples: int) -> None:
    made = settings(found(images(40), objects=n))
    assert made.models["cvae"].latents == latents
    assert (made.augment.total, made.models["cvae"].train.examples) == (total, examples)


def test_what_is_blank_twice_there_or_unreadable_does_not_count() -> None:
    seen = images(40, reason=["damaged: no END"] * 10 + [""] * 30, blank=[False] * 30 + [True] * 10)
    seen.loc[15, "digest"] = "16"
    assert expected(found(seen)) == 19
    assert expected(found(seen, objects=4000)) == 1900
    said = "\n".join(odd(found(seen)))
    assert "10 of 40 cannot be used" in said
    assert "10 damaged: such as J0 (damaged: no END)" in said
    assert "1 of 30 images has the same pixels as another, such as J16; the first is kept" in said
    assert "10 of 30 images have the same value in every pixel" in said


def test_unequal_pixels_get_the_commonest_scale_and_sizes_follow() -> None:
    seen = images(40, pixel_arcsec=[1.8] * 30 + [3.6] * 10)
    assert common_grid(seen) == 1.8
    assert common_grid(images(40)) is None
    assert common_grid(images(40, pixel_arcsec=[1.8] * 20 + [3.6] * 20)) == 3.6
    made = settings(found(images(40, pixel_arcsec=[1.8] * 10 + [3.6] * 30, extent_px=80.0)))
    assert made.source.grid_arcsec == 3.6
    assert made.prepare.size <= 75  # half of the pixels of the finer images
    assert "pixel scales differ: 1.8 to 3.6 arcsec" in "\n".join(odd(found(seen)))


def test_what_only_the_person_knows_is_a_comment() -> None:
    seen = images(40, bmaj=[5.4] * 20 + [9.0] * 15 + [math.nan] * 5, unit="")
    text = config_text("mine", choose(found(seen)), [])
    for line in ("# beam: [6.0, 6.0, 0.0]", "# common_beam: [9.0, 9.0, 0.0]", '# unit: "Jy/beam"'):
        assert line in text
    assert settings(found(seen)).source.common_beam is None


def test_labels_decide_what_is_conditioned_on() -> None:
    none = settings(found(images(label="")))
    assert not none.models["cvae"].conditional
    rare = images(label=["FRI"] * 20 + ["FRII"] * 17 + ["ring"] * 3)
    made = settings(found(rare))
    assert made.models["cvae"].labels == ("FRI", "FRII")
    assert "labels of fewer than 5 objects, which no model is trained on: ring (3)" in odd(found(rare))
    assert not settings(found(images(label=["FRI"] * 39 + ["FRII"]))).models["cvae"].conditional


def test_missing_files_lower_the_fraction_that_must_arrive() -> None:
    made = settings(found(images(), source={"labels": "/l.csv"}, unmatched=10))
    assert made.source.min_fraction == 0.8
    assert settings(found(images(), source={"labels": "/l.csv"}, unmatched=1)).source.min_fraction == 0.95


def test_fits_files_are_taken_where_pictures_lie_beside() -> None:
    mixed = found(images(), endings=Counter({".fits": 30, ".png": 10}))
    assert settings(mixed).source.endings == (".fits",)
    assert any("10 pictures lie beside" in line for line in odd(mixed))


def test_missing_pixels_are_allowed_where_they_are_common() -> None:
    assert settings(found(images(missing=[0.0] * 39 + [0.1]))).prepare.max_nan_fraction == 0
    assert settings(found(images(missing=[0.0] * 20 + [0.125] * 20))).prepare.max_nan_fraction == 0.13


def test_cutouts_of_a_mosaic_that_overlap_stay_together() -> None:
    grid = np.arange(40) * 0.5
    made = settings(found(images(ra=grid), source={"catalog": "/c.csv"}))
    assert made.source.cutout == made.prepare.size == 104
    assert made.split.radius_arcsec == math.ceil(74 * 1.8)
    crowded = found(images(ra=np.arange(40) * 0.02), source={"catalog": "/c.csv"})
    assert settings(crowded).split.radius_arcsec == 60
    assert "leaves too few groups (100% of the objects in one)" in config_text("m", choose(crowded), [])


def test_the_largest_group() -> None:
    assert largest_group(np.array([0.0, 0.01, 0.02, 5.0]), np.zeros(4), 40.0) == 0.75


def test_a_section_of_comments_is_a_comment() -> None:
    text = config_text("m", [Choice("a.x", 1, "why"), Choice("a.c.z", [1, "ö"]), Choice("b.y", 2, off=True)], ["top"])
    assert yaml.safe_load(text) == {"surveys": {"m": {"a": {"x": 1, "c": {"z": [1, "ö"]}}}}}
    assert text.startswith("# top\nsurveys:\n")
    assert "    # b:\n      # y: 2\n" in text
