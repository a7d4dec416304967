"""Every product works for every sort of model, and says what it should of objects that are known."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from regions import Regions

from astro_vae import model as models
from astro_vae.errors import UserError
from astro_vae.evaluate import evaluate
from astro_vae.files import read_json, write_json
from astro_vae.images.measure import EXTREMES
from astro_vae.objects import open_objects
from astro_vae.products._views import Views
from astro_vae.products.anomalies import rank
from astro_vae.products.latents import encode
from astro_vae.products.reasons import reasons
from astro_vae.products.samples import generate
from astro_vae.settings import ProductSettings

SETTINGS = ProductSettings(rotations=2, draws=4, samples_per_label=3, top=5, neighbours=3, bootstrap=20)
MODELS = ("conditional", "unconditional", "pca", "unlabelled")
STRANGE = "J007"


@dataclass(frozen=True)
class Made:
    """All products of one model."""

    name: str
    folder: Path

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")


def make(survey, name: str, folder: Path) -> Made:
    """Run every step after the prior into a copy of the model's folder."""
    shutil.copytree(survey.folder / name, folder)
    model, prior = folder / "model", folder / models.PRIOR
    files = {"objects": survey.objects, "split": survey.split}
    encode(SETTINGS, model=model, prior=prior, out=folder / "latents.fits", **files)
    generate(SETTINGS, model=model, prior=prior, out=folder / "samples.h5")
    rank(SETTINGS, model=model, prior=prior, latents=folder / "latents.parquet", out=folder / "anomalies.fits", **files)
    write_json(folder / "judge" / "classifier.json", {"labels": [], "reason": "none"})
    evaluate(SETTINGS, folder=folder, classifier=folder / "judge", out=folder / "metrics.json", **files)
    return Made(name, folder)


@pytest.fixture(scope="module")
def all_made(survey, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    folder = tmp_path_factory.mktemp("products")
    return {name: make(survey, name, folder / name) for name in MODELS}


@pytest.fixture(params=MODELS)
def made(request: pytest.FixtureRequest, all_made: dict[str, Made]) -> Made:
    return all_made[request.param]


def test_the_latent_catalog_has_every_object_with_all_it_needs(made: Made) -> None:
    table = made.table("latents")
    assert len(table) == 60
    for name in ("z_mean", "z_err", "z_rot_std"):
        columns = table[[f"{name}_{k}" for k in range(3)]]
        assert np.isfinite(columns.to_numpy()).all(), name
    assert np.array_equal(table["z_pa_mean_0"].notna(), table["axis_angle_deg"].notna())
    assert (table["user_redshift"] == 0.1).all()
    assert ("p_single" in table) == (made.name != "unlabelled")


def test_label_probabilities_add_up_and_the_own_label_is_used(made: Made) -> None:
    table = made.table("latents")
    if made.name == "unlabelled":
        assert "label_predicted" not in table
        return
    for suffix in ("", "_calibrated"):
        p = table[[f"p_single{suffix}", f"p_double{suffix}"]].to_numpy()
        np.testing.assert_allclose(p.sum(axis=1), 1)
        assert np.array_equal(p.argmax(axis=1) == 0, table["label_predicted"] == "single")
    own = table["label"].isin(["single", "double"])
    assert (table["label_used"] == table["label"].where(own, table["label_predicted"])).all()


def test_formats_agree(made: Made) -> None:
    table = made.table("latents")
    for suffix in (".fits", ".vot"):
        again = Table.read(made.folder / f"latents{suffix}")
        np.testing.assert_array_equal(np.ma.filled(again["z_mean_1"], np.nan), table["z_mean_1"])
        assert again["ra"].unit == "deg"


def test_samples_have_their_label_seed_and_sky(made: Made) -> None:
    samples = open_objects(made.folder / "samples.h5")
    labels = ["single", "double"] if made.name != "unlabelled" else [""]
    assert list(samples.table["label"]) == [name for name in labels for _ in range(3)]
    images = samples.read()
    assert images.min() >= 0
    assert images.max() <= 1
    assert not ((images > 0) & (images < 0.02)).any()  # the threshold of the survey's own images
    with fits.open(made.folder / "samples.fits") as hdus:
        assert [hdu.header["LABEL"] for hdu in hdus[1:]] == labels
        np.testing.assert_array_equal(hdus[1].data, images[:3])
        wcs = WCS(hdus[1].header).celestial
    east, north = wcs.pixel_to_world(-10, 7.5), wcs.pixel_to_world(7.5, 20)
    assert east.ra.deg > 0 > east.ra.wrap_at("180d").deg - 1
    assert north.dec.deg > 0
    assert wcs.wcs.cdelt[1] * 3600 == pytest.approx(1.8)


def test_the_same_seed_gives_the_same_samples(made: Made, tmp_path: Path) -> None:
    generate(SETTINGS, model=made.folder / "model", prior=made.folder / models.PRIOR, out=tmp_path / "samples.h5")
    for name in ("samples.h5", "samples.fits", "samples.png", "traversals.png"):
        assert (tmp_path / name).read_bytes() == (made.folder / name).read_bytes(), name


def test_the_ranking_is_whole_and_sorted(made: Made) -> None:
    table = made.table("anomalies")
    assert list(table["rank"]) == list(range(1, 61))
    assert (np.diff(table["combined"]) <= 0).all()
    assert (table["why"] != "").all()
    assert list(pd.read_csv(made.folder / "anomalies.csv")["object_id"]) == list(table["object_id"])
    assert len(Regions.read(made.folder / "anomalies.reg", format="ds9")) == SETTINGS.top
    assert (made.folder / "anomalies.png").stat().st_size > 1000


def test_principal_components_find_the_chessboard(all_made: dict[str, Made]) -> None:
    made = all_made["pca"]
    first = made.table("anomalies").iloc[0]
    assert first["object_id"] == STRANGE
    assert "the model redraws it badly" in first["why"]
    planted = read_json(made.folder / "metrics.json")["anomalies"]["planted"]
    assert planted["first_n"] == {"value": 1.0, "error": 0.0, "n": 1, "random": 1 / 60}
    assert planted["combined"]["auc"]["value"] == 1.0


def test_metrics_have_their_references(made: Made, survey) -> None:
    metrics = read_json(made.folder / "metrics.json")
    for part in ("validation", "test"):
        figures = metrics[part]
        assert {"mean", "median", "error", "n"} <= set(figures["mse"])
        assert figures["mse_mean_image"]["mean"] > 0
        elbo = figures["negative_elbo"]["mean"]
        assert figures["negative_bound_50"]["mean"] <= elbo + 1e-3 * abs(elbo)
    assert (made.folder / "reconstructions.png").stat().st_size > 1000
    assert ("accuracy" in metrics["test"].get("label", {})) == (made.name != "unlabelled")
    assert ("triple" in metrics["anomalies"]) == (made.name != "unlabelled")


def test_the_error_of_the_reconstruction_is_that_of_the_images(all_made: dict[str, Made], survey) -> None:
    conditional = all_made["conditional"]
    trained = models.load(conditional.folder)
    table = conditional.table("latents")
    rows = ((table["part"] == "test") & table["label"].isin(["single", "double"])).to_numpy()
    images = Views(survey.objects, survey.split, trained).images(rows)
    labels = list(table["label"][rows])
    redrawn = trained.decode(trained.encode(images, labels)[0], labels)
    expected = ((images / 255 - redrawn) ** 2).mean()
    metrics = read_json(conditional.folder / "metrics.json")
    assert metrics["test"]["mse"]["mean"] == pytest.approx(expected, rel=1e-5)
    assert metrics["test"]["labelled"] == rows.sum()


class Stubborn:
    """A classifier that sees a single source in every image."""

    labels = ("triple", "double", "single")

    def predict(self, images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.uint8
        return np.tile([0.5, 0.2, 0.3], (len(images), 1))


def test_samples_are_judged_beside_real_objects(
    all_made: dict[str, Made], survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astro_vae.evaluate.load_classifier", lambda folder: Stubborn())
    evaluate(SETTINGS, folder=all_made["conditional"].folder, objects=survey.objects, split=survey.split,
             classifier=tmp_path, out=tmp_path / "metrics.json")
    found = read_json(tmp_path / "metrics.json")["samples"]
    for name in ("agreement", "agreement_standard_normal"):
        assert found[name]["all"] == {"value": 0.5, "error": found[name]["all"]["error"], "n": 6}
        assert found[name]["single"]["value"] == 1.0
    table = all_made["conditional"].table("latents")
    real = table["label"][(table["part"] == "test") & table["label"].isin(["single", "double"])]
    assert found["classifier_on_real_test"]["all"]["value"] == pytest.approx((real == "single").mean())


def test_ordinary_labels_that_no_object_has_are_told(survey, all_made, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"normal_labels": ("single", "quadruple")})
    with pytest.raises(UserError, match="no object has the label 'quadruple'; known: double, "):
        evaluate(settings, folder=all_made["conditional"].folder, objects=survey.objects, split=survey.split,
                 classifier=tmp_path, out=tmp_path / "metrics.json")
    assert not (tmp_path / "metrics.json").exists()


def test_objects_without_positions_are_ranked_all_the_same(survey_without_positions, tmp_path: Path) -> None:
    made = make(survey_without_positions, "conditional", tmp_path / "conditional")
    text = (made.folder / "anomalies.reg").read_text()
    assert text.startswith("# Region file format: DS9")
    assert "circle" not in text
    assert made.table("latents")["ra"].isna().all()


def test_reasons_name_what_is_extreme_and_what_is_doubtful() -> None:
    n = 100
    percentiles = pd.DataFrame({"reconstruction": np.arange(n) / 99, "nearest_neighbours": np.zeros(n)})
    table = pd.DataFrame({"las_arcsec": np.arange(n) + 1.0, "reason": [""] * 99 + ["resolved out"]})
    words = reasons(percentiles, table, EXTREMES)
    assert words[-1].split("; ") == [
        "the model redraws it badly (percentile 99.9)", "very large (100 arcsec)", "doubtful: resolved out",
    ]
    assert words[50] == "highest in reconstruction (percentile 51)"
    where = {"reconstruction": [f"at pixel {i}" for i in range(n)]}
    assert reasons(percentiles, table, EXTREMES, remarks=where)[50].endswith("(percentile 51): at pixel 50")
