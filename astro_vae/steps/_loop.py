"""Train a variational autoencoder: one loop on Lightning Fabric, which goes on from its last checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from signal import Signals
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import torch
from torch import Tensor, nn

from astro_vae.errors import UserError
from astro_vae.settings import ExecutionSettings
from astro_vae.settings_models import TrainSettings, VaeSettings
from astro_vae.steps._checkpoint import Checkpoint, StopRequest
from astro_vae.steps._objective import Objective, validate
from astro_vae.steps._progress import TrainingProgress
from astro_vae.steps._training_data import Stream, TrainingData
from astro_vae.trained import Model

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass
class Training:
    """All that changes in the course of a training, and nothing else.

    Attributes
    ----------
    model : Vae
    optimizer : Optimizer
    draws : Generator
        Draws the latents; on the processor, so that every device gets the same.
    seen : int
        Examples seen, which is also the place in the order of examples.
    sums : Tensor, shape (4,), float64
        Examples, ELBO, reconstruction and KL divergence summed since the last evaluation.
    history : list of dict
        A row per evaluation.
    best : float
        Value of the objective on validation of the weights that are kept: the highest, or the last.
    best_weights : dict of str to Tensor
    best_at : int
        Examples seen by then.
    stale : int
        Evaluations since then.
    """

    model: Model
    optimizer: Any
    draws: torch.Generator
    seen: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(4, dtype=torch.float64))
    history: list[dict[str, float]] = field(default_factory=list)
    best: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    best_at: int = 0
    stale: int = 0

    KEPT: ClassVar = ("seen", "sums", "history", "best", "best_weights", "best_at", "stale")

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on as if there had been no interruption."""
        random = {"draws": self.draws.get_state(), "cpu": torch.get_rng_state()}
        if torch.cuda.is_initialized():
            random["cuda"] = torch.cuda.get_rng_state()
        return {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "random": random,
            **{name: getattr(self, name) for name in self.KEPT},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; one of another version of this module raises ValueError and changes nothing."""
        if state.keys() != self.state().keys():
            raise ValueError("other contents")
        self.optimizer.load_state_dict(state["optimizer"])  # first, since it looks before it changes anything
        self.model.load_state_dict(state["model"])
        self.draws.set_state(state["random"]["draws"])
        torch.set_rng_state(state["random"]["cpu"])
        if "cuda" in state["random"] and torch.cuda.is_initialized():
            torch.cuda.set_rng_state(state["random"]["cuda"])
        for name in self.KEPT:
            setattr(self, name, state[name])
        self.sums = self.sums.to(next(self.model.parameters()).device)

    def means(self) -> dict[str, float]:
        """Return the means over the examples since the last evaluation.

        Raises
        ------
        UserError
            If they are not finite: the training has diverged.
        """
        count, *sums = self.sums.tolist()
        if not all(map(math.isfinite, sums)):
            raise UserError(
                f"the training diverged before example {self.seen}: the ELBO is not finite; "
                "lower train.learning_rate, or set train.precision to 32-true"
            )
        return {
            name: value / count if count else math.nan
            for name, value in zip(("elbo", "reconstruction", "kl"), sums, strict=True)
        }


def fit(
    model: Model, data: TrainingData, settings: VaeSettings, fabric: Fabric, *, checkpoint: Checkpoint,
    execution: ExecutionSettings,
) -> Training:
    """Train `model` and leave in it the weights that `settings.train.keep` names.

    Parameters
    ----------
    model : Vae
    data : TrainingData
    settings : VaeSettings
    fabric : Fabric
        Device and arithmetic.
    checkpoint : Checkpoint
        Where to go on from, and where to keep what is needed to go on.
    execution : ExecutionSettings

    Raises
    ------
    SystemExit
        After a checkpoint, if the process is asked to stop; its status is 128 plus the signal's number.
    UserError
        If the training diverges.
    """
    budget = settings.train
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    goal = Objective(model, data.frequencies, settings.objective, mmd_weight=settings.mmd_weight)
    objective, optimizer = fabric.setup(goal, torch.optim.AdamW(_groups(model, budget), fused=True))
    training = Training(model, optimizer, torch.Generator().manual_seed(budget.seed))
    training.sums = training.sums.to(fabric.device)
    resume(training, checkpoint)
    stream = Stream(data.examples, data.kept, budget.seed)
    if model.path is not None and not training.history:
        evaluate(training, data, settings)  # what it begins from may be better than all that follows
    with StopRequest() as stop, TrainingProgress(budget.examples, training.seen, bar=execution.progress) as progress:
        while not is_over(training, budget):
            rows = stream.take(training.seen, min(budget.batch, budget.examples - training.seen))
            images = fabric.to_device(torch.from_numpy(data.images(rows)))
            labels = fabric.to_device(torch.from_numpy(data.targets[rows]))
            step(objective, training, images, labels, settings=settings, fabric=fabric)
            if evaluation_is_due(training.seen, len(rows), budget):
                evaluate(training, data, settings)
                progress.evaluation(training.history[-1])
            elif progress.is_due():
                progress.show(training.seen, training.means())
            if stop.signal or checkpoint.is_due():
                keep(training, checkpoint)
            if stop.signal:
                end(stop.signal, training, budget, progress)
    model.load_state_dict(training.best_weights)
    return training


def resume(training: Training, checkpoint: Checkpoint) -> None:
    """Go on from the checkpoint where there is one that fits, and say so."""
    state, reason = checkpoint.load()
    if state is not None:
        try:
            training.restore(state)
            print(f"train: goes on from {checkpoint.path} after {training.seen} examples", flush=True)
        except ValueError as error:
            reason = f"{checkpoint.path} was written by another version of astro_vae ({error})"
    if reason:
        print(f"train: {reason}; starts afresh", flush=True)


def keep(training: Training, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, unless the training has diverged."""
    training.means()
    checkpoint.save(training.state())


def end(stop: Signals, training: Training, budget: TrainSettings, progress: TrainingProgress) -> NoReturn:
    """End the process as the signal asks, once the checkpoint is written."""
    progress.say(
        f"train: stopped by {stop.name} after {training.seen} of {budget.examples} examples; "
        "the same command goes on from here"
    )
    raise SystemExit(128 + stop)


def step(
    objective: nn.Module, training: Training, images: Tensor, labels: Tensor, *, settings: VaeSettings, fabric: Fabric
) -> None:
    """Take one step of the optimiser on a batch."""
    budget, optimizer = settings.train, training.optimizer
    done = training.seen / budget.examples
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * learning_rate(budget, done)
    loss, sums = objective(
        images, labels, training.draws, beta=settings.beta * kl_weight(budget, done), free_nats=settings.free_nats
    )
    fabric.backward(loss)
    if budget.clip_norm:
        fabric.clip_gradients(objective, optimizer, max_norm=budget.clip_norm, error_if_nonfinite=False)
    optimizer.step()
    optimizer.zero_grad()
    training.seen += len(images)
    training.sums += sums


def evaluation_is_due(seen: int, last_batch: int, budget: TrainSettings) -> bool:
    """Tell whether the last batch completed another `validate_every` examples, or all of them."""
    return seen // budget.validate_every > (seen - last_batch) // budget.validate_every or seen >= budget.examples


def is_over(training: Training, budget: TrainSettings) -> bool:
    """Tell whether the examples are used up, or the last evaluations brought nothing better."""
    return training.seen >= budget.examples or bool(budget.patience and training.stale >= budget.patience)


def evaluate(training: Training, data: TrainingData, settings: VaeSettings) -> None:
    """Add a row to the history, and keep the weights if they are the best so far, or if the last are to be kept.

    They are judged by the objective with its final `beta`, which for 1 is the evidence lower bound, and for an
    autoencoder by the reconstruction from the means of the latents. The discrepancy of all latents does not count.
    """
    budget, done = settings.train, training.seen / settings.train.examples
    drawn = settings.objective != "autoencoder"
    row = {
        "examples": training.seen, "learning_rate": learning_rate(budget, done),
        "beta": settings.beta * kl_weight(budget, done), **training.means(),
        **validate(training.model, data.validation, data.frequencies, seed=budget.seed, drawn=drawn),
    }
    training.history.append(row)
    training.sums.zero_()
    value = row["validation_reconstruction"] - (settings.beta * row["validation_kl"] if drawn else 0)
    if value > training.best or budget.keep == "last":
        training.best, training.best_at, training.stale = value, training.seen, 0
        training.best_weights = {
            name: tensor.detach().cpu().clone() for name, tensor in training.model.state_dict().items()
        }
    else:
        training.stale += 1


def learning_rate(budget: TrainSettings, done: float) -> float:
    """Return the learning rate after the fraction `done` of the examples.

    `one_cycle` rises from a 25th of the peak over the first three tenths and falls to nothing after (Smith &
    Topin 2018), each along half a cosine; `cosine` only falls.
    """
    if budget.schedule == "constant":
        return budget.learning_rate
    rise = 0.3 if budget.schedule == "one_cycle" else 0.0
    if done < rise:
        low = budget.learning_rate / 25
        return low + (budget.learning_rate - low) * (1 - math.cos(math.pi * done / rise)) / 2
    return budget.learning_rate * (1 + math.cos(math.pi * (done - rise) / (1 - rise))) / 2


def kl_weight(budget: TrainSettings, done: float) -> float:
    """Return the weight of the KL divergence, relative to `beta`, after the fraction `done` of the examples."""
    return min(1.0, done / budget.warm_up) if budget.warm_up else 1.0


SCALE_RATE = 10
"""The scale of a likelihood learns this much faster: AdamW moves a parameter by about the learning rate per step,
and the logarithm of sigma has to come from the error of a first guess to that of a trained decoder."""


def _groups(model: nn.Module, budget: TrainSettings) -> list[dict[str, Any]]:
    """Let weights decay, but neither biases nor the scale of a likelihood."""
    scale = [p for name, p in model.named_parameters() if name.startswith("likelihood.")]
    others = [p for name, p in model.named_parameters() if not name.startswith("likelihood.")]
    return [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": budget.weight_decay, "rate": 1},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0, "rate": 1},
        {"params": scale, "weight_decay": 0.0, "rate": SCALE_RATE},
    ]
