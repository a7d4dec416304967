"""Look at a list of SDSS spectra, and choose the settings of a run by it; nothing is fetched."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from astro_vae.init.choose import FEW, Choice, conditions
from astro_vae.init.spectra import coverage, grid, grid_choices, models, same_object
from astro_vae.settings_spectra import GridSettings, SpectrumPrepareSettings
from astro_vae.surveys import sdss
from astro_vae.surveys._sdss_sample import FIRST_BOSS_PLATE, KEYS, NAMES, sample_rows
from astro_vae.surveys.candidate import PARTS

EBV = ("ebv", "ebmv", "ebvsfd", "sfdebv", "ebvgal", "mwebv", "galebv")
REDSHIFT = ("redshift", "z", "zspec", "specz", "zsdss", "zbest")
LABEL = ("label", "labels", "classification", "morphology", "type", "class")
"""Names of columns that are looked for, the best one first; only letters and digits count, in any case."""
SURELY = ("label", "labels")  # however few have one
TECHNICAL = {"zwarning", "specprimary", "scienceprimary", "instrument", "run1d", "platequality", "sourcetype"}
PIPELINE = {"GALAXY", "QSO", "STAR"}
KEYED = {name for names in NAMES.values() for name in names}
MOST_LABELS = 20
LARGEST_REDSHIFT = 8.0  # a column `z` with larger values has magnitudes
OBSERVED = {False: (3800.0, 9200.0), True: (3600.0, 10_300.0)}
"""Ends of the spectra (Angstrom) of SDSS-I and II, and of the BOSS spectrographs."""


@dataclass(frozen=True)
class Listed:
    """What was found in a list.

    Attributes
    ----------
    source : Source of the survey `sdss`
        With the list as its sample.
    rows : int
        Of the list; a spectrum may have several.
    table : DataFrame
        A row per spectrum, as of `sample_rows`.
    ebv, redshift, part, label : str
        Names of the columns with E(B-V), redshift, parts of a split and labels; empty where there is none.
    candidates : dict
        All columns that could be labels, and how often each has its values.
    """

    source: sdss.Source
    rows: int
    table: pd.DataFrame
    ebv: str
    redshift: str
    part: str
    label: str
    candidates: dict[str, pd.Series]

    @property
    def redshifts(self) -> pd.Series:
        """Redshifts as the list has them; NaN where it does not say."""
        unknown = pd.Series(math.nan, index=self.table.index)
        return numbers(self.table[self.redshift]) if self.redshift else unknown

    @property
    def stars(self) -> pd.Series:
        """Tell which are stars by the class of the SDSS pipeline; none where the list does not have it."""
        return self.table["class"] == "STAR" if self.has_class else pd.Series(False, index=self.table.index)

    @property
    def doubtful(self) -> pd.Series:
        """Tell which have a ZWARNING, as far as the list says it."""
        unknown = pd.Series("", index=self.table.index)
        return pd.to_numeric(self.table.get("zwarning", unknown), errors="coerce") > 0

    @property
    def has_class(self) -> bool:
        """Tell whether the list has the class of the SDSS pipeline."""
        return "class" in self.table and set(self.table["class"]) - {""} <= PIPELINE

    @cached_property
    def range(self) -> Range:
        """Redshifts and bins for most of the list."""
        return chosen_range(ends(self.table, self.redshifts))

    @property
    def taken(self) -> pd.Series:
        """Tell which spectra can be used, as far as the list says it."""
        return (self.range.holds(self.redshifts) | self.redshifts.isna()) & ~self.stars & ~self.doubtful


def look(source: sdss.Source) -> Listed:
    """Read a list.

    Raises
    ------
    UserError
        If it is no table with columns plate, mjd and fiber.
    """
    rows = sample_rows(Path(source.sample))
    table = rows.drop_duplicates(list(KEYS), ignore_index=True)
    others = [name for name in table.columns if name not in KEYED]
    ebv, redshift = (_first(table, others, wanted) for wanted in (EBV, REDSHIFT))
    part = next((name for name in others if {"train"} < set(table[name]) <= {"", *PARTS}), "")
    found = {name: table[name][table[name] != ""].value_counts()
             for name in others if name not in (ebv, redshift, part)}
    candidates = {name: counts for name, counts in found.items() if _could_be_labels(name, counts)}
    label = next((name for want in LABEL for name in candidates if _squeezed(name) == want
                  and not set(candidates[name].index) <= PIPELINE), "")
    return Listed(source, len(rows), table, ebv, redshift, part, label, candidates)


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name)


def numbers(texts: pd.Series) -> pd.Series:
    """Return texts as redshifts or E(B-V); NaN for signs of missing values."""
    found = pd.to_numeric(texts, errors="coerce").astype(float)
    return found.where((found > -1) & (found < LARGEST_REDSHIFT))


def _first(table: pd.DataFrame, columns: list[str], wanted: tuple[str, ...]) -> str:
    """Return the first of the columns looked for that has such numbers as redshift and E(B-V) have."""
    for want in wanted:
        for name in columns:
            if _squeezed(name) == want and numbers(table[name]).notna().mean() > 0.5:
                return name
    return ""


def _could_be_labels(name: str, counts: pd.Series) -> bool:
    """Tell whether a column has a few values that are words or small whole numbers, two of them often enough."""
    short = all(re.fullmatch(r"\d{1,2}(\.0)?|(?!-?\d*\.?\d+$).+", value) for value in counts.index)
    often = int((counts >= FEW).sum()) >= 2 or (len(counts) > 0 and _squeezed(name) in SURELY)
    return short and often and len(counts) <= MOST_LABELS and _squeezed(name) not in TECHNICAL


@dataclass(frozen=True)
class Range:
    """Redshifts that are taken, and the bins that go with them."""

    low: float
    high: float
    bins: GridSettings

    def holds(self, redshifts: pd.Series) -> pd.Series:
        return (redshifts > self.low) & (redshifts <= self.high)

    def said(self) -> str:
        """Return both as settings."""
        grid_said = f"{{log_start: {self.bins.log_start:g}, log_step: {self.bins.log_step:g}, bins: {self.bins.bins}}}"
        return f"source.redshift: [{self.low:g}, {self.high:g}] and prepare.grid: {grid_said}"


_REDSHIFTS = sdss.Source.model_fields["redshift"].default
DEFAULT = Range(_REDSHIFTS[0], _REDSHIFTS[1], GridSettings())


def ends(table: pd.DataFrame, redshifts: pd.Series) -> pd.DataFrame:
    """Return redshifts with the ends of the spectra as observed and the width of pixels, as `grid` needs them."""
    low, high = (np.where(table["plate"] >= FIRST_BOSS_PLATE, OBSERVED[True][i], OBSERVED[False][i]) for i in (0, 1))
    return pd.DataFrame({"low": low, "high": high, "redshift": redshifts, "step": 1e-4}, index=table.index)


def chosen_range(spectra: pd.DataFrame) -> Range:
    """Return the default where it suits most of the spectra that `ends` gives, else what suits a typical one."""
    spectra = spectra[spectra["redshift"].notna()]
    bins = grid(spectra)
    if bins == DEFAULT.bins:
        return DEFAULT
    taken = spectra["redshift"][coverage(spectra, bins) >= SpectrumPrepareSettings().min_coverage]
    return Range(math.floor(100 * taken.min() - 1e-6) / 100, math.ceil(100 * taken.max() - 1e-6) / 100, bins)


def choose(found: Listed) -> list[Choice]:
    """Return the settings for what was found, in the order of the configuration file."""
    here, source = found.range, found.source
    named = {"ebv_column": (found.ebv, "E(B-V), mag: dust of the Galaxy is taken out"),
             "part_column": (found.part, "train, validation or test, as the list says it")}
    return [
        Choice("source.survey", source.survey), Choice("source.sample", source.sample),
        *_labels(found),
        *(Choice(f"source.{key}", column, why) for key, (column, why) in named.items() if column),
        Choice("source.redshift", [here.low, here.high], "above the first, up to the second; with other redshifts go "
               "other bins, prepare.grid"),
        *_kept(found),
        Choice("prepare.min_snr", SpectrumPrepareSettings().min_snr, "S/N per pixel; fainter spectra are refused, of "
               "quasars of BOSS about half", off=True),
        *grid_choices(here.bins, "which most spectra cover" if found.redshift else "of the default"),
        same_object(),
        *models(int(found.taken.sum()), _conditions(found)),
    ]


def _labels(found: Listed) -> list[Choice]:
    others = [name for name in found.candidates if name not in (found.label, "class", "subclass")]
    may = f"; could be labels too: {', '.join(others)}" if others else ""
    if found.label:
        return [Choice("source.labels", "column", "or class, of the SDSS pipeline; or lines, by the emission lines"),
                Choice("source.label_column", found.label, f"column of the list{may}")]
    offered = [Choice("source.label_column", others[0], f"for labels: column{may}", off=True)] if others else []
    return [Choice("source.labels", "class", "of the SDSS pipeline; or lines, by the emission lines"), *offered]


def _kept(found: Listed) -> list[Choice]:
    """Offer to keep the other columns of the list."""
    used = KEYED | {found.part, found.ebv, found.redshift, found.label, "class", "subclass"}
    others = [name for name in found.table.columns if name not in used]
    why = "columns of the list that all products then have"
    return [Choice("source.keep", others, why, off=True)] if others else []


def _conditions(found: Listed) -> list[Choice]:
    column = found.label or ("class" if found.has_class else "")
    if column:
        return conditions(found.table[column][found.taken])
    return [Choice("models.cvae.conditional", False, "true where there are galaxies and quasars, which the list does "
                   "not say")]
