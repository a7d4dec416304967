"""A trained model on disk and in hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

import astro_vae
from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.linear import Ppca
from astro_vae.model import build, load, save
from astro_vae.objects import FIRST_COLUMNS, Writer, open_objects
from astro_vae.settings_images import ViewSettings
from astro_vae.settings_models import NetworkSettings, PcaSettings, VaeSettings
from astro_vae.trained import TrainedModel, thresholded
from astro_vae.vae.priors import LabelMixture, StandardNormal

SHAPE = (12, 12)
VAE = VaeSettings(latents=3, network=NetworkSettings(name="dense", hidden=(16,)))
VIEW = ViewSettings(size=12, frame=12)


def write(folder: Path, settings: Any, module: Any = None, labels: tuple[str, ...] = ("FRI", "FRII")) -> Path:
    torch.manual_seed(1)
    module = module or build(settings, shape=SHAPE, n_labels=len(labels))
    contract = {
        "kind": "image", "survey": "toy", "scaled": True, "shape": list(SHAPE), "view": VIEW.model_dump(mode="json"),
        "labels": list(labels), "frequencies": [0.75, 0.25], "settings": settings.model_dump(mode="json"),
    }
    save(folder, module, contract)
    return folder


def write_prior(path: Path, means: list[list[float]]) -> None:
    """Write one narrow Gaussian per label."""
    centre = torch.tensor(means)[:, None]
    c, _, k = centre.shape
    prior = LabelMixture(torch.zeros(c, 1), centre, 0.1 * torch.eye(k).repeat(c, 1, 1, 1), torch.zeros(c) - math.log(c))
    save_file(prior.state_dict(), path)


@pytest.fixture
def model(tmp_path: Path) -> TrainedModel:
    return load(write(tmp_path / "m" / "model", VAE))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, *SHAPE), dtype=np.uint8)


class TestDisk:
    """Saving and loading."""

    @pytest.mark.parametrize("settings", [VAE, VAE.model_copy(update={"network": NetworkSettings(channels=(4, 8))}),
                                          PcaSettings(latents=3)], ids=["dense", "convolutional", "pca"])
    def test_a_model_comes_back_as_it_was(self, tmp_path: Path, settings: Any, images: np.ndarray) -> None:
        module = build(settings, shape=SHAPE, n_labels=2).eval()
        model = load(write(tmp_path, settings, module))
        x, y = torch.from_numpy(images).float() / 255, torch.tensor([0, 1, 0, 1, 0])
        with torch.no_grad():
            posterior = module.encode(x, y)
        mean, sd = model.encode(images, y.numpy())
        np.testing.assert_allclose(mean, posterior.mu, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(sd, posterior.sigma, rtol=1e-5)
        assert not model.module.training

    def test_it_loads_from_either_folder_and_by_the_package(self, tmp_path: Path) -> None:
        write(tmp_path / "cvae" / "model", VAE)
        for folder in (tmp_path / "cvae", tmp_path / "cvae" / "model", str(tmp_path / "cvae")):
            assert astro_vae.load(folder).labels == ("FRI", "FRII")

    def test_others_may_read_the_weights(self, model: TrainedModel) -> None:
        modes = {(model.folder / name).stat().st_mode for name in ("weights.safetensors", "model.json")}
        assert len(modes) == 1

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no model here"):
            load(tmp_path)
        (tmp_path / "checkpoints").mkdir()
        with pytest.raises(UserError, match="an unfinished training here"):
            load(tmp_path)

    def test_damaged_weights(self, model: TrainedModel) -> None:
        path = model.folder / "weights.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(UserError, match=r"weights.safetensors: missing, damaged or not of this model.json"):
            load(model.folder)

    def test_a_contract_of_another_network(self, model: TrainedModel) -> None:
        path = model.folder / "model.json"
        path.write_text(json.dumps({**model.contract, "shape": [8, 8]}))
        with pytest.raises(UserError, match=r"does not fit model\.json"):
            load(model.folder)

    def test_a_contract_with_a_setting_nobody_knows(self, model: TrainedModel) -> None:
        settings = {**model.contract["settings"], "latent": 3}
        (model.folder / "model.json").write_text(json.dumps({**model.contract, "settings": settings}))
        with pytest.raises(UserError, match="did you mean 'latents'"):
            load(model.folder)

    def test_a_damaged_prior(self, model: TrainedModel) -> None:
        save_file({"means": torch.zeros(2)}, model.folder.parent / "prior.safetensors")
        with pytest.raises(UserError, match="not a prior"):
            load(model.folder)


class TestUse:
    """Encode, decode, generate and score."""

    def test_bytes_and_fractions_are_the_same(self, model: TrainedModel, images: np.ndarray) -> None:
        for a, b in zip(model.encode(images, "FRI"), model.encode(images / 255, 0), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

    def test_batches_do_not_show(self, model: TrainedModel) -> None:
        many = np.random.default_rng(2).integers(0, 256, (300, *SHAPE), dtype=np.uint8)
        mean, _ = model.encode(many, "FRII")
        assert mean.shape == (300, 3)
        np.testing.assert_allclose(mean[290:], model.encode(many[290:], "FRII")[0], rtol=1e-4, atol=1e-6)

    def test_an_unknown_label_is_the_most_probable_one(self, model: TrainedModel, images: np.ndarray) -> None:
        best = model.label_probabilities(images).argmax(axis=1)
        expected, _ = model.encode(images, best)
        for unknown in (None, "", [""] * 5, np.full(5, -1)):
            np.testing.assert_array_equal(model.encode(images, unknown)[0], expected)

    def test_an_object_file_is_viewed(self, model: TrainedModel, tmp_path: Path) -> None:
        big = np.random.default_rng(3).integers(0, 256, (4, 16, 16), dtype=np.uint8)
        table = pd.DataFrame({name: [""] * 4 for name in FIRST_COLUMNS}).assign(
            ra=0.0, dec=0.0, row=[0, 1, 2, 3], noise=np.nan)
        with Writer(tmp_path / "objects.h5", (16, 16), "uint8", {"kind": "image", "scaled": True}) as writer:
            writer.append(big)
            writer.table(table, {"noise": Column("noise")})
        y, x = np.mgrid[:12, :12] - 6
        central = big[:, 2:14, 2:14] * (x**2 + y**2 <= 36)
        objects = open_objects(tmp_path / "objects.h5")
        np.testing.assert_array_equal(model.encode(objects, "FRI")[0], model.encode(central.astype(np.uint8), "FRI")[0])

    def test_nothing_in_nothing_out(self, model: TrainedModel) -> None:
        mean, sd = model.encode(np.zeros((0, *SHAPE), np.uint8))
        assert mean.shape == sd.shape == (0, 3)
        assert model.decode(np.zeros((0, 3)), []).shape == (0, *SHAPE)
        assert len(model.score(np.zeros((0, *SHAPE), np.uint8))) == 0

    def test_samples_follow_their_seed_and_their_label(self, model: TrainedModel) -> None:
        a, b, c = (model.generate(label, 4, seed) for label, seed in (("FRI", 1), ("FRI", 1), ("FRII", 1)))
        np.testing.assert_array_equal(a, b)
        assert a.shape == (4, *SHAPE)
        assert not np.allclose(a, c)
        assert model.generate(None, 6, seed=2).shape == (6, *SHAPE)

    def test_the_fitted_prior_is_taken_where_there_is_one(self, model: TrainedModel) -> None:
        assert isinstance(model.prior, StandardNormal)
        write_prior(model.folder.parent / "prior.safetensors", [[5.0, 0, 0], [-5.0, 0, 0]])
        fitted = load(model.folder)
        expected = model.decode(np.array([[5.0, 0, 0]], np.float32), "FRI")
        drawn = fitted.generate("FRI", 400, seed=1).mean(axis=0)
        np.testing.assert_allclose(drawn, np.clip(expected[0], 0, 1), atol=0.05)

    def test_scores_of_a_linear_model_are_exact(self, tmp_path: Path, images: np.ndarray) -> None:
        pca = Ppca.fit(images / 255, 3)
        model = load(write(tmp_path, PcaSettings(latents=3), pca))
        mean, _ = model.encode(images)
        squares = (images / 255 - model.decode(mean)) ** 2
        variance = pca.likelihood.variance.item()
        expected = -0.5 * (squares / variance + math.log(2 * math.pi * variance)).mean(axis=(1, 2))
        scores = model.score(images)
        np.testing.assert_allclose(scores["reconstruction"], expected, rtol=1e-3)
        density = -0.5 * (mean**2 + math.log(2 * math.pi)).sum(axis=1)
        np.testing.assert_allclose(scores["latent_density"], density, rtol=1e-5)

    def test_label_probabilities_of_a_linear_model_follow_its_prior(self, tmp_path: Path, images: np.ndarray) -> None:
        write(tmp_path, PcaSettings(latents=3), Ppca.fit(images / 255, 3, n_labels=2))
        centre = load(tmp_path).encode(images[:1])[0][0]
        write_prior(tmp_path / "prior.safetensors", [centre.tolist(), (centre + 3).tolist()])
        probabilities = load(tmp_path).label_probabilities(images[:1], draws=200)
        assert probabilities[0, 0] > 0.99
        assert probabilities.sum(axis=1) == pytest.approx(1)


class TestRefusals:
    """A user's mistakes end in one message."""

    def test_a_label_that_is_not_known(self, model: TrainedModel, images: np.ndarray) -> None:
        for label in ("FRIII", 2, -2):
            with pytest.raises(UserError, match=f"label '{label}' is not one of this model's: FRI, FRII"):
                model.encode(images, label)

    def test_labels_in_the_wrong_number(self, model: TrainedModel, images: np.ndarray) -> None:
        with pytest.raises(UserError, match="2 labels given for 5 objects"):
            model.encode(images, ["FRI", "FRII"])

    def test_decoding_without_a_label(self, model: TrainedModel) -> None:
        with pytest.raises(UserError, match="decodes for a label; give one of FRI, FRII"):
            model.decode(np.zeros((1, 3)))

    def test_latents_in_the_wrong_number(self, model: TrainedModel) -> None:
        with pytest.raises(UserError, match=r"latents of shape \(2, 4\) given to a model that has 3"):
            model.decode(np.zeros((2, 4)), "FRI")

    def test_images_of_another_shape(self, model: TrainedModel) -> None:
        with pytest.raises(UserError, match=r"images of shape \(14, 14\) given to a model of \(12, 12\)"):
            model.encode(np.zeros((2, 14, 14), np.uint8))

    @pytest.mark.parametrize("value", [7.0, -0.1, math.nan])
    def test_values_that_are_no_view(self, model: TrainedModel, value: float) -> None:
        with pytest.raises(UserError, match=r"image values from .* given to a model of values in"):
            model.encode(np.full((2, *SHAPE), value))


def test_samples_are_thresholded_as_the_images_of_the_survey_are() -> None:
    images = np.array([[-0.1, 0.0, 0.019, 0.02, 0.5, 1.2]], np.float32)
    np.testing.assert_array_equal(thresholded(images, 0.02), np.array([[0, 0, 0, 0.02, 0.5, 1]], np.float32))
    np.testing.assert_array_equal(thresholded(images, 0.0)[0, :2], [0, 0])
