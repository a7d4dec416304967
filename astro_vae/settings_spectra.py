"""Define the settings of the steps that look into a spectrum: prepare, view and augment.

They stand in the place of the sections of the same names of images, where the survey gives spectra.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import model_validator

from astro_vae.section import Section, setting


class SkyLine(NamedTuple):
    """A line of the night sky."""

    wave_aa: float
    half_width_aa: float


class GridSettings(Section):
    """Bins of equal width in log10 of the vacuum wavelength in the rest frame."""

    log_start: float = setting(
        3.53, "Middle of the first bin, as log10 of the wavelength in Angstrom.", unit="dex", gt=1, lt=6
    )
    log_step: float = setting(0.00039, "Width of a bin, in log10 of the wavelength.", unit="dex", gt=0, lt=0.1)
    bins: int = setting(1000, "Number of bins.", unit="bin", ge=8)


class SpectrumPrepareSettings(Section):
    """How the survey's spectra become objects: rest frame and common bins, in physical units."""

    kind: Literal["spectrum"] = setting("spectrum", "These are settings of spectra.")
    grid: GridSettings = setting(GridSettings(), "The bins that coverage and S/N are counted in.")
    margin: int = setting(
        16, "Bins that are stored beyond either end of the grid, so that a shift has values.", unit="bin", ge=0
    )
    extinction: Literal["F99", "CCM89", "none"] = setting(
        "F99",
        "Law of the Galactic extinction that is taken out where E(B-V) of an object is given: Fitzpatrick (1999), or "
        "Cardelli, Clayton & Mathis (1989); none: spectra stay reddened.",
    )
    r_v: float = setting(3.1, "Ratio of total to selective extinction.", ge=2.3, le=5.6)
    sky_lines: tuple[SkyLine, ...] = setting(
        (SkyLine(5578.5, 10.0),),
        "Lines of the night sky that are masked: vacuum wavelength as observed, half width of the window.",
        unit="Angstrom",
    )
    errors: Literal["neighbours", "own"] = setting(
        "neighbours",
        "Variance of a bin: its own, or with its covariances with neighbouring bins, which share pixels. The latter "
        "is right for all that is wider than a bin where bins are taken for independent, as models do, and a tenth "
        "larger for SDSS on the default grid.",
    )
    min_valid: float = setting(
        0.5, "A bin is valid when at least this fraction of its width has valid pixels.", gt=0, le=1
    )
    min_coverage: float = setting(
        0.8, "Objects with a smaller fraction of valid bins in the grid are refused.", ge=0, le=1
    )
    min_snr: float = setting(
        2.0, "Objects whose median flux by error, per pixel as observed, is smaller are refused; that of empty sky may "
        "be negative.",
    )


class SpectrumViewSettings(Section):
    """How flux densities become what a network sees; the last act of augment, encode and score."""

    kind: Literal["spectrum"] = setting("spectrum", "These are settings of spectra.")
    grid: GridSettings = setting(
        GridSettings(), "Bins that the network sees; those of `prepare` where the file says nothing else."
    )
    window_aa: tuple[float, float] = setting(
        (5300.0, 5850.0),
        "Rest-frame window whose median flux density becomes 1; where fewer than half of its bins are valid, the "
        "median of all valid bins does.",
        unit="Angstrom",
    )
    max_snr: float = setting(
        0.0, "No bin counts with a larger S/N than this, by a floor of its error (0: no floor).", ge=0
    )

    @model_validator(mode="after")
    def _check_window(self) -> SpectrumViewSettings:
        low, high = self.window_aa
        if not 0 < low < high:
            raise ValueError(f"window_aa must be two growing wavelengths, not {low:g} and {high:g}")
        return self


class SpectrumAugmentSettings(Section):
    """How the training part becomes `total` examples, each a transform of one parent."""

    kind: Literal["spectrum"] = setting("spectrum", "These are settings of spectra.")
    total: int = setting(40_000, "Number of augmented examples.", unit="example", ge=1)
    balance: bool = setting(False, "Give every label the same number of examples (unlabelled ones keep their share).")
    noise_sigma: float = setting(
        1.0,
        "Largest noise added, by each bin's own; drawn uniformly from 0 to this. The inverse variance says so.",
        unit="sigma", ge=0,
    )
    shift_bins: float = setting(
        0.0, "Largest shift of the spectrum against the bins; a model spends latents on it.", unit="bin", ge=0
    )
    redshift_kms: float = setting(
        10.0, "Largest error of the redshift, as a velocity; it adds to the shift.", unit="km/s", ge=0
    )
    mask_runs: int = setting(2, "Largest number of runs of bins that are masked.", ge=0)
    mask_bins: int = setting(40, "Largest length of a masked run.", unit="bin", ge=1)
    mix: float = setting(
        0.0, "Fraction of the examples that are mixed with one of the nearest spectra of their label.", ge=0, le=1
    )
    mix_share: float = setting(0.5, "Largest share of the other spectrum in a mixture.", gt=0, lt=1)
    neighbours: int = setting(5, "Nearest spectra of the same label that a mixture is made with.", ge=1)
    materialise: bool = setting(
        True, "Write the examples to a file; otherwise the same transforms are drawn during training."
    )
    seed: int = setting(1, "Seed of the transforms.")


def check_grids(prepare: SpectrumPrepareSettings, view: SpectrumViewSettings) -> None:
    """Raise a `ValueError` where the bins of `view` are not the central ones stored, or its window is beyond them."""
    stored, seen = prepare.grid, view.grid
    step = stored.log_step
    start = stored.log_start + step * ((stored.bins - seen.bins) // 2)
    if abs(seen.log_step - step) > 1e-9 or abs(seen.log_start - start) > step / 100:
        raise ValueError(
            f"view.grid ({seen.bins} bins of {seen.log_step:g} dex from {seen.log_start:g}) is not in the middle of "
            f"prepare.grid; with {seen.bins} bins it starts at {start:g}, in steps of {step:g}"
        )
    if seen.bins > stored.bins + 2 * prepare.margin:
        raise ValueError(f"view.grid.bins ({seen.bins}) are more than prepare stores; enlarge prepare.margin")
    low, high = (10 ** (seen.log_start + seen.log_step * bin_) for bin_ in (0, seen.bins - 1))
    if "window_aa" in view.model_fields_set and not (view.window_aa[0] < high and low < view.window_aa[1]):
        raise ValueError(
            f"view.window_aa ({view.window_aa[0]:g} to {view.window_aa[1]:g} Angstrom) lies outside the bins, which go "
            f"from {low:.0f} to {high:.0f} Angstrom: choose a piece of continuum among these"
        )
