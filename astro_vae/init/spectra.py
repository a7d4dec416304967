"""Look at a person's spectra, say what was found, and choose the settings of a run by it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astro_vae.errors import RefusedError, UserError
from astro_vae.init.choose import Choice, absent, conditions, training_size
from astro_vae.init.look import Clock, Findings, Progress, counted_files, some
from astro_vae.init.tell import about_files, about_labels, counted, span, unreadable
from astro_vae.settings_spectra import GridSettings, SpectrumPrepareSettings, SpectrumViewSettings
from astro_vae.spectra.cut import check
from astro_vae.surveys import spectra_folder
from astro_vae.surveys._spectrum_tables import SDSS
from astro_vae.surveys.candidate import Candidate

BINS = 1000
LATENTS = 6  # what the spectra of galaxies and quasars need (Portillo et al. 2020)
PATH_RATE = 3e-4
ROUNDED = 1e-5  # dex, of the steps of a grid


def look(source: spectra_folder.Source, *, progress: Progress = lambda items, total: items) -> Findings:
    """Look at the spectra of a folder.

    Raises
    ------
    UserError
        If there is no folder or no spectrum in it, or the table of redshifts cannot be used.
    """
    top = Path(source.path)
    if top.is_file():
        raise UserError(f"{top}: a file; --spectra is a folder, a table of plate, mjd and fiber is given by --sample")
    if not top.is_dir():
        raise UserError(f"{top}: no such folder; give the folder of your spectra by --spectra")
    own = spectra_folder.own_files(source)
    files = own.listed()
    rows = [{"path": path, "status": "failed" if fault else "ok", "reason": fault} for path, fault in files]
    chosen = pd.DataFrame(rows).iloc[some(len(files))]
    clock = Clock(spectra_folder.candidates(source, top, chosen))
    seen = pd.DataFrame([_seen(candidate) for candidate in progress(clock, len(chosen))])
    return Findings(
        source, files, *counted_files(top, files, own.endings), len(files), seen,
        unmatched=len(own.unmatched(path for path, _ in files)), read_ms=1000 * clock.seconds / max(1, len(seen)),
    )


def _seen(candidate: Candidate) -> dict[str, Any]:
    """Return what counts of one spectrum; its pixels are forgotten."""
    known: dict[str, Any] = {
        "object_id": candidate.object_id, "reason": candidate.reason, "label": candidate.label, "ra": candidate.ra,
        "redshift": candidate.redshift, "ebv": candidate.ebv, "in_air": False,
        **dict.fromkeys(("low", "high", "step", "snr"), math.nan),
    }
    if candidate.values is None:
        return known | {"reason": candidate.reason or "unreadable"}
    spectrum = candidate.values.cleaned()
    try:  # a missing redshift is told apart from these
        check(spectrum, 0.0 if math.isnan(candidate.redshift) else candidate.redshift, candidate.ebv)
    except RefusedError as refused:
        return known | {"reason": str(refused)}
    good = spectrum.ivar > 0
    if good.sum() < 2:
        return known | {"reason": "no valid pixel: all but one have no weight"}
    wave, snr = spectrum.wave_aa[good], spectrum.flux[good] * np.sqrt(spectrum.ivar[good])
    return known | {
        "in_air": spectrum.in_air, "low": wave[0], "high": wave[-1], "snr": float(np.median(snr)),
        "step": float(np.median(np.diff(np.log10(wave)))),
    }


def facts(found: Findings) -> list[tuple[str, str]]:
    """Return what was found as pairs of words and values."""
    spectra = found.readable
    if not len(spectra):
        return about_files(found)
    ends = pd.concat([spectra["low"], spectra["high"]])
    return [
        *about_files(found), ("wavelengths", span(ends, "Angstrom, as observed")),
        ("air or vacuum", _air(found)),
        ("pixel", span(1e4 * spectra["step"], "1e-4 dex")), ("redshift", span(spectra["redshift"], "")),
        ("S/N per pixel", span(spectra["snr"], "")), ("E(B-V)", span(spectra["ebv"], "mag")),
        ("positions", f"{spectra['ra'].notna().sum()} of {len(spectra)}"),
        ("labels", counted(spectra["label"].replace("", "none"))),
    ]


def odd(found: Findings) -> list[str]:
    """Return what a person should look at, a line each."""
    spectra = found.readable
    said = [*unreadable(found), *about_labels(found)]
    lost = spectra["redshift"].isna()
    if lost.any():
        said.append(f"{lost.sum()} of {len(spectra)} spectra have no redshift, such as "
                    f"{spectra.loc[lost, 'object_id'].iloc[0]}, and will be refused; give a table with columns file "
                    "and redshift by --labels")
    prepare = SpectrumPrepareSettings()
    faint = (spectra["snr"] < prepare.min_snr).sum()
    if faint:
        said.append(f"{faint} of {len(spectra)} spectra have an S/N below {prepare.min_snr:g} per pixel; they will be "
                    "refused unless prepare.min_snr is smaller")
    short = (coverage(spectra, grid(spectra)) < prepare.min_coverage).sum()
    if short:
        said.append(f"{short} of {len(spectra)} spectra cover less than {prepare.min_coverage:.0%} of the bins; they "
                    "will be refused unless prepare.min_coverage is smaller")
    return said


def _air(found: Findings) -> str:
    """Say how many spectra are in air or vacuum; of all but the files of SDSS, vacuum may be no more than supposed."""
    spectra = found.readable
    said = counted(spectra["in_air"].map({True: "air", False: "vacuum"}))
    names = spectra["object_id"].str.rpartition("/")[2]
    supposed = ~spectra["in_air"].astype(bool) & ~names.str.startswith(SDSS[0])
    if found.source.wavelengths != "header" or not supposed.any():
        return said
    return f"{said} (taken for vacuum where a file says nothing; if that is air, set source.wavelengths)"


def coverage(spectra: pd.DataFrame, bins: GridSettings) -> pd.Series:
    """Return the fraction of the grid that lies between the ends of each spectrum in its rest frame; NaN as unknown."""
    low, high = _ends(spectra)
    start = bins.log_start - bins.log_step / 2
    stop = start + bins.bins * bins.log_step
    return (high.clip(upper=stop) - low.clip(lower=start)).clip(lower=0) / (stop - start)


def _ends(spectra: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return log10 of the ends of each spectrum in its rest frame."""
    stretch = 1 + spectra["redshift"]
    low, high = (pd.Series(np.log10(spectra[end] / stretch), index=spectra.index) for end in ("low", "high"))
    return low, high


def grid(spectra: pd.DataFrame) -> GridSettings:
    """Return the default bins where most spectra cover them, otherwise bins between the ends of a typical one."""
    default = GridSettings()
    covered = coverage(spectra, default).dropna()
    if not len(covered) or (covered >= SpectrumPrepareSettings().min_coverage).mean() > 0.5:
        return default
    low, high = (float(end.median()) for end in _ends(spectra))
    step = math.ceil(max((high - low) / BINS, spectra["step"].median()) / ROUNDED) * ROUNDED
    bins = max(8, math.floor((high - low) / step))
    return GridSettings(log_start=round(low + step / 2, 4), log_step=round(step, 5), bins=bins)


def usable(found: Findings) -> int:
    """Return the number of spectra that can be used, if all are like those that were looked at."""
    spectra, limits = found.readable, SpectrumPrepareSettings()
    if not len(spectra):
        return 0
    good = (coverage(spectra, grid(spectra)) >= limits.min_coverage) & (spectra["snr"] >= limits.min_snr)
    return round(found.objects * good.sum() / len(found.images))


def choose(found: Findings) -> list[Choice]:
    """Return the settings for what was found, in the order of the configuration file."""
    source, spectra = found.source, found.readable
    return [
        Choice("source.survey", source.survey), Choice("source.path", source.path),
        *([Choice("source.labels", source.labels)] if source.labels else []),
        *([Choice("source.follow_links", True)] if source.follow_links else []),
        *absent(found),
        Choice("source.wavelengths", "header", "or air, or vacuum, which is taken where headers of tables do not say "
               "it", off=True),
        *grid_choices(grid(spectra)),
        *([same_object()] if spectra["ra"].notna().any() else []),
        *models(usable(found), conditions(spectra["label"])),
    ]


def same_object() -> Choice:
    """Keep the spectra of one object together."""
    return Choice("split.radius_arcsec", 2.0, "observations of one object go to one part")


def models(number: int, conditioned: list[Choice]) -> list[Choice]:
    """Return the training for so many spectra, with the choices that say on what the network is conditioned."""
    total, examples = training_size(number)
    return [
        Choice("augment.total", total, f"about 300 transforms of each of {number} spectra, 10,000 to 200,000"),
        Choice("models.em_pca.type", "em_pca"),
        Choice("models.em_pca.latents", LATENTS, "linear, by the inverse variances; for comparison"),
        Choice("models.cvae.type", "vae"), Choice("models.cvae.latents", LATENTS, "more where chi-square still falls"),
        Choice("models.cvae.likelihood", "gaussian_ivar"), *conditioned,
        Choice("models.cvae.network.name", "dense"),
        Choice("models.cvae.network.path", "linear", "begins from EM-PCA, which carries where spectra are few"),
        Choice("models.cvae.train.examples", examples),
        Choice("models.cvae.train.learning_rate", PATH_RATE, "a network that begins from a path is near its best: the "
               "default, 2e-3, leaves it at once"),
        *([Choice("products.neighbours", max(1, number // 10), "few objects to be near to")] if number < 60 else []),
    ]


def grid_choices(chosen: GridSettings, why: str = "which most spectra cover") -> list[Choice]:
    """Return the bins, and the window of the view where that of the default lies beyond them."""
    low, high = (10 ** (chosen.log_start + i * chosen.log_step) for i in (0, chosen.bins - 1))
    choices = [
        Choice("prepare.grid.log_start", chosen.log_start, "log10 of Angstrom, vacuum, rest frame"),
        Choice("prepare.grid.log_step", chosen.log_step, "dex"),
        Choice("prepare.grid.bins", chosen.bins, f"{low:.0f} to {high:.0f} Angstrom, {why}"),
    ]
    window = SpectrumViewSettings().window_aa
    if not low < window[0] < window[1] < high:
        middle = math.sqrt(low * high)
        choices.append(Choice("view.window_aa", [round(0.95 * middle), round(1.05 * middle)],
                              "Angstrom; the median flux in it becomes 1: best a piece of continuum"))
    return choices

