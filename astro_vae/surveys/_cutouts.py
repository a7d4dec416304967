"""Read the FITS cutouts of a survey that publishes one file per object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from astro_vae.surveys.candidate import Candidate

if TYPE_CHECKING:
    import pandas as pd


def known_files(survey: str) -> dict[str, tuple[str, ...]]:
    """Return what `<survey>_fits.csv` beside this module lists of each file: its MD5 and so on, by name."""
    lines = Path(__file__).with_name(f"{survey}_fits.csv").read_text(encoding="utf-8").splitlines()[1:]
    return {name: tuple(rest) for name, *rest in (line.split(",") for line in lines)}


def read_cutouts(folder: Path, manifest: pd.DataFrame, known: Callable[[str], Candidate]) -> Iterator[Candidate]:
    """Yield an object per FITS file of the manifest: with its image, or with the reason why it has none.

    Parameters
    ----------
    folder : Path
        Of the downloads.
    manifest : DataFrame
        Files that are no FITS files are passed over.
    known : callable
        Takes the name of a file without its ending, and returns what is known of the object beside its image. A
        reason that it gives is kept.
    """
    for file in manifest.to_dict("records"):
        if not file["path"].endswith(".fits"):
            continue
        one = known(Path(file["path"]).name.removesuffix(".fits"))
        if file["status"] != "ok":
            yield replace(one, reason=f"{file['status']}: {file['reason']}")
        else:
            yield _with_image(one, folder / file["path"])


def _with_image(known: Candidate, path: Path) -> Candidate:
    from astro_vae.surveys.fits import UnreadableFileError, read_fits_image

    try:
        image = read_fits_image(path)
    except UnreadableFileError as error:
        return replace(known, reason=str(error))
    return replace(
        known, values=image.values, unit=image.unit, ra=image.ra, dec=image.dec, pixel_arcsec=image.pixel_arcsec,
        beam=image.beam, north_deg=image.north_deg,
    )
