"""Bounds on log p(x | y): what is maximised in training, and what is reported after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from astro_vae.vae.posteriors import DiagonalGaussian
from astro_vae.vae.priors import Prior, StandardNormal


class LatentModel(Protocol):
    """What a model must offer here; `Vae` and `Ppca` do."""

    n_latents: int
    n_labels: int
    conditional: bool

    def encode(
        self, x: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> DiagonalGaussian: ...

    def log_likelihood(
        self, x: Tensor, z: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> Tensor: ...


@dataclass(frozen=True)
class Elbo:
    """The evidence lower bound of each object of a batch, and its terms, in nats with all constants.

    Attributes
    ----------
    objective : Tensor, shape (B,)
        What to maximise: equal to `elbo` unless the KL divergence is weighted or free below some nats.
    elbo : Tensor, shape (B,)
        The bound itself. With a label it is `reconstruction` minus the sum of `kl`. Where the label is summed
        out, the divergence of the label's posterior from its frequencies is subtracted too.
    reconstruction : Tensor, shape (B,)
        log p(x | z, y) at the drawn z.
    kl : Tensor, shape (B, K)
        Divergence of q(z | x, y) from N(0, 1) for each latent.
    z : Tensor, shape (R, K)
        The drawn latents: one per object, and one per label that it may have where the label is summed out.
    share : Tensor, shape (R,)
        Probability of these among those of the same object, over B: they add up to 1.
    """

    objective: Tensor
    elbo: Tensor
    reconstruction: Tensor
    kl: Tensor
    z: Tensor
    share: Tensor


def elbo(
    model: LatentModel, x: Tensor, label: Tensor | None, eps: Tensor, *, weight: Tensor | None = None,
    beta: float = 1.0, free_nats: float = 0.0,
) -> Elbo:
    r"""Return the evidence lower bound on log p(x | y), with one draw of z per object.

    .. math:: L = E_{q(z|x,y)} \log p(x | z, y) - KL(q(z | x, y) \| p(z))

    Kingma & Welling (2014), eq. 10.

    Parameters
    ----------
    model : LatentModel
    x : Tensor, shape (B, *shape)
    label : Tensor of int, shape (B,), or None
        Known labels; see `partly_labelled_elbo` for others.
    eps : Tensor, shape (B, K)
        Standard normal draws.
    weight : Tensor, shape (B, *shape), optional
        See `Likelihood.log_prob`.
    beta : float
        Weight of the KL divergence in the objective (Higgins et al. 2017, eq. 4).
    free_nats : float
        Divergence per latent, averaged over the batch, below which the objective gains nothing
        (Kingma et al. 2016, eq. 15, each latent a group).
    """
    reconstruction, kl, z = _terms(model, x, label, eps, weight)
    counted = _free(kl, kl.mean(dim=0), free_nats)
    objective, share = reconstruction - beta * counted.sum(dim=1), torch.full_like(reconstruction, 1 / len(x))
    return Elbo(objective, reconstruction - kl.sum(dim=1), reconstruction, kl, z, share.detach())


def partly_labelled_elbo(
    model: LatentModel, x: Tensor, label: Tensor, eps: Tensor, *, log_frequencies: Tensor,
    weight: Tensor | None = None, beta: float = 1.0, free_nats: float = 0.0,
) -> Elbo:
    r"""Return bounds on log p(x | y) for labelled objects and on log p(x) for those with label -1.

    .. math:: U(x) = \log \sum_y p(y) \exp L(x, y)

    which is the bound of Kingma et al. (2014), eq. 7, at its best q(y | x), so no network is needed for it. Terms of
    an unlabelled object are averages over labels with these weights. The draws are the same for all its labels.

    Parameters
    ----------
    label : Tensor of int, shape (B,)
        -1 where unknown.
    log_frequencies : Tensor, shape (C,)
        Logarithm of p(y); the frequencies add up to 1.
    model, x, eps, weight, beta, free_nats
        As in `elbo`.
    """
    if not model.conditional or bool((label >= 0).all()):
        return elbo(model, x, label, eps, weight=weight, beta=beta, free_nats=free_nats)
    rows, candidates = _candidates(label, model.n_labels)  # (R,): a row per object and label that it may have
    reconstruction, kl, z = _terms(model, x[rows], candidates, eps[rows], None if weight is None else weight[rows])
    log_prior = torch.where(label[rows] >= 0, 0.0, log_frequencies[candidates])
    bounds = reconstruction - kl.sum(dim=1) + log_prior
    size = (len(x), model.n_labels)
    evidence, shares = _combine(bounds, rows, candidates, size)
    mean_kl = (shares[:, None] * kl).sum(dim=0) / len(x)
    counted = _free(kl, mean_kl, free_nats)
    objective, _ = _combine(reconstruction - beta * counted.sum(dim=1) + log_prior, rows, candidates, size)
    terms = (_sum_rows(shares * reconstruction, rows, len(x)), _sum_rows(shares[:, None] * kl, rows, len(x)))
    return Elbo(objective, evidence, *terms, z, shares / len(x))


def importance_weighted_bound(
    model: LatentModel, x: Tensor, label: Tensor | None, n_draws: int, generator: torch.Generator,
    prior: Prior | None = None, *, weight: Tensor | None = None,
) -> Tensor:
    r"""Return the importance-weighted bound on log p(x | y), which tightens with the number of draws: (B,), float64.

    .. math:: L_S = E \log \frac{1}{S} \sum_s \frac{p(x | z_s, y) p(z_s | y)}{q(z_s | x, y)}

    Burda et al. (2016), eq. 8.

    Parameters
    ----------
    n_draws : int
        S; 1 gives the evidence lower bound.
    generator : Generator
        Of the processor, on every device.
    prior : Prior, optional
        p(z | y); by default N(0, I).
    model, x, label, weight
        As in `elbo`.
    """
    eps = _draws(model, x, n_draws, generator)
    log_weights = _log_weights(model, x, label, eps, [label], prior=prior, weight=weight)
    return _log_mean(log_weights)[:, 0]


def label_log_evidence(
    model: LatentModel, x: Tensor, n_draws: int, generator: torch.Generator, prior: Prior | None = None, *,
    weight: Tensor | None = None, power: float = 1.0,
) -> Tensor:
    """Return the importance-weighted bound on log p(x | y) for every label y: (B, C), float64.

    Add the logarithm of the labels' frequencies and take the softmax for p(y | x) by Bayes' rule. The draws are the
    same for all labels, which takes most of their noise out of the differences.

    Parameters
    ----------
    power : float
        Exponent of p(x | z, y). Below 1 the data count less against the prior of the latents, as they should where
        errors of the decoder are shared by many pixels, which the likelihood takes for independent. For a Gaussian
        it is the square of sigma over a larger one. Other values than 1 give no bound, but may give better labels.
    model, x, n_draws, generator, prior, weight
        As in `importance_weighted_bound`.
    """
    eps = _draws(model, x, n_draws, generator)
    labels = [torch.full((len(x),), y, device=x.device) for y in range(model.n_labels)]
    if not model.conditional:  # only the prior knows the label, so one pass serves all
        return _log_mean(_log_weights(model, x, None, eps, labels, prior=prior, weight=weight, power=power))
    columns = [_log_weights(model, x, y, eps, [y], prior=prior, weight=weight, power=power) for y in labels]
    return _log_mean(torch.cat(columns, dim=2))


def _terms(
    model: LatentModel, x: Tensor, label: Tensor | None, eps: Tensor, weight: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return reconstruction (B,), KL divergence (B, K) and the drawn latents (B, K)."""
    posterior = model.encode(x, label, weight)
    z = posterior.sample(eps)
    return model.log_likelihood(x, z, label, weight), posterior.kl_standard_normal(), z


def _free(kl: Tensor, mean_kl: Tensor, free_nats: float) -> Tensor:
    """Replace the divergence of latents whose batch mean is below `free_nats` by that constant.

    The mean over the batch is then max(mean, free_nats), with its gradient, though each object keeps its own.
    """
    return torch.where(mean_kl > free_nats, kl, free_nats) if free_nats > 0 else kl


def _candidates(label: Tensor, n_labels: int) -> tuple[Tensor, Tensor]:
    """Return object and label of each pair to try: the known label, or every label where it is unknown."""
    counts = torch.where(label >= 0, 1, n_labels)
    rows = torch.repeat_interleave(torch.arange(len(label), device=label.device), counts)
    first = torch.cumsum(counts, dim=0) - counts
    place = torch.arange(len(rows), device=label.device) - first[rows]
    return rows, torch.where(label[rows] >= 0, label[rows], place)


def _combine(bounds: Tensor, rows: Tensor, labels: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return logsumexp of the bounds of each object (B,), and each bound's share in it (R,), without gradient."""
    table = bounds.new_full(size, -math.inf).index_put((rows, labels), bounds)
    return torch.logsumexp(table, dim=1), torch.softmax(table.detach(), dim=1)[rows, labels]


def _sum_rows(values: Tensor, rows: Tensor, n_objects: int) -> Tensor:
    return values.new_zeros(n_objects, *values.shape[1:]).index_add(0, rows, values)


def _draws(model: LatentModel, x: Tensor, n_draws: int, generator: torch.Generator) -> Tensor:
    """Draw (S, B, K) on the processor, so that every device gets the same."""
    return torch.randn(n_draws, len(x), model.n_latents, generator=generator, dtype=x.dtype).to(x.device)


def _log_weights(
    model: LatentModel, x: Tensor, label: Tensor | None, eps: Tensor, prior_labels: Sequence[Tensor | None],
    *, prior: Prior | None, weight: Tensor | None, power: float = 1.0,
) -> Tensor:
    """Return log importance weights under the prior of each of `prior_labels`: (S, B, len(prior_labels)), float64."""
    posterior, prior = model.encode(x, label, weight), prior or StandardNormal(model.n_latents)
    draws = []
    for noise in eps:
        z = posterior.sample(noise)
        ratio = power * model.log_likelihood(x, z, label, weight).double() - posterior.log_prob(z).double()
        log_priors = [prior.log_prob(z, y) for y in prior_labels]
        draws.append(ratio[:, None] + torch.stack(log_priors, dim=1).double())
    return torch.stack(draws)


def _log_mean(log_weights: Tensor) -> Tensor:
    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))
