"""Hours, memory and disk from known rates; and the whole command on tiny settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from astro_vae import cli
from astro_vae.errors import UserError
from astro_vae.estimate import costs, rates
from astro_vae.estimate.costs import before_models, of_model
from astro_vae.estimate.rates import ModelRates, SurveyRates
from astro_vae.estimate.sizes import Counts
from astro_vae.section import validate
from astro_vae.settings import SurveySettings
from astro_vae.surveys import SOURCES

FOUND = Counts(1000, 4, False, 500_000_000, "settings")
RATES = ModelRates(train=0.01, encode=0.05, rank=0.012, one_pass=0.001, weights_bytes=20_000_000)
TINY = {
    "surveys": {"s": {
        "source": {"survey": "simulated_radio", "labelled": 40, "unlabelled": 0, "anomalies": 0, "other": 0},
        "prepare": {"size": 64, "field": 48}, "view": {"size": 16, "frame": 32, "method": "resample"},
        "augment": {"total": 3000}, "products": {"rotations": 2, "draws": 2},
        "models": {
            "m": {"latents": 2, "network": {"channels": [4, 8], "hidden": [16]}, "labels": ["FRI", "FRII"],
                  "train": {"examples": 360, "batch": 32}},
            "pca": {"type": "pca", "latents": 2},
        },
    }},
}


@pytest.fixture
def settings() -> SurveySettings:
    data = {"source": {"survey": "mirabest"}, "models": {"m": {"train": {"examples": 360_000}}, "p": {"type": "pca"}}}
    return validate(SurveySettings, data, origin="test", sources=SOURCES)


SPECTRA = {
    "surveys": {"s": {
        "source": {"survey": "simulated_spectra", "labelled": 60, "unlabelled": 0, "anomalies": 0},
        "prepare": {"grid": {"log_start": 3.60, "log_step": 0.003, "bins": 96}, "margin": 4},
        "view": {"grid": {"log_start": 3.60, "log_step": 0.003, "bins": 96}},
        "augment": {"total": 3000}, "products": {"draws": 2},
        "models": {
            "dense": {"latents": 2, "likelihood": "gaussian_ivar", "train": {"examples": 360, "batch": 32},
                      "network": {"name": "dense", "hidden": [16], "path": "linear"}},
            "convolutional": {"latents": 2, "likelihood": "gaussian_ivar", "train": {"examples": 360, "batch": 32},
                              "network": {"name": "convolutional_1d", "channels": [4, 8], "hidden": [16]}},
            **{name: {"type": name, "latents": 2} for name in ("em_pca", "nmf", "curved_pca")},
        },
    }},
}


def by_step(found: list[costs.Cost]) -> dict[str, costs.Cost]:
    return {cost.step: cost for cost in found}


def test_steps_before_the_models(settings: SurveySettings) -> None:
    known = SurveyRates(download=9.0, prepare=0.035, augment=1e-5, packed=0.1, classifier=0.001)
    made = by_step(before_models(settings, FOUND, known))
    assert made["download"].hours == pytest.approx((500 / 5 + 5) / 3600)  # 500 MB at 5 MB/s, and the start
    assert made["download"].disk_gb == pytest.approx(0.5)
    assert made["prepare"].hours == pytest.approx((35 + 5) / 3600)
    assert made["prepare"].disk_gb == pytest.approx(0.9 * 1000 * 212**2 * 4 / 1e9)
    assert made["augment"].hours == pytest.approx((2 + 5) / 3600)
    assert made["augment"].disk_gb == pytest.approx(0.18432)
    assert made["classifier"].memory_gb == pytest.approx(0.6 + 1.8432)


def test_steps_of_a_model(settings: SurveySettings) -> None:
    made = by_step(of_model("m", settings.models["m"], settings, FOUND, RATES, guessed=False))
    assert made["train"].hours == pytest.approx((3600 + 5) / 3600)
    assert made["train"].memory_gb == pytest.approx(1.5 + 1.8432 + 0.1)
    assert made["encode"].hours == pytest.approx((200 + 5) / 3600)  # 1000 objects, four labels
    assert made["rank"].hours == pytest.approx((12 + 5) / 3600)
    assert made["train"].known == "measured"


def test_examples_that_are_not_written_take_no_disk_and_no_memory(settings: SurveySettings) -> None:
    drawn = settings.model_copy(update={"augment": settings.augment.model_copy(update={"materialise": False})})
    known = SurveyRates(download=0, prepare=0, augment=1, packed=1, classifier=0)
    assert by_step(before_models(drawn, FOUND, known))["augment"].disk_gb == 0
    assert by_step(of_model("m", drawn.models["m"], drawn, FOUND, RATES, guessed=False))["train"].memory_gb < 2


def test_a_gpu_that_is_not_here_is_assumed_for_networks_alone(settings: SurveySettings) -> None:
    made = by_step(of_model("m", settings.models["m"], settings, FOUND, RATES, guessed=True))
    assert made["train"].hours == pytest.approx((3600 / 20 + 5) / 3600)
    assert made["train"].known == "assumed"
    linear = by_step(of_model("p", settings.models["p"], settings, FOUND, RATES, guessed=True))
    assert linear["train"].known == "measured"


def test_the_command_measures_and_adds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(costs, "has_gpu", lambda: False)
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY))
    words = ["estimate", "--config", "tiny.yaml", "--device", "cuda"]
    done = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("s: 40 objects (from settings), 3000 examples of 16 x 16 pixels, 0.00 GB")
    rows = [line.split() for line in lines[2 : lines.index("") - 1]]
    total = lines[lines.index("") - 1].split()
    assert len(rows) == 5 + 2 * 6 + 2
    assert float(total[2]) == pytest.approx(sum(float(row[-4]) for row in rows), abs=0.01 * len(rows))
    assert float(total[3]) == max(float(row[-3]) for row in rows)
    assert "assumed 20 times as fast" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.yaml"]


def test_runs_on_spectra_are_measured_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rates, "SECONDS", 0.2)
    Path("tiny.yaml").write_text(yaml.safe_dump(SPECTRA))
    lines = costs.estimate(Path("tiny.yaml")).splitlines()
    assert lines[0] == "s: 60 objects (from settings), 3000 examples of 96 bins, 0.00 GB in memory"
    trainings = {line.split()[1]: line.split() for line in lines if line.startswith("train")}
    assert set(trainings) == {"dense", "convolutional", "em_pca", "nmf", "curved_pca"}
    assert all(row[-1] == "measured" for row in trainings.values())


def test_a_network_that_does_not_suit_spectra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = {"latents": 2, "likelihood": "gaussian_ivar", "network": {"name": "convolutional"}}
    survey = {**SPECTRA["surveys"]["s"], "models": {"m": model}}
    Path("tiny.yaml").write_text(yaml.safe_dump({"surveys": {"s": survey}}))
    with pytest.raises(UserError, match="take the network 'dense' or 'convolutional_1d'"):
        costs.estimate(Path("tiny.yaml"))


def test_what_a_network_begins_from_takes_its_time_once(settings: SurveySettings) -> None:
    slow = replace(RATES, start=360 / 12_000)  # the network begins from 12,000 examples
    made = by_step(of_model("m", settings.models["m"], settings, FOUND, slow, guessed=True))
    assert made["train"].hours == pytest.approx((360 + 3600 / 20 + 5) / 3600)


def test_a_device_that_is_not_known() -> None:
    with pytest.raises(UserError, match="--device tpu: give cpu or cuda"):
        costs.estimate(Path("x.yaml"), device="tpu")
