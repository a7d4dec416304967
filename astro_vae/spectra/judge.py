"""Show spectra to the independent judge of samples, so that noise and masks do not betray the class.

Which bins of a real spectrum are valid tells its redshift, and its noise its brightness, and both tell something of
its class; a generated spectrum has neither. So it gets noise and mask of a real one, drawn from all classes alike.
Real spectra and samples are then both veiled: only bins count that are valid in another spectrum too, drawn from all
classes, and noise is added up to that of the other. A judge is trained and asked on veiled spectra alone. What
noise and masks of real spectra still tell of their classes is not true of samples: it can make
samples fail before the judge, never pass.
"""

from __future__ import annotations

import numpy as np

from astro_vae.spectra.view import to_network

CHANNELS, PATCH, PLACES = 2, 4, 16
"""Of the judge's network: channels of its input, bins of its patches, places that its features keep.
A line is told by where it lies, so that many places are needed."""


def conditions(seen: np.ndarray) -> np.ndarray:
    """Return what views (N, 2, bins) tell of how they were observed: the inverse variances (N, bins)."""
    return to_network(seen)[1]


def observed(made: np.ndarray, conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return generated spectra as views of observed ones are.

    Parameters
    ----------
    made : ndarray, shape (N, bins)
        Flux without noise; not finite where nothing is known.
    conditions : ndarray, shape (N, bins)
        Inverse variances of the noise; 0 where a bin is not valid.
    rng : Generator

    Returns
    -------
    ndarray, shape (N, 2, bins), float32
    """
    valid = np.isfinite(made) & (conditions > 0)
    noise = rng.standard_normal(made.shape, np.float32) / np.sqrt(np.where(valid, conditions, 1))
    return _views(np.where(valid, made, 0) + noise, np.where(valid, conditions, 0))


def veiled(seen: np.ndarray, conditions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return views with the bins only that are valid under other conditions too, and with at least their noise.

    Parameters
    ----------
    seen : ndarray, shape (N, 2, bins)
    conditions : ndarray, shape (N, bins)
        Inverse variances of other spectra.
    rng : Generator

    Returns
    -------
    ndarray, shape (N, 2, bins), float32
    """
    flux, ivar = to_network(seen)
    valid = (ivar > 0) & (conditions > 0)
    own, other = (1 / np.where(valid, w, 1) for w in (ivar, conditions))
    added = rng.standard_normal(flux.shape, np.float32) * np.sqrt(np.maximum(other - own, 0))
    return _views(flux + added, np.where(valid, 1 / np.maximum(own, other), 0))


def _views(flux: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    return np.stack([np.where(ivar > 0, flux, 0), ivar], axis=1).astype(np.float32)


def shown(seen: np.ndarray) -> np.ndarray:
    """Return the input of the judge, float32 (N, 2, bins), of views: flux, with strong lines made weaker, and mask."""
    flux, ivar = to_network(seen)
    return np.stack([np.arcsinh(flux), (ivar > 0).astype(np.float32)], axis=1)
