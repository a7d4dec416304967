"""Training: what it writes, that interruptions leave no trace in it, and what it refuses."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.files import step_lock
from astro_vae.model import build, load
from astro_vae.objects import FIRST_COLUMNS, Writer
from astro_vae.settings import ExecutionSettings
from astro_vae.settings_images import AugmentSettings, ViewSettings
from astro_vae.settings_models import NetworkSettings, PcaSettings, TrainSettings, VaeSettings
from astro_vae.steps import _loop
from astro_vae.steps._checkpoint import Checkpoint, StopRequest
from astro_vae.steps._device import matmul_precision, open_fabric
from astro_vae.steps._loop import Training, evaluate, is_over, kl_weight, learning_rate
from astro_vae.steps._progress import TrainingProgress
from astro_vae.steps._training_data import Stream, open_training_data
from astro_vae.steps.augment import augment
from astro_vae.steps.inputs import TrainingInputs
from astro_vae.steps.train import train

pytestmark = pytest.mark.usefixtures("single_thread")

SIDE = 40
OBJECTS = 80
FILES = ("weights.safetensors", "model.json", "history.csv", "curves.png")
VIEW = ViewSettings(size=24, frame=28)
NETWORK = NetworkSettings(channels=(4, 8, 8), hidden=(16,))
# Small batches and rare evaluations: long enough to be killed in the middle, short enough for a test.
BUDGET = TrainSettings(examples=4800, batch=16, validate_every=800, learning_rate=3e-3)
MODEL = VaeSettings(latents=3, network=NETWORK, train=BUDGET)
QUICK = MODEL.model_copy(update={"train": BUDGET.model_copy(update={"examples": 512, "validate_every": 128})})
CPU = ExecutionSettings(device="cpu")


@dataclass
class Survey:
    """The files that a training reads."""

    folder: Path
    augmentation: AugmentSettings

    @property
    def paths(self) -> dict[str, Path]:
        return {"objects": self.folder / "objects.h5", "split": self.folder / "split.csv",
                "augmented": self.folder / "augmented.h5"}

    @property
    def inputs(self) -> TrainingInputs:
        return TrainingInputs(**self.paths, view=VIEW, augment=self.augmentation)

    def train(self, settings: Any, out: Path, execution: ExecutionSettings = CPU) -> Path:
        train(settings, self.inputs, out=out / "model", execution=execution)
        return out / "model"

    def start(self, out: Path, minutes: float = 1e-4) -> subprocess.Popen[str]:
        """Start the command in a process of its own."""
        sections = {"model": MODEL, "view": VIEW, "augment": self.augmentation}
        settings = json.dumps({name: section.model_dump(mode="json") for name, section in sections.items()})
        words = [w for name, path in self.paths.items() for w in (f"--{name}", str(path))]
        execution = ExecutionSettings(device="cpu", checkpoint_minutes=minutes).model_dump_json()
        return subprocess.Popen(
            [sys.executable, "-m", "astro_vae", "step", "train", "--settings", settings, *words,
             "--out", str(out / "model")],
            env={**os.environ, "ASTRO_VAE_EXECUTION": execution, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )


def make_survey(folder: Path, labels: list[str], **changes: Any) -> Survey:
    """Write doubles: FRII have their lobes far from each other, FRI near; unlabelled ones are either."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    images = np.zeros((OBJECTS, SIDE, SIDE))
    for image, label in zip(images, labels, strict=True):
        angle, length = rng.uniform(0, 2 * np.pi), {"FRI": 2, "FRII": 6}.get(label, rng.choice([2, 6]))
        for side in (-length, length):
            image += rng.uniform(0.5, 1) * np.exp(-((x - side * np.cos(angle))**2 + (y - side * np.sin(angle))**2) / 6)
    images = (255 * images / images.max(axis=(1, 2), keepdims=True)).astype(np.uint8)
    table = pd.DataFrame({"object_id": [f"J{i}" for i in range(OBJECTS)], "label": labels, "row": np.arange(OBJECTS)})
    table = table.assign(ra=0.0, dec=0.0, status="ok", reason="")[list(FIRST_COLUMNS)].assign(
        noise=np.nan, las_arcsec=np.nan, pixel_arcsec=1.8)
    attributes = {"kind": "image", "survey": "doubles", "unit": "", "scaled": True, "labels": sorted({*labels} - {""})}
    with Writer(folder / "objects.h5", (SIDE, SIDE), "uint8", attributes) as writer:
        writer.append(images)
        writer.table(table, {name: Column(name) for name in ("noise", "las_arcsec", "pixel_arcsec")})
    parts = np.where(np.arange(OBJECTS) % 5 == 0, "validation", np.where(np.arange(OBJECTS) % 5 == 1, "test", "train"))
    split = pd.DataFrame({"object_id": table["object_id"], "group": range(OBJECTS), "part": parts, "reason": ""})
    split.to_csv(folder / "split.csv", index=False)
    survey = Survey(folder, AugmentSettings(total=600, **changes))
    augment(VIEW, survey.augmentation, objects=survey.paths["objects"], split=survey.paths["split"],
            out=survey.paths["augmented"])
    return survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return make_survey(tmp_path_factory.mktemp("survey"), [("FRI", "FRII", "")[i % 3] for i in range(OBJECTS)])


@pytest.fixture(scope="module")
def unbroken(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the model of a training that nothing interrupted, without a single checkpoint."""
    out = tmp_path_factory.mktemp("unbroken")
    process = survey.start(out, minutes=60)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return out / "model"


def same(a: Path, b: Path) -> bool:
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in FILES)


def checkpoint_after(out: Path, seen: int) -> None:
    """Wait until a checkpoint of at least so many examples is written."""
    path, deadline = out / "checkpoints" / "last.pt", time.monotonic() + 90
    while time.monotonic() < deadline:
        if path.is_file() and torch.load(path, weights_only=True)["state"]["seen"] >= seen:
            return
        time.sleep(0.02)
    pytest.fail(f"no checkpoint after {seen} examples")


class TestInterruption:
    """Whatever ended it, the same command goes on, and the result does not show it."""

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_a_resumed_training_equals_an_unbroken_one(
        self, survey: Survey, unbroken: Path, tmp_path: Path, number: signal.Signals
    ) -> None:
        process = survey.start(tmp_path)
        checkpoint_after(tmp_path, 1500)  # in the middle, with evaluations and a warm-up behind it
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert not (tmp_path / "model").exists(), "it ended before it was stopped; make the test longer"
        if number == signal.SIGTERM:
            assert process.returncode == 143
            assert output.splitlines()[-1].startswith("train: stopped by SIGTERM after ")
        else:
            assert process.returncode == -9
        resumed = survey.start(tmp_path, minutes=60)
        output, _ = resumed.communicate(timeout=120)
        assert resumed.returncode == 0, output
        assert "goes on from" in output
        assert same(tmp_path / "model", unbroken)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]

    def test_a_second_writer_is_refused(self, survey: Survey, tmp_path: Path) -> None:
        with step_lock(tmp_path, "train"), pytest.raises(UserError, match="already running"):
            survey.train(QUICK, tmp_path)
        assert not (tmp_path / "model").exists()

    def test_a_checkpoint_of_other_settings_is_left_aside(
        self, survey: Survey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Checkpoint(tmp_path / "checkpoints", "another", 1).save({"seen": 3})
        survey.train(QUICK, tmp_path)
        assert "is of other settings, data or version; starts afresh" in capsys.readouterr().out

    def test_a_checkpoint_of_other_code_is_left_aside(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        checkpoint, training = Checkpoint(tmp_path, "this", 1), new_training()
        state = training.state()
        groups = state["optimizer"]["param_groups"]
        for other in (
            {**state, "more": 1}, {**state, "optimizer": {**state["optimizer"], "param_groups": [*groups, groups[0]]}}
        ):
            checkpoint.save({**other, "seen": 7})
            _loop.resume(training, checkpoint)
            assert training.seen == 0
            assert "was written by another version of astro_vae" in capsys.readouterr().out
        checkpoint.save({**state, "seen": 7})
        _loop.resume(training, checkpoint)
        assert training.seen == 7

    def test_a_damaged_checkpoint_is_left_aside(self, tmp_path: Path) -> None:
        checkpoint = Checkpoint(tmp_path, "this", 1)
        checkpoint.save({"seen": 3, "weights": torch.arange(1000.0)})
        state, reason = checkpoint.load()
        assert state is not None
        assert state["seen"] == 3
        assert reason == ""
        checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:700])
        state, reason = checkpoint.load()
        assert state is None
        assert "cannot be read" in reason

    def test_signals_are_noted_only_within_the_context(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.signal == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is before


class TestResult:
    """What a training writes."""

    def test_the_contract_is_complete(self, survey: Survey, unbroken: Path) -> None:
        contract = json.loads((unbroken / "model.json").read_text())
        training = [i for i in range(OBJECTS) if i % 5 > 1]
        counts = [sum(i % 3 == label for i in training) for label in (0, 1)]
        assert contract["labels"] == ["FRI", "FRII"]
        assert contract["training_objects"] == counts
        assert contract["frequencies"] == pytest.approx(np.array(counts) / sum(counts))
        assert contract["kind"] == "image"
        assert contract["survey"] == "doubles"
        assert contract["scaled"] is True
        assert contract["pixel_arcsec"] == 1.8
        assert contract["ranges"]["pixel_arcsec"] == [1.8, 1.8]
        assert {"source", "prepare"} <= contract.keys()
        assert contract["shape"] == [24, 24]
        assert contract["view"] == VIEW.model_dump(mode="json")
        assert contract["settings"] == MODEL.model_dump(mode="json")
        assert set(contract["inputs"]) == {"objects", "split", "augmented"}
        assert contract["ran_on"]["device"] == "cpu"
        assert contract["trained"]["examples"] == 4800

    def test_it_learns_and_keeps_the_best_weights(self, survey: Survey, unbroken: Path) -> None:
        history = pd.read_csv(unbroken / "history.csv")
        assert history["validation_elbo"].iloc[-1] > history["validation_elbo"].iloc[0]
        assert (unbroken / "curves.png").read_bytes().startswith(b"\x89PNG")
        data = open_training_data((), survey.inputs)
        x = data.validation.images / 255
        known = data.validation.labels >= 0
        model = load(unbroken)
        mean, _ = model.encode(data.validation.images[known], data.validation.labels[known])
        error = ((x[known] - model.decode(mean, data.validation.labels[known])) ** 2).mean()
        best = history.loc[history["validation_elbo"].idxmax()]
        assert error == pytest.approx(best["validation_mse"], rel=1e-4)
        assert error < 0.7 * ((x - x.mean(axis=0)) ** 2).mean()

    def test_pca_is_an_entry_like_any_other(self, survey: Survey, tmp_path: Path) -> None:
        folder = survey.train(PcaSettings(latents=5, examples=300), tmp_path)
        model = load(tmp_path)
        assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
        data = open_training_data((), survey.inputs)
        x = data.validation.images / 255
        error = ((x - model.decode(model.encode(x)[0])) ** 2).mean()
        assert error == pytest.approx(model.contract["trained"]["validation_mse"], rel=1e-4)
        assert error < ((x - x.mean(axis=0)) ** 2).mean()

    def test_without_labels_the_model_is_unconditional(self, tmp_path: Path) -> None:
        survey = make_survey(tmp_path, [""] * OBJECTS)
        model = load(survey.train(QUICK, tmp_path / "m"))
        assert model.labels == ()
        assert not model.module.conditional

    def test_examples_drawn_on_the_way_train_the_same_model(self, survey: Survey, tmp_path: Path) -> None:
        labels = [("FRI", "FRII", "")[i % 3] for i in range(OBJECTS)]
        drawn = make_survey(tmp_path, labels, materialise=False)
        a, b = survey.train(QUICK, tmp_path / "a"), drawn.train(QUICK, tmp_path / "b")
        assert (a / "history.csv").read_bytes() == (b / "history.csv").read_bytes()

    @pytest.mark.parametrize("name", ["dense", "bastien"])
    def test_dense_networks_train(self, survey: Survey, tmp_path: Path, name: str) -> None:
        budget = QUICK.train.model_copy(update={"examples": 32, "validate_every": 32})
        network = NetworkSettings(name=name, hidden=(16,), dropout=0.1)
        model = load(survey.train(QUICK.model_copy(update={"network": network, "train": budget}), tmp_path))
        assert model.contract["ran_on"]["precision"] == "32-true"

    @pytest.mark.parametrize("objective", ["info_vae", "autoencoder"])
    def test_other_objectives_train(self, survey: Survey, tmp_path: Path, objective: str) -> None:
        budget = QUICK.train.model_copy(update={"examples": 64, "validate_every": 32})
        history = pd.read_csv(
            survey.train(QUICK.model_copy(update={"objective": objective, "train": budget}), tmp_path) / "history.csv"
        )
        assert len(history) == 2
        assert np.isfinite(history["validation_reconstruction"]).all()

    def test_plain_lines_tell_the_course(
        self, survey: Survey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        survey.train(QUICK, tmp_path)
        output = capsys.readouterr().out
        assert "512 of 512 examples: ELBO" in output
        for word in ("reconstruction", "KL", "active"):
            assert word in output


class TestRefusals:
    """A user's mistakes end in one message."""

    def test_examples_of_another_view(self, survey: Survey, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"made with another view.size \(24, not 20\)"):
            train(QUICK, replace(survey.inputs, view=VIEW.model_copy(update={"size": 20})), out=tmp_path / "model",
                  execution=CPU)

    def test_examples_of_another_split(self, survey: Survey, tmp_path: Path) -> None:
        other = tmp_path / "split.csv"
        other.write_text((survey.folder / "split.csv").read_text() + "J999,999,train,\n")
        with pytest.raises(UserError, match="made of another file of split"):
            train(QUICK, replace(survey.inputs, split=other), out=tmp_path / "model", execution=CPU)

    def test_a_label_that_nobody_has(self, survey: Survey, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="has the label 'FRIII'; its labels: FRI, FRII"):
            survey.train(QUICK.model_copy(update={"labels": ("FRI", "FRIII")}), tmp_path)

    def test_more_components_than_examples(self, survey: Survey, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"model.latents = 50 .* more than 40"):
            survey.train(PcaSettings(latents=50, examples=40), tmp_path)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (PcaSettings(type="em_pca", latents=3), "type: em_pca: it needs an inverse variance"),
            (QUICK.model_copy(update={"likelihood": "gaussian_ivar"}), "likelihood: gaussian_ivar: it needs"),
            (QUICK.model_copy(update={"network": NetworkSettings(path="linear")}), "linear path needs"),
            (QUICK.model_copy(update={"network": NetworkSettings(name="convolutional_1d")}), "one dimension"),
        ],
        ids=["em_pca", "gaussian_ivar", "linear_path", "convolutional_1d"],
    )
    def test_models_that_these_data_do_not_suit(
        self, survey: Survey, tmp_path: Path, settings: PcaSettings | VaeSettings, message: str
    ) -> None:
        with pytest.raises(UserError, match=message):
            survey.train(settings, tmp_path)

    def test_a_gpu_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(UserError, match="finds no GPU"):
            open_fabric(torch.nn.Linear(2, 2), "32-true", ExecutionSettings(device="cuda"))

    def test_a_job_of_a_cluster_is_one_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "1"}.items():
            monkeypatch.setenv(name, value)
        assert open_fabric(torch.nn.Linear(2, 2), "32-true", CPU).world_size == 1

    def test_a_training_that_diverges(self, survey: Survey, tmp_path: Path) -> None:
        training = new_training()
        training.sums = torch.tensor([16.0, math.nan, 0.0, 0.0], dtype=torch.float64)
        with pytest.raises(UserError, match="diverged"):
            _loop.keep(training, Checkpoint(tmp_path, "", 1))
        assert not list(tmp_path.iterdir())


class TestStream:
    """Each example once per epoch, wherever one starts."""

    examples: Any = SimpleNamespace(order=lambda seed: np.random.default_rng(seed).permutation(10))

    def test_it_is_the_same_from_any_place(self) -> None:
        kept = np.ones(10, bool)
        whole = Stream(self.examples, kept, 1).take(0, 35)
        assert [sorted(whole[i : i + 10]) for i in (0, 10, 20)] == [list(range(10))] * 3
        assert not np.array_equal(whole[:10], whole[10:20])
        for seen in range(0, 28, 7):
            np.testing.assert_array_equal(Stream(self.examples, kept, 1).take(seen, 7), whole[seen : seen + 7])

    def test_what_is_left_out_never_comes(self) -> None:
        kept = np.arange(10) % 2 == 0
        assert set(Stream(self.examples, kept, 1).take(0, 15)) == {0, 2, 4, 6, 8}


class TestCourse:
    """Schedules and the choice of the best weights have known values."""

    def test_one_cycle_rises_for_three_tenths_and_falls_to_nothing(self) -> None:
        budget = TrainSettings(learning_rate=1.0)
        rates = [learning_rate(budget, done) for done in (0, 0.15, 0.3, 0.65, 1)]
        assert rates == pytest.approx([0.04, 0.52, 1, 0.5, 0], abs=1e-12)

    def test_cosine_and_constant(self) -> None:
        cosine, constant = (TrainSettings(learning_rate=1.0, schedule=name) for name in ("cosine", "constant"))
        assert [learning_rate(cosine, done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0], abs=1e-12)
        assert learning_rate(constant, 0.7) == 1

    def test_the_divergence_warms_up(self) -> None:
        assert [kl_weight(TrainSettings(warm_up=0.2), done) for done in (0, 0.1, 0.2, 1)] == [0, 0.5, 1, 1]
        assert kl_weight(TrainSettings(warm_up=0), 0) == 1

    @pytest.mark.parametrize(("kept", "at"), [("best", 2), ("last", 4)])
    def test_weights_are_kept_and_patience_ends(self, monkeypatch: pytest.MonkeyPatch, kept: str, at: int) -> None:
        training, data = new_training(), SimpleNamespace(validation=None, frequencies=None)
        budget = TrainSettings.model_validate({"patience": 2, "keep": kept})
        settings = MODEL.model_copy(update={"beta": 2.0, "train": budget})
        # The weighted objective is 0, 6, 4, 5: the third ELBO is the highest, but not at beta = 2.
        terms = iter([(10.0, 5.0), (10.0, 2.0), (12.0, 4.0), (11.0, 3.0)])

        def validate(*_: object, seed: int, drawn: bool) -> dict[str, float]:
            reconstruction, kl = next(terms)
            return {"validation_reconstruction": reconstruction, "validation_kl": kl}

        monkeypatch.setattr(_loop, "validate", validate)
        for seen in (1, 2, 3, 4):
            assert not is_over(training, settings.train)
            training.seen = seen
            with torch.no_grad():
                next(training.model.parameters()).fill_(seen)
            evaluate(training, data, settings)
        assert is_over(training, settings.train) == (kept == "best")
        assert training.best_at == at
        assert next(iter(training.best_weights.values())).unique().tolist() == [at]

    def test_matrix_products_get_their_precision_back(self) -> None:
        with matmul_precision("bf16-mixed"):
            assert torch.get_float32_matmul_precision() == "medium"
        assert torch.get_float32_matmul_precision() == "highest"

    def test_a_bar_shows_on_a_terminal(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        with TrainingProgress(100, 0, bar=True) as progress:
            progress.show(50, {"elbo": 12.5})
            progress.say("a line")
        output = capsys.readouterr()
        assert output.out == ""
        assert "ELBO 12.5" in output.err
        assert "a line" in output.err


def new_training() -> Training:
    model = build(MODEL, shape=(24, 24), n_labels=2)
    optimizer = torch.optim.AdamW(model.parameters())
    return Training(model, optimizer, torch.Generator())
