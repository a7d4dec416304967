"""From sizes and rates to a table: hours, memory and disk per step and in all, and how each is known."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from astro_vae import surveys
from astro_vae.errors import UserError
from astro_vae.estimate.rates import ModelRates, SurveyRates, Trial, has_gpu, threads
from astro_vae.estimate.sizes import Counts, counts, elements, examples_bytes, examples_words, values_bytes
from astro_vae.settings import ExecutionSettings, SurveySettings
from astro_vae.settings_models import ModelSettings, PcaSettings, VaeSettings

GB = 1e9
DOWNLOAD_RATE = 5e6  # bytes per second
GPU_SPEEDUP = 20  # of a training, where no GPU is here to be timed
START = 5.0  # s, for Python and its libraries, per step
FIXED = {"split": 0.0, "generate": 8.0, "evaluate": 15.0, "compare": 5.0, "report": 5.0}  # s, of a thousand objects
MIXTURE = 1e-3  # s per example, of the fit of the prior
BASE = {  # GB beside the data, with PyTorch's share
    "download": 0.2, "prepare": 0.4, "split": 0.2, "augment": 0.4, "classifier": 0.6, "train": 1.5, "fit-prior": 0.6,
    "encode": 0.8, "generate": 0.6, "rank": 0.8, "evaluate": 0.9, "compare": 0.6, "report": 0.4,
}
COPIES = 5  # of the weights: in use, best so far, two moments of the optimiser; and model/ beside the checkpoint
PACKED_VALUES = 0.9  # of noise in 32-bit floats, that is hardly compressible


@dataclass(frozen=True)
class Cost:
    """What one step takes.

    Attributes
    ----------
    step : str
    model : str
        Empty where it is one step for all models.
    hours, memory_gb, disk_gb : float
    known : str
        How the hours are known: measured here, or assumed.
    """

    step: str
    model: str
    hours: float
    memory_gb: float
    disk_gb: float
    known: str


def estimate(config: Path, *, device: str = "cpu") -> str:
    """Return a table of what the run of a configuration file takes; it measures for some seconds per model.

    Parameters
    ----------
    config : Path
    device : str
        "cpu" or "cuda": where trainings will run.

    Raises
    ------
    UserError
        If the configuration cannot be used, the device is not known, or nothing tells how many objects there are.
    """
    if device not in ("cpu", "cuda"):
        raise UserError(f"--device {device}: give cpu or cuda")
    settings = surveys.load_settings(config)
    execution = settings.execution.model_copy(update={"device": "cuda" if device == "cuda" and has_gpu() else "cpu"})
    tables = []
    for name, survey in settings.surveys.items():
        found = counts(survey, Path("results") / settings.run / name)
        costs = survey_costs(survey, found, execution, guessed=device == "cuda" and not has_gpu())
        tables.append(f"{name}: {headline(survey, found)}\n{table(costs)}")
    return "\n\n".join([*tables, legend(device)])


def survey_costs(
    settings: SurveySettings, found: Counts, execution: ExecutionSettings, *, guessed: bool = False
) -> list[Cost]:
    """Measure the rates and return the cost of each step; `guessed` divides trainings by `GPU_SPEEDUP`."""
    with tempfile.TemporaryDirectory(prefix="astro_vae-") as scratch:
        trial = Trial(settings, Path(scratch), execution)
        costs = before_models(settings, found, trial.survey_rates())
        for name, model in settings.models.items():
            costs += of_model(name, model, settings, found, trial.model_rates(model), guessed=guessed)
    return [*costs, _fixed("compare", "", found, 0.0), _fixed("report", "", found, 0.01)]


def before_models(settings: SurveySettings, found: Counts, rates: SurveyRates) -> list[Cost]:
    """Return the costs of download, prepare, split, augment and classifier."""
    simulated = surveys.survey(settings.source.survey) in surveys.SIMULATED.values()
    seconds = found.objects * rates.download if simulated else found.download_bytes / DOWNLOAD_RATE
    values = values_bytes(settings, found)
    examples, total = examples_bytes(settings), settings.augment.total
    stored = settings.augment.materialise
    judging = settings.classifier.examples * rates.classifier
    return [
        _cost("download", "", seconds, 0, found.download_bytes, "measured" if simulated else "assumed"),
        _cost("prepare", "", found.objects * rates.prepare, 0, values * PACKED_VALUES, "measured"),
        _fixed("split", "", found, 0.0),
        _cost("augment", "", total * rates.augment if stored else 0, values, examples * rates.packed * stored,
              "measured"),
        _cost("classifier", "", judging, examples * stored, 3e6, "measured"),
    ]


def of_model(
    name: str, model: ModelSettings, settings: SurveySettings, found: Counts, rates: ModelRates, *, guessed: bool
) -> list[Cost]:
    """Return the costs of the steps of one model."""
    in_memory = examples_bytes(settings) * settings.augment.materialise
    is_vae = isinstance(model, VaeSettings)
    if isinstance(model, PcaSettings):
        seen, begun = model.examples or found.objects, 0
    else:
        seen, begun = model.train.examples, model.network.path_examples or found.objects
    training = begun * rates.start + seen * rates.train / (GPU_SPEEDUP if guessed and is_vae else 1)
    prior = settings.products.prior.examples
    fitting = prior * (MIXTURE + rates.one_pass)
    samples = found.labels * settings.products.samples_per_label * elements(settings) * 4 * 2
    rows = found.objects * (5 * model.latents + 60) * 8
    state = COPIES * rates.weights_bytes if is_vae else rates.weights_bytes
    return [
        _cost("train", name, training, in_memory + state, state, "assumed" if guessed and is_vae else "measured"),
        _cost("fit-prior", name, fitting, in_memory, 1e6, "measured"),
        _cost("encode", name, found.objects * rates.encode * found.labels, 0, 3 * rows, "measured"),
        _fixed("generate", name, found, samples / GB),
        _cost("rank", name, found.objects * rates.rank, 0, rows, "measured"),
        _fixed("evaluate", name, found, 0.001),
    ]


def _cost(step: str, model: str, seconds: float, memory: float, disk: float, known: str) -> Cost:
    return Cost(step, model, (seconds + START) / 3600, BASE[step] + memory / GB, disk / GB, known)


def _fixed(step: str, model: str, found: Counts, disk_gb: float) -> Cost:
    seconds = FIXED[step] * max(1.0, found.objects / 1000)
    return _cost(step, model, seconds, 0, disk_gb * GB, "assumed")


def headline(settings: SurveySettings, found: Counts) -> str:
    """Return in one line what the figures of a survey rest on."""
    return (
        f"{found.objects} objects (from {found.known_from}), {examples_words(settings)}, "
        f"{examples_bytes(settings) / GB:.2f} GB in memory"
    )


def table(costs: list[Cost]) -> str:
    """Return the costs as text, with what they come to in all: one step after another, the largest memory."""
    width = max(len(cost.model) for cost in costs)
    lines = [f"{'step':<11}{'model':<{width}}  {'hours':>8} {'memory GB':>10} {'disk GB':>9}  time is"]
    rows = [*costs, Cost("in all", "", sum(c.hours for c in costs), max(c.memory_gb for c in costs),
                         sum(c.disk_gb for c in costs), "one step after another")]
    lines += [
        f"{c.step:<11}{c.model:<{width}}  {c.hours:>8.3f} {c.memory_gb:>10.1f} {c.disk_gb:>9.3f}  {c.known}"
        for c in rows
    ]
    return "\n".join(lines)


def legend(device: str) -> str:
    """Say what measured and assumed mean."""
    lines = [
        "measured: by the step itself on a few simulated objects, on this machine as busy as it is now,",
        f"  with {threads()} thread{'s' * (threads() > 1)}; a training that ends early takes less. Memory is the size",
        "  of the data and, beside it, what such steps were seen to take.",
        f"assumed: {DOWNLOAD_RATE / 1e6:.0f} MB/s of downloads, {START:.0f} s to start a step, and for the other steps",
        "  what they take for a thousand objects. Disk: examples are packed as simulated ones are; noisier images,",
        "  without a threshold, take up to ten times as much.",
    ]
    if device == "cuda" and not has_gpu():
        lines.append(
            f"trainings on a GPU: none is here to be timed; they are assumed {GPU_SPEEDUP} times as fast as here. "
            "Run this command on a node that has one."
        )
    return "\n".join(lines)
