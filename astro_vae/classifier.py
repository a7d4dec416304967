"""Judge generated samples: a small network trained on real objects only, independent of any generative model.

It never sees a sample in training and no model sees it, so that the agreement between the label that a
sample was asked for and the one that it gets says something about the sample. What it is shown of objects, `judge`
of their kind says; it is shown real objects and samples alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.files import read_json, step_lock, write_json
from astro_vae.kinds import Kind
from astro_vae.model import WEIGHTS, save_weights
from astro_vae.settings import ClassifierSettings, ExecutionSettings
from astro_vae.steps._conditions import Conditions
from astro_vae.steps._device import matmul_precision, open_fabric, ran_on
from astro_vae.steps._scratch import staged
from astro_vae.steps._training_data import Part, Stream, TrainingData, open_training_data
from astro_vae.steps.inputs import TrainingInputs

CONTRACT = "classifier.json"
CHANNELS, HIDDEN = (32, 64, 96), 128
BATCH = 128
LEARNING_RATE = 2e-3
LABEL_SMOOTHING = 0.05
RESAMPLINGS = 1000


class Network(nn.Module):
    """Patches, convolutions each followed by a maximum over neighbours, and the logits of the labels.

    Parameters
    ----------
    shape : tuple of int
        Of one object: (length,) or (height, width).
    n_labels : int
    room : module
        `judge` of the kind: channels of the input, side of the patches, places along a side that features keep.
    """

    def __init__(self, shape: Sequence[int], n_labels: int, room: ModuleType) -> None:
        super().__init__()
        line = len(shape) == 1
        convolution, norm = (nn.Conv1d, nn.BatchNorm1d) if line else (nn.Conv2d, nn.BatchNorm2d)
        pool, last = (nn.MaxPool1d, nn.AdaptiveAvgPool1d) if line else (nn.MaxPool2d, nn.AdaptiveAvgPool2d)
        layers: list[nn.Module] = [convolution(room.CHANNELS, CHANNELS[0], room.PATCH, stride=room.PATCH)]
        for inputs, outputs in zip((CHANNELS[0], *CHANNELS), CHANNELS, strict=False):
            layers += [convolution(inputs, outputs, 3, padding=1), norm(outputs), nn.ReLU(), pool(2, ceil_mode=True)]
        self.features = nn.Sequential(*layers, last(room.PLACES), nn.Flatten())
        width = CHANNELS[-1] * room.PLACES ** len(shape)
        self.head = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(0.5), nn.Linear(HIDDEN, n_labels))

    def forward(self, shown: Tensor) -> Tensor:
        """Return logits (B, C) of objects as `shown` of the room gives them: float32 (B, channels, *shape)."""
        return self.head(self.features(shown))


@dataclass(frozen=True)
class Classifier:
    """A trained judge.

    Attributes
    ----------
    network : Network
    labels : tuple of str
    figures : dict
        What classifier.json says: accuracy and log-loss on real validation and test objects.
    kind : Kind
        Of the objects that it judges.
    """

    network: Network
    labels: tuple[str, ...]
    figures: dict[str, Any]
    kind: Kind

    @torch.inference_mode()
    def predict(self, seen: np.ndarray, *, batch: int = 256) -> np.ndarray:
        """Return label probabilities (N, C) of views (N, *shape of a view); see `Conditions.veiled`."""
        self.network.eval()
        starts = range(0, max(len(seen), 1), batch)
        logits = [self.network(torch.from_numpy(self.kind.judge.shown(seen[i : i + batch]))) for i in starts]
        return torch.cat(logits).softmax(dim=1).numpy()


def classifier(
    settings: ClassifierSettings, inputs: TrainingInputs, *, out: Path, execution: ExecutionSettings
) -> None:
    """Train the judge on the labelled examples and write `out`: weights.safetensors and classifier.json.

    Where the training part has fewer than two labels, nothing is judged; classifier.json then says why.

    Parameters
    ----------
    settings : ClassifierSettings
    inputs : TrainingInputs
    out : Path
        Folder of the classifier.
    execution : ExecutionSettings
    """
    with step_lock(out.parent, "classifier"), staged(inputs.augmented, execution.scratch) as near:
        data = open_training_data((), replace(inputs, augmented=near))
        (out / CONTRACT).unlink(missing_ok=True)
        contract = {
            "kind": data.contract["kind"], "labels": list(data.labels), "shape": data.contract["shape"],
            "inputs": data.contract["inputs"], "settings": settings.model_dump(mode="json"),
        }
        if reason := nothing_to_judge(data):
            print(f"classifier: {reason}")
            write_json(out / CONTRACT, {**contract, "reason": reason})
            return
        conditions = Conditions.of(inputs.objects, inputs.split, inputs.view, seed=settings.seed)
        network, machine = fit_network(settings, data, conditions, execution)
        judge = Classifier(network, data.labels, {}, conditions.kind)
        parts = {"validation": data.validation, "test": data.part("test")}
        figures = {name: _figures(judge, part, conditions, settings.seed) for name, part in parts.items()}
        save_weights(out / WEIGHTS, network)
        write_json(out / CONTRACT, {**contract, **figures, "ran_on": machine})


def nothing_to_judge(data: TrainingData) -> str:
    """Say why no judge is trained; "" where one is."""
    return "" if len(data.labels) >= 2 else f"the training part has {len(data.labels)} labels; a classifier needs two"


def load_classifier(folder: Path) -> Classifier | None:
    """Load a classifier; None where there were too few labels to train one.

    Raises
    ------
    UserError
        If the folder holds no classifier, or its weights are missing or damaged.
    """
    figures = read_json(Path(folder) / CONTRACT)
    if "reason" in figures:
        return None
    kind = kinds.kind(figures["kind"])
    network = Network(figures["shape"], len(figures["labels"]), kind.judge)
    try:
        network.load_state_dict(load_file(Path(folder) / WEIGHTS))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder}: the weights do not fit classifier.json or are damaged ({error}); "
                        "run the step 'classifier' again") from None
    return Classifier(network.eval(), tuple(figures["labels"]), figures, kind)


def fit_network(
    settings: ClassifierSettings, data: TrainingData, conditions: Conditions, execution: ExecutionSettings
) -> tuple[Network, dict[str, Any]]:
    """Train the network on the labelled examples, veiled by conditions; return it, and what it ran on."""
    torch.manual_seed(settings.seed)
    room = conditions.kind.judge
    network = Network(data.contract["shape"], len(data.labels), room)
    fabric = open_fabric(network, "bf16-mixed", execution)
    rate = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=5e-2, fused=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module, optimizer = fabric.setup(network, rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(rate, LEARNING_RATE, total_steps=-(-settings.examples // BATCH) + 1)
    stream = Stream(data.examples, data.targets >= 0, settings.seed)
    with matmul_precision("bf16-mixed"):
        machine = ran_on(fabric)
        for seen in range(0, settings.examples, BATCH):
            rows = stream.take(seen, min(BATCH, settings.examples - seen))
            veiled = conditions.veiled(data.images(rows), np.random.default_rng((settings.seed, seen)))
            logits = module(fabric.to_device(torch.from_numpy(room.shown(veiled))))
            targets = fabric.to_device(torch.from_numpy(data.targets[rows]))
            loss = nn.functional.cross_entropy(logits, targets, label_smoothing=LABEL_SMOOTHING)
            fabric.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return network.cpu(), machine


def _figures(judge: Classifier, part: Part, conditions: Conditions, seed: int) -> dict[str, Any]:
    """Return accuracy and log-loss on labelled objects, veiled, with bootstrap errors over objects."""
    known = part.labels >= 0
    n = int(known.sum())
    if not n:
        return {"objects": 0}
    veiled = conditions.veiled(part.images[known], np.random.default_rng(seed))
    log_p = np.log(np.clip(judge.predict(veiled), 1e-12, 1))
    labels = part.labels[known]
    right = log_p.argmax(axis=1) == labels
    loss = -log_p[np.arange(n), labels].astype(np.float64)
    drawn = np.random.default_rng(seed).integers(n, size=(RESAMPLINGS, n))
    return {
        "objects": n,
        "accuracy": float(right.mean()), "accuracy_error": float(right[drawn].mean(axis=1).std()),
        "log_loss": float(loss.mean()), "log_loss_error": float(loss[drawn].mean(axis=1).std()),
    }
