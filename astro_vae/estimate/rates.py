"""Measure on this machine, in seconds, how fast the steps are: on a few simulated objects, by the steps themselves."""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from astro_vae import kinds, surveys
from astro_vae.classifier import fit_network, nothing_to_judge
from astro_vae.objects import open_objects
from astro_vae.products import latents
from astro_vae.products._inference import Inference
from astro_vae.products._views import Views
from astro_vae.settings import AnyAugmentSettings, ClassifierSettings, ExecutionSettings, SurveySettings
from astro_vae.settings_models import ModelSettings, PcaSettings, VaeSettings
from astro_vae.steps import augment as augmenting
from astro_vae.steps._checkpoint import Checkpoint
from astro_vae.steps._conditions import Conditions
from astro_vae.steps._device import matmul_precision, open_fabric
from astro_vae.steps._loop import fit
from astro_vae.steps._training_data import TrainingData, open_training_data
from astro_vae.steps.inputs import TrainingInputs
from astro_vae.steps.prepare import prepare
from astro_vae.steps.train import PATHS, check_weights, fit_linear, untrained, weighted_linear
from astro_vae.trained import TrainedModel
from astro_vae.vae.priors import StandardNormal

OBJECTS, VALIDATION = 24, 4
LOOKED_AT = 8
EXAMPLES = 512
SECONDS = 3.0  # of training that are timed
STEPS = (2, 20)  # least and most


@dataclass(frozen=True)
class SurveyRates:
    """Seconds of the steps before the models, and what an example takes on disk.

    Attributes
    ----------
    download, prepare : float
        s per object; the first is that of a simulated survey.
    augment : float
        s per example.
    packed : float
        Bytes on disk by bytes in memory, of simulated objects.
    classifier : float
        s per example.
    """

    download: float
    prepare: float
    augment: float
    packed: float
    classifier: float


@dataclass(frozen=True)
class ModelRates:
    """Seconds of the steps of one model, and its size.

    Attributes
    ----------
    train : float
        s per example.
    encode : float
        s per object and label, with the settings of the products.
    rank : float
        s per object, in all its orientations.
    one_pass : float
        s per object, in one.
    weights_bytes : int
    start : float
        s per example of the linear model that a network begins from.
    """

    train: float
    encode: float
    rank: float
    one_pass: float
    weights_bytes: int
    start: float = 0.0


class Trial:
    """A tiny simulated survey, prepared and augmented by the settings of a real one.

    Parameters
    ----------
    settings : SurveySettings
    folder : Path
        An empty folder to work in.
    execution : ExecutionSettings
        Where trainings run.
    """

    def __init__(self, settings: SurveySettings, folder: Path, execution: ExecutionSettings) -> None:
        self.settings, self.folder, self.execution = settings, folder, execution
        self.objects, self.split, self.augmented = (folder / n for n in ("objects.h5", "split.csv", "augmented.h5"))
        with contextlib.redirect_stdout(io.StringIO()):  # what steps say of the trial is of no interest
            self._download, self._prepare = self._prepared()
            self._write_split()
            self._augment, self._packed = self._augmented()
            self._data = self._opened()

    def _prepared(self) -> tuple[float, float]:
        survey = surveys.SIMULATED[self.settings.source.kind]
        source = survey.trial(OBJECTS, self.settings.prepare)
        started = time.perf_counter()
        manifest = survey.obtain(source, self.folder, execution=self.execution)
        simulating = (time.perf_counter() - started) / OBJECTS
        manifest.to_csv(self.folder / "manifest.csv", index=False)
        lenient = kinds.kind(survey.KIND).cut.lenient(self.settings.prepare)  # all objects count, whatever their noise

        def prepared() -> None:
            prepare(source, lenient, folder=self.folder, manifest=self.folder / "manifest.csv", out=self.objects)

        prepared()  # the first call pays for imports
        return simulating, timed(prepared) / OBJECTS

    def _write_split(self) -> None:
        names = open_objects(self.objects).usable["object_id"]
        parts = np.where(np.arange(len(names)) % (OBJECTS // VALIDATION), "train", "validation")
        table = pd.DataFrame({"object_id": names, "group": range(len(names)), "part": parts, "reason": ""})
        table.to_csv(self.split, index=False)

    def _augmented(self) -> tuple[float, float]:
        """Return seconds per example, and bytes on disk by bytes in memory."""
        few = self.few
        maker = augmenting.open_maker(self.settings.view, few, open_objects(self.objects), self.split)
        told = augmenting.estimate(maker)
        augmenting.augment(self.settings.view, few, objects=self.objects, split=self.split, out=self.augmented)
        return told["seconds"] / few.total, told["disk"] / told["bytes"]

    @property
    def few(self) -> AnyAugmentSettings:
        """The settings of the augmentation with as many examples as the trials need."""
        return self.settings.augment.model_copy(update={"total": EXAMPLES, "materialise": True})

    def _opened(self) -> TrainingData:
        inputs = TrainingInputs(self.objects, self.split, self.augmented, self.settings.view, self.few)
        return open_training_data((), inputs)

    def survey_rates(self) -> SurveyRates:
        """Measure the steps before the models."""
        few, judging = ClassifierSettings(examples=256), 0.0
        if not nothing_to_judge(self._data):
            conditions = Conditions.of(self.objects, self.split, self.settings.view, seed=few.seed)
            fit_network(few, self._data, conditions, self.execution)
            judging = timed(lambda: fit_network(few, self._data, conditions, self.execution)) / few.examples
        return SurveyRates(self._download, self._prepare, self._augment, self._packed, judging)

    def model_rates(self, settings: ModelSettings) -> ModelRates:
        """Measure the steps of a model."""
        check_weights(settings, self._data)
        start = 0.0
        if isinstance(settings, PcaSettings):
            module, seconds = self._linear(settings)
        else:
            module, seconds, start = self._vae(settings)
        weights = sum(tensor.nbytes for tensor in module.state_dict().values())
        return ModelRates(seconds, *self._products(module.eval()), weights, start)

    def _linear(self, settings: PcaSettings) -> tuple[Any, float]:
        """Fit a linear model; return it and the seconds per example."""
        few = settings.model_copy(update={"latents": self._latents(settings), "examples": EXAMPLES})
        started = time.perf_counter()
        module = fit_linear(few, self._data).network
        return module, (time.perf_counter() - started) / EXAMPLES

    def _latents(self, settings: ModelSettings) -> int:
        """Return how many latents the few examples allow."""
        return min(settings.latents, EXAMPLES - 1, math.prod(self._data.contract["shape"]) - 1)

    def _vae(self, settings: VaeSettings) -> tuple[Any, float, float]:
        """Train a network; return it, and the seconds per example of the training and of what it begins from."""
        module = untrained(settings, self._data)
        start = self._start(module, settings) if settings.network.path != "none" else 0.0
        batch = settings.train.batch
        self._fit(module, settings, batch)  # the first step pays for buffers
        one = self._fit(module, settings, batch)
        steps = int(np.clip(SECONDS / max(one, 1e-3), *STEPS))
        seconds = self._fit(module, settings, steps * batch) / (steps * batch)
        return module.cpu(), seconds, start

    def _start(self, module: Any, settings: VaeSettings) -> float:
        """Let a network begin from its linear model; return the seconds per example of that."""
        method, latents = PATHS[settings.network.path], self._latents(settings)
        started = time.perf_counter()
        linear = weighted_linear(method, self._data, latents, EXAMPLES, settings.train.seed)
        each = (time.perf_counter() - started) / EXAMPLES
        if latents == settings.latents:
            module.start_from(linear.path)
        return each

    def _fit(self, module: Any, settings: VaeSettings, examples: int) -> float:
        """Train for a few examples; return the seconds."""
        few = settings.train.model_copy(update={"examples": examples, "validate_every": examples})
        fabric = open_fabric(module, few.precision, self.execution)
        checkpoint = Checkpoint(self.folder / "checkpoints", "", 1e9)
        quiet = self.execution.model_copy(update={"progress": False})
        with matmul_precision(few.precision), contextlib.redirect_stdout(io.StringIO()):
            return timed(lambda: fit(
                module, self._data, settings.model_copy(update={"train": few}), fabric, checkpoint=checkpoint,
                execution=quiet,
            ))

    def _products(self, module: Any) -> tuple[float, float, float]:
        """Return seconds per object of encode (and label), of rank, and of one pass through the model."""
        contract = {**self._data.contract, "labels": list(self._data.labels),
                    "frequencies": self._data.frequencies.tolist()}
        trained = TrainedModel(self.folder, module, contract, StandardNormal(module.n_latents))
        products = self.settings.products
        inference = Inference(trained, refine=products.refine)
        views = Views(self.objects, self.split, trained)
        block = next(views.blocks(np.arange(len(views)) < LOOKED_AT))
        known = np.zeros(len(block.rows), np.int64)

        def ranked() -> None:
            for seen in block.rotations(products.rotations):
                z, _ = inference.encode(seen, known)
                inference.log_likelihood(seen, z, known)

        encoding = timed(lambda: latents.look(inference, block, known, products)) / len(block.rows)
        ranking = timed(ranked) / len(block.rows)
        return encoding / inference.n_classes, ranking, ranking / views.orientations(products.rotations)


def timed(function: Callable[[], Any]) -> float:
    """Return the seconds that a call takes; none at all counts as a microsecond."""
    started = time.perf_counter()
    function()
    return max(time.perf_counter() - started, 1e-6)


def threads() -> int:
    """Return how many threads a training uses here."""
    return torch.get_num_threads()


def has_gpu() -> bool:
    """Tell whether trainings can be timed on a GPU here."""
    return torch.cuda.is_available()
