"""New objects get what the workflow says of the same ones, in the format asked for; what is unlike them is refused."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image
from typer.testing import CliRunner

import astro_vae
from astro_vae import cli
from astro_vae import model as models
from astro_vae.errors import UserError
from astro_vae.files import read_json, write_json
from astro_vae.objects import Objects, open_objects
from astro_vae.products import _views
from astro_vae.products.anomalies import rank
from astro_vae.products.latents import encode
from astro_vae.products.new_objects import encode_new, latents_of, open_result, score_new, scores_of
from astro_vae.products.new_samples import generate_new
from astro_vae.settings import ExecutionSettings, ProductSettings
from astro_vae.settings_images import PrepareSettings
from astro_vae.steps.prepare import prepare
from astro_vae.surveys import folder as own

PREPARE = PrepareSettings(size=30, field=22)
SETTINGS = ProductSettings(rotations=2, draws=4, top=5, neighbours=3)
FOREIGN = ("nearest_neighbours", "combined", "why", "rank")  # an object of the training leaves out its own copies


def write_fits(path: Path, values: np.ndarray, *, pixel: float = 1.8, **cards: Any) -> None:
    header = fits.Header({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 15.5,
                          "CRPIX2": 15.5, "CDELT1": -pixel / 3600, "CDELT2": pixel / 3600, "BUNIT": "Jy/beam"})
    header.update(cards)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.writeto(path, values, header)


def run_steps(survey: Any, name: str, folder: Path) -> Path:
    """Run encode and rank into a copy of a model's folder."""
    shutil.copytree(survey.folder / name, folder)
    files = {"objects": survey.objects, "split": survey.split, "model": folder / "model",
             "prior": folder / models.PRIOR}
    encode(SETTINGS, out=folder / "latents.fits", **files)
    rank(SETTINGS, latents=folder / "latents.parquet", out=folder / "anomalies.fits", **files)
    return folder


@pytest.fixture(scope="module")
def result(survey: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_steps(survey, "conditional", tmp_path_factory.mktemp("result") / "conditional")


@pytest.fixture(scope="module")
def images(survey: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the first objects of the survey as FITS files, one of them in a folder below, and a damaged one."""
    top = tmp_path_factory.mktemp("images")
    for i, values in enumerate(open_objects(survey.objects).read(stop=6)):
        write_fits(top / ("deeper" if i == 5 else "") / f"J{i:03d}.fits", values)
    (top / "broken.fits").write_text("no pixels")
    return top


def with_contract(result: Path, folder: Path, **changed: Any) -> Path:
    """Copy the result with another contract."""
    shutil.copytree(result, folder)
    contract = folder / "model" / "model.json"
    write_json(contract, {**read_json(contract), **changed})
    return folder


def by_name(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("object_id").reset_index(drop=True)


@pytest.mark.parametrize("name", ["conditional", "unlabelled"])
def test_the_same_objects_get_the_workflows_latents_and_scores(survey: Any, name: str, tmp_path: Path) -> None:
    folder = run_steps(survey, name, tmp_path / name)
    opened = open_result(folder)
    catalog = latents_of(opened, [survey.objects]).table
    theirs = pd.read_parquet(folder / "latents.parquet")
    assert list(catalog.drop(columns="status")) == list(theirs)
    assert set(catalog["part"]) == {"new"}
    same = [column for column in theirs if column not in ("part", "group")]
    pd.testing.assert_frame_equal(catalog[same], theirs[same], check_dtype=False)
    scores = by_name(scores_of(opened, [survey.objects]).table)
    theirs = by_name(pd.read_parquet(folder / "anomalies.parquet"))
    assert list(scores.drop(columns=["status", "reason"])) == list(theirs)
    same = [column for column in theirs if column not in ("part", "group", *FOREIGN)]
    pd.testing.assert_frame_equal(scores[same], theirs[same], check_dtype=False)
    assert np.corrcoef(scores["combined"], theirs["combined"])[0, 1] > 0.95


def test_files_are_read_and_measured_as_in_the_training(result: Path, images: Path, tmp_path: Path) -> None:
    source = own.Source(survey="folder", path=str(images))
    own.obtain(source, tmp_path, execution=ExecutionSettings()).to_csv(tmp_path / "manifest.csv", index=False)
    prepare(source, PREPARE, folder=tmp_path, manifest=tmp_path / "manifest.csv", out=tmp_path / "objects.h5")
    made = latents_of(open_result(result / "model"), [images]).table
    theirs = latents_of(open_result(result / "model"), [tmp_path / "objects.h5"]).table
    pd.testing.assert_frame_equal(made, theirs)
    assert list(made["object_id"]) == ["J000", "J001", "J002", "J003", "J004", "deeper/J005", "broken"]
    assert np.allclose(made["ra"][:6], 10, atol=1e-3)
    assert made["status"].tolist() == ["ok"] * 6 + ["refused"]
    assert made["reason"].iloc[6].startswith("not a FITS file")
    assert math.isnan(made["z_mean_0"].iloc[6])


def test_the_scores_of_one_object_stand_among_those_of_the_survey(result: Path, images: Path, tmp_path: Path) -> None:
    opened = open_result(result)
    strange = tmp_path / "strange.fits"
    cross = np.random.default_rng(1).normal(0, 0.01, (30, 30)).astype(np.float32)
    cross[14:16, 8:22] = cross[8:22, 14:16] = 1
    write_fits(strange, cross)
    both = scores_of(opened, [strange, images / "J000.fits"]).table
    assert both["rank"].tolist() == [1, 2]
    assert both["object_id"].iloc[0].endswith("strange")
    alone = scores_of(opened, [strange]).table
    scores = ["combined", "reconstruction", "isolation_forest"]
    assert np.allclose(alone[scores].iloc[0].astype(float), both[scores].iloc[0].astype(float))
    known = pd.read_parquet(result / "anomalies.parquet")
    below = (known["reconstruction"] < alone["reconstruction"].iloc[0]).mean()
    assert below > 0.9


def test_each_command_writes_the_format_of_the_ending(result: Path, images: Path, tmp_path: Path) -> None:
    for command, endings in (("encode", (".fits", ".csv")), ("score", (".vot", ".parquet"))):
        tables = {}
        for ending in endings:
            out = tmp_path / f"{command}{ending}"
            done = CliRunner().invoke(cli.app, [command, str(result), str(images), "--out", str(out)])
            assert done.exit_code == 0, done.output
            assert f"{out}: 6 objects, and 1 refused" in done.output
            reading = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
            tables[ending] = reading[ending](out) if ending in reading else Table.read(out).to_pandas()
        assert len({tuple(table) for table in tables.values()}) == 1
        assert {len(table) for table in tables.values()} == {7}
    assert list(tables[".parquet"]["rank"]) == [1, 2, 3, 4, 5, 6, -1]


def test_labels_and_columns_of_ones_own_are_kept(result: Path, images: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label,survey_id\nJ000,double,77\n")
    made = latents_of(open_result(result), [images], known={"labels": str(table)}).table.set_index("object_id")
    assert made.loc["J000", "label_used"] == "double"
    assert made.loc["J000", "survey_id"] == 77


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"unit": "mJy"}, "their unit is 'Jy/beam', not 'mJy'"),
        ({"scaled": True}, "they are physical images, not 8-bit images"),
        ({"ranges": {"pixel_arcsec": [1.5, 1.6]}}, "pixel scale 1.8 arcsec, the model was trained on 1.5 to 1.6"),
        ({"ranges": {"bmaj_arcsec": [5.4, 5.4]}}, "major axis of the beam not known, the model was trained on 5.4 arc"),
    ],
)
def test_what_differs_from_the_training_is_refused_or_warned_about(
    changed: dict[str, Any], message: str, result: Path, images: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, out = with_contract(result, tmp_path / "other", **changed), tmp_path / "latents.csv"
    words = ["astro-vae", "encode", str(folder), str(images), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    said = capsys.readouterr().err
    assert message in said
    assert "--allow-mismatch" in said
    assert said.count("\n") == 1
    assert not out.exists()
    done = CliRunner().invoke(cli.app, [*words[1:], "--allow-mismatch"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "warning: 6 of 6 objects are unlike those of the training" in done.output
    made = pd.read_csv(out)
    assert made["reason"][0].endswith(message) or message in made["reason"][0]
    assert made["z_mean_0"].notna().sum() == 6


def test_single_objects_that_differ_are_rows_with_a_reason(result: Path, images: Path, tmp_path: Path) -> None:
    values = fits.getdata(images / "J000.fits")
    write_fits(tmp_path / "coarse.fits", np.roll(values, 1), pixel=3.0)
    write_fits(tmp_path / "alike.fits", values, pixel=1.85)
    for function in (latents_of, scores_of):
        made = function(open_result(result), [tmp_path]).table.set_index("object_id")
        assert made["status"].to_dict() == {"alike": "ok", "coarse": "refused"}
        assert made.loc["coarse", "reason"] == (
            "unlike the training: pixel scale 3 arcsec, the model was trained on 1.8 arcsec"
        )


def test_beam_and_pixel_scale_may_be_told(result: Path, images: Path, tmp_path: Path) -> None:
    folder = with_contract(result, tmp_path / "other", ranges={"bmaj_arcsec": [5.4, 5.4], "pixel_arcsec": [1.8, 1.8]})
    words = ["encode", str(folder), str(images), "--out", str(tmp_path / "t.csv"), "--beam", "5.4", "5.4", "0"]
    done = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert set(pd.read_csv(tmp_path / "t.csv")["bmaj_arcsec"].dropna()) == {5.4}


def test_images_are_read_as_those_of_the_folder_of_the_training(result: Path, images: Path, tmp_path: Path) -> None:
    source = {"survey": "folder", "path": "/gone", "labels": "/gone.csv", "beam": [5.0, 4.0, 30.0]}
    made = latents_of(open_result(with_contract(result, tmp_path / "other", source=source)), [images]).table
    assert made.loc[0, ["bmaj_arcsec", "bmin_arcsec", "bpa_deg"]].tolist() == [5.0, 4.0, 30.0]


def test_objects_of_another_survey_or_kind(result: Path, survey: Any, tmp_path: Path) -> None:
    other = with_contract(result, tmp_path / "other", survey="first")
    with pytest.raises(UserError, match="of the survey 'tiny', not 'first'"):
        latents_of(open_result(other), [survey.objects])
    assert len(latents_of(open_result(other), [survey.objects], allow_mismatch=True).table) == 60
    spectra = with_contract(result, tmp_path / "spectra", kind="spectrum")
    with pytest.raises(UserError, match="of kind 'image', the model was trained on 'spectrum'"):
        latents_of(open_result(spectra), [survey.objects], allow_mismatch=True)


def test_pictures_for_a_model_of_pictures(result: Path, images: Path, tmp_path: Path) -> None:
    folder = with_contract(result, tmp_path / "other", scaled=True, unit="", ranges={})
    values = fits.getdata(images / "J001.fits")
    grey = (255 * np.clip(values / values.max(), 0, 1)).astype(np.uint8)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(grey[::-1]).save(tmp_path / "pictures" / "a.png")
    made = latents_of(open_result(folder), [tmp_path / "pictures" / "a.png"]).table
    assert np.isfinite(made["z_mean_0"]).all()


@pytest.mark.parametrize(
    ("changed", "message"), [({"prepare": None}, "prepare: missing"), ({"ranges": None}, "does not say in what range")]
)
def test_a_model_without_the_contract_names_the_remedy(
    changed: dict[str, Any], message: str, result: Path, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=f"{message}.*run the step 'train' again"):
        latents_of(open_result(with_contract(result, tmp_path / "other", **changed)), [images])


def test_without_the_surveys_products_what_needs_them_is_not_known(
    survey: Any, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = open_result(survey.folder / "conditional")
    made = latents_of(opened, [images]).table
    assert made["p_single"].iloc[:6].notna().all()
    assert made["p_single_calibrated"].isna().all()
    assert "the calibrated probabilities are not known" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"anomalies\.parquet: no such file"):
        scores_of(opened, [images])


def test_what_cannot_be_read_or_written_is_named(result: Path, images: Path, survey: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UserError, match="1  not a FITS file"):
        encode_new(result, [tmp_path / "notes.txt"], out=tmp_path / "t.fits")
    with pytest.raises(UserError, match=r"objects\.h5: an object file is given alone"):
        encode_new(result, [survey.objects, images], out=tmp_path / "t.fits")
    with pytest.raises(UserError, match=r"gone\.fits: no such file"):
        encode_new(result, [tmp_path / "gone.fits"], out=tmp_path / "t.fits")
    with pytest.raises(UserError, match="no images"):
        encode_new(result, [tmp_path], out=tmp_path / "t.fits")
    for function in (encode_new, score_new):
        with pytest.raises(UserError, match=r"not written as '\.xlsx'; known: \.fits, \.parquet, \.vot, \.csv"):
            function(result, [images], out=tmp_path / "t.xlsx")
    with pytest.raises(UserError, match="no object can be used"):
        encode_new(result, [images / "broken.fits"], out=tmp_path / "t.fits")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_images_are_in_memory_in_blocks_only(
    result: Path, survey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_views, "BLOCK", 7)
    read, sizes = Objects.read, []

    def counted(self: Objects, *where: Any) -> np.ndarray:
        values = read(self, *where)
        sizes.append(len(values))
        return values

    monkeypatch.setattr(Objects, "read", counted)
    scores_of(open_result(result), [survey.objects])
    assert sizes == 2 * ([7] * 8 + [4])  # once for the labels, once for the scores


def test_generated_images_are_those_of_the_model(result: Path, tmp_path: Path) -> None:
    wanted = astro_vae.load(result).generate("double", 300, seed=4)
    for ending in (".fits", ".h5", ".png"):
        out = tmp_path / f"samples{ending}"
        words = ["generate", str(result), "--label", "double", "--n", "300", "--seed", "4", "--out", str(out)]
        done = CliRunner().invoke(cli.app, words, catch_exceptions=False)
        assert done.exit_code == 0
        assert f"{out}: 300 double samples" in done.output
    with fits.open(tmp_path / "samples.fits") as units:
        units.verify("exception")
        assert np.array_equal(units["DOUBLE"].data, wanted)
        assert units[1].header["CDELT2"] == pytest.approx(1.8 / 3600)
        assert units[0].header["SEED"] == 4
    samples = open_objects(tmp_path / "samples.h5")
    assert np.array_equal(samples.read(), wanted)
    assert np.isfinite(samples.table["log_prior"]).all()
    assert (samples.table["row"] == np.arange(300)).all()


def test_samples_without_a_label_follow_the_frequencies(result: Path, survey: Any, tmp_path: Path) -> None:
    generate_new(result, label=None, n=40, seed=1, out=tmp_path / "s.fits")
    with fits.open(tmp_path / "s.fits") as units:
        counts = {unit.header["LABEL"]: len(unit.data) for unit in units[1:]}
    assert set(counts) == {"single", "double"}
    assert sum(counts.values()) == 40
    generate_new(survey.folder / "unlabelled", label=None, n=5, seed=1, out=tmp_path / "u.h5")
    assert open_objects(tmp_path / "u.h5").table["object_id"].tolist() == [f"sample/{i:05d}" for i in range(5)]
    generate_new(result, label=None, n=5, seed=1, out=tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as picture:
        assert min(picture.size) > 50


def test_a_label_or_an_ending_that_is_not_known_is_refused(result: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="label 'triple' is not one of this model's: single, double"):
        generate_new(result, label="triple", n=1, seed=1, out=tmp_path / "s.fits")
    with pytest.raises(UserError, match=r"not written as '\.jpg'; known: \.fits, \.h5, \.png"):
        generate_new(result, label=None, n=1, seed=1, out=tmp_path / "s.jpg")
    assert list(tmp_path.iterdir()) == []


def test_the_catalog_keeps_how_it_was_made(result: Path) -> None:
    opened = open_result(result)
    assert (opened.settings.rotations, opened.settings.draws, opened.settings.neighbours) == (2, 4, 3)
    assert opened.temperature > 0
    header = fits.getheader(result / "latents.fits", 1)
    assert header["rotations"] == 2
    assert json.dumps(read_json(result / "model" / "model.json")["ranges"]) == '{"pixel_arcsec": [1.8, 1.8]}'
