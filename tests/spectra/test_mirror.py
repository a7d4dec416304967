"""Real SDSS spectra: which of them are eligible, what repeats differ by, and the pipeline's own line fluxes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import median_filter

from astro_vae.settings_spectra import SpectrumPrepareSettings
from astro_vae.spectra.cut import near_sky_lines
from astro_vae.spectra.lines import fit_lines
from astro_vae.spectra.resample import Binned, bin_edges, pixel_edges, resample
from astro_vae.surveys._sdss_files import SpectrumFile, read_spectrum_file
from astro_vae.surveys.sdss import Source, refusal

TREE = "data.sdss.org/sas/dr17"
SETTINGS = SpectrumPrepareSettings()
RM017 = (213.3512, 53.0908)  # deg; a quasar that was observed 78 times

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(mirror: Path) -> list[Path]:
    return sorted((mirror / TREE).rglob("spec-*.fits"))


@pytest.fixture(scope="module")
def spectra(files: list[Path]) -> list[tuple[Path, SpectrumFile]]:
    return [(path, read_spectrum_file(path)) for path in files]


def binned(file: SpectrumFile, *, neighbours: bool = False) -> Binned:
    spectrum = file.spectrum.cleaned()
    rest = spectrum.masked(near_sky_lines(spectrum.wave_aa, SETTINGS)).at_rest(file.row["Z"])
    edges = bin_edges(SETTINGS.grid)
    return resample(pixel_edges(rest.wave_aa), rest.flux, rest.ivar, edges, neighbours=neighbours)


def test_the_published_selection_gives_430_spectra(spectra: list[tuple[Path, SpectrumFile]]) -> None:
    assert len(spectra) == 972
    source = Source(survey="sdss", sample="all")
    eligible = [file for _, file in spectra if not refusal(source, file.row)]
    assert len(eligible) == 444
    coverage = np.array([np.mean(binned(file).valid >= 0.5) for file in eligible])
    kept = [file.row["CLASS"] for file, share in zip(eligible, coverage, strict=True) if share >= 0.8]
    assert (kept.count("GALAXY"), kept.count("QSO")) == (361, 69)


def repeats(spectra: list[tuple[Path, SpectrumFile]]) -> Iterator[tuple[SpectrumFile, SpectrumFile]]:
    """Yield pairs of successive observations of RM017, whose brightness changes within months."""
    chosen = [
        (path.name.split("-")[2], path.name, file) for path, file in spectra
        if abs(file.row["PLUG_RA"] - RM017[0]) < 1e-3 and abs(file.row["PLUG_DEC"] - RM017[1]) < 1e-3
    ]
    ordered = [file for _, _, file in sorted(chosen, key=lambda one: one[:2])]
    yield from pairwise(ordered)


def test_repeated_observations_differ_by_their_errors(spectra: list[tuple[Path, SpectrumFile]]) -> None:
    spreads = []
    for one, two in repeats(spectra):
        two.row["Z"] = one.row["Z"]
        first, second = binned(one), binned(two)
        both = (first.ivar > 0) & (second.ivar > 0)
        smooth = [median_filter(spectrum.flux[both], 51) for spectrum in (first, second)]
        ratio = smooth[0] / smooth[1]
        difference = first.flux[both] - ratio * second.flux[both]
        pull = difference / np.sqrt(1 / first.ivar[both] + ratio**2 / second.ivar[both])
        spreads.append(1.4826 * np.median(np.abs(pull - np.median(pull))))
    assert len(spreads) == 77
    assert np.median(spreads) == pytest.approx(1, abs=0.05)
    assert np.percentile(spreads, [10, 90]) == pytest.approx(1, abs=0.15)


# The pipeline fits its lines over a model of the stars, which absorb under H-alpha; we fit over straight lines.
@pytest.mark.parametrize(
    ("line", "name", "tolerance"),
    [("oiii", "[O_III] 5007", 0.04), ("nii", "[N_II] 6583", 0.03), ("ha", "H_alpha", 0.08)],
)
def test_strong_lines_have_the_fluxes_of_the_pipeline(
    spectra: list[tuple[Path, SpectrumFile]], line: str, name: str, tolerance: float
) -> None:
    ratios = []
    galaxies = [one for one in spectra if one[1].row["CLASS"] == "GALAXY" and not one[1].row["ZWARNING"]]
    for path, file in galaxies[::4]:
        lines = fits.getdata(path, 3)
        names = [text.strip() for text in lines["LINENAME"]]
        area, error, sigma = (lines[f"LINE{what}"][names.index(name)] for what in ("AREA", "AREA_ERR", "SIGMA"))
        if error > 0 and area > 30 * error and sigma < 350:
            rest = file.spectrum.cleaned().at_rest(file.row["Z"])
            ratios.append(fit_lines(rest.wave_aa, rest.flux, rest.ivar)[0][line].flux / area)
    assert len(ratios) >= 5
    assert np.median(ratios) == pytest.approx(1, abs=tolerance)
