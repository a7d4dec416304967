"""Encoders and decoders.

An encoder maps `x` (B, *shape) and the label as one-hot `y` (B, C) to (B, 2K): means, then log-variances. With two
`planes`, `x` is (B, 2, *shape): data, and 1 where they are valid. A decoder maps `z` (B, K) and `y` to the parameters
of the likelihood, (B, *shape). Without labels C is 0. A new network is a function like `convolutional` and an entry
in `NETWORKS`.
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

PATCH = 4
"""Side in pixels of the patches that the convolutional network begins and ends with.

Convolutions at full size cost most of the time and add little: on two cores it learns more per second without them.
"""

STRIDE = 4
"""Factor between two levels of the convolutional network for one dimension."""

BASTIEN_HIDDEN = (4096, 2048, 1024, 512, 256)
BASTIEN_DROPOUT = 0.2
BASTIEN_SLOPE = 1e-4


def convolutional(
    shape: Shape, n_latents: int, n_labels: int, *, channels: Sequence[int], hidden: Sequence[int], dropout: float,
    planes: int = 1,
) -> Networks:
    """Return encoder and decoder for images (H, W): patches, residual convolutions and fully connected layers.

    Parameters
    ----------
    shape : tuple of int
        Height and width, padded with zeros to a whole number of pixels at the coarsest level.
    n_latents, n_labels : int
        K and C.
    channels : sequence of int
        Channels at 1/4 of the size, 1/8 and so on.
    hidden : sequence of int
        Sizes of the fully connected layers of the encoder; the decoder has them in reverse.
    dropout : float
        After each of these.
    planes : int
        1 for data; 2 for data and their mask is not for images.

    Raises
    ------
    ValueError
        If the data are not images, or come with a mask.
    """
    if len(shape) != 2 or planes > 1:
        raise ValueError(
            "the convolutional network takes images (height, width) without masks, not data of shape "
            f"{shape}{' with masks' * (planes > 1)}; take the network 'dense' or 'convolutional_1d'"
        )
    encoder = ConvolutionalEncoder(shape, 2 * n_latents, n_labels, channels=channels, hidden=hidden, dropout=dropout)
    decoder = ConvolutionalDecoder(shape, n_latents, n_labels, channels=channels, hidden=hidden, dropout=dropout)
    return encoder, decoder


def dense(
    shape: Shape, n_latents: int, n_labels: int, *, channels: Sequence[int] = (), hidden: Sequence[int],
    dropout: float, planes: int = 1,
) -> Networks:
    """Return a fully connected encoder and decoder; `channels` means nothing here."""
    size = math.prod(shape)
    encoder = layers([planes * size + n_labels, *hidden, 2 * n_latents], dropout)
    decoder = layers([n_latents + n_labels, *reversed(hidden), size], dropout)
    return DenseNetwork(encoder), DenseNetwork(decoder, shape)


def convolutional_1d(
    shape: Shape, n_latents: int, n_labels: int, *, channels: Sequence[int], hidden: Sequence[int], dropout: float,
    planes: int = 1,
) -> Networks:
    """Return encoder and decoder for data of one dimension (D,), such as spectra.

    Parameters
    ----------
    shape : tuple of int
        D, padded with zeros to a whole number of bins at the coarsest level.
    channels : sequence of int
        Channels at 1/4 of the length, 1/16 and so on.
    n_latents, n_labels, hidden, dropout, planes
        As for `dense`.

    Raises
    ------
    ValueError
        If the data have another number of dimensions.
    """
    if len(shape) != 1:
        raise ValueError(f"the network convolutional_1d takes data of one dimension, not of shape {shape}")
    coarse = -(-shape[0] // STRIDE ** len(channels))
    padding = coarse * STRIDE ** len(channels) - shape[0]
    down: list[nn.Module] = [nn.ConstantPad1d((0, padding), 0.0)]
    for before, after in itertools.pairwise([planes, *channels]):
        down += [nn.Conv1d(before, after, kernel_size=2 * STRIDE + 1, stride=STRIDE, padding=STRIDE), nn.SiLU()]
    features = channels[-1] * coarse
    encoder = layers([features + n_labels, *hidden, 2 * n_latents], dropout)
    up: list[nn.Module] = [nn.Unflatten(1, (channels[-1], coarse))]
    for before, after in itertools.pairwise(reversed(channels)):
        up += [nn.SiLU(), nn.ConvTranspose1d(before, after, kernel_size=STRIDE, stride=STRIDE)]
    up += [nn.SiLU(), nn.Upsample(scale_factor=STRIDE), nn.Conv1d(channels[0], 1, kernel_size=5, padding=2)]
    decoder = layers([n_latents + n_labels, *reversed(hidden), features], dropout)
    return (
        Convolutions1dEncoder(nn.Sequential(*down, nn.Flatten()), encoder),
        Convolutions1dDecoder(decoder, nn.Sequential(*up), shape[0]),
    )


def bastien(
    shape: Shape, n_latents: int, n_labels: int, *, channels: Sequence[int] = (), hidden: Sequence[int] = (),
    dropout: float = 0.0, planes: int = 1,
) -> Networks:
    """Return the fully connected networks of Bastien et al. (2021), whose sizes, activations and dropout are fixed.

    Theirs ends in a sigmoid, which here belongs to the likelihood: `bernoulli` gives their model.
    """
    size = math.prod(shape)
    sizes = [planes * size + n_labels, *BASTIEN_HIDDEN, 2 * n_latents]
    mirror = [n_latents + n_labels, *reversed(BASTIEN_HIDDEN), size]
    encoder, decoder = (
        layers(s, BASTIEN_DROPOUT, activation=lambda: nn.LeakyReLU(BASTIEN_SLOPE), first=nn.Softplus())
        for s in (sizes, mirror)
    )
    return DenseNetwork(encoder), DenseNetwork(decoder, shape)


NETWORKS: dict[str, Callable[..., Networks]] = {
    "convolutional": convolutional, "convolutional_1d": convolutional_1d, "dense": dense, "bastien": bastien
}
"""Networks by the name they have in settings."""


def zero_last_layer(network: nn.Module) -> None:
    """Let a network begin with an output of zero, as a correction that does nothing yet."""
    for parameter in last_layer(network).parameters():
        nn.init.zeros_(parameter)


def last_layer(network: nn.Module) -> nn.Linear | nn.Conv1d | nn.Conv2d:
    """Return the layer that makes a network's output."""
    return [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d)][-1]


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


class Convolutions1dEncoder(nn.Module):
    """Convolutions of data (B, D), or of data and mask (B, 2, D), and fully connected layers with the label."""

    def __init__(self, convolutions: nn.Module, stack: nn.Module) -> None:
        super().__init__()
        self.convolutions, self.layers = convolutions, stack

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        maps = x if x.ndim == 3 else x[:, None]
        features = self.convolutions(maps)
        return self.layers(torch.cat([features, y.to(features.dtype)], dim=1))


class Convolutions1dDecoder(nn.Module):
    """Fully connected layers of latents and label, and convolutions that end in (B, D)."""

    def __init__(self, stack: nn.Module, convolutions: nn.Module, size: int) -> None:
        super().__init__()
        self.layers, self.convolutions, self.size = stack, convolutions, size

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.convolutions(self.layers(torch.cat([z, y], dim=1)))[:, 0, : self.size]


class ResidualBlock(nn.Module):
    """Two convolutions beside a straight way, which alone is open at first (He et al. 2016; Zhang et al. 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(functional.silu(self.first(functional.silu(h))))


class ConvolutionalEncoder(nn.Module):
    """Patches, convolutions with stride 2, residual blocks and fully connected layers.

    The label enters the coarsest maps and the first fully connected layer.
    """

    def __init__(
        self, shape: Shape, n_outputs: int, n_labels: int, *, channels: Sequence[int], hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        height, width = coarse_shape(shape, len(channels))
        factor = PATCH * 2 ** (len(channels) - 1)
        self.padding = (0, width * factor - shape[1], 0, height * factor - shape[0])
        modules: list[nn.Module] = [
            nn.PixelUnshuffle(PATCH), nn.Conv2d(2 * PATCH**2, channels[0], kernel_size=3, padding=1)
        ]
        for number, (before, after) in enumerate(itertools.pairwise(channels)):
            modules += [ResidualBlock(before)] * (number > 0)
            modules += [nn.SiLU(), nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1)]
        self.convolutions = nn.Sequential(*modules)
        self.label = nn.Linear(n_labels, channels[-1]) if n_labels else None
        self.last = nn.Sequential(ResidualBlock(channels[-1]), nn.SiLU())
        self.layers = layers([channels[-1] * height * width + n_labels, *hidden, n_outputs], dropout)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        images = functional.pad(x, self.padding)
        # Faint structure is a few per cent of the range; its square root reaches the network at the scale of the rest.
        planes = torch.stack([4 * images, 2 * torch.sqrt(images.clamp_min(1e-6))], dim=1)  # (B, 2, H, W)
        maps = self.convolutions(planes.contiguous(memory_format=torch.channels_last))
        if self.label is not None:
            maps = maps + self.label(y).to(maps.dtype)[:, :, None, None]
        features = self.last(maps).flatten(1)
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
        for before, after in itertools.pairwise(reversed(channels)):
            up = nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1)
            modules += [ResidualBlock(before), nn.SiLU(), up]
        last = nn.Conv2d(channels[0], PATCH**2, kernel_size=3, padding=1)
        self.convolutions = nn.Sequential(*modules, nn.SiLU(), last, nn.PixelShuffle(PATCH))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        features = self.layers(torch.cat([z, y], dim=1)).unflatten(1, self.coarse)
        images = self.convolutions(features.contiguous(memory_format=torch.channels_last)).squeeze(1)
        return images[:, : self.shape[0], : self.shape[1]]


def coarse_shape(shape: Shape, levels: int) -> Shape:
    """Return the shape at the coarsest level: patches, halved `levels` - 1 times, each side rounded up."""
    factor = PATCH * 2 ** (levels - 1)
    return tuple(-(-side // factor) for side in shape)
