"""A simulated FIRST-like survey: radio galaxies of known class, and planted anomalies. It needs no network.

Redshifts, sizes, flux densities and inclinations are drawn first; shape, position on the sky, beam, noise,
sidelobes and neighbours follow. Objects are FITS cutouts with WCS and units; what was drawn is in truth.csv
beside them. Two thirds of the FRI and FRII sources by default are labelled, everything else is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.columns import Column
from astro_vae.section import setting
from astro_vae.settings import ExecutionSettings, SourceSettings
from astro_vae.settings_images import PrepareSettings
from astro_vae.surveys._simulated import folder_name, read_truth, simulated
from astro_vae.surveys._simulated import link as link
from astro_vae.surveys.candidate import WHOLE, Block, Candidate, Expected

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

KIND = "image"
FITS_BLOCK = 2880  # bytes; the header takes one
VERSION = 1  # raised when the same settings give other images
COLUMNS = {
    "true_class": Column("Class that was simulated", ucd="src.class"),
    "is_anomaly": Column("1 where an anomaly was planted", ucd="meta.code"),
    "true_flux_mjy": Column("Flux density of the source that was simulated", "mJy", "phot.flux.density;em.radio"),
    "true_size_arcsec": Column("Projected size that was simulated, along both arms", "arcsec", "phys.angSize"),
    "true_position_angle_deg": Column("Position angle of the jets that was simulated", "deg", "pos.posAng"),
    "inclination_deg": Column("Angle between the approaching jet and the line of sight", "deg", "pos.incl"),
    "redshift": Column("Redshift of the host galaxy", ucd="src.redshift"),
    "size_kpc": Column("Size of the source, not projected", "kpc", "phys.size"),
    "log_power": Column("Logarithm of the power at 1.4 GHz (W/Hz)", ucd="phys.luminosity"),
    "n_neighbours": Column("Unrelated components in the field", ucd="meta.number"),
}


class Source(SourceSettings):
    """A simulated FIRST-like survey of FRI, FRII, compact and bent sources with planted anomalies."""

    labelled: int = setting(600, "FRI and FRII sources with their label, half of each.", unit="object", ge=2)
    unlabelled: int = setting(300, "FRI and FRII sources whose label is kept back.", unit="object", ge=0)
    other: int = setting(120, "Compact and bent sources, half of each, without label.", unit="object", ge=0)
    anomalies: int = setting(
        40, "Planted anomalies (rings, X-shapes, double-doubles, one-sided jets, artefacts), without label.",
        unit="object", ge=0,
    )
    size: int = setting(212, "Side of the cutouts.", unit="pixel", ge=32)
    pixel_arcsec: float = setting(1.8, "Side of a pixel.", unit="arcsec", gt=0)
    beam_arcsec: float = setting(5.4, "Beam, full width at half maximum.", unit="arcsec", gt=0)
    noise_mjy: float = setting(0.15, "Noise, correlated over the beam.", unit="mJy/beam", gt=0)
    stripe_sigma: float = setting(0.35, "Typical amplitude of sidelobe stripes.", unit="sigma", ge=0)
    neighbour_density: float = setting(
        90.0, "Mean number of unrelated sources above 1 mJy per square degree.", unit="1/deg2", ge=0
    )
    min_flux_mjy: float = setting(40.0, "Faintest total flux density.", unit="mJy", gt=0)
    seed: int = setting(1, "Seed of the whole survey.")


def expected(source: Source) -> Expected:
    """Return how many objects are simulated, and the size of their FITS files."""
    number = source.labelled + source.unlabelled + source.other + source.anomalies
    pixels = -(-4 * source.size**2 // FITS_BLOCK) * FITS_BLOCK
    return Expected(number, number * (FITS_BLOCK + pixels), labels=2)


def trial(number: int, prepare: PrepareSettings) -> Source:
    """Return a survey of a few sources of two labels, in cutouts as large as those that are prepared."""
    return Source(
        survey="simulated_radio", labelled=number, unlabelled=0, other=0, anomalies=0, size=max(prepare.size, 32)
    )


def obtain(source: Source, folder: Path, *, execution: ExecutionSettings) -> pd.DataFrame:
    """Simulate the survey unless it is there already; return the manifest, a row per FITS file and the truth."""
    return simulated(_place(source, folder), lambda place: _simulate(source, place))


def _place(source: Source, folder: Path) -> Path:
    return folder / folder_name(source, source.seed, VERSION)


def _simulate(source: Source, place: Path) -> pd.DataFrame:
    """Write all files, and return what was drawn."""
    import numpy as np

    from astro_vae.surveys._radio_population import draw_population
    from astro_vae.surveys._radio_sky import Telescope

    truth = draw_population(
        np.random.default_rng(source.seed), labelled=source.labelled, unlabelled=source.unlabelled, other=source.other,
        anomalies=source.anomalies, min_flux_mjy=source.min_flux_mjy,
    )
    telescope = Telescope(source.size, source.pixel_arcsec, source.beam_arcsec, source.noise_mjy / 1000,
                          source.stripe_sigma)
    counts = []
    for i, row in enumerate(truth.to_dict("records")):
        image, count = _image(row, telescope, source.neighbour_density, np.random.default_rng([source.seed, i]))
        counts.append(count)
        _write(place / f"{row['object_id']}.fits", image, row, source)
    return truth.assign(n_neighbours=counts)


def _image(row: Mapping[Any, Any], telescope: Any, density: float, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Return the image of one source (Jy/beam), and the number of unrelated components in it."""
    from astro_vae.surveys import _radio_sky as sky
    from astro_vae.surveys._radio_sources import SHAPES, Geometry

    shape = SHAPES[row["true_class"]](rng, Geometry(row["true_size_arcsec"] / 2, row["inclination_deg"]))
    image = sky.render(shape.scaled(row["true_flux_mjy"] / 1000), telescope, row["true_position_angle_deg"])
    others = sky.neighbours(rng, telescope, density)
    if others is not None:
        image += sky.render(others, telescope, 0.0)
    peak = image.max() / telescope.noise
    image += sky.noise(rng, telescope)
    image += sky.stripes(rng, telescope, telescope.stripe_sigma * rng.lognormal(0, 0.5))
    if row["true_class"] == "artefact":  # what a failed calibration leaves scales with the source
        image += sky.stripes(rng, telescope, max(rng.uniform(8, 15), rng.uniform(0.1, 0.3) * peak), rays=3)
    return image, 0 if others is None else len(others.flux)


def _write(path: Path, image: np.ndarray, row: Mapping[Any, Any], source: Source) -> None:
    """Write a cutout with WCS, unit and beam; its header does not tell the class."""
    from astropy.io import fits

    unit = fits.PrimaryHDU(image.astype(">f4"))
    scale, centre, beam = source.pixel_arcsec / 3600, (source.size + 1) / 2, source.beam_arcsec / 3600
    unit.header.update({
        "OBJECT": row["object_id"], "TELESCOP": "SIMULATED", "BUNIT": "JY/BEAM", "BMAJ": beam, "BMIN": beam, "BPA": 0.0,
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "CRPIX1": centre,
        "CRPIX2": centre, "CRVAL1": row["ra"], "CRVAL2": row["dec"], "CDELT1": -scale, "CDELT2": scale,
        "RADESYS": "ICRS",
    })
    unit.writeto(path)


def candidates(
    source: Source, folder: Path, manifest: pd.DataFrame, block: Block = WHOLE
) -> Iterator[Candidate]:
    """Yield the simulated objects in the order of their names."""
    from astro_vae.surveys.fits import UnreadableFileError, read_fits_image

    place = _place(source, folder)
    for row in block.of(read_truth(place)):
        extra = {name: row[name] for name in COLUMNS}
        known: dict[str, Any] = {"object_id": row["object_id"], "label": row["label"], "extra": extra}
        try:
            image = read_fits_image(place / f"{row['object_id']}.fits")
        except (UnreadableFileError, FileNotFoundError) as error:
            yield Candidate(values=None, reason=f"unreadable: {error}", **known)
            continue
        yield Candidate(
            values=image.values, ra=image.ra, dec=image.dec, unit=image.unit, pixel_arcsec=image.pixel_arcsec,
            beam=image.beam, north_deg=image.north_deg, **known,
        )
