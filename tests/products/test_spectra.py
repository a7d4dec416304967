"""Spectra through training and products: the same functions as images, with weights, on a tiny made-up survey."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

import astro_vae
from astro_vae import model as models
from astro_vae.classifier import classifier
from astro_vae.compare import compare
from astro_vae.errors import UserError
from astro_vae.evaluate import evaluate
from astro_vae.objects import open_objects
from astro_vae.products._inference import Inference
from astro_vae.products.anomalies import rank
from astro_vae.products.catalog import read_meta
from astro_vae.products.latents import encode
from astro_vae.products.new_objects import latents_of, open_result, scores_of
from astro_vae.products.new_samples import generate_new
from astro_vae.products.priors import fit_prior
from astro_vae.products.samples import generate
from astro_vae.products.tracks import track_new
from astro_vae.report.page import report
from astro_vae.settings import ClassifierSettings, ExecutionSettings, PriorSettings, ProductSettings, SplitSettings
from astro_vae.settings_models import NetworkSettings, PcaSettings, TrainSettings, VaeSettings
from astro_vae.settings_spectra import (
    GridSettings,
    SpectrumAugmentSettings,
    SpectrumPrepareSettings,
    SpectrumViewSettings,
)
from astro_vae.spectra import fit
from astro_vae.spectra.resample import bin_centres
from astro_vae.steps._coverage import count_valid
from astro_vae.steps._examples import load_part
from astro_vae.steps.augment import augment
from astro_vae.steps.inputs import TrainingInputs
from astro_vae.steps.prepare import prepare
from astro_vae.steps.split import split
from astro_vae.steps.train import train
from astro_vae.surveys import spectra_folder

GRID = GridSettings(log_start=3.65, log_step=0.0015, bins=100)
VIEW = SpectrumViewSettings(grid=GRID)
AUGMENT = SpectrumAugmentSettings(total=400)
EXECUTION = ExecutionSettings(device="cpu", progress=False)
PRODUCTS = ProductSettings(
    samples_per_label=6, top=5, bootstrap=20, draws=10, prior=PriorSettings(components=1, examples=200)
)
MODELS: dict[str, Any] = {
    "em_pca": PcaSettings(type="em_pca", latents=3, examples=400),
    "vae": VaeSettings(
        latents=3, likelihood="gaussian_ivar", network=NetworkSettings(name="dense", hidden=(16,), path="linear"),
        train=TrainSettings(examples=1200, validate_every=400, batch=64),
    ),
}
N, SIGMA, STRANGE = 40, 0.2, "s07"


@dataclass(frozen=True)
class Survey:
    """A tiny survey of spectra: its files, and a folder per model."""

    folder: Path

    @property
    def files(self) -> dict[str, Path]:
        return {"objects": self.folder / "objects.h5", "split": self.folder / "split.csv"}

    @property
    def inputs(self) -> TrainingInputs:
        return TrainingInputs(**self.files, augmented=self.folder / "augmented.h5", view=VIEW, augment=AUGMENT)


def write_tables(place: Path) -> None:
    """Write spectra of two parameters, slope and a bump, with noise of `SIGMA`; one has an absorption of its own."""
    rng, wave = np.random.default_rng(1), np.geomspace(4300.0, 6700, 800)
    rows = []
    (place / "files").mkdir(parents=True)
    for i in range(N):
        slope, bump = rng.normal(3 if i % 2 else -3, 0.5), rng.normal(1, 0.3)
        flux = 5 + slope * (wave / 5500 - 1) + bump * np.exp(-0.5 * ((wave - 5000) / 100) ** 2)
        name = f"s{i:02d}"
        if name == STRANGE:
            flux -= 3 * np.exp(-0.5 * ((wave - 6000) / 60) ** 2)
        flux += rng.normal(0, SIGMA, len(wave))
        pd.DataFrame({"wave": wave, "flux": flux, "error": SIGMA}).to_csv(place / f"files/{name}.csv", index=False)
        # Redshifts differ, so that the line of the sky, which is masked, hides no bin in all of them.
        rows.append((name, "red" if i % 2 else "blue", rng.uniform(0.005, 0.03), 9.0 * i, 0.0))
    pd.DataFrame(rows, columns=["file", "label", "redshift", "ra", "dec"]).to_csv(place / "labels.csv", index=False)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Take the survey from download to report, with a linear model and a small network."""
    place = tmp_path_factory.mktemp("run") / "tiny"
    write_tables(place)
    source = spectra_folder.Source(survey="spectra_folder", path=str(place / "files"), labels=str(place / "labels.csv"))
    spectra_folder.obtain(source, place, execution=EXECUTION).to_csv(place / "manifest.csv", index=False)
    made = Survey(place)
    settings = SpectrumPrepareSettings(grid=GRID, margin=5)
    prepare(source, settings, folder=place, manifest=place / "manifest.csv", out=made.files["objects"])
    split(SplitSettings(), objects=made.files["objects"], out=made.files["split"])
    augment(VIEW, AUGMENT, **made.files, out=made.inputs.augmented)
    classifier(ClassifierSettings(examples=3000), made.inputs, out=place / "classifier", execution=EXECUTION)
    for name, model in MODELS.items():
        folder = place / name
        train(model, made.inputs, out=folder / "model", execution=EXECUTION)
        files = {"model": folder / "model", "prior": folder / "prior.safetensors"}
        fit_prior(
            PRODUCTS.prior, model=files["model"], augmented=made.inputs.augmented, objects=made.files["objects"],
            out=files["prior"],
        )
        encode(PRODUCTS, **files, **made.files, out=folder / "latents.fits")
        rank(PRODUCTS, **files, **made.files, latents=folder / "latents.parquet", out=folder / "anomalies.fits")
        generate(PRODUCTS, **files, out=folder / "samples.h5")
        evaluate(
            PRODUCTS, folder=folder, **made.files, classifier=place / "classifier", out=folder / "metrics.json"
        )
    compare([place / name / "metrics.json" for name in MODELS], out=place / "comparison.csv")
    return made


@pytest.mark.parametrize("name", MODELS)
def test_a_model_redraws_the_held_out_spectra_within_their_noise(survey: Survey, name: str) -> None:
    metrics = json.loads((survey.folder / name / "metrics.json").read_text())["test"]
    assert metrics["reduced_chi2"]["median"] < 0.2 * metrics["reduced_chi2_mean_spectrum"]["median"]
    assert 0.5 < metrics["reduced_chi2"]["median"] < 2
    assert "mse" not in metrics
    assert metrics["label"]["accuracy"]["value"] > 0.8


@pytest.mark.parametrize("name", MODELS)
def test_the_catalog_has_the_reduced_chi_square_of_the_reconstruction(survey: Survey, name: str) -> None:
    catalog = pd.read_parquet(survey.folder / name / "latents.parquet").set_index("object_id")
    assert not any(str(column).startswith(("z_pa", "z_rot")) for column in catalog)
    model = astro_vae.load(survey.folder / name)
    table, seen = load_part(survey.files["objects"], survey.files["split"], None, VIEW)
    z, _ = model.encode(seen, table["label"])
    redrawn = model.decode(z, table["label"])
    chi2 = ((seen[:, 0] - redrawn) ** 2 * seen[:, 1]).sum(axis=1) / (seen[:, 1] > 0).sum(axis=1)
    np.testing.assert_allclose(catalog.loc[table["object_id"], "reduced_chi2"], chi2, rtol=1e-3)


@pytest.fixture(scope="module")
def refined(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Give the survey with the products of the network made again, of refined latents."""
    made = Survey(tmp_path_factory.mktemp("refined") / "tiny")
    shutil.copytree(survey.folder, made.folder)
    folder, settings = made.folder / "vae", PRODUCTS.model_copy(update={"refine": 8})
    files = {"model": folder / "model", "prior": folder / "prior.safetensors"}
    fit_prior(settings.prior, **{"model": files["model"], "out": files["prior"]}, refine=8,
              augmented=made.folder / "augmented.h5", objects=made.files["objects"])
    encode(settings, **files, **made.files, out=folder / "latents.fits")
    rank(settings, **files, **made.files, latents=folder / "latents.parquet", out=folder / "anomalies.fits")
    evaluate(settings, folder=folder, **made.files, classifier=made.folder / "classifier", out=folder / "metrics.json")
    return made


def test_refined_latents_fit_better_and_are_those_of_every_product(survey: Survey, refined: Survey) -> None:
    before, after = (
        pd.read_parquet(one.folder / "vae" / "latents.parquet").set_index("object_id") for one in (survey, refined)
    )
    test = after["part"] == "test"
    assert after["reduced_chi2"][test].mean() < before["reduced_chi2"][test].mean()
    metrics = json.loads((refined.folder / "vae" / "metrics.json").read_text())["test"]
    assert metrics["reduced_chi2"]["mean"] == pytest.approx(after["reduced_chi2"][test].mean(), rel=1e-4)
    ranking = pd.read_parquet(refined.folder / "vae" / "anomalies.parquet").set_index("object_id").loc[after.index]
    alike = after["label_used"] == after["label_predicted"]  # the ranking judges under the predicted label
    np.testing.assert_allclose(ranking["reconstruction"][alike], after["reduced_chi2"][alike], rtol=1e-4)
    per_label = metrics["reduced_chi2_per_label"]
    assert sum(figure["mean"] * figure["n"] for figure in per_label.values()) == pytest.approx(
        metrics["reduced_chi2"]["mean"] * metrics["labelled"]
    )


def test_new_spectra_are_refined_as_those_of_the_catalog(refined: Survey) -> None:
    opened = open_result(refined.folder / "vae")
    assert opened.settings.refine == 8
    catalog = pd.read_parquet(refined.folder / "vae" / "latents.parquet").set_index("object_id")
    table = latents_of(opened, [refined.files["objects"]]).table.set_index("object_id")
    for name in ("z_mean_0", "z_err_0", "reduced_chi2"):
        np.testing.assert_allclose(table[name], catalog.loc[table.index, name], rtol=1e-3, atol=1e-4)


def test_a_linear_model_is_refined_by_nothing(survey: Survey) -> None:
    model = astro_vae.load(survey.folder / "em_pca")
    assert Inference(model, refine=8).module is model.module
    assert Inference(astro_vae.load(survey.folder / "vae"), refine=8).module is not model.module


def test_a_trained_model_takes_views_and_object_files_alike(survey: Survey) -> None:
    model = astro_vae.load(survey.folder / "em_pca")
    _, seen = load_part(survey.files["objects"], survey.files["split"], None, VIEW)
    objects = open_objects(survey.files["objects"])
    for a, b in zip(model.encode(seen), model.encode(objects), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert model.score(seen).notna().all(axis=None)
    assert model.threshold is None
    assert model.generate("red", 3, seed=1).shape == (3, GRID.bins)


def test_masked_bins_are_not_looked_at(survey: Survey) -> None:
    model = astro_vae.load(survey.folder / "em_pca")
    _, seen = load_part(survey.files["objects"], survey.files["split"], "test", VIEW)
    seen[:, 1, 20:30] = 0
    wild = seen.copy()
    wild[:, 0, 20:30] = 50
    np.testing.assert_allclose(model.encode(wild)[0], model.encode(seen)[0], atol=1e-5)
    np.testing.assert_allclose(model.score(wild), model.score(seen), rtol=1e-4)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (np.ones((1, GRID.bins), np.float32), "flux and its inverse variance"),
        (np.full((1, 2, GRID.bins), np.nan, np.float32), "not finite"),
        (-np.ones((1, 2, GRID.bins), np.float32), "inverse variances below 0"),
    ],
)
def test_what_is_no_view_of_a_spectrum_is_refused(survey: Survey, seen: np.ndarray, words: str) -> None:
    with pytest.raises(UserError, match=words):
        astro_vae.load(survey.folder / "em_pca").encode(seen)


@pytest.mark.parametrize("name", MODELS)
def test_the_strange_spectrum_is_the_worst_redrawn(survey: Survey, name: str) -> None:
    ranking = pd.read_parquet(survey.folder / name / "anomalies.parquet")
    assert ranking.sort_values("reconstruction")["object_id"].iloc[-1] == STRANGE
    assert "redraws it badly" in ranking.set_index("object_id").loc[STRANGE, "why"]
    assert {"trivial_snr", "trivial_lines", "trivial_mean"} <= set(ranking)
    assert (survey.folder / name / "anomalies.png").stat().st_size > 1000


@pytest.mark.parametrize("name", MODELS)
def test_the_strange_spectrum_has_the_strongest_run_where_it_is_strange(survey: Survey, name: str) -> None:
    ranking = pd.read_parquet(survey.folder / name / "anomalies.parquet").set_index("object_id")
    assert ranking["residual_runs"].idxmax() == STRANGE
    found = ranking.loc[STRANGE]
    assert found["run_wave_aa"] == pytest.approx(6000 / 1.02, rel=0.02)  # in the rest frame
    assert found["run_sigma"] < -10
    assert "a run of residuals stands out" in found["why"]
    assert f"lack of flux at {found['run_wave_aa']:.0f} +- " in found["why"]
    with fits.open(survey.folder / name / "anomalies.fits") as file:
        units = {column.name: column.unit for column in file[1].columns}
    assert units["run_wave_aa"] == units["run_width_aa"] == "Angstrom"


def test_the_default_rank_of_spectra_takes_runs_and_latents(survey: Survey) -> None:
    how = read_meta(survey.folder / "em_pca" / "anomalies.parquet")
    assert how["combined"] == ["residual_runs", "local_outlier_factor"]


def test_the_trivial_score_is_that_of_the_mean_training_spectrum(survey: Survey) -> None:
    ranking = pd.read_parquet(survey.folder / "em_pca" / "anomalies.parquet").set_index("object_id")
    mean = fit.mean([load_part(survey.files["objects"], survey.files["split"], "train", VIEW)[1]])
    table, seen = load_part(survey.files["objects"], survey.files["split"], "test", VIEW)
    np.testing.assert_allclose(
        ranking.loc[table["object_id"], "trivial_mean"], fit.misfit_of_scaled_mean(seen, mean), rtol=1e-6
    )
    assert (fit.misfit_of_scaled_mean(seen, mean) <= fit.misfit_of_mean(seen, mean)).all()


@pytest.mark.parametrize("name", MODELS)
def test_generated_spectra_are_tables_that_specutils_reads(survey: Survey, name: str) -> None:
    from specutils import Spectrum

    samples = open_objects(survey.folder / name / "samples.h5")
    assert samples.attributes["grid"] == GRID.model_dump(mode="json")
    with fits.open(survey.folder / name / "samples.fits") as file:
        assert [hdu.header.get("LABEL") for hdu in file[1:]] == ["blue", "red"]
    read = Spectrum.read(survey.folder / name / "samples.fits", format="tabular-fits", hdu=2)
    np.testing.assert_allclose(read.spectral_axis.to_value("Angstrom"), bin_centres(GRID), rtol=1e-12)
    red = samples.read()[(samples.usable["label"] == "red").to_numpy()]
    np.testing.assert_array_equal(read.flux.value, red)
    assert read.flux.value[:, -1].mean() > read.flux.value[:, 0].mean()  # red spectra rise


def test_samples_on_demand_have_the_same_format(survey: Survey, tmp_path: Path) -> None:
    generate_new(survey.folder / "em_pca", label="red", n=4, seed=1, out=tmp_path / "new.fits")
    with fits.open(tmp_path / "new.fits") as file:
        assert file["RED"].data["FLUX"].shape == (GRID.bins, 4)
        expected = astro_vae.load(survey.folder / "em_pca").generate("red", 4, seed=1)
        np.testing.assert_array_equal(file["RED"].data["FLUX"].T, expected)


def test_new_spectra_come_as_an_object_file(survey: Survey) -> None:
    opened = open_result(survey.folder / "em_pca")
    table = latents_of(opened, [survey.files["objects"]]).table.set_index("object_id")
    catalog = pd.read_parquet(survey.folder / "em_pca" / "latents.parquet").set_index("object_id")
    np.testing.assert_allclose(table["z_mean_0"], catalog.loc[table.index, "z_mean_0"], rtol=1e-4, atol=1e-5)
    assert scores_of(opened, [survey.files["objects"]]).table["object_id"].iloc[0] == STRANGE


def test_samples_are_judged_like_real_spectra(survey: Survey) -> None:
    found = {name: json.loads((survey.folder / name / "metrics.json").read_text())["samples"] for name in MODELS}
    assert found["em_pca"]["agreement"]["all"]["value"] > 0.8
    for samples in found.values():
        assert samples["classifier_on_real_test"]["all"]["value"] > 0.8
        assert "agreement_not_thresholded" not in samples
        # no line and no break lies on the bins of this survey
        assert samples["ks_distance"]["d4000"]["red"]["value"] is None


def test_the_comparison_shows_the_chi_square(survey: Survey) -> None:
    table = pd.read_csv(survey.folder / "comparison.csv").set_index("model")
    assert (table["test_reduced_chi2"] < table["test_reduced_chi2_mean_spectrum"]).all()


def test_the_report_speaks_of_spectra(survey: Survey) -> None:
    report({}, folder=survey.folder, out=survey.folder / "report.html")
    page = (survey.folder / "report.html").read_text()
    assert "reduced chi-square" in page
    assert '<a href="https://ned.ipac.caltech.edu/' in page
    assert "pixels" not in page.split("<script")[0].split("</style>")[-1]


def test_the_catalog_has_what_is_measured_in_the_reconstruction(survey: Survey) -> None:
    catalog = pd.read_parquet(survey.folder / "em_pca" / "latents.parquet").set_index("object_id")
    ratio = catalog["model_continuum"] / catalog["continuum"]
    assert ratio.drop(STRANGE).between(0.97, 1.03).all()  # in the unit of the survey, not in that of the view
    assert catalog["model_hb_ew"].isna().all()  # the bins of this survey are wider than a line
    assert "ra=9.000000d&dec=0.000000d" in catalog.loc["s01", "link"]
    with fits.open(survey.folder / "em_pca" / "latents.fits") as file:
        header = file[1].header
        number = file[1].columns.names.index("model_hb_flux") + 1
    assert header[f"TUNIT{number}"] == "10**-17 erg s-1 cm-2"
    assert "reconstruction" in header[f"TCOMM{number}"]


def test_training_spectra_are_counted_by_bin_and_label(survey: Survey) -> None:
    counts = count_valid(survey.inputs, ("red", "blue"))
    for row, label in enumerate(("red", "blue", None)):
        table, seen = load_part(survey.files["objects"], survey.files["split"], "train", VIEW)
        chosen = slice(None) if label is None else (table["label"] == label).to_numpy()
        np.testing.assert_array_equal(counts[row], (seen[chosen][:, 1] > 0).sum(axis=0))
    model = astro_vae.load(survey.folder / "em_pca")
    np.testing.assert_array_equal(model.coverage, count_valid(survey.inputs, model.labels))


@pytest.fixture
def half_known(survey: Survey, tmp_path: Path) -> Path:
    """Give a model of whose red training spectra but 4 have the last 30 bins; the prior lies beside it."""
    model = astro_vae.load(survey.folder / "em_pca")
    coverage = np.full((3, GRID.bins), 20, np.int32)
    coverage[model.labels.index("red"), -30:] = 4
    models.save(tmp_path / "model", model.module, model.contract, coverage)
    for name in ("prior.safetensors", "reference.safetensors", "latents.parquet"):
        shutil.copy(survey.folder / "em_pca" / name, tmp_path / name)
    return tmp_path


def test_bins_that_no_training_spectrum_has_are_not_drawn(half_known: Path) -> None:
    from specutils import Spectrum

    model = astro_vae.load(half_known)
    assert model.fewest == 5
    files = {"model": half_known / "model", "prior": half_known / "prior.safetensors"}
    generate(PRODUCTS, **files, out=half_known / "samples.h5")
    samples = open_objects(half_known / "samples.h5")
    unknown = np.isnan(samples.read())
    red = (samples.usable["label"] == "red").to_numpy()
    assert unknown[red][:, -30:].all()
    assert not unknown[red][:, :-30].any()
    assert not unknown[~red].any()
    read = Spectrum.read(half_known / "samples.fits", format="tabular-fits", hdu=1 + model.labels.index("red"))
    np.testing.assert_array_equal(read.mask, unknown[red])
    with fits.open(half_known / "samples.fits") as file:
        assert "fewer than 5 training spectra" in " ".join(file["RED"].header["COMMENT"])
    generate_new(half_known, label="red", n=3, seed=1, out=half_known / "new.fits")
    with fits.open(half_known / "new.fits") as file:
        np.testing.assert_array_equal(np.isnan(file["RED"].data["FLUX"]).all(axis=1), unknown[red][0])
    np.testing.assert_array_equal(np.isnan(model.generate("red", 2, seed=1)).any(axis=0), unknown[red][0])


def test_a_label_of_few_spectra_is_drawn_where_all_of_them_are(half_known: Path) -> None:
    model = astro_vae.load(half_known)
    few = np.array([[3, 3, 2, 0], [9, 5, 4, 0], [12, 8, 6, 0]], np.int32)
    one = dataclasses.replace(model, coverage=few)
    shown = one.blanked(np.zeros((3, 4), np.float32), np.array([0, 1, -1]))
    np.testing.assert_array_equal(
        np.isnan(shown), [[False, False, True, True], [False, False, True, True], [False, False, False, True]]
    )


def test_a_track_joins_two_spectra_and_is_read_by_specutils(half_known: Path) -> None:
    from specutils import Spectrum

    out = half_known / "track.fits"
    track_new(half_known, start="s00", end="s11", steps=5, out=out)
    catalog = pd.read_parquet(half_known / "latents.parquet").set_index("object_id")
    with fits.open(out) as file:
        latents = file["LATENTS1"].data
        assert file["TRACK1"].header["TRACK"] == "s00 to s11"
    for step, name in ((0, "s00"), (-1, "s11")):
        own = [float(catalog.loc[name, f"z_mean_{k}"]) for k in range(3)]
        np.testing.assert_allclose(latents["Z"][step], own, rtol=1e-6)
    np.testing.assert_allclose(latents["Z"][2], (latents["Z"][0] + latents["Z"][-1]) / 2, atol=1e-6)
    assert list(latents["LABEL"]) == ["blue", "blue", "red", "red", "red"]
    np.testing.assert_allclose(latents["FRACTION"], [0, 0.25, 0.5, 0.75, 1])
    read = Spectrum.read(out, format="tabular-fits", hdu=1)
    model = astro_vae.load(half_known)
    decoded = model.decode(latents["Z"], list(latents["LABEL"]))
    np.testing.assert_allclose(read.flux.value[:, :-30], decoded[:, :-30], rtol=1e-5)
    assert read.mask[2:, -30:].all()
    assert not read.mask[:2].any()
