"""Residuals are those of objects that the model knows, and go through a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from astro_vae import kinds
from astro_vae import model as models
from astro_vae.errors import UserError
from astro_vae.products._inference import Inference
from astro_vae.products._views import Views
from astro_vae.products.priors import load_prior
from astro_vae.products.residuals import Residuals, calibrate, load, save
from astro_vae.settings_spectra import SpectrumViewSettings


def test_the_mean_is_that_of_the_training_objects_with_labels_of_the_model(survey) -> None:
    trained = models.load(survey.model("conditional"))
    views = Views(survey.objects, survey.split, trained)
    inference = Inference(trained, load_prior(survey.prior("conditional"))[0])
    found = calibrate(inference, views, np.zeros(len(views), np.int64))
    used = (views.table["part"] == "train") & (views.table["label"] != "triple")
    np.testing.assert_allclose(found.mean, views.images(used.to_numpy()).mean(axis=0) / 255, rtol=1e-5)
    assert found.runs is None  # images have none


def test_residuals_go_through_a_file(tmp_path: Path) -> None:
    kind = kinds.kind("spectrum")
    seen = np.stack([np.random.default_rng(1).normal(size=(20, 1000)), np.ones((20, 1000))], axis=1)
    runs = kind.residuals.RUNS.calibrate(seen, np.zeros((20, 1000)), SpectrumViewSettings())
    save(Residuals(np.arange(1000, dtype=np.float32), runs), tmp_path / "residuals.safetensors")
    again = load(tmp_path / "residuals.safetensors", kind)
    np.testing.assert_array_equal(again.mean, np.arange(1000))
    np.testing.assert_array_equal(again.runs.score(seen, np.zeros((20, 1000))), runs.score(seen, np.zeros((20, 1000))))


def test_without_a_file_or_with_another_the_remedy_is_named(tmp_path: Path) -> None:
    kind = kinds.kind("spectrum")
    path = tmp_path / "residuals.safetensors"
    with pytest.raises(UserError, match="no such file; run the step 'rank'"):
        load(path, kind)
    path.write_bytes(b"no tensors")
    with pytest.raises(UserError, match="not residuals of astro_vae"):
        load(path, kind)
    save(Residuals(np.zeros(4, np.float32), None), path)  # that of images
    with pytest.raises(UserError, match="not residuals of astro_vae"):
        load(path, kind)
