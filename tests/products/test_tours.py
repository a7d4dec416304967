"""A traversal stays where real objects are."""

from __future__ import annotations

import numpy as np
import pytest

from astro_vae import model as models
from astro_vae.products._inference import Inference
from astro_vae.products.priors import load_prior
from astro_vae.products.tours import PERCENTILES, traversal, typical


@pytest.mark.parametrize("name", ["conditional", "unlabelled"])
def test_one_latent_goes_through_the_percentiles_of_real_objects(survey, name: str) -> None:
    prior, reference = load_prior(survey.prior(name))
    inference = Inference(models.load(survey.model(name)), prior)
    made = traversal(inference, reference, 0, 1)
    z = np.repeat(typical(inference, reference, 0)[None], len(PERCENTILES), axis=0)
    z[:, 1] = np.percentile(reference.z[reference.label == 0, 1], PERCENTILES)
    assert (np.diff(z[:, 1]) > 0).all()
    np.testing.assert_allclose(made, inference.decode(z, np.zeros(len(z), int)), atol=1e-6)
