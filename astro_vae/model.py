"""A trained model, on disk and in hand.

On disk it is a folder with weights.safetensors and model.json, the contract between the model and its data.
In hand it takes and gives numpy arrays:

>>> model = astro_vae.load("results/default/simulated/cvae")            # doctest: +SKIP
>>> mean, sd = model.encode(images)                                     # doctest: +SKIP
>>> new = model.generate("FRII", 16, seed=1)                            # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor, nn

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.files import atomic, checksum, read_json, write_json
from astro_vae.linear import Ppca, WeightedLinear
from astro_vae.objects import Objects
from astro_vae.section import validate
from astro_vae.settings import LINEAR_TYPES, AnyViewSettings, ModelSettings, PcaSettings, VaeSettings, section_class
from astro_vae.vae import objectives, priors
from astro_vae.vae.vae import Vae, build_vae

CONTRACT, WEIGHTS, PRIOR = "model.json", "weights.safetensors", "prior.safetensors"
BATCH = 256

Model = Vae | Ppca | WeightedLinear
Images = np.ndarray | Objects
Labels = str | int | Sequence[str] | Sequence[int] | np.ndarray | None


def build(settings: ModelSettings, *, shape: Sequence[int], n_labels: int) -> Model:
    """Return the untrained model that the settings describe.

    Parameters
    ----------
    settings : VaeSettings or PcaSettings
    shape : tuple of int
        Shape of one object as a network sees it.
    n_labels : int
        Labels known in training; without any, a model that is to be conditional is not.
    """
    if isinstance(settings, PcaSettings):
        if settings.type == "pca":
            return Ppca(tuple(shape), settings.latents, n_labels)
        return WeightedLinear(tuple(shape), settings.latents, n_labels, bent=settings.type == "curved_pca")
    return build_network(settings, shape=shape, n_labels=n_labels)


def build_network(settings: VaeSettings, *, shape: Sequence[int], n_labels: int) -> Vae:
    """Return the untrained autoencoder that the settings describe; see `build`."""
    network = settings.network
    return build_vae(
        shape, settings.latents, n_labels, conditional=settings.conditional and n_labels > 0, network=network.name,
        likelihood=settings.likelihood, channels=network.channels, hidden=network.hidden, dropout=network.dropout,
        path=network.path, floor=settings.error_floor,
    )


def save(folder: Path, module: Model, contract: Mapping[str, Any]) -> None:
    """Write weights.safetensors, then model.json, which says that the folder is complete.

    Parameters
    ----------
    folder : Path
    module : Module
        As `build` makes it from `contract["settings"]`.
    contract : mapping
        JSON values: at least `kind`, `scaled`, `shape`, `view`, `labels`, `frequencies` and `settings`;
        `unit`, `ranges` and `prepare` besides, for new objects (`astro_vae.products.new_objects`).
    """
    (folder / CONTRACT).unlink(missing_ok=True)
    save_weights(folder / WEIGHTS, module)
    write_json(folder / CONTRACT, {**contract, "weights": checksum(folder / WEIGHTS)})


def save_weights(path: Path, module: nn.Module) -> None:
    """Write the state of a module as safetensors."""
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    with atomic(path) as partial:
        partial.write_bytes(serialise(tensors))  # the file that safetensors itself writes is for its owner's eyes only


def load(folder: Path | str, *, device: str = "cpu") -> TrainedModel:
    """Load a trained model.

    Parameters
    ----------
    folder : Path or str
        The folder of model.json, or the one above it.
    device : str
        Where it computes.

    Raises
    ------
    UserError
        If there is no model, or its files are damaged or do not belong together.
    """
    folder = _folder(Path(folder))
    contract = read_json(folder / CONTRACT)
    weights = folder / WEIGHTS
    if not weights.is_file() or checksum(weights) != contract.get("weights"):
        raise UserError(f"{weights}: missing, damaged or not of this {CONTRACT}; run the step 'train' again")
    model = PcaSettings if contract["settings"]["type"] in LINEAR_TYPES else VaeSettings
    settings = validate(model, contract["settings"], origin=f"{folder / CONTRACT}, settings")
    module = build(settings, shape=contract["shape"], n_labels=len(contract["labels"]))
    try:
        module.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        raise UserError(f"{weights}: does not fit {CONTRACT} ({error}); train the model again") from None
    module = module.to(device).eval().requires_grad_(False)
    prior = _load_prior(folder, module.n_latents).to(device)
    return TrainedModel(folder, module, contract, prior)


@dataclass(frozen=True)
class TrainedModel:
    """A trained model with the prior of its latents.

    Images are views: bytes, or values in [0, 1], of shape (N, *shape); or an object file, whose usable
    objects are then viewed as in training. Labels are names or numbers, one for all or one per object;
    "", -1 or None where unknown: a conditional model then takes the label that it finds most probable.
    What does not fit the model is refused with a `UserError`.

    Attributes
    ----------
    folder : Path
    module : Module
        In evaluation mode; its methods take and give tensors.
    contract : dict
        What model.json says: kind, shape, view, labels, settings, what it was trained on.
    prior : Prior
        Of the latents per label: the fitted one where the step fit-prior has run, otherwise N(0, I).
    """

    folder: Path
    module: Model
    contract: dict[str, Any]
    prior: priors.Prior

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of their numbers."""
        return tuple(self.contract["labels"])

    @property
    def frequencies(self) -> np.ndarray:
        """Natural frequencies of the labels in training, (C,)."""
        return np.array(self.contract["frequencies"], dtype=np.float64)

    @property
    def threshold(self) -> float:
        """Brightness below which samples are set to 0, as many pixels as are 0 in real images."""
        return float(self.contract.get("threshold", 0.0))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one object as the model sees it."""
        return tuple(self.contract["shape"])

    @property
    def n_latents(self) -> int:
        """Number of latent variables."""
        return self.module.n_latents

    @property
    def view(self) -> AnyViewSettings:
        """How physical values become what the model sees."""
        view = self.contract["view"]
        return validate(section_class("view", view), view, origin=str(self.folder / CONTRACT))

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(iter(self.module.state_dict().values())).device

    @torch.inference_mode()
    def encode(self, images: Images, labels: Labels = None) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations of the latents' posterior: float32 (N, K) each."""
        pairs = []
        for x, y in self._batches(images, labels):
            posterior = self.module.encode(x, y)
            pairs.append((posterior.mu, posterior.sigma))
        means, deviations = zip(*pairs, strict=True)
        return _numpy(means), _numpy(deviations)

    @torch.inference_mode()
    def decode(self, latents: np.ndarray, labels: Labels = None) -> np.ndarray:
        """Return the mean image of each latent (N, K): float32 (N, *shape); a conditional model needs the label."""
        latents = np.asarray(latents, dtype=np.float32)
        if latents.ndim != 2 or latents.shape[1] != self.n_latents:
            raise UserError(f"latents of shape {latents.shape} given to a model that has {self.n_latents} of them")
        numbers = self.label_numbers(labels, len(latents))
        if self.module.conditional and (numbers < 0).any():
            raise UserError(f"{self.folder}: this model decodes for a label; give one of {', '.join(self.labels)}")
        z, y = torch.from_numpy(latents), torch.from_numpy(numbers)
        pairs = zip(z.split(BATCH), y.split(BATCH), strict=True)
        return _numpy([self.module.decode(a.to(self.device), b.to(self.device)) for a, b in pairs])

    @torch.inference_mode()
    def generate(self, label: str | int | None, n: int, seed: int) -> np.ndarray:
        """Return `n` mean images of latents drawn from the prior of a label: float32 (n, *shape).

        What is fainter than `threshold` is 0, as it is in images of a survey that are cut off.

        Parameters
        ----------
        label : str, int or None
            None draws labels by their natural frequencies, for a model that is not conditional too.
        n : int
        seed : int
            The same seed gives the same images on one machine.
        """
        latents, numbers = self.draw_latents(label, n, seed)
        return thresholded(self.decode(latents, numbers), self.threshold)

    @torch.inference_mode()
    def draw_latents(self, label: str | int | None, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the latents that `generate` decodes, float32 (n, K), and their label numbers (n,), -1 for none."""
        generator = torch.Generator().manual_seed(seed)
        numbers = self.label_numbers(label, n)
        if label is None and self.labels:
            frequencies = torch.from_numpy(self.frequencies)
            numbers = torch.multinomial(frequencies, n, replacement=True, generator=generator).numpy()
        latents = torch.empty(n, self.n_latents)
        for number in np.unique(numbers):
            chosen = torch.from_numpy(numbers == number)
            latents[chosen] = self.prior.sample(int(chosen.sum()), int(number), generator).float().cpu()
        return latents.numpy(), numbers

    @torch.inference_mode()
    def score(self, images: Images, labels: Labels = None) -> pd.DataFrame:
        """Return how well each object fits the model; lower is stranger.

        Returns
        -------
        DataFrame
            `reconstruction`: log-likelihood of the object at its posterior mean, in nats per pixel;
            `latent_density`: log density of the posterior mean under the prior of its label, in nats.
        """
        rows = []
        for x, y in self._batches(images, labels):
            z = self.module.encode(x, y).mu
            pixels = self.module.log_likelihood(x, z, y) / math.prod(self.shape)
            rows.append(torch.stack([pixels, self.prior.log_prob(z, y)], dim=1))
        return pd.DataFrame(_numpy(rows).astype(np.float64), columns=["reconstruction", "latent_density"])

    @torch.inference_mode()
    def label_probabilities(self, images: Images, *, draws: int = 10, seed: int = 1) -> np.ndarray:
        """Return p(label | image) by Bayes' rule with importance-weighted evidences: float64 (N, C)."""
        parts = [self._log_evidence(x, draws, seed) for x in self._tensors(images)]
        return torch.cat(parts).softmax(dim=1).cpu().numpy()

    def label_numbers(self, labels: Labels, n: int) -> np.ndarray:
        """Return the number of each of `n` labels, -1 where unknown: int64 (n,)."""
        if labels is None:
            return np.full(n, -1)
        values = [labels] * n if isinstance(labels, str | int | np.integer) else list(labels)
        if len(values) != n:
            raise UserError(f"{len(values)} labels given for {n} objects; give one, or one for each")
        return np.array([self._label_number(value) for value in values], dtype=np.int64)

    def _label_number(self, label: Any) -> int:
        if isinstance(label, str):
            number = {"": -1, **{name: i for i, name in enumerate(self.labels)}}.get(label)
        else:
            number = int(label) if -1 <= int(label) < len(self.labels) else None
        if number is None:
            raise UserError(f"label '{label}' is not one of this model's: {', '.join(self.labels) or 'it has none'}")
        return number

    def _log_evidence(self, x: Tensor, draws: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        evidence = objectives.label_log_evidence(self.module, x, draws, generator, prior=self.prior)
        return evidence + torch.log(torch.from_numpy(self.frequencies)).to(evidence.device)

    def _batches(self, images: Images, labels: Labels) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and label numbers, unknown labels of a conditional model replaced by the likeliest."""
        n = len(images.usable) if isinstance(images, Objects) else len(images)
        numbers = torch.from_numpy(self.label_numbers(labels, n))
        start = 0
        for x in self._tensors(images):
            y = numbers[start : start + len(x)].to(self.device)
            start += len(x)
            if self.module.conditional and bool((y < 0).any()):
                y = torch.where(y < 0, self._log_evidence(x, 10, 1).argmax(dim=1), y)
            yield x, y

    def _tensors(self, images: Images) -> Iterator[Tensor]:
        """Yield float32 images (B, *shape) in [0, 1] on the device."""
        if isinstance(images, Objects) and len(images.usable):
            room, scaled = kinds.kind(self.contract["kind"]).view, bool(images.attributes["scaled"])
            blocks = (room.view(values, table, self.view, scaled=scaled) for table, values in images.blocks(BATCH))
        else:
            images = np.empty((0, *self.shape), np.uint8) if isinstance(images, Objects) else images
            blocks = (images[i : i + BATCH] for i in range(0, max(len(images), 1), BATCH))
        for block in blocks:
            yield torch.from_numpy(self._checked(block)).to(self.device)

    def _checked(self, images: np.ndarray) -> np.ndarray:
        if images.shape[1:] != self.shape:
            raise UserError(
                f"images of shape {images.shape[1:]} given to a model of {self.shape}; "
                "give it an object file, or the views that its settings make"
            )
        values = kinds.to_network(images) if images.dtype == np.uint8 else images.astype(np.float32)
        if not (values.size == 0 or (values.min() >= 0 and values.max() <= 1)):
            raise UserError(
                f"image values from {values.min():.4g} to {values.max():.4g} given to a model of values in [0, 1]; "
                "give it an object file, or the views that its settings make"
            )
        return values


def thresholded(images: np.ndarray, threshold: float) -> np.ndarray:
    """Set what is fainter than `threshold` to 0, and what is brighter than 1 to 1."""
    return np.where(images < max(threshold, 0), 0, np.minimum(images, 1)).astype(np.float32)


def _load_prior(folder: Path, n_latents: int) -> priors.Prior:
    """Return the fitted prior that lies beside the model, or N(0, I)."""
    path = next((p for p in (folder / PRIOR, folder.parent / PRIOR) if p.is_file()), None)
    if path is None:
        return priors.StandardNormal(n_latents)
    try:
        state = load_file(path)
        return priors.from_state("mixture" if "log_weights" in state else "standard_normal", state)
    except (KeyError, SafetensorError) as error:
        raise UserError(f"{path}: not a prior, or damaged ({error}); run the step 'fit-prior' again") from None


def _folder(folder: Path) -> Path:
    for place in (folder, folder / "model"):
        if (place / CONTRACT).is_file():
            return place
    found = "an unfinished training" if (folder / "checkpoints").is_dir() else "no model"
    raise UserError(f"{folder}: {found} here ({CONTRACT} is missing); run the step 'train', or give another folder")


def _numpy(parts: Sequence[Tensor]) -> np.ndarray:
    return torch.cat(list(parts)).cpu().numpy()
