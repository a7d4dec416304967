"""Our training loop, against a bare torch loop with equal settings, and against pythae's trainer as it comes."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from astro_vae import model
from astro_vae.settings import ExecutionSettings
from astro_vae.settings_models import NetworkSettings, TrainSettings, VaeSettings
from astro_vae.steps._checkpoint import Checkpoint
from astro_vae.steps._device import matmul_precision, open_fabric
from astro_vae.steps._loop import fit
from astro_vae.steps._training_data import Part
from astro_vae.vae.objectives import elbo

N, BATCH, STEPS, SIDE, LATENTS = 4096, 128, 16, 96, 32


def data() -> Any:
    """Make images that are mostly dark, like the real ones, with two labels."""
    rng = np.random.default_rng(1)
    bright = rng.random((N, SIDE, SIDE)) > 0.95
    images = np.where(bright, rng.integers(0, 256, bright.shape), 0).astype(np.uint8)
    return SimpleNamespace(
        examples=SimpleNamespace(order=lambda seed: np.random.default_rng(seed).permutation(N), shape=(SIDE, SIDE)),
        kept=np.ones(N, bool), targets=rng.integers(0, 2, N), frequencies=np.array([0.5, 0.5]),
        images=lambda rows: images[rows], validation=Part(None, images[:2], np.array([0, 1])), all=images,
    )


def ours(settings: VaeSettings, made: Any) -> float:
    """Return examples per second of `fit`."""
    torch.manual_seed(1)
    network = model.build(settings, shape=(SIDE, SIDE), n_labels=2)
    execution = ExecutionSettings(device="cpu", progress=False)
    fabric = open_fabric(network, settings.train.precision, execution)
    with tempfile.TemporaryDirectory() as folder, matmul_precision(settings.train.precision):
        start = time.perf_counter()
        fit(network, made, settings, fabric, checkpoint=Checkpoint(Path(folder), "", 99), execution=execution)
        return settings.train.examples / (time.perf_counter() - start)


def bare(settings: VaeSettings, made: Any) -> float:
    """Return examples per second of a loop with the same network, arithmetic, optimiser and loss."""
    torch.manual_seed(1)
    network = model.build(settings, shape=(SIDE, SIDE), n_labels=2).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    images, labels = torch.from_numpy(made.all), torch.from_numpy(made.targets)
    order = torch.randperm(N)
    with matmul_precision(settings.train.precision):
        start = time.perf_counter()
        for step in range(STEPS):
            rows = order[torch.arange(step * BATCH, (step + 1) * BATCH) % N]
            x = images[rows].float() / 255
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.train.precision == "bf16-mixed"):
                loss = -elbo(network, x, labels[rows], torch.randn(BATCH, LATENTS)).objective.mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.train.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
        return STEPS * BATCH / (time.perf_counter() - start)


def pythae_model(settings: VaeSettings, side: int) -> Any:
    """Return pythae's VAE with our networks, which see no label, inside."""
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    network = model.build(settings, shape=(side, side), n_labels=0)
    nothing = torch.zeros(BATCH, 0)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.encoder

        def forward(self, x: torch.Tensor) -> ModelOutput:
            mu, log_var = self.network(x[:, 0], nothing[: len(x)]).chunk(2, dim=1)
            return ModelOutput(embedding=mu, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.decoder

        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.network(z, nothing[: len(z)])[:, None])

    return VAE(VAEConfig(input_dim=(1, side, side), latent_dim=settings.latents), Encoder(), Decoder())


def pythae_epoch(vae: Any, examples: torch.Tensor) -> float:
    """Train pythae's model for one epoch with its BaseTrainer as it comes; return examples per second.

    Parameters
    ----------
    vae : VAE
    examples : Tensor of uint8, shape (N, H, W)
    """
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    dataset = BaseDataset(examples.float()[:, None] / 255, torch.zeros(len(examples)))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(output_dir=folder, num_epochs=1, per_device_train_batch_size=BATCH, no_cuda=True)
        trainer = BaseTrainer(vae, dataset, training_config=config)
        trainer.prepare_training()
        start = time.perf_counter()
        trainer.train_step(epoch=1)
        return len(examples) / (time.perf_counter() - start)


def pythae(settings: VaeSettings, made: Any) -> float:
    """Return examples per second of pythae's BaseTrainer as it comes, with our network inside its VAE."""
    return pythae_epoch(pythae_model(settings, SIDE), torch.from_numpy(made.all[: STEPS * BATCH]))


def compared(what: str, us: Callable[[], float], them: Callable[[], float], aim: str) -> str:
    """Run both in turns and say the ratio of their median rates."""
    us(), them()
    rates = [(us(), them()) for _ in range(3)]
    mine, theirs = (statistics.median(rate) for rate in zip(*rates, strict=True))
    return f"{what}: {mine / theirs:.2f} times as fast ({mine:.0f}/s against {theirs:.0f}/s); aim {aim}"


def ratios() -> Iterator[str]:
    """Time the convolutional and a fully connected network."""
    made = data()
    budget = TrainSettings(examples=STEPS * BATCH, batch=BATCH, validate_every=10**9)
    for name, precision in (("convolutional", "bf16-mixed"), ("dense", "32-true")):
        settings = VaeSettings(network=NetworkSettings(name=name), latents=LATENTS,
                               train=budget.model_copy(update={"precision": precision}))
        yield compared(f"{name} network against a bare loop",
                       lambda s=settings: ours(s, made), lambda s=settings: bare(s, made), "0.95")
    try:
        import pythae as _  # noqa: F401
    except ImportError:
        yield "pythae is not installed (pip install --no-deps pythae imageio): left out"
        return
    settings = VaeSettings(latents=LATENTS, train=budget)
    yield compared("convolutional network against pythae's BaseTrainer",
                   lambda: ours(settings, made), lambda: pythae(settings, made), "2.5 with bf16 units")
