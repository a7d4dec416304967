"""A simulated SDSS-like survey: galaxies and active nuclei of known class, and planted anomalies; no network.

What makes an object (stars, gas, dust, nucleus, redshift) is drawn first; then its spectrum is put together and
observed with the resolution, sky, noise and bad pixels of the SDSS spectrographs. Objects are files in the form of
the archive's lite files; what was drawn is in truth.csv beside them. The labels of some are kept back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from astro_vae.columns import Column
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.settings_spectra import SpectrumPrepareSettings
from astro_vae.surveys._simulated import folder_name, read_truth, simulated
from astro_vae.surveys._simulated import link as link
from astro_vae.surveys.candidate import WHOLE, Block, Candidate, Expected

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from astro_vae.surveys._spectra_sky import Observed, Spectrograph

KIND = "spectrum"
FILE_BYTES = 135_360  # of a spectrum
VERSION = 1  # raised when the same settings give other spectra
COLUMNS = {
    "true_class": Column("Class that was simulated", ucd="src.class"),
    "is_anomaly": Column("1 where an anomaly was planted", ucd="meta.code"),
    "anomaly_kind": Column("What is odd about a planted anomaly", ucd="meta.note"),
    "true_redshift": Column("Redshift that was simulated; `redshift` is what an observer was told", ucd="src.redshift"),
    "redshift_err": Column("Error of the redshift", "", "stat.error;src.redshift"),
    "true_flux": Column(
        "Flux density of stars and nucleus at 5500 Angstrom in the rest frame, without the Galaxy's dust",
        "1e-17 erg / (Angstrom s cm2)", "phot.flux.density;em.opt",
    ),
    "age_gyr": Column("Age of the older stars", "Gyr", "time.age"),
    "young_share": Column("Share of younger stars in the stars' light at 5500 Angstrom", "", "arith.ratio"),
    "young_age_gyr": Column("Age of the younger stars", "Gyr", "time.age"),
    "stellar_sigma_kms": Column("Velocity dispersion of the stars", "km/s", "phys.veloc.dispersion"),
    "gas_sigma_kms": Column("Velocity dispersion of the gas that emits narrow lines", "km/s", "phys.veloc.dispersion"),
    "gas_ebv": Column("Colour excess E(B-V) of the gas by the object's own dust", "mag", "phot.color.excess"),
    "gas_ha_ew_aa": Column("Equivalent width of narrow H-alpha; 0 without gas", "Angstrom", "spect.line.eqWidth"),
    "gas_log_nii_ha": Column("log10 [NII] 6585 / H-alpha of the gas", "", "phot.flux;arith.ratio"),
    "gas_log_oiii_hb": Column("log10 [OIII] 5008 / H-beta of the gas", "", "phot.flux;arith.ratio"),
    "nuclear_share": Column("Share of the nuclear continuum in the light at 5500 Angstrom", "", "arith.ratio"),
    "slope": Column("Slope of the nuclear continuum, flux per Angstrom", "", "spect.index"),
    "blr_ew_aa": Column("Equivalent width of broad H-alpha; 0 without", "Angstrom", "spect.line.eqWidth"),
    "blr_sigma_kms": Column("Standard deviation of broad lines; 0 without", "km/s", "spect.line.width"),
    "iron_ew_aa": Column("Equivalent width of FeII 4434-4684 by the nuclear continuum", "Angstrom",
                         "spect.line.eqWidth"),
}


class Source(SourceSettings):
    """A simulated SDSS-like survey of quiescent, star-forming and active galaxies with planted anomalies."""

    kind: ClassVar[str] = "spectrum"

    labelled: int = setting(
        600, "Objects with their label, a quarter of each class: quiescent, star-forming, narrow-line AGN, broad-line "
        "AGN.", unit="object", ge=4,
    )
    unlabelled: int = setting(400, "Objects of the same classes whose label is kept back.", unit="object", ge=0)
    anomalies: int = setting(
        40, "Planted anomalies (wrong redshift, two objects in one, a spurious line, missing lines, no features, "
        "broad absorption, a step of the flux calibration), without label.", unit="object", ge=0,
    )
    median_flux: float = setting(
        16.0, "Median flux density at 5500 Angstrom in the rest frame; objects scatter by 0.45 of its logarithm.",
        unit="1e-17 erg / (s cm2 Angstrom)", gt=0,
    )
    exposure_s: float = setting(2700.0, "Exposure; photons of object and sky are counted in it.", unit="s", gt=0)
    sky_residual: float = setting(
        0.03, "Fraction of the night sky's lines that its subtraction leaves, standard deviation.", ge=0, lt=1
    )
    masked_runs: float = setting(0.7, "Mean number of runs of bad pixels in a spectrum.", unit="run", ge=0, le=20)
    seed: int = setting(1, "Seed of the whole survey.", ge=0)


def expected(source: Source) -> Expected:
    """Return how many objects are simulated, and the size of their files."""
    number = source.labelled + source.unlabelled + source.anomalies
    return Expected(number, number * FILE_BYTES, labels=4)


def trial(number: int, prepare: SpectrumPrepareSettings) -> Source:
    """Return a survey of a few spectra of four labels; they cover 3800 to 9200 Angstrom, however they are prepared."""
    return Source(survey="simulated_spectra", labelled=number, unlabelled=0, anomalies=0)


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """Simulate the survey unless it is there already; return the manifest, a row per spectrum and the truth."""
    return simulated(_place(source, folder), lambda place: _simulate(source, place))


def _place(source: Source, folder: Path) -> Path:
    return folder / folder_name(source, source.seed, VERSION)


def _simulate(source: Source, place: Path) -> pd.DataFrame:
    """Write all files, and return what was drawn."""
    from astro_vae.surveys._spectra_population import draw_population
    from astro_vae.surveys._spectra_sky import Spectrograph

    truth = draw_population(
        source.seed, labelled=source.labelled, unlabelled=source.unlabelled, anomalies=source.anomalies,
        median_flux=source.median_flux,
    )
    spectrograph = Spectrograph(source.exposure_s, source.sky_residual, source.masked_runs)
    for number, row in enumerate(truth.to_dict("records")):
        loglam, observed = _observe(row, spectrograph, [source.seed, number, 1])
        _write(place / f"{row['object_id']}.fits", loglam, observed, row)
    return truth


def _observe(row: Mapping[Any, Any], spectrograph: Spectrograph, seed: list[int]) -> tuple[np.ndarray, Observed]:
    """Return log10 of the wavelengths (n,) of one object, and what was observed."""
    import numpy as np

    from astro_vae.surveys._spectra_objects import observable
    from astro_vae.surveys._spectra_sky import observe, pixels

    rng = np.random.default_rng(seed)
    loglam = pixels(rng)
    flux, calibration = observable(row, 10**loglam, rng)
    return loglam, observe(rng, 10**loglam, flux, spectrograph, calibration)


def _write(path: Path, loglam: np.ndarray, observed: Observed, row: Mapping[Any, Any]) -> None:
    """Write a file as the archive's lite files are; `model` is the spectrum without noise. It does not tell the class.

    The class of the pipeline, which has to be there, is GALAXY for all.
    """
    import numpy as np
    from astropy.io import fits

    from astro_vae.surveys._spectra_sky import resolution

    columns = {
        "flux": observed.flux, "loglam": loglam, "ivar": observed.ivar, "and_mask": observed.and_mask,
        "or_mask": observed.and_mask, "wdisp": resolution(10**loglam), "sky": observed.sky, "model": observed.model,
    }
    formats = {"and_mask": "J", "or_mask": "J"}
    coadd = fits.BinTableHDU.from_columns(
        [fits.Column(name, formats.get(name, "E"), array=values) for name, values in columns.items()], name="COADD"
    )
    good = observed.ivar > 0
    snr = np.median(observed.flux[good] * np.sqrt(observed.ivar[good]))
    cells = {
        "SURVEY": ("9A", "simulated"), "CLASS": ("6A", "GALAXY"), "SUBCLASS": ("1A", ""), "Z": ("D", row["redshift"]),
        "Z_ERR": ("E", row["redshift_err"]), "ZWARNING": ("J", 0), "PLUG_RA": ("D", row["ra"]),
        "PLUG_DEC": ("D", row["dec"]), "SOURCETYPE": ("6A", "GALAXY"), "SN_MEDIAN_ALL": ("E", snr),
    }
    catalogue = fits.BinTableHDU.from_columns(
        [fits.Column(name, form, array=[value]) for name, (form, value) in cells.items()], name="SPECOBJ"
    )
    primary = fits.PrimaryHDU()
    primary.header.update({
        "OBJECT": row["object_id"], "TELESCOP": "SIMULATED", "VACUUM": True, "COEFF0": float(loglam[0]), "COEFF1": 1e-4,
        "BUNIT": "1E-17 erg/cm^2/s/Ang",
    })
    fits.HDUList([primary, coadd, catalogue]).writeto(path)


def candidates(
    source: Source, folder: Path, manifest: pd.DataFrame, block: Block = WHOLE
) -> Iterator[Candidate]:
    """Yield the simulated objects in the order of their names."""
    from astro_vae.spectra.measure import DENSITY_UNIT
    from astro_vae.surveys._fits_file import UnreadableFileError
    from astro_vae.surveys._sdss_files import read_spectrum_file

    place = _place(source, folder)
    for row in block.of(read_truth(place)):
        known: dict[str, Any] = {
            "object_id": row["object_id"], "label": row["label"], "unit": DENSITY_UNIT, "ebv": row["ebv"],
            "extra": {name: row[name] for name in COLUMNS},
        }
        try:
            file = read_spectrum_file(place / f"{row['object_id']}.fits")
        except (UnreadableFileError, FileNotFoundError) as error:
            yield Candidate(values=None, reason=f"unreadable: {error}", **known)
            continue
        found = file.row
        yield Candidate(
            values=file.spectrum, redshift=found["Z"], ra=found["PLUG_RA"], dec=found["PLUG_DEC"], **known
        )
