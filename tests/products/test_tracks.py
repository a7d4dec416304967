"""Tracks begin and end where they should, for every sort of model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astro_vae import model as models
from astro_vae.errors import UserError
from astro_vae.objects import open_objects
from astro_vae.products import tracks
from astro_vae.products._inference import Inference
from astro_vae.products.priors import load_prior
from astro_vae.products.tours import typical

MODELS = ("conditional", "unconditional", "pca", "unlabelled")


def opened(survey, name: str) -> tuple[Inference, tracks.Reference]:
    prior, reference = load_prior(survey.prior(name))
    return Inference(models.load(survey.model(name)), prior), reference


@pytest.mark.parametrize("name", MODELS)
def test_classes_are_joined_from_typical_object_to_typical_object(survey, name: str) -> None:
    inference, reference = opened(survey, name)
    made = tracks.between_labels(inference, reference)
    if name == "unlabelled":
        assert len(made) == 1
        assert "from 5% of the objects to 95%" in made[0].name
        moved = made[0].z[-1] - made[0].z[0]
        assert (moved != 0).sum() == 1
        return
    assert len(made) == (2 if inference.module.conditional else 1)
    for number, track in enumerate(made):
        for step, label in ((0, 0), (-1, 1)):
            np.testing.assert_allclose(track.z[step], typical(inference, reference, label), rtol=1e-6)
        assert set(track.labels) == {number}
    ends = inference.decode(made[0].z[[0, -1]], made[0].labels[:2])
    np.testing.assert_allclose(made[0].decoded(inference)[[0, -1]], ends, atol=1e-6)


def catalog(survey, name: str, place: Path) -> Path:
    """Put a latent catalog of two objects, with the model and its prior, into a folder."""
    for path in (survey.model(name), survey.prior(name), survey.prior(name).with_name("reference.safetensors")):
        (place / path.name).symlink_to(path)
    rows = {"object_id": ["J001", "J002"], "label_used": ["double", "single"]}
    pd.DataFrame({**rows, **{f"z_mean_{k}": [0.5 * k, -1.0] for k in range(3)}}).to_parquet(place / "latents.parquet")
    return place


def test_a_track_between_objects_is_written_in_all_formats(survey, tmp_path: Path) -> None:
    place = catalog(survey, "conditional", tmp_path)
    for ending in (".fits", ".h5", ".png"):
        tracks.track_new(place, start="J001", end="J002", steps=4, out=tmp_path / f"track{ending}")
    trained = models.load(place)
    z = np.linspace([0, 0.5, 1.0], [-1.0, -1, -1], 4)
    labels = ["double", "double", "single", "single"]
    expected = trained.decode(z, labels)
    with fits.open(tmp_path / "track.fits") as file:
        np.testing.assert_allclose(file["TRACK1"].data, expected, atol=1e-6)
        np.testing.assert_allclose(file["LATENTS1"].data["Z"], z, atol=1e-6)
        assert file["TRACK1"].header["CDELT2"] * 3600 == pytest.approx(1.8)
    objects = open_objects(tmp_path / "track.h5")
    np.testing.assert_allclose(objects.read(), expected, atol=1e-6)
    assert list(objects.usable["label"]) == labels
    np.testing.assert_allclose(objects.usable["fraction"], [0, 1 / 3, 2 / 3, 1])
    assert (tmp_path / "track.png").stat().st_size > 1000


def test_what_is_not_known_is_named_with_what_is_near(survey, tmp_path: Path) -> None:
    place = catalog(survey, "conditional", tmp_path)
    with pytest.raises(UserError, match="'J0O1' is neither one of its objects nor a label of the model; such as J001"):
        tracks.track_new(place, start="J0O1", end="J002", steps=4, out=tmp_path / "track.fits")
    with pytest.raises(UserError, match=r"not written as '.txt'; known: .fits, .h5, .png"):
        tracks.track_new(place, start="J001", end="J002", steps=4, out=tmp_path / "track.txt")
    assert not list(tmp_path.glob("track*"))


def test_a_class_may_stand_for_its_typical_object(survey, tmp_path: Path) -> None:
    place = catalog(survey, "conditional", tmp_path)
    tracks.track_new(place, start="single", end="J001", steps=3, out=tmp_path / "track.h5")
    table = open_objects(tmp_path / "track.h5").usable
    inference, reference = opened(survey, "conditional")
    start = typical(inference, reference, inference.labels.index("single"))
    np.testing.assert_allclose(table[["z_0", "z_1", "z_2"]].iloc[0], start, rtol=1e-6)
