"""What a training minimises, and what it is judged by on validation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from astro_vae.steps._training_data import Part, network_input
from astro_vae.trained import Model
from astro_vae.vae.discrepancy import mmd
from astro_vae.vae.objectives import Elbo, partly_labelled_elbo

ACTIVE_VARIANCE = 0.01
"""A latent is active if its posterior mean varies by more than this over objects (Burda et al. 2016, sec. 5.2)."""

VALIDATION_BATCH = 256

PRIOR_DRAWS = 200
"""Draws of the prior that the latents of a batch are compared with (Portillo et al. 2020)."""


class Objective(nn.Module):
    """The training objective of a model as one module, so that Fabric chooses its arithmetic.

    Images come as bytes and latents are drawn inside, since Fabric rounds floats that come from outside to
    16 bits.

    Parameters
    ----------
    model : Vae
    frequencies : ndarray, shape (C,)
        Natural frequencies of the labels, by which the label of an unlabelled object is summed out.
    name : {"elbo", "info_vae", "autoencoder"}
    mmd_weight : float
        Of the discrepancy of all latents from N(0, I) per latent, for "info_vae".
    """

    log_frequencies: Tensor

    def __init__(
        self, model: Model, frequencies: np.ndarray, name: str = "elbo", *, mmd_weight: float = 0.0
    ) -> None:
        super().__init__()
        self.model, self.name, self.mmd_weight = model, name, mmd_weight
        log_frequencies = torch.log(torch.as_tensor(frequencies, dtype=torch.float32))
        self.register_buffer("log_frequencies", log_frequencies, persistent=False)

    def forward(
        self, images: Tensor, labels: Tensor, draws: torch.Generator, *, beta: float, free_nats: float
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch, and sums of its terms.

        Parameters
        ----------
        images : Tensor
            As `network_input` takes it.
        labels : Tensor of int64, shape (B,)
            -1 where unknown.
        draws : Generator
            Of the processor, on every device.
        beta, free_nats : float
            Weight of the KL divergence, and its part per latent that costs nothing.

        Returns
        -------
        loss : Tensor
            Mean over objects, in nats.
        sums : Tensor, shape (4,)
            Number of objects, sums of ELBO, reconstruction and KL divergence, without gradient.
        """
        x, weight = network_input(images)
        drawn = self.name != "autoencoder"
        bounds = partly_labelled_elbo(
            self.model, x, labels, _eps(self.model, x, draws, drawn=drawn), log_frequencies=self.log_frequencies,
            weight=weight, beta=beta if drawn else 0.0, free_nats=free_nats,
        )
        loss = -bounds.objective.mean()
        if self.name == "info_vae":
            n_latents = self.model.n_latents
            prior = torch.randn(PRIOR_DRAWS, n_latents, generator=draws).to(x.device)
            loss = loss + self.mmd_weight * n_latents * mmd(bounds.z, prior, bounds.share)
        return loss, _sums(bounds)


def _eps(model: Model, x: Tensor, draws: torch.Generator, *, drawn: bool) -> Tensor:
    """Return what the latents of a batch are drawn with, N(0, I), or 0 where their means are taken: (B, K)."""
    eps = torch.randn(len(x), model.n_latents, generator=draws).to(x.device)
    return eps if drawn else torch.zeros_like(eps)


@torch.no_grad()
def validate(
    model: Model, part: Part, frequencies: np.ndarray, *, seed: int, drawn: bool = True
) -> dict[str, float]:
    """Judge a model on real objects, in 32 bits and with the same draws every time, or with the means of latents.

    Returns
    -------
    dict
        Means over objects of `validation_elbo`, `validation_reconstruction` and `validation_kl`, in nats;
        `validation_mse`, the mean squared error per valid datum of the posterior mean's reconstruction, and
        `active_units`, over the objects whose label is known (the commonest label for all where none is).
    """
    device = next(iter(model.state_dict().values())).device
    log_frequencies = torch.log(torch.as_tensor(frequencies, dtype=torch.float32)).to(device)
    draws = torch.Generator().manual_seed(seed)
    told = part.labels
    if model.conditional and not (told >= 0).any():
        told = np.full_like(told, frequencies.argmax())
    was_training = model.training
    model.eval()
    sums, errors, means = torch.zeros(4, dtype=torch.float64), [], []
    for start in range(0, len(part.images), VALIDATION_BATCH):
        rows = slice(start, start + VALIDATION_BATCH)
        x, weight = network_input(torch.from_numpy(part.images[rows]).to(device))
        y = torch.from_numpy(part.labels[rows]).to(device)
        eps = _eps(model, x, draws, drawn=drawn)
        sums += _sums(partly_labelled_elbo(model, x, y, eps, log_frequencies=log_frequencies, weight=weight)).cpu()
        error, mu = _reconstruction(model, x, torch.from_numpy(told[rows]).to(device), weight)
        errors.append(error)
        means.append(mu)
    model.train(was_training)
    spread = torch.cat(means).var(dim=0, correction=0)
    return {
        **dict(zip(TERMS, (sums[1:] / sums[0]).tolist(), strict=True)),
        "validation_mse": float(torch.cat(errors).double().mean()),
        "active_units": int((spread > ACTIVE_VARIANCE).sum()),
    }


def _reconstruction(model: Model, x: Tensor, y: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return squared errors per datum (b,) and posterior means (b, K) of the objects that the model can encode."""
    if model.conditional:
        known = y >= 0
        x, y, weight = x[known], y[known], None if weight is None else weight[known]
    mu = model.encode(x, y, weight).mu
    squares = (x - model.decode(mu, y)).square()
    if weight is None:
        return squares.flatten(1).mean(dim=1), mu
    valid = (weight > 0).flatten(1)
    return torch.where(valid, squares.flatten(1), 0.0).sum(dim=1) / valid.sum(dim=1).clamp_min(1), mu


TERMS = ("validation_elbo", "validation_reconstruction", "validation_kl")


def _sums(bounds: Elbo) -> Tensor:
    kl = bounds.kl.sum(dim=1)
    terms = torch.stack([torch.ones_like(kl), bounds.elbo, bounds.reconstruction, kl])
    return terms.detach().double().sum(dim=1)
