"""Parse the words of the workflow's commands: each step is one, which calls one function.

Heavy imports stand where they are used, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from astro_vae.errors import UserError

steps = typer.Typer(
    name="step", help="The steps of the workflow, one command each: what its rules call, to be run by hand.",
    no_args_is_help=True, rich_markup_mode=None,
)

SettingsText = Annotated[
    str, typer.Option("--settings", help="JSON of the settings that this step reads, as the workflow passes it.")
]
Existing = Annotated[Path, typer.Option(exists=True, help="A file or folder made by an earlier step.")]
Out = Annotated[Path, typer.Option(help="File or folder to write; it appears whole or not at all.")]


class Seen:
    """The settings that a step sees, parsed from its `--settings`."""

    def __init__(self, text: str) -> None:
        try:
            self.data: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"--settings: not valid JSON: {error}") from None

    def section(self, name: str, model: type[Any]) -> Any:
        """Validate one section; a section that is not given has its defaults."""
        from astro_vae.section import validate

        return validate(model, self.data.get(name, {}), origin=f"--settings, {name}")

    def sections(self, *names: str) -> list[Any]:
        """Validate sections that depend on the kind of data, each as the kind that it says."""
        from astro_vae.settings import section_class

        return [self.section(name, section_class(name, self.data.get(name, {}))) for name in names]

    def source(self) -> Any:
        """Validate `source` with the class of its survey."""
        from astro_vae.section import validate
        from astro_vae.surveys import SOURCES

        name = self.data.get("source", {}).get("survey")
        if name not in SOURCES:
            raise UserError(f"--settings, source.survey: '{name}' is not known; known: {', '.join(SOURCES)}")
        return validate(SOURCES[name], self.data["source"], origin="--settings, source")

    def model(self) -> Any:
        """Validate `model` as the type that it names."""
        from astro_vae.settings_models import LINEAR_TYPES, PcaSettings, VaeSettings

        linear = self.data.get("model", {}).get("type") in LINEAR_TYPES
        return self.section("model", PcaSettings if linear else VaeSettings)

    def inputs(self, **files: Path) -> Any:
        """Gather what a training reads: these files, and the sections that they were made with."""
        from astro_vae.steps.inputs import TrainingInputs

        view, augment = self.sections("view", "augment")
        return TrainingInputs(**files, view=view, augment=augment)

    def products(self) -> Any:
        """Gather the settings of products that are given one by one (`products.draws`, …)."""
        from astro_vae.section import validate
        from astro_vae.settings import ProductSettings

        given = {key.removeprefix("products."): value for key, value in self.data.items() if "products." in key}
        return validate(ProductSettings, given, origin="--settings, products")


def execution() -> Any:
    """Read how to run from the environment, where the workflow puts it: it never makes a step run again."""
    from astro_vae.section import validate
    from astro_vae.settings import ExecutionSettings

    return validate(ExecutionSettings, json.loads(os.environ.get("ASTRO_VAE_EXECUTION", "{}")), origin="execution")


@steps.command()
def download(
    settings: SettingsText, folder: Annotated[Path, typer.Option(help="Where downloads go.")], out: Out
) -> None:
    """Fetch (or simulate) the survey's files and write manifest.csv."""
    from astro_vae.steps.download import download as step

    step(Seen(settings).source(), folder=folder, out=out, execution=execution())


@steps.command()
def prepare(
    settings: SettingsText, folder: Existing, manifest: Existing, out: Out,
    parts: Annotated[
        list[Path] | None, typer.Argument(exists=True, help="What `prepare-block` has made of all blocks, if it has.")
    ] = None,
) -> None:
    """Turn the survey's files into objects.h5: values, measurements, or the reason why not."""
    from astro_vae.steps.prepare import prepare as step

    seen = Seen(settings)
    step(seen.source(), *seen.sections("prepare"), folder=folder, manifest=manifest, out=out, parts=parts or ())


@steps.command("prepare-block")
def prepare_block(
    settings: SettingsText, folder: Existing, manifest: Existing,
    number: Annotated[int, typer.Option(min=1, help="Which of the blocks, from 1.")],
    total: Annotated[int, typer.Option(min=1, help="Blocks that the survey's files are divided into.")], out: Out,
) -> None:
    """Turn one block of the survey's files into a part of objects.h5, which `prepare` puts together."""
    from astro_vae.steps.prepare import prepare_block as step
    from astro_vae.surveys.candidate import Block

    seen, block = Seen(settings), Block(number, total)
    step(seen.source(), *seen.sections("prepare"), block=block, folder=folder, manifest=manifest, out=out)


@steps.command()
def split(settings: SettingsText, objects: Existing, out: Out) -> None:
    """Divide the objects into training, validation and test by position on the sky."""
    from astro_vae.settings import SplitSettings
    from astro_vae.steps.split import split as step

    step(Seen(settings).section("split", SplitSettings), objects=objects, out=out)


@steps.command()
def augment(settings: SettingsText, objects: Existing, split: Existing, out: Out) -> None:
    """Make the training part into hundreds of thousands of examples."""
    from astro_vae.steps.augment import augment as step

    step(*Seen(settings).sections("view", "augment"), objects=objects, split=split, out=out)


@steps.command()
def classifier(settings: SettingsText, objects: Existing, split: Existing, augmented: Existing, out: Out) -> None:
    """Train the independent judge of generated samples on real objects."""
    from astro_vae.classifier import classifier as step
    from astro_vae.settings import ClassifierSettings

    seen = Seen(settings)
    inputs = seen.inputs(objects=objects, split=split, augmented=augmented)
    step(seen.section("classifier", ClassifierSettings), inputs, out=out, execution=execution())


@steps.command()
def train(settings: SettingsText, objects: Existing, split: Existing, augmented: Existing, out: Out) -> None:
    """Train one model; after an interruption the same command goes on from the last checkpoint."""
    from astro_vae.steps.train import train as step

    seen = Seen(settings)
    inputs = seen.inputs(objects=objects, split=split, augmented=augmented)
    step(seen.model(), inputs, out=out, execution=execution())


@steps.command("fit-prior")
def fit_prior(settings: SettingsText, model: Existing, objects: Existing, augmented: Existing, out: Out) -> None:
    """Fit the prior of the latents per label to the aggregate posterior."""
    from astro_vae.products.priors import fit_prior as step

    seen = Seen(settings).products()
    step(seen.prior, model=model, objects=objects, augmented=augmented, out=out, refine=seen.refine)


@steps.command()
def encode(
    settings: SettingsText, model: Existing, prior: Existing, objects: Existing, split: Existing, out: Out
) -> None:
    """Write the latent catalog: latents.fits, .parquet and .vot."""
    from astro_vae.products.latents import encode as step

    step(Seen(settings).products(), model=model, prior=prior, objects=objects, split=split, out=out)


@steps.command()
def generate(settings: SettingsText, model: Existing, prior: Existing, out: Out) -> None:
    """Draw samples per label: samples.h5, .fits and .png, with traversals and tracks."""
    from astro_vae.products.samples import generate as step

    step(Seen(settings).products(), model=model, prior=prior, out=out)


@steps.command()
def rank(
    settings: SettingsText, model: Existing, prior: Existing, latents: Existing, objects: Existing, split: Existing,
    out: Out,
) -> None:
    """Rank the anomalies: anomalies.fits, .parquet, .csv, .reg and .png."""
    from astro_vae.products.anomalies import rank as step

    step(Seen(settings).products(), model=model, prior=prior, latents=latents, objects=objects, split=split, out=out)


@steps.command()
def evaluate(
    settings: SettingsText, folder: Existing, objects: Existing, split: Existing, classifier: Existing, out: Out
) -> None:
    """Measure a model against references: metrics.json."""
    from astro_vae.evaluate import evaluate as step

    step(Seen(settings).products(), folder=folder, objects=objects, split=split, classifier=classifier, out=out)


@steps.command()
def compare(
    metrics: Annotated[list[Path], typer.Argument(exists=True, help="metrics.json of each model.")], out: Out
) -> None:
    """Lay the models of a survey side by side: comparison.csv and comparison.png."""
    from astro_vae.compare import compare as step

    step(metrics, out=out)


@steps.command()
def report(settings: SettingsText, folder: Existing, out: Out) -> None:
    """Write one self-contained page for a survey."""
    from astro_vae.report import report as step

    step(Seen(settings).data, folder=folder, out=out)
