"""The whole way runs, a second run finds nothing to do, and an edit reruns exactly what it should."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

OF_A_MODEL = {"fit_prior", "encode", "generate", "rank", "evaluate", "compare", "report", "all"}


def test_every_product_is_there(finished: Any) -> None:
    survey = {"manifest.csv", "objects.h5", "split.csv", "augmented.h5", "comparison.csv", "report.html"}
    model = {
        *(f"latents.{x}" for x in ("fits", "parquet", "vot")),
        *(f"samples.{x}" for x in ("h5", "fits", "png")),
        *(f"anomalies.{x}" for x in ("fits", "parquet", "csv", "reg", "png")),
        "prior.safetensors", "residuals.safetensors",
        "metrics.json",
    }
    assert survey <= {p.name for p in finished.results.iterdir()}
    for name in ("cvae", "pca"):
        assert model <= {p.name for p in (finished.results / name).iterdir()}, name


def test_nothing_temporary_is_left(finished: Any) -> None:
    left = [p for p in finished.folder.rglob("*") if ".partial-" in p.name or p.name.endswith(".lock")]
    assert [p for p in left if ".snakemake" not in p.parts] == []


def test_a_second_run_finds_nothing_to_do(finished: Any) -> None:
    done = finished.snakemake()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        ("surveys.simulated.products.samples_seed", 2, {"generate", "evaluate", "compare", "report", "all"}),
        ("surveys.simulated.products.prior.components", 3, OF_A_MODEL),
        ("surveys.simulated.models.cvae.train.learning_rate", 3e-3, {"train"} | OF_A_MODEL),
        ("surveys.simulated.augment.seed", 2, {"augment", "classifier", "train"} | OF_A_MODEL),
        ("surveys.simulated.split.seed", 2, {"split", "augment", "classifier", "train"} | OF_A_MODEL),
        ("surveys.simulated.classifier.seed", 2, {"classifier", "evaluate", "compare", "report", "all"}),
        ("execution.downloads", 2, set()),
        ("execution.device", "cpu", set()),
    ],
)
def test_an_edit_reruns_exactly_what_depends_on_it(
    finished: Any, would_run: Callable[[dict[str, Any]], set[str]], place: str, value: Any, expected: set[str]
) -> None:
    assert would_run(finished.edited(place, value)) == expected


def test_blocks_are_jobs_of_their_own_and_a_lost_one_comes_back_alone(finished: Any, tmp_path: Path) -> None:
    """The objects are those of one job, byte for byte."""
    other = type(finished)(tmp_path)
    settings = finished.edited("execution.blocks", 3)
    expected = (finished.results / "objects.h5").read_bytes()
    target = str((other.results / "objects.h5").relative_to(tmp_path))
    parts = [other.results / f"prepare-{number}-of-3.h5" for number in (1, 2, 3)]
    names = [str(part.relative_to(tmp_path)) for part in parts]
    assert other.snakemake("--notemp", *names, settings=settings).returncode == 0
    parts[1].unlink()
    done = other.snakemake(target, settings=settings)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("rule prepare_block:") == 1
    assert (other.results / "objects.h5").read_bytes() == expected
    assert not any(part.exists() for part in parts)


def test_a_mistake_in_the_settings_is_named_with_the_nearest_key(finished: Any) -> None:
    done = finished.snakemake("--dry-run", settings=finished.edited("surveys.simulated.augment.totl", 5))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "surveys.simulated.augment: unknown setting 'totl'; did you mean 'total'?" in said
    assert "Traceback" not in said


def test_the_default_profile_is_picked_up() -> None:
    done = subprocess.run([sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert "profiles/default" in done.stdout + done.stderr


@pytest.mark.parametrize("config", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_configuration_makes_a_plan(config: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path),
               "--configfile", str(config), "--dry-run", "--cores", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "report" in done.stdout + done.stderr
