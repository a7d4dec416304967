"""Find images that show the same field, where no positions say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Turn = Callable[[np.ndarray], np.ndarray]
LOW = 16  # spatial frequencies of the first, coarse comparison
COARSE = 0.98
ALIKE = 0.98
BLOCK = 512


def twins(values: np.ndarray) -> np.ndarray:
    """Return the pairs of images that are the same, or overlap, up to a shift, quarter turn or mirror.

    Images are alike when the largest normalised cross-correlation of their brightness (its square root,
    so that a bright core does not decide alone) is at least `ALIKE`. Only pairs whose Fourier amplitudes,
    which no shift changes, are similar are compared. Unresolved sources look alike all over a survey: the
    fewer pixels are bright, the nearer to 1 the correlation must be.

    Parameters
    ----------
    values : ndarray, shape (N, S, S)
        Any unit; NaN and negative values count as 0.

    Returns
    -------
    ndarray of int, shape (P, 2)
        Pairs (i, j) with i < j.
    """
    x = np.sqrt(np.maximum(np.nan_to_num(values.astype(np.float32)), 0))  # (N, S, S)
    found = {
        (i, j) for i, j, turn in _candidates(_amplitudes(x)) if _correlation(x[i], turn(x[j])) >= _threshold(x[i], x[j])
    }
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


# A half turn changes no Fourier amplitude: these four stand for the eight orientations of a square.
TURNS: tuple[Turn, ...] = (
    lambda image: image,
    lambda image: image[..., ::-1, :],
    lambda image: image.swapaxes(-1, -2),
    lambda image: image.swapaxes(-1, -2)[..., ::-1, :],
)


def _amplitudes(x: np.ndarray) -> np.ndarray:
    """Return the low Fourier amplitudes of each image in its four orientations, (4, N, features)."""
    kept = np.arange(-LOW, LOW + 1)
    spectra = np.empty((len(x), len(kept), len(kept)), np.float32)
    for spectrum, image in zip(spectra, x, strict=True):
        spectrum[:] = np.abs(np.fft.fft2(image))[np.ix_(kept, kept)]
    spectra[:, LOW, LOW] = 0  # the total brightness says nothing of the form
    features = np.stack([turn(spectra).reshape(len(x), -1) for turn in TURNS])
    return features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-12)


def _candidates(features: np.ndarray) -> Iterator[tuple[int, int, Turn]]:
    """Yield pairs of images that may be alike, and how the second is to be turned."""
    for start in range(0, features.shape[1], BLOCK):
        block = features[0, start : start + BLOCK]  # (b, F)
        for turn, variant in zip(TURNS, features, strict=True):
            rows, columns = np.nonzero(block @ variant.T > COARSE)
            later = columns > rows + start
            for i, j in zip(rows[later] + start, columns[later], strict=True):
                yield int(i), int(j), turn


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest normalised cross-correlation over all shifts, and over a half turn of `b`."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    first, second = np.fft.rfft2(a), np.fft.rfft2(b)
    # Up to a shift, the spectrum of the half turn is the complex conjugate.
    peaks = [np.fft.irfft2(first * other, a.shape).max() for other in (second, second.conj())]
    return float(max(peaks)) / max(norm, 1e-12)


def _threshold(a: np.ndarray, b: np.ndarray) -> float:
    lit = min(int(np.count_nonzero(image > 0.3 * image.max())) for image in (a, b))
    return 1 - (1 - ALIKE) * min(1.0, lit / 100) ** 2
