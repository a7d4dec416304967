"""Whether speed costs quality: our training in 16 and in 32 bits, and pythae's, after as many examples of a survey.

`python -m benchmarks.quality FOLDER [EXAMPLES]` takes the folder of a survey's results (objects.h5, split.csv,
augmented.h5) and prints the mean squared error of its validation objects after each training.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from astro_vae import model
from astro_vae.section import validate
from astro_vae.settings import ExecutionSettings
from astro_vae.settings_images import AugmentSettings, ViewSettings
from astro_vae.settings_models import TrainSettings, VaeSettings
from astro_vae.steps._checkpoint import Checkpoint
from astro_vae.steps._device import matmul_precision, open_fabric
from astro_vae.steps._examples import Examples
from astro_vae.steps._loop import fit
from astro_vae.steps._training_data import TrainingData, open_training_data
from astro_vae.steps.inputs import TrainingInputs
from benchmarks.training import pythae_epoch, pythae_model

LATENTS = 32


def opened(folder: Path) -> TrainingData:
    """Open what a survey's models are trained on, with the settings that its files name."""
    paths = {"objects": folder / "objects.h5", "split": folder / "split.csv", "augmented": folder / "augmented.h5"}
    known = Examples.open(paths["augmented"], paths["objects"]).attributes
    view, augment = (
        validate(section, known[name], origin=name)
        for name, section in (("view", ViewSettings), ("augment", AugmentSettings))
    )
    return open_training_data((), TrainingInputs(**paths, view=view, augment=augment))


@torch.inference_mode()
def error(encode_decode: torch.nn.Module | model.Model, data: TrainingData) -> float:
    """Return the mean squared error per pixel of the posterior-mean reconstruction of the validation objects."""
    x = torch.from_numpy(data.validation.images).float() / 255
    return float(((encode_decode.decode(encode_decode.encode(x).mu) - x) ** 2).mean())


def ours(data: TrainingData, examples: int, precision: str) -> tuple[float, float]:
    """Return error and time (s) of our training, without labels as theirs."""
    budget = TrainSettings(examples=examples, precision=precision, validate_every=examples)
    settings = VaeSettings(latents=LATENTS, conditional=False, train=budget)
    torch.manual_seed(1)
    network = model.build(settings, shape=data.examples.shape, n_labels=len(data.labels))
    execution = ExecutionSettings(device="cpu", progress=False)
    fabric = open_fabric(network, precision, execution)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, matmul_precision(precision):
        fit(network, data, settings, fabric, checkpoint=Checkpoint(Path(folder), "", 99), execution=execution)
    return error(network.eval(), data), time.perf_counter() - start


def theirs(data: TrainingData, examples: int) -> tuple[float, float]:
    """Return error and time (s) of pythae's training with the same networks."""
    torch.manual_seed(1)
    vae = pythae_model(VaeSettings(latents=LATENTS, conditional=False), data.examples.shape[0])
    rows = np.random.default_rng(1).permutation(len(data.targets))[:examples]
    start = time.perf_counter()
    pythae_epoch(vae, torch.from_numpy(data.images(np.sort(rows))))
    took = time.perf_counter() - start
    vae.eval()
    with torch.inference_mode():
        x = torch.from_numpy(data.validation.images).float()[:, None] / 255
        drawn = vae.decoder(vae.encoder(x).embedding).reconstruction
    return float(((drawn - x) ** 2).mean()), took


def main(folder: str, examples: str = "40000") -> None:
    """Print error and time of each training."""
    data, n = opened(Path(folder)), int(examples)
    for name, result in (("ours, bf16", lambda: ours(data, n, "bf16-mixed")),
                         ("ours, 32 bits", lambda: ours(data, n, "32-true")), ("pythae", lambda: theirs(data, n))):
        mse, seconds = result()
        print(f"{name}: mean squared error {mse:.3g} after {n} examples in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
