"""Encoders and decoders.

An encoder maps `x` (B, *shape) and the label as one-hot `y` (B, C) to (B, 2K): means, then log-variances. A decoder
maps `z` (B, K) and `y` to the parameters of the likelihood, (B, *shape). Without labels C is 0. A new network is a
function like `convolutional` and an entry in `NETWORKS`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

Shape = tuple[int, ...]
Networks = tuple[nn.Module, nn.Module]

BASTIEN_HIDDEN = (4096, 2048, 1024, 512, 256)
BASTIEN_DROPOUT = 0.2
BASTIEN_SLOPE = 1e-4


def convolutional(
    shape: Shape, n_latents: int, n_labels: int, *, channels: Sequence[int], hidden: Sequence[int], dropout: float
) -> Networks:
    """Return encoder and decoder for images (H, W): convolutions that halve the image, then fully connected layers.

    Parameters
    ----------
    shape : tuple of int
        Height and width. They are padded with zeros to a multiple of 2 to the power of `len(channels)`.
    n_latents, n_labels : int
        K and C.
    channels : sequence of int
        Channels after each halving.
    hidden : sequence of int
        Sizes of the fully connected layers of the encoder; the decoder has them in reverse.
    dropout : float
        After each of these.

    Raises
    ------
    ValueError
        If the data are not images.
    """
    if len(shape) != 2:
        raise ValueError(f"the convolutional network takes images (height, width), not data of shape {shape}")
    encoder = ConvolutionalEncoder(shape, 2 * n_latents, n_labels, channels=channels, hidden=hidden, dropout=dropout)
    decoder = ConvolutionalDecoder(shape, n_latents, n_labels, channels=channels, hidden=hidden, dropout=dropout)
    return encoder, decoder


def dense(
    shape: Shape, n_latents: int, n_labels: int, *, channels: Sequence[int] = (), hidden: Sequence[int], dropout: float
) -> Networks:
    """Return a fully connected encoder and decoder; `channels` means nothing here."""
    size = math.prod(shape)
    encoder = layers([size + n_labels, *hidden, 2 * n_latents], dropout)
    decoder = layers([n_latents + n_labels, *reversed(hidden), size], dropout)
    return DenseNetwork(encoder), DenseNetwork(decoder, shape)


def bastien(
    shape: Shape, n_latents: int, n_labels: int, *, channels: Sequence[int] = (), hidden: Sequence[int] = (),
    dropout: float = 0.0,
) -> Networks:
    """Return the fully connected networks of Bastien et al. (2021), whose sizes, activations and dropout are fixed.

    Theirs ends in a sigmoid, which here belongs to the likelihood: `bernoulli` gives their model.
    """
    size = math.prod(shape)
    sizes = [size + n_labels, *BASTIEN_HIDDEN, 2 * n_latents]
    mirror = [n_latents + n_labels, *reversed(BASTIEN_HIDDEN), size]
    encoder, decoder = (
        layers(s, BASTIEN_DROPOUT, activation=lambda: nn.LeakyReLU(BASTIEN_SLOPE), first=nn.Softplus())
        for s in (sizes, mirror)
    )
    return DenseNetwork(encoder), DenseNetwork(decoder, shape)


NETWORKS: dict[str, Callable[..., Networks]] = {"convolutional": convolutional, "dense": dense, "bastien": bastien}
"""Networks by the name they have in settings."""


def layers(
    sizes: Sequence[int], dropout: float, *, activation: Callable[[], nn.Module] = nn.SiLU,
    first: nn.Module | None = None,
) -> nn.Sequential:
    """Chain fully connected layers of these sizes, activation and dropout after each but the last."""
    modules: list[nn.Module] = []
    for number, (before, after) in enumerate(itertools.pairwise(sizes)):
        modules.append(nn.Linear(before, after))
        if number < len(sizes) - 2:
            modules.append(first if first is not None and number == 0 else activation())
            modules += [nn.Dropout(dropout)] * (dropout > 0)
    return nn.Sequential(*modules)


class DenseNetwork(nn.Module):
    """Fully connected layers on data (or latents) and label, side by side; the output takes the form `shape`."""

    def __init__(self, stack: nn.Module, shape: Shape = (-1,)) -> None:
        super().__init__()
        self.layers, self.shape = stack, shape

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([x.flatten(1), y], dim=1)).unflatten(1, self.shape)


class ConvolutionalEncoder(nn.Module):
    """Convolutions with stride 2, then fully connected layers that also see the label."""

    def __init__(
        self, shape: Shape, n_outputs: int, n_labels: int, *, channels: Sequence[int], hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        height, width = coarse_shape(shape, len(channels))
        factor = 2 ** len(channels)
        self.padding = (0, width * factor - shape[1], 0, height * factor - shape[0])
        modules: list[nn.Module] = []
        for before, after in itertools.pairwise([1, *channels]):
            modules += [nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1), nn.SiLU()]
        self.convolutions = nn.Sequential(*modules)
        self.layers = layers([channels[-1] * height * width + n_labels, *hidden, n_outputs], dropout)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        images = functional.pad(x, self.padding).unsqueeze(1)  # (B, 1, H, W)
        features = self.convolutions(images).flatten(1)
        return self.layers(torch.cat([features, y.to(features.dtype)], dim=1))


class ConvolutionalDecoder(nn.Module):
    """The mirror image of `ConvolutionalEncoder`."""

    def __init__(
        self, shape: Shape, n_latents: int, n_labels: int, *, channels: Sequence[int], hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.coarse = (channels[-1], *coarse_shape(shape, len(channels)))
        self.layers = layers([n_latents + n_labels, *reversed(hidden), math.prod(self.coarse)], dropout)
        modules: list[nn.Module] = []
        for before, after in itertools.pairwise([*reversed(channels), 1]):
            modules += [nn.SiLU(), nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1)]
        self.convolutions = nn.Sequential(*modules)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        features = self.layers(torch.cat([z, y], dim=1)).unflatten(1, self.coarse)
        images = self.convolutions(features.contiguous(memory_format=torch.channels_last)).squeeze(1)
        return images[:, : self.shape[0], : self.shape[1]]


def coarse_shape(shape: Shape, halvings: int) -> Shape:
    """Return the shape after so many halvings, each side rounded up."""
    return tuple(-(-side // 2**halvings) for side in shape)
