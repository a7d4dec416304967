"""The variational autoencoder: networks and likelihood behind one encode and decode."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from astro_vae.vae.likelihoods import LIKELIHOODS, Likelihood
from astro_vae.vae.networks import NETWORKS
from astro_vae.vae.posteriors import DiagonalGaussian

LOG_VAR_RANGE = (-20.0, 10.0)
"""Log-variances are clamped to this, so that a rare object cannot end a training in infinities."""


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
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, likelihood: Likelihood, *, shape: Sequence[int], n_latents: int,
        n_labels: int = 0, conditional: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.shape = tuple(shape)
        self.n_latents, self.n_labels, self.conditional = n_latents, n_labels, conditional

    def encode(self, x: Tensor, label: Tensor | None = None) -> DiagonalGaussian:
        """Return q(z | x, y) of data (B, *shape) with known labels (B,)."""
        # Networks may compute in 16 bits; latents and probabilities keep the precision of the data.
        outputs = self.encoder(x, self._one_hot(label, x)).to(x.dtype)
        mu, log_var = outputs.chunk(2, dim=1)
        return DiagonalGaussian(mu, log_var.clamp(*LOG_VAR_RANGE))

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the mean of p(x | z, y) for latents (B, K): (B, *shape)."""
        return self.likelihood.mean(self._output(z, label))

    def log_likelihood(
        self, x: Tensor, z: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> Tensor:
        """Return log p(x | z, y) in nats with all constants, (B,); `weight` as in `Likelihood.log_prob`."""
        return self.likelihood.log_prob(x, self._output(z, label), weight)

    def _output(self, z: Tensor, label: Tensor | None) -> Tensor:
        return self.decoder(z, self._one_hot(label, z)).to(z.dtype)

    def _one_hot(self, label: Tensor | None, like: Tensor) -> Tensor:
        if not self.conditional:
            return like.new_empty(len(like), 0)
        if label is None:
            raise ValueError("a conditional model needs the label of every object")
        return functional.one_hot(label.long(), self.n_labels).to(like.dtype)


def build_vae(
    shape: Sequence[int], n_latents: int, n_labels: int = 0, *, conditional: bool = False,
    network: str = "convolutional", likelihood: str = "gaussian", channels: Sequence[int] = (32, 64, 128),
    hidden: Sequence[int] = (256,), dropout: float = 0.0,
) -> Vae:
    """Build an untrained model from the names of its network and likelihood; weights come from torch's global seed."""
    shape = tuple(shape)
    seen = n_labels if conditional else 0
    encoder, decoder = NETWORKS[network](
        shape, n_latents, seen, channels=tuple(channels), hidden=tuple(hidden), dropout=dropout
    )
    return Vae(
        encoder, decoder, LIKELIHOODS[likelihood](), shape=shape, n_latents=n_latents, n_labels=n_labels,
        conditional=conditional,
    )
