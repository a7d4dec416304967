"""Look for runs of bins in which a spectrum differs from what a model makes of it, and say at which line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from astro_vae.columns import Column
from astro_vae.settings_spectra import SpectrumViewSettings
from astro_vae.spectra.emitters import second_system
from astro_vae.spectra.lines import near_line
from astro_vae.spectra.resample import bin_edges
from astro_vae.spectra.view import to_network

WIDTHS = (1, 2, 3, 5, 10, 20, 50, 100)  # bins
MEDIAN_CHI2 = 0.4549  # of a squared Gaussian value
FEWEST = 8  # reference objects with a valid value, below which those of the neighbouring bins speak
EXCEEDED = 0.9  # quantile of the strongest runs of reference objects that is 1 in the score
LARGEST_ERROR = 10.0  # of a model, as a fraction of the flux
NARROW = 0.1  # a stretch of at most this fraction of the bins is worth a word
LINE_WIDTHS, WING_WIDTH = (0, 1, 2), 4  # numbers of `WIDTHS`: of lines, and of what is too wide for one
WIDE_AA = 150.0  # no line is to be named for what is wider

COLUMNS = {
    "run_wave_aa": Column("Middle of the strongest run of residuals, vacuum, rest frame", "Angstrom", "em.wl"),
    "run_width_aa": Column("Width of that run", "Angstrom", "em.wl;spect.line.width"),
    "run_sigma": Column(
        "Significance of that run by noise and the model's usual error there: positive where there is more flux than "
        "the model draws, negative where there is less", "", "stat.snr",
    ),
    "chi2_from_aa": Column("Begin of the shortest stretch with half of the chi-square", "Angstrom", "em.wl;stat.min"),
    "chi2_to_aa": Column("End of that stretch", "Angstrom", "em.wl;stat.max"),
    "system_shift": Column("(1 + z) of other emission lines in the residuals by that of the object; NaN without any"),
    "system_lines": Column("Number of those lines", ucd="meta.number"),
}
"""Columns that `Runs.places` returns."""


class _Filtered(NamedTuple):
    """Runs of one width around every bin, (B, L) each; NaN where fewer than half of the bins are valid.

    Attributes
    ----------
    excess : ndarray
        Weighted mean of the residual by its error from the noise.
    brightness : ndarray
        The same of what the model draws.
    """

    excess: np.ndarray
    brightness: np.ndarray


@dataclass(frozen=True)
class Runs:
    r"""Matched filters over residuals, calibrated on reference objects.

    With flux x, inverse variance w and what the model makes of it, m, a boxcar of a width has the significance

    .. math:: t = \frac{\sum w (x - m)}{\sqrt{\sum w}} \Big/ \sqrt{1 + e^2 s^2},
        \quad s = \frac{\sum w m}{\sqrt{\sum w}}

    where e is the error that the model usually has there, as a fraction of the flux: the one with which the median
    square over the reference objects is that of Gaussian values. So a bright object does not stand out because no
    model is as good as its noise. The score is the greatest \|t\| by that of its width which one reference object
    in ten exceeds.

    Attributes
    ----------
    model_error : ndarray, shape (len(WIDTHS), L)
        The error e by width and bin in the middle.
    usual : ndarray, shape (len(WIDTHS),)
        \|t\| that the strongest run of one reference object in ten exceeds.
    edges_aa : ndarray, shape (L + 1,)
        Edges of the bins.
    """

    model_error: np.ndarray
    usual: np.ndarray
    edges_aa: np.ndarray

    @classmethod
    def calibrate(cls, seen: np.ndarray, redrawn: np.ndarray, settings: SpectrumViewSettings) -> Runs:
        """Return the filters calibrated on views (R, 2, L) of reference objects and what the model makes of them."""
        error, usual = [], []
        for width in WIDTHS:
            filtered = _filter(seen, redrawn, width)
            error.append(_model_error(filtered))
            usual.append(np.quantile(_strongest(_significance(filtered, error[-1])), EXCEEDED))
        return cls(np.array(error), np.maximum(usual, 1.0), bin_edges(settings.grid))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Runs:
        """Return the filters that `arrays` describes."""
        return cls(*(np.asarray(arrays[name], np.float64) for name in ("model_error", "usual", "edges_aa")))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what `from_arrays` takes."""
        return {"model_error": self.model_error, "usual": self.usual, "edges_aa": self.edges_aa}

    def score(self, seen: np.ndarray, redrawn: np.ndarray) -> np.ndarray:
        """Return the greatest calibrated significance over widths and positions, (B,); 0 where no bin is valid."""
        return self._best(seen, redrawn)[0]

    def places(self, seen: np.ndarray, redrawn: np.ndarray) -> dict[str, np.ndarray]:
        """Return where the strongest run is, and where the chi-square comes from: `COLUMNS`, (B,) each."""
        score, number, bin_, sigma = self._best(seen, redrawn)
        first, last = _window(np.array(WIDTHS)[number], len(self.edges_aa) - 1)
        rows = np.arange(len(bin_))
        low, high = self.edges_aa[first[rows, bin_]], self.edges_aa[last[rows, bin_]]
        found = {"run_wave_aa": (low + high) / 2, "run_width_aa": high - low, "run_sigma": sigma}
        begin, end = _half(seen, redrawn)
        found |= {"chi2_from_aa": self.edges_aa[begin], "chi2_to_aa": self.edges_aa[end]}
        found["system_shift"], found["system_lines"] = self._second_system(seen, redrawn)
        return {name: np.where(score > 0, values, np.nan) for name, values in found.items()}

    def words(self, places: pd.DataFrame, table: pd.DataFrame) -> dict[str, list[str]]:
        """Say of each object what of the spectrum is behind a score: by name of the score, (B,) each.

        Parameters
        ----------
        places : DataFrame, B rows
            What `places` returned.
        table : DataFrame, B rows
            The objects, for their redshifts.
        """
        known = table["redshift"].to_numpy(float) if "redshift" in table else np.full(len(places), np.nan)
        rows = places.assign(redshift=known).to_dict("records")
        narrow = NARROW * len(self.model_error[0]) * np.log(self.edges_aa[1] / self.edges_aa[0])
        return {"residual_runs": [_run_words(row) for row in rows],
                "reconstruction": [_stretch_words(row, narrow) for row in rows]}

    def _second_system(self, seen: np.ndarray, redrawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `second_system` of what is more significant in a narrow run than in a wide one."""
        narrow, wing = (
            np.fmax.reduce([self._significance(seen, redrawn, number) for number in numbers])
            for numbers in (LINE_WIDTHS, (WING_WIDTH,))
        )
        return second_system(np.where(narrow > np.nan_to_num(wing), narrow, np.nan), self.edges_aa)

    def _significance(self, seen: np.ndarray, redrawn: np.ndarray, number: int) -> np.ndarray:
        """Return the significance of runs of the width of this number, (B, L); NaN where too little is valid."""
        return _significance(_filter(seen, redrawn, WIDTHS[number]), self.model_error[number])

    def _best(self, seen: np.ndarray, redrawn: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the score of the strongest run, number of its width, its middle bin, its significance: (B,) each."""
        rows = np.arange(len(seen))
        best = np.zeros((4, len(seen)))
        for number in range(len(WIDTHS)):
            t = np.nan_to_num(self._significance(seen, redrawn, number))
            bin_ = np.abs(t).argmax(axis=1)
            found = t[rows, bin_]
            score = np.abs(found) / self.usual[number]
            better = score > best[0]
            best[:, better] = np.stack([score, np.full(len(seen), number), bin_, found])[:, better]
        return best[0], best[1].astype(int), best[2].astype(int), best[3]


def _window(width: np.ndarray | int, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first bin of the windows around every bin, and that behind the last: (..., bins)."""
    first = np.arange(bins) - (np.asarray(width)[..., None] - 1) // 2
    return first.clip(0), (first + np.asarray(width)[..., None]).clip(max=bins)


def _filter(seen: np.ndarray, redrawn: np.ndarray, width: int) -> _Filtered:
    flux, weight = (part.astype(np.float64) for part in to_network(seen))
    first, last = _window(width, flux.shape[1])

    def summed(values: np.ndarray) -> np.ndarray:
        total = np.concatenate([np.zeros((len(values), 1)), values.cumsum(axis=1)], axis=1)
        return total[:, last] - total[:, first]

    enough = 2 * summed((weight > 0).astype(np.float64)) >= width
    root = np.sqrt(np.where(enough, summed(weight), np.nan))
    # A model may draw anything where nothing was measured; a difference first, for sums of great numbers lose digits.
    return _Filtered(summed(weight * (flux - redrawn)) / root, summed(weight * redrawn) / root)


def _significance(filtered: _Filtered, model_error: np.ndarray) -> np.ndarray:
    return np.asarray(filtered.excess / np.sqrt(1 + (model_error * filtered.brightness) ** 2))


def _strongest(significance: np.ndarray) -> np.ndarray:
    """Return the greatest magnitude of each object, (B,)."""
    return np.asarray(np.nan_to_num(np.abs(significance)).max(axis=1))


def _model_error(filtered: _Filtered) -> np.ndarray:
    """Return the fractional error with which the median square of the significance is `MEDIAN_CHI2`: (L,)."""
    known = np.isfinite(filtered.excess).sum(axis=0) >= FEWEST
    if not known.any():
        return np.zeros(filtered.excess.shape[1])
    used = _Filtered(*(part[:, known] for part in filtered))
    low, high = np.full(known.sum(), 1e-4), np.full(known.sum(), LARGEST_ERROR)
    for _ in range(12):  # bisection of the logarithm, to 0.3 per cent
        middle = np.sqrt(low * high)
        above = np.nanmedian(_significance(used, middle) ** 2, axis=0) > MEDIAN_CHI2
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    bins = np.arange(len(known))
    return np.interp(bins, bins[known], np.sqrt(low * high))


def _half(seen: np.ndarray, redrawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shortest stretch with half of the chi-square: its first bin and that behind the last, (B,) each."""
    flux, weight = (part.astype(np.float64) for part in to_network(seen))
    chi2 = weight * (flux - redrawn) ** 2
    total = np.concatenate([np.zeros((len(chi2), 1)), chi2.cumsum(axis=1)], axis=1)
    begin, end = np.zeros(len(chi2), int), np.full(len(chi2), chi2.shape[1])
    for i, sums in enumerate(total):
        last = np.searchsorted(sums, sums[:-1] + sums[-1] / 2)
        length = np.where(last < len(sums), last - np.arange(len(last)), len(sums))
        begin[i] = length.argmin()
        end[i] = begin[i] + min(int(length.min()), len(last) - int(begin[i]))
    return begin, end


def _run_words(row: Mapping[Any, float]) -> str:
    if not np.isfinite(row["run_sigma"]):
        return ""
    half = row["run_width_aa"] / 2
    kind = "excess" if row["run_sigma"] > 0 else "lack"
    place = f"{row['run_wave_aa']:.0f} +- {half:.0f} Angstrom{_near(row['run_wave_aa'], half)}"
    return f"{_system_words(row)}{kind} of flux at {place}, {abs(row['run_sigma']):.0f} sigma"


def _system_words(row: Mapping[Any, float]) -> str:
    """Name the redshift of a second system of lines; without one of the object its shift."""
    if not np.isfinite(row["system_shift"]):
        return ""
    z = (1 + row["redshift"]) * row["system_shift"] - 1
    place = f"z = {z:.4f}" if np.isfinite(z) else f"{row['system_shift']:.4f} times its (1 + z)"
    return f"{row['system_lines']:.0f} lines as of a galaxy at {place}, "


def _stretch_words(row: Mapping[Any, float], narrow: float) -> str:
    low, high = row["chi2_from_aa"], row["chi2_to_aa"]
    if not np.log(high / low) <= narrow:
        return ""
    return f"half of the chi-square from {low:.0f} to {high:.0f} Angstrom{_near((low + high) / 2, (high - low) / 2)}"


def _near(wave_aa: float, half_width_aa: float) -> str:
    line = near_line(wave_aa, half_width_aa) if 2 * half_width_aa <= WIDE_AA else ""
    return f", near {line}" if line else ""


RUNS = Runs
"""Filters over residuals, calibrated on reference objects."""
