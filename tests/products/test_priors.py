"""The prior follows the aggregate posterior per label, and a model finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from astro_vae import model as models
from astro_vae.errors import UserError
from astro_vae.objects import open_objects
from astro_vae.products.priors import fit_prior, load_prior, reference_path
from astro_vae.settings import PriorSettings
from astro_vae.vae.priors import LabelMixture, StandardNormal


@pytest.mark.parametrize("name", ["conditional", "unconditional", "pca", "unlabelled"])
def test_a_loaded_model_has_the_prior(survey, name: str) -> None:
    prior, reference = load_prior(survey.prior(name))
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    label = torch.zeros(5, dtype=torch.long)
    trained = models.load(survey.model(name))
    torch.testing.assert_close(trained.prior.log_prob(z, label), prior.log_prob(z, label))
    assert isinstance(prior, LabelMixture)
    assert len(reference.z) == len(reference.label) == len(reference.parent) > 100


def test_references_are_labelled_training_objects_with_their_latents(survey) -> None:
    reference = load_prior(survey.prior("pca"))[1]
    table = open_objects(survey.objects).usable
    label = table["label"].to_numpy()[reference.parent]
    assert set(label) == {"single", "double"}  # neither unlabelled ones nor labels that the model does not know
    assert np.array_equal(reference.label, (label == "double").astype(int))


def test_samples_of_a_label_follow_its_references(survey) -> None:
    prior, reference = load_prior(survey.prior("pca"))
    for label in (0, 1):
        drawn = prior.sample(4000, label, torch.Generator().manual_seed(1)).numpy()
        z = reference.z[reference.label == label]
        np.testing.assert_allclose(drawn.mean(axis=0), z.mean(axis=0), atol=0.15)
        np.testing.assert_allclose(drawn.std(axis=0), z.std(axis=0), rtol=0.15, atol=0.1)


def test_standard_normal_by_setting(survey, tmp_path: Path) -> None:
    settings = PriorSettings(name="standard_normal", examples=50)
    out = tmp_path / "prior.safetensors"
    fit_prior(settings, model=survey.model("pca"), augmented=survey.augmented, objects=survey.objects, out=out)
    prior, reference = load_prior(out)
    assert isinstance(prior, StandardNormal)
    assert len(reference.z) == 50


def test_the_same_seed_gives_the_same_files(survey, tmp_path: Path) -> None:
    settings = PriorSettings(components=2, examples=300)
    out = tmp_path / "prior.safetensors"
    fit_prior(settings, model=survey.model("pca"), augmented=survey.augmented, objects=survey.objects, out=out)
    assert out.read_bytes() == survey.prior("pca").read_bytes()
    assert reference_path(out).read_bytes() == reference_path(survey.prior("pca")).read_bytes()


def test_a_missing_or_damaged_prior_is_named(survey, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"prior\.safetensors: no such file; run the step 'fit-prior'"):
        load_prior(tmp_path / "prior.safetensors")
    (tmp_path / "prior.safetensors").write_text("damaged, and long enough to have a header")
    with pytest.raises(UserError, match="not a safetensors file"):
        load_prior(tmp_path / "prior.safetensors")
