"""New spectra in files get what the workflow says of the same ones; what is unlike those of the training is refused."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from astro_vae import cli
from astro_vae.errors import UserError
from astro_vae.files import read_json, write_json
from astro_vae.objects import open_objects
from astro_vae.products.anomalies import rank
from astro_vae.products.latents import encode
from astro_vae.products.mismatch import differences, differences_of_each
from astro_vae.products.new_objects import latents_of, open_result, scores_of
from astro_vae.products.new_samples import generate_new
from astro_vae.products.priors import fit_prior
from astro_vae.settings import ExecutionSettings, PriorSettings, ProductSettings, SplitSettings
from astro_vae.settings_models import PcaSettings
from astro_vae.settings_spectra import (
    GridSettings,
    SpectrumAugmentSettings,
    SpectrumPrepareSettings,
    SpectrumViewSettings,
)
from astro_vae.steps.augment import augment
from astro_vae.steps.inputs import TrainingInputs
from astro_vae.steps.prepare import prepare
from astro_vae.steps.split import split
from astro_vae.steps.train import train
from astro_vae.surveys import simulated_spectra

N = 40
GRID = GridSettings(log_start=3.62, log_step=0.0015, bins=160)
PREPARE = SpectrumPrepareSettings(grid=GRID, margin=5)
VIEW = SpectrumViewSettings(grid=GRID)
AUGMENT = SpectrumAugmentSettings(total=200)
PRODUCTS = ProductSettings(draws=4, top=5, neighbours=3, prior=PriorSettings(components=1, examples=100))
EXECUTION = ExecutionSettings(device="cpu", progress=False)
FOREIGN = ("object_id", "part", "group", "link", "nearest_neighbours", "combined", "why", "rank")
"""Columns that are not those of the workflow: simulated objects have no link, and an object of the training leaves
out its own copies there."""


@dataclass(frozen=True)
class Trained:
    """A model with its products, the files that it was trained on under names of SDSS, and their redshifts."""

    result: Path
    files: Path
    table: Path
    objects: Path
    manifest: Path

    @property
    def known(self) -> dict[str, str]:
        return {"labels": str(self.table)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Take a simulated survey from its files to a ranking, by a linear model."""
    place = tmp_path_factory.mktemp("simulated")
    source = simulated_spectra.Source(survey="simulated_spectra", labelled=N, unlabelled=0, anomalies=0)
    manifest = simulated_spectra.obtain(source, place, execution=EXECUTION)
    manifest.to_csv(place / "manifest.csv", index=False)
    files = {"objects": place / "objects.h5", "split": place / "split.csv"}
    prepare(source, PREPARE, folder=place, manifest=place / "manifest.csv", out=files["objects"])
    split(SplitSettings(), objects=files["objects"], out=files["split"])
    augment(VIEW, AUGMENT, **files, out=place / "augmented.h5")
    result = place / "em_pca"
    inputs = TrainingInputs(**files, augmented=place / "augmented.h5", view=VIEW, augment=AUGMENT)
    train(PcaSettings(type="em_pca", latents=3, examples=200), inputs, out=result / "model", execution=EXECUTION)
    used = {"model": result / "model", "prior": result / "prior.safetensors"}
    fit_prior(
        PRODUCTS.prior, model=used["model"], augmented=place / "augmented.h5", objects=files["objects"],
        out=used["prior"],
    )
    encode(PRODUCTS, **used, **files, out=result / "latents.fits")
    rank(PRODUCTS, **used, **files, latents=result / "latents.parquet", out=result / "anomalies.fits")
    own = place / "own"
    own.mkdir()
    for path in place.rglob("sim*.fits"):
        shutil.copy(path, own / f"spec-{path.name}")
    truth = pd.read_parquet(result / "latents.parquet")
    table = truth[["redshift", "ebv", "label"]].assign(file="spec-" + truth["object_id"])
    table.to_csv(place / "redshifts.csv", index=False)
    return Trained(result, own, place / "redshifts.csv", files["objects"], place / "manifest.csv")


def with_contract(result: Path, folder: Path, **changed: Any) -> Path:
    """Copy the result with another contract."""
    shutil.copytree(result, folder)
    contract = folder / "model" / "model.json"
    write_json(contract, {**read_json(contract), **changed})
    return folder


def theirs(result: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(result / name).drop(columns=list(simulated_spectra.COLUMNS), errors="ignore")


def alike(made: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Check that both have the same figures of the same objects, to rounding."""
    made = made.assign(name=made["object_id"].str.removeprefix("spec-")).set_index("name").loc[wanted["object_id"]]
    same = [column for column in wanted if column not in FOREIGN]
    pd.testing.assert_frame_equal(
        made[same].reset_index(drop=True), wanted[same].reset_index(drop=True), check_dtype=False, rtol=1e-5, atol=1e-6
    )


def test_spectra_in_files_get_the_workflows_latents_and_scores(trained: Trained) -> None:
    opened = open_result(trained.result)
    catalog = latents_of(opened, [trained.files], known=trained.known).table
    wanted = theirs(trained.result, "latents.parquet")
    assert set(catalog) == {*wanted, "status"}
    alike(catalog, wanted)
    scores = scores_of(opened, [trained.files], known=trained.known).table
    wanted = theirs(trained.result, "anomalies.parquet")
    assert set(scores) == {*wanted, "status", "reason"}
    alike(scores, wanted)
    assert scores["rank"].tolist() == list(range(1, len(scores) + 1))


def write_table(trained: Trained, name: str, path: Path, *, air: bool = False) -> None:
    """Write a spectrum as a text table of wavelength, flux and error."""
    data = fits.getdata(trained.files / f"spec-{name}.fits", 1)
    wave = 10 ** data["loglam"].astype(float)
    if air:  # n of Ciddor (1996), at the wavelength in vacuum
        s2 = (1e4 / wave) ** 2
        wave /= 1 + 0.05792105 / (238.0185 - s2) + 0.00167917 / (57.362 - s2)
    with np.errstate(divide="ignore"):
        error = np.where(data["ivar"] > 0, 1 / np.sqrt(data["ivar"].astype(float)), np.nan)
    pd.DataFrame({"wave": wave, "flux": data["flux"].astype(float), "error": error}).to_csv(path, index=False)


@pytest.mark.parametrize("air", [False, True])
def test_the_commands_take_tables_with_redshifts_beside_them(trained: Trained, air: bool, tmp_path: Path) -> None:
    wanted = theirs(trained.result, "latents.parquet").iloc[:3]
    for name in wanted["object_id"]:
        write_table(trained, name, tmp_path / f"{name}.csv", air=air)
    table = wanted[["redshift", "ebv"]].rename(columns={"redshift": "z"}).assign(file=wanted["object_id"])
    table.to_csv(tmp_path / "redshifts.csv", index=False)
    words = [str(trained.result), str(tmp_path), "--redshifts", str(tmp_path / "redshifts.csv")]
    words += ["--wavelengths", "air"] if air else []
    for command, out in (("encode", tmp_path / "latents.parquet"), ("score", tmp_path / "scores.parquet")):
        done = CliRunner().invoke(cli.app, [command, *words, "--out", str(out)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert f"{out}: 3 objects, and 0 refused" in done.output
    made = pd.read_parquet(tmp_path / "latents.parquet").set_index("object_id").loc[wanted["object_id"]]
    np.testing.assert_allclose(made["reduced_chi2"], wanted["reduced_chi2"], rtol=1e-3)
    np.testing.assert_allclose(made["ha_ew"], wanted["ha_ew"], rtol=1e-3)


def test_sdss_files_say_their_redshift_and_what_cannot_be_used_is_a_row(trained: Trained, tmp_path: Path) -> None:
    names = sorted(path.name for path in trained.files.iterdir())[:4]
    for name in names[:2]:
        shutil.copy(trained.files / name, tmp_path / name)
    (tmp_path / names[2]).write_bytes((trained.files / names[2]).read_bytes()[:20_000])
    write_table(trained, names[3].removeprefix("spec-").removesuffix(".fits"), tmp_path / "lost.csv")
    table = tmp_path / "labels.csv"
    table.write_text(f"file,redshift\n{names[1]},9.0\n")
    for function in (latents_of, scores_of):
        made = function(open_result(trained.result), [tmp_path], known={"labels": str(table)}).table
        made = made.set_index("object_id")
        reasons = made["reason"].where(made["status"] == "refused", "").to_dict()
        assert reasons.pop(names[0].removesuffix(".fits")) == ""
        assert reasons.pop(names[1].removesuffix(".fits")).startswith("outside the grid")
        assert "truncated" in reasons.pop(names[2].removesuffix(".fits"))
        assert list(reasons) == ["lost"]
        assert reasons["lost"].startswith("no redshift: the rest frame is not known; a table with")


def test_pixels_are_masked_by_the_bits_of_the_training(trained: Trained, tmp_path: Path) -> None:
    source = {"survey": "sdss", "sample": "gone.csv", "bad_bits": ["BRIGHTSKY"]}
    opened = open_result(with_contract(trained.result, tmp_path / "other", source=source))
    one = next(trained.files.iterdir())
    for name, column, value in (("spec-bits.fits", "and_mask", 1 << 23), ("spec-ivar.fits", "ivar", 0)):
        with fits.open(one) as units:
            units[1].data[column][1500:1700] = value
            units.writeto(tmp_path / name)
    bits, ivar, whole = (
        latents_of(opened, [path]).table["z_mean_0"].iloc[0]
        for path in (tmp_path / "spec-bits.fits", tmp_path / "spec-ivar.fits", one)
    )
    assert bits == ivar
    assert abs(bits - whole) > 1e-6


def test_an_object_file_that_was_made_otherwise_is_refused_or_warned_about(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = simulated_spectra.Source(survey="simulated_spectra", labelled=N, unlabelled=0, anomalies=0)
    other = PREPARE.model_copy(update={"errors": "own"})
    objects = tmp_path / "objects.h5"
    prepare(source, other, folder=trained.manifest.parent, manifest=trained.manifest, out=objects)
    opened = open_result(trained.result)
    with pytest.raises(UserError, match=r"prepared with prepare.errors own, not neighbours; .*--allow-mismatch"):
        latents_of(opened, [objects])
    capsys.readouterr()
    made = latents_of(opened, [objects], allow_mismatch=True).table
    assert "warning: 40 of 40 objects are unlike those of the training" in capsys.readouterr().out
    assert made["reason"].str.endswith("prepare.errors own, not neighbours").all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"survey": "sdss"}, "they are of the survey 'simulated_spectra', not 'sdss'"),
        ({"unit": "Jy"}, "their unit is '1e-17 erg / (Angstrom s cm2)', not 'Jy'"),
        ({"kind": "image"}, "of kind 'spectrum', the model was trained on 'image'"),
    ],
)
def test_an_object_file_of_another_sort_is_refused(
    trained: Trained, changed: dict[str, Any], message: str
) -> None:
    contract = {**read_json(trained.result / "model" / "model.json"), **changed}
    attributes = open_objects(trained.objects).attributes
    if changed.get("kind"):
        with pytest.raises(UserError, match=message):
            differences(attributes, contract)
    else:
        assert differences(attributes, contract) == [message]


def test_redshift_and_snr_of_the_training_are_known(trained: Trained) -> None:
    usable = open_objects(trained.objects).usable
    ranges = read_json(trained.result / "model" / "model.json")["ranges"]
    assert ranges == {name: [usable[name].min(), usable[name].max()] for name in ("redshift", "snr")}


def test_spectra_of_another_redshift_or_snr_are_rows_with_a_reason(trained: Trained, tmp_path: Path) -> None:
    table = open_objects(trained.objects).usable.set_index("object_id")
    near, far = table["redshift"].idxmin(), table["redshift"].idxmax()
    z, snr = table.loc[near, "redshift"], table["snr"]
    folder = with_contract(trained.result, tmp_path / "other", ranges={"redshift": [z, z], "snr": [0.0, snr.max()]})
    for function in (latents_of, scores_of):
        files = [trained.files / f"spec-{name}.fits" for name in (near, far)]
        made = function(open_result(folder), files).table.set_index("object_id")
        assert made["status"].to_dict() == {f"spec-{near}": "ok", f"spec-{far}": "refused"}
        assert made.loc[f"spec-{far}", "reason"] == (
            f"unlike the training: redshift {table.loc[far, 'redshift']:.4g}, the model was trained on {z:.4g}"
        )


def test_redshifts_are_compared_as_wavelengths_and_snr_by_its_part() -> None:
    contract = {"kind": "spectrum", "ranges": {"redshift": [0.0, 1.0], "snr": [-1.0, 10.0]}}
    table = pd.DataFrame({"redshift": [-0.009, 1.019, 1.021, -0.011, np.nan], "snr": [-1.2, 12.9, 13.1, -1.4, 5.0]})
    said = differences_of_each(table, contract)
    assert said[:2].tolist() == ["", ""]
    assert said[2] == ("redshift 1.021, the model was trained on 0 to 1; S/N per pixel 13.1, the model was trained on "
                       "-1 to 10")
    assert said[3].count("trained on") == 2
    assert said[4] == "redshift not known, the model was trained on 0 to 1"
    assert (differences_of_each(table, {**contract, "ranges": {}}) == "").all()  # of an older model


def test_what_is_said_of_images_is_refused_for_spectra(trained: Trained) -> None:
    with pytest.raises(UserError, match=r"--beam: .*known: --wavelengths, --wavelength-unit or --flux-unit"):
        latents_of(open_result(trained.result), [trained.files], known={"beam": (5.0, 5.0, 0.0)})
    with pytest.raises(UserError, match="wavelengths"):
        latents_of(open_result(trained.result), [trained.files], known={"wavelengths": "water"})


@pytest.mark.parametrize("ending", [".fits", ".h5", ".png"])
def test_generated_spectra_are_written_in_every_format(trained: Trained, ending: str, tmp_path: Path) -> None:
    out = tmp_path / f"samples{ending}"
    generate_new(trained.result, label="quiescent", n=3, seed=1, out=out)
    if ending == ".fits":
        with fits.open(out) as units:
            assert units[1].data["FLUX"].shape == (GRID.bins, 3)
            assert units[1].columns["WAVELENGTH"].unit == "Angstrom"
    elif ending == ".h5":
        assert open_objects(out).read().shape == (3, GRID.bins)
    else:
        assert out.stat().st_size > 1000
