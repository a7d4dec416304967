"""Every command answers `--help`, runs in-process on tiny files, and says a user's mistake in one message."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from astro_vae import cli, cli_steps, plan, surveys
from astro_vae.errors import UserError
from astro_vae.files import step_lock
from astro_vae.runner import run_workflow

USERS = [(command.name or command.callback.__name__,) for command in cli.app.registered_commands]
STEPS = [("step", command.name or command.callback.__name__) for command in cli_steps.steps.registered_commands]
ROOT = Path(__file__).parents[1]

TINY: dict[str, Any] = {
    "run": "tiny",
    "surveys": {
        "s": {
            "source": {"survey": "simulated_radio", "labelled": 40, "unlabelled": 6, "anomalies": 4, "other": 4,
                       "size": 100},
            "prepare": {"size": 100, "field": 64},
            "view": {"size": 32, "frame": 64, "method": "resample"},
            "augment": {"total": 300},
            "classifier": {"examples": 300},
            "models": {"m": {"latents": 2, "network": {"channels": [4, 8], "hidden": [16]},
                             "train": {"examples": 300, "batch": 50, "validate_every": 100}}},
            "products": {"rotations": 2, "draws": 2, "samples_per_label": 4, "top": 4, "bootstrap": 20,
                         "prior": {"components": 1, "examples": 100}},
        }
    },
}


def called(*words: object) -> str:
    """Run a command in this process and return what it printed."""
    done = CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
    """Run the command line as a user does; return its one message."""
    monkeypatch.setattr(sys, "argv", ["astro-vae", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("command", [*USERS, *STEPS], ids=" ".join)
def test_help_of_each_command(command: tuple[str, ...]) -> None:
    assert "Usage" in called(*command, "--help")


def test_every_step_is_a_command() -> None:
    assert {name for _, name in STEPS} - {"prepare-block"} == set(plan.STEPS)  # it is a piece of prepare


def test_version() -> None:
    assert called("--version").startswith("astro_vae 0.")


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, astro_vae.cli; print([m for m in ('torch', 'pandas', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_every_command_in_the_order_of_the_workflow(tmp_path: Path) -> None:
    made = surveys.settings_of(TINY, Path("tiny.yaml"))
    data, folder = tmp_path / "data", tmp_path / "s"
    model = folder / "m"

    def seen(step: str) -> tuple[str, str]:
        return "--settings", plan.params(made, step, "s", "m")

    objects, split, augmented = folder / "objects.h5", folder / "split.csv", folder / "augmented.h5"
    inputs = ("--objects", objects, "--split", split)
    trained = ("--model", model / "model", "--prior", model / "prior.safetensors")
    called("step", "download", *seen("download"), "--folder", data, "--out", folder / "manifest.csv")
    called("step", "prepare", *seen("prepare"), "--folder", data, "--manifest", folder / "manifest.csv",
           "--out", objects)
    called("step", "split", *seen("split"), "--objects", objects, "--out", split)
    called("step", "augment", *seen("augment"), *inputs, "--out", augmented)
    called("step", "classifier", *seen("classifier"), *inputs, "--augmented", augmented, "--out", folder / "classifier")
    called("step", "train", *seen("train"), *inputs, "--augmented", augmented, "--out", model / "model")
    called("step", "fit-prior", *seen("fit-prior"), "--model", model / "model", "--objects", objects,
           "--augmented", augmented, "--out", model / "prior.safetensors")
    called("step", "encode", *seen("encode"), *trained, *inputs, "--out", model / "latents.fits")
    called("step", "generate", *seen("generate"), *trained, "--out", model / "samples.h5")
    called("step", "rank", *seen("rank"), *trained, *inputs, "--latents", model / "latents.parquet",
           "--out", model / "anomalies.fits")
    called("step", "evaluate", *seen("evaluate"), "--folder", model, *inputs, "--classifier", folder / "classifier",
           "--out", model / "metrics.json")
    called("step", "compare", model / "metrics.json", "--out", folder / "comparison.csv")
    called("step", "report", *seen("report"), "--folder", folder, "--out", folder / "report.html")
    assert json.loads((model / "metrics.json").read_text())["test"]["mse"]["mean"] > 0
    assert "<html" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{not json", "--settings: not valid JSON"),
        ('{"source": {"survey": "mirabset"}}', "source.survey: 'mirabset' is not known; known: simulated_radio"),
        ('{"source": {"survey": "mirabest", "imges": "fits"}}', "unknown setting 'imges'; did you mean 'images'?"),
    ],
)
def test_wrong_settings_are_one_message(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("step", "download", "--settings", text, "--folder", tmp_path, "--out", tmp_path / "manifest.csv")
    said = refused(capsys, monkeypatch, *words)
    assert message in said
    assert "Traceback" not in said


def test_a_file_that_is_no_object_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "objects.h5"
    wrong.write_text("not HDF5")
    words = ("step", "split", "--settings", "{}", "--objects", wrong, "--out", tmp_path / "split.csv")
    said = refused(capsys, monkeypatch, *words)
    assert f"{wrong}: not an object file" in said
    assert list(tmp_path.iterdir()) == [wrong]


@pytest.mark.parametrize(
    ("config", "cores", "message"),
    [
        ("missing.yaml", "all", "no such configuration file"),
        ("config/quick.yaml", "0", "give a number above 0, or 'all'"),
    ],
)
def test_run_names_what_is_wrong(config: str, cores: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_workflow(ROOT / config, cores=cores, folder=ROOT)


def test_run_outside_the_project(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Snakefile here"):
        run_workflow(Path("config.yaml"), folder=tmp_path)


def test_a_second_run_in_one_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").touch()
    config = tmp_path / "config.yaml"
    config.touch()
    with step_lock(tmp_path / "results", "run"), pytest.raises(UserError, match="step 'run' is already running"):
        run_workflow(config, folder=tmp_path)
