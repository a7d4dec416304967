"""The variational autoencoder: networks and likelihood behind one encode and decode."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from astro_vae.vae.curved_path import CurvedPath
from astro_vae.vae.likelihoods import LIKELIHOODS, Likelihood
from astro_vae.vae.linear_path import LinearPath
from astro_vae.vae.networks import NETWORKS, last_layer, zero_last_layer
from astro_vae.vae.posteriors import DiagonalGaussian

PATHS: dict[str, type[LinearPath]] = {"linear": LinearPath, "curved": CurvedPath}
"""What networks may be corrections to, by the name in settings."""

LOG_VAR_RANGE = (-20.0, 10.0)
"""Log-variances are clamped to this, so that a rare object cannot end a training in infinities."""


FILL_COMPONENTS = 10
"""Components that fill data which are not valid (Portillo et al. 2020, sec. 2)."""

FILL_WEIGHT = 1e6
"""Inverse variance of valid data for that: so large that the prior of the components decides nothing."""


class Vae(nn.Module):
    """A variational autoencoder with prior N(0, I), conditional on a label or not (Kingma & Welling 2014).

    Parameters
    ----------
    encoder, decoder : Module
        See `astro_vae.vae.networks`.
    likelihood : Likelihood
    shape : tuple of int
        Of one object's data.
    n_latents, n_labels : int
        K and C.
    conditional : bool
        Whether the networks see the label. An unconditional model takes any label, or None, and ignores it.
    path : LinearPath, optional
        A linear or curved model that the networks add to: what they give is then a correction, zero at first.
    filler : LinearPath, optional
        What the encoder sees of data that are not valid; zeros without one.
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, likelihood: Likelihood, *, shape: Sequence[int], n_latents: int,
        n_labels: int = 0, conditional: bool = False, path: LinearPath | None = None,
        filler: LinearPath | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.likelihood, self.path = encoder, decoder, likelihood, path
        self.filler = None if filler is None else filler.requires_grad_(False)
        self.shape = tuple(shape)
        self.n_latents, self.n_labels, self.conditional = n_latents, n_labels, conditional

    def encode(self, x: Tensor, label: Tensor | None = None, weight: Tensor | None = None) -> DiagonalGaussian:
        """Return q(z | x, y) of data (B, *shape) with known labels (B,).

        The encoder of a model whose likelihood needs weights sees the data with zeros, or what its filler makes of
        the valid ones, where they are not valid, and beside them which are: (B, 2, *shape).
        """
        seen = self._seen(x, weight) if self.likelihood.weighted else x
        # Networks may compute in 16 bits; latents and probabilities keep the precision of the data.
        outputs = self.encoder(seen, self._one_hot(label, x)).to(x.dtype)
        mu, log_var = outputs.chunk(2, dim=1)
        if self.path is not None:
            linear = self.path.posterior(x.flatten(1), _given(weight).flatten(1))
            mu, log_var = linear.mu + mu, linear.log_var + log_var
        return DiagonalGaussian(mu, log_var.clamp(*LOG_VAR_RANGE))

    def _seen(self, x: Tensor, weight: Tensor | None) -> Tensor:
        valid = _given(weight) > 0
        filled = torch.where(valid, x, 0.0 if self.filler is None else self._filled(x, valid))
        return torch.stack([filled, valid.to(x.dtype)], dim=1)

    def _filled(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return what the components of the filler make of the valid data, (B, *shape), whatever their errors."""
        assert self.filler is not None
        weight = FILL_WEIGHT * valid.flatten(1).to(x.dtype)
        return self.filler(self.filler.posterior(x.flatten(1), weight).mu).unflatten(1, self.shape)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the mean of p(x | z, y) for latents (B, K): (B, *shape)."""
        return self.likelihood.mean(self._output(z, label))

    def log_likelihood(
        self, x: Tensor, z: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> Tensor:
        """Return log p(x | z, y) in nats with all constants, (B,); `weight` as in `Likelihood.log_prob`."""
        return self.likelihood.log_prob(x, self._output(z, label), weight)

    @torch.no_grad()
    def start_from(self, path: LinearPath) -> None:
        """Take over a path of the same kind and as many latents, which training leaves as it is.

        Raises
        ------
        ValueError
            If this model has none.
        """
        if self.path is None:
            raise ValueError("a model without a path cannot start from one")
        self.path.load_state_dict(path.state_dict())
        self.path.requires_grad_(False)

    @torch.no_grad()
    def fill_from(self, components: LinearPath) -> None:
        """Take over the components that fill what is not valid.

        Raises
        ------
        ValueError
            If this model fills it with zeros.
        """
        if self.filler is None:
            raise ValueError("a model that fills with zeros takes no components for that")
        self.filler.load_state_dict(components.state_dict())

    @torch.no_grad()
    def start_at(self, mean: float) -> None:
        """Let the decoder begin near data that are `mean` everywhere, where its likelihood is far from that at first.

        Grey values that are mostly 0 cost a Bernoulli pseudo-likelihood ln 2 each at an output of 0: thousands of
        nats, from which a training begins with a leap.
        """
        output, bias = self.likelihood.start(mean), last_layer(self.decoder).bias
        if output is not None and bias is not None:
            bias.fill_(output)

    def _output(self, z: Tensor, label: Tensor | None) -> Tensor:
        output = self.decoder(z, self._one_hot(label, z)).to(z.dtype)
        return output if self.path is None else output + self.path(z).unflatten(1, self.shape)

    def _one_hot(self, label: Tensor | None, like: Tensor) -> Tensor:
        if not self.conditional:
            return like.new_empty(len(like), 0)
        if label is None:
            raise ValueError("a conditional model needs the label of every object")
        return functional.one_hot(label.long(), self.n_labels).to(like.dtype)


def build_vae(
    shape: Sequence[int], n_latents: int, n_labels: int = 0, *, conditional: bool = False,
    network: str = "convolutional", likelihood: str = "gaussian", channels: Sequence[int] = (32, 64, 128),
    hidden: Sequence[int] = (256,), dropout: float = 0.0, path: str = "none", floor: float = 0.0,
    fill: str = "zero",
) -> Vae:
    """Build an untrained model from the names of its network and likelihood; weights come from torch's global seed.

    Parameters
    ----------
    path : {"none", "linear", "curved"}
        Let the networks begin as corrections of zero to a path in `PATHS`, whose components are set afterwards. Only
        for a likelihood that needs weights.
    floor : float
        Fractional error of a likelihood that has one.
    fill : {"zero", "infill"}
        What the encoder sees of data that are not valid; the components are set afterwards. Only for a likelihood
        that needs weights.
    shape, n_latents, n_labels, conditional, network, likelihood, channels, hidden, dropout
        As in the settings.

    Raises
    ------
    ValueError
        If the network does not take data of this shape, or a linear path is asked for without weights.
    """
    shape = tuple(shape)
    chosen = LIKELIHOODS[likelihood]
    if path != "none" and not chosen.weighted:
        raise ValueError(f"a {path} path needs inverse variances, which the likelihood '{likelihood}' does not use")
    if fill != "zero" and not chosen.weighted:
        raise ValueError(f"fill: {fill} needs data with masks, which the likelihood '{likelihood}' does not use")
    options = {"floor": floor} if chosen.weighted else {}
    encoder, decoder = NETWORKS[network](
        shape, n_latents, n_labels if conditional else 0, channels=tuple(channels), hidden=tuple(hidden),
        dropout=dropout, planes=1 + chosen.weighted,
    )
    if path != "none":
        zero_last_layer(encoder)
        zero_last_layer(decoder)
    return Vae(
        encoder, decoder, chosen(**options), shape=shape, n_latents=n_latents, n_labels=n_labels,
        conditional=conditional, path=PATHS[path](math.prod(shape), n_latents) if path != "none" else None,
        filler=LinearPath(math.prod(shape), FILL_COMPONENTS) if fill == "infill" else None,
    )


def _given(weight: Tensor | None) -> Tensor:
    if weight is None:
        raise ValueError("this model needs the inverse variance of every datum")
    return weight
