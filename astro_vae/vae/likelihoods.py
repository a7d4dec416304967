"""Likelihoods p(x | z, y): what the output of a decoder means.

A new one is a subclass of `Likelihood` and an entry in `LIKELIHOODS`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from astro_vae.vae.posteriors import LOG_2PI


class Likelihood(nn.Module):
    """A distribution of data, independent over its dimensions given the output of a decoder.

    Attributes
    ----------
    weighted : bool
        Whether it needs the weight of every datum; the encoder is then shown which data are valid.
    """

    weighted = False

    def mean(self, parameters: Tensor) -> Tensor:
        """Return E[x], (B, *shape), for the decoder's output `parameters` (B, *shape)."""
        raise NotImplementedError

    def start(self, mean: float) -> float | None:
        """Return the output to begin with on data of this mean; None where one near zero, as networks give, will do."""
        return None

    def log_prob(self, x: Tensor, parameters: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return log p(x) in nats, with all constants, summed over data dimensions: (B,).

        Parameters
        ----------
        x, parameters : Tensor, shape (B, *shape)
        weight : Tensor, shape (B, *shape), optional
            Where it is zero, the datum does not count at all. Elsewhere it is the inverse variance of the
            measurement for a likelihood that has errors, and only marks the datum as valid for others.
        """
        if weight is None:
            return self._terms(x, parameters, None).flatten(1).sum(dim=1)
        valid = weight > 0
        # Data that do not count may be NaN, which spreads through gradients even where a term is dropped later.
        terms = self._terms(torch.where(valid, x, 0.0), parameters, torch.where(valid, weight, 1.0))
        return torch.where(valid, terms, 0.0).flatten(1).sum(dim=1)

    def _terms(self, x: Tensor, parameters: Tensor, weight: Tensor | None) -> Tensor:
        """Return log p of every datum, (B, *shape); all weights are positive here."""
        raise NotImplementedError


class Gaussian(Likelihood):
    r"""Gaussian noise with one learned sigma for all data.

    .. math:: \log p(x) = -\frac{1}{2} \sum_i [(x_i - \mu_i)^2 / v_i + \log v_i + \log 2\pi],
              \quad v_i = \sigma^2 + s^2 + 1 / w_i

    Rybkin et al. (2021), eq. 4, with the floor s and, where weights w are given, the variance of the measurement.

    Parameters
    ----------
    sigma : float
        Where the learned sigma starts, in the unit of the data. An optimiser moves its logarithm slowly, so it
        should not lie more than a factor of a few above the error of the first reconstructions.
    floor : float
        Smallest standard deviation s. Without one the likelihood of data that a decoder reproduces exactly,
        such as dark pixels, is unbounded. The default is the rounding error of 8 bits on a scale of 0 to 1.
    """

    def __init__(self, sigma: float = 0.05, floor: float = 1 / 255 / math.sqrt(12)) -> None:
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))
        self.floor = floor

    @property
    def variance(self) -> Tensor:
        """Variance of a datum without measurement error, a scalar."""
        return torch.exp(2 * self.log_sigma) + self.floor**2

    def mean(self, parameters: Tensor) -> Tensor:
        return parameters

    def _terms(self, x: Tensor, parameters: Tensor, weight: Tensor | None) -> Tensor:
        variance = self.variance if weight is None else self.variance + 1 / weight
        constant = 0.5 * (torch.log(variance) + LOG_2PI)
        return (x - parameters) ** 2 * (-0.5 / variance) - constant


class GaussianIvar(Likelihood):
    r"""Gaussian noise whose inverse variance is known for every datum.

    .. math:: \log p(x) = -\frac{1}{2} \sum_{w_i > 0} [(x_i - \mu_i)^2 / v_i + \log v_i + \log 2\pi],
              \quad v_i = 1 / w_i + (f \mu_i)^2

    Where the weight is zero, neither the residual nor the logarithm counts. Nothing here is learned, so with
    f = 0 minus twice the first term is the chi-square.

    Parameters
    ----------
    floor : float
        Fractional error f of the model itself, such as that of a flux calibration. With a few bright objects it
        keeps them from outweighing all others.
    """

    weighted = True

    def __init__(self, floor: float = 0.0) -> None:
        super().__init__()
        self.floor = floor

    def mean(self, parameters: Tensor) -> Tensor:
        return parameters

    def _terms(self, x: Tensor, parameters: Tensor, weight: Tensor | None) -> Tensor:
        if weight is None:
            raise ValueError("this likelihood needs the inverse variance of every datum")
        variance = 1 / weight + (self.floor * parameters) ** 2
        return -0.5 * ((x - parameters) ** 2 / variance + torch.log(variance) + LOG_2PI)


class CensoredGaussian(Gaussian):
    r"""Gaussian noise with one learned sigma on data that were cut off at zero.

    .. math:: \log p(x) = \sum_{x_i > 0} \log N(x_i; \mu_i, v_i) + \sum_{x_i \le 0} \log \Phi(-\mu_i / \sqrt{v_i})

    Tobin (1958). A datum of zero says that the brightness lay below the threshold, not that it was nothing, so a
    decoder may leave the dark part of an image anywhere below zero. As a mixture of densities and probabilities
    it does not compare with the log-likelihood of other families.
    """

    def mean(self, parameters: Tensor) -> Tensor:
        sigma = self.variance.sqrt()
        t = parameters / sigma
        density = torch.exp(-0.5 * (t**2 + LOG_2PI))
        return (parameters * torch.special.ndtr(t) + sigma * density).clamp_min(0)

    def _terms(self, x: Tensor, parameters: Tensor, weight: Tensor | None) -> Tensor:
        variance = self.variance if weight is None else self.variance + 1 / weight
        dark = x <= 0
        below = torch.special.log_ndtr(torch.where(dark, -parameters / variance.sqrt(), 0.0))
        return torch.where(dark, below, super()._terms(x, parameters, weight))


class Bernoulli(Likelihood):
    """Independent bits; `parameters` are logits.

    On grey values this is a pseudo-likelihood: it does not integrate to 1, so it compares only with itself.
    """

    def mean(self, parameters: Tensor) -> Tensor:
        return torch.sigmoid(parameters)

    def start(self, mean: float) -> float:
        mean = min(max(mean, 1e-4), 1 - 1e-4)
        return math.log(mean / (1 - mean))

    def _terms(self, x: Tensor, parameters: Tensor, weight: Tensor | None) -> Tensor:
        return x * parameters - functional.softplus(parameters)


class ContinuousBernoulli(Likelihood):
    r"""The density on [0, 1] proportional to the Bernoulli pseudo-likelihood; `parameters` are logits h.

    .. math:: \log p(x) = h x - \log \frac{e^h - 1}{h}

    Loaiza-Ganem & Cunningham (2019), eqs. 6-8, in logits, since images that are almost black need h far below what
    survives a sigmoid. The mean is not sigmoid(h).
    """

    def mean(self, parameters: Tensor) -> Tensor:
        h, near = parameters, parameters.abs() < SERIES_BELOW
        series = 0.5 + h / 12 - h**3 / 720 + h**5 / 30240
        safe = torch.where(near, 1.0, h)
        return torch.where(near, series, 0.5 + 0.5 / torch.tanh(safe / 2) - 1 / safe)

    def _terms(self, x: Tensor, parameters: Tensor, weight: Tensor | None) -> Tensor:
        return x * parameters - _log_integral(parameters)


SERIES_BELOW = 0.5
"""Below this |h| the closed forms of the continuous Bernoulli, which are 0/0 at h = 0, give way to their series."""


def _log_integral(h: Tensor) -> Tensor:
    """Return log of the integral of exp(h x) over [0, 1], log((e^h - 1) / h), for any h."""
    near = h.abs() < SERIES_BELOW
    small = torch.where(near, h, 0.0)  # the series of a large h would overflow, and its gradient be NaN
    series = small / 2 + small**2 / 24 - small**4 / 2880 + small**6 / 181440
    size = torch.where(near, 1.0, h.abs())
    closed = h.clamp_min(0) + torch.log(-torch.expm1(-size)) - torch.log(size)
    return torch.where(near, series, closed)


LIKELIHOODS: dict[str, type[Any]] = {
    "gaussian": Gaussian,
    "gaussian_ivar": GaussianIvar,
    "censored_gaussian": CensoredGaussian,
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
}
"""Likelihoods by the name they have in settings."""
