"""Read a spectrum from a file of whatever origin: an SDSS file, or a table of wavelength, flux and error."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.spectra.measure import DENSITY_UNIT
from astro_vae.spectra.spectrum import Spectrum
from astro_vae.surveys._fits_file import UnreadableFileError, check_rows, open_fits, packing
from astro_vae.surveys._sdss_files import MAX_PIXELS, read_spectrum_file
from astro_vae.surveys.listing import FITS

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import Table

WAVE = ("wavelength", "wave", "lambda", "lam", "wl", "spectral_axis")
LOG_WAVE = ("loglam", "log_wave", "log_lambda")
FLUX = ("flux", "flux_density", "f_lambda", "flam", "flux_reduced")
ERROR = ("error", "err", "flux_err", "flux_error", "sigma", "uncertainty", "noise", "e_flux")
IVAR = ("ivar", "inverse_variance", "weight")
SDSS = ("spec-", (".fits", ".fits.gz"))  # how names of files of that survey begin and end
MAX_TEXT = 2**26  # bytes of a text table
KEYWORDS = {"redshift": ("Z", "REDSHIFT"), "ra": ("RA", "RA_TARG"), "dec": ("DEC", "DEC_TARG")}


@dataclass(frozen=True)
class SpectrumTable:
    """A spectrum in hand, as observed.

    Attributes
    ----------
    spectrum : Spectrum
        In the unit `spectra.measure.DENSITY_UNIT`.
    known : dict
        `redshift`, `ra`, `dec` (deg), those that the file says.
    """

    spectrum: Spectrum
    known: dict[str, Any] = field(default_factory=dict)


def read_table(
    path: Path, *, wavelengths: str, wavelength_unit: str, flux_unit: str, bad_bits: tuple[str, ...] = ()
) -> SpectrumTable:
    """Read an SDSS file, or a table with columns of wavelength, flux and error or inverse variance.

    Parameters
    ----------
    path : Path
        FITS, ECSV, or a text table with a header line.
    wavelengths : {"header", "vacuum", "air"}
    wavelength_unit, flux_unit : str
        Where the table does not say its own.
    bad_bits : tuple of str
        Of an SDSS file; see `read_spectrum_file`.

    Raises
    ------
    UnreadableFileError
        If it is damaged, or a column is not there.
    """
    if path.name.startswith(SDSS[0]) and path.name.endswith(SDSS[1]):
        file = read_spectrum_file(path, bad_bits)
        row = {"redshift": "Z", "ra": "PLUG_RA", "dec": "PLUG_DEC"}
        return SpectrumTable(file.spectrum, {k: float(file.row[name]) for k, name in row.items() if name in file.row})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of many instruments break small rules of the standard
        table = _table(path)
        columns = {name.lower(): name for name in table.colnames}
        wave = _wave(table, columns, wavelength_unit)
        flux, error = _flux(table, columns, flux_unit)
    header = {str(key).upper(): value for key, value in table.meta.items()}
    if not len(wave) == len(flux) == len(error):
        raise UnreadableFileError(f"columns of {len(wave)} wavelengths, {len(flux)} fluxes and {len(error)} errors")
    spectrum = Spectrum(wave, flux, _ivar(error), in_air=_in_air(header, wavelengths))
    return SpectrumTable(_growing(spectrum), _said(header))


def _table(path: Path) -> Table:
    return _fits_table(path) if path.name.lower().endswith(FITS) else _text_table(path)


def _fits_table(path: Path) -> Table:
    """Return the first table of a FITS file."""
    from astropy.table import Table

    with open_fits(path) as units:
        tables = [unit for unit in units if unit.header.get("XTENSION", "").strip() in ("BINTABLE", "TABLE")]
        if not tables:
            raise UnreadableFileError("no table in the FITS file")
        check_rows(tables[0], MAX_PIXELS)
        table = Table.read(tables[0], format="fits")
        table.meta = {**units[0].header, **table.meta}
        return table


def _text_table(path: Path) -> Table:
    from astropy.table import Table

    size = path.stat().st_size
    if size == 0:
        raise UnreadableFileError("empty file: 0 bytes")
    if size > MAX_TEXT:
        raise UnreadableFileError(f"too large to be one object: a text table of {size} bytes")
    if packing(path):  # it would be unpacked, to whatever size
        raise UnreadableFileError("no text table but a packed file: unpack it")
    formats = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv"}
    try:
        return Table.read(path, format=formats.get(path.suffix.lower(), "ascii"))
    except Exception as error:  # damage shows in many ways: ValueError, InconsistentTableError, YAMLError, …
        raise UnreadableFileError(f"no table, or damaged ({type(error).__name__}: {error})") from None


def _find(columns: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((columns[name] for name in names if name in columns), None)


def _wave(table: Table, columns: dict[str, str], unit: str) -> np.ndarray:
    """Return the wavelengths in Angstrom."""
    linear, log = _find(columns, WAVE), _find(columns, LOG_WAVE)
    if linear is None and log is None:
        raise UnreadableFileError(f"no column of wavelengths: {WAVE[0]} or another of {', '.join(WAVE + LOG_WAVE)}")
    if linear is None:
        return 10 ** _numbers(table, str(log))
    return _in_unit(table, linear, unit, "Angstrom")


def _flux(table: Table, columns: dict[str, str], unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Return flux densities and their errors in `DENSITY_UNIT`."""
    flux, error, ivar = (_find(columns, names) for names in (FLUX, ERROR, IVAR))
    if flux is None or (error is None and ivar is None):
        missing = "flux" if flux is None else "errors: error or ivar"
        raise UnreadableFileError(f"no column of {missing}; found: {', '.join(table.colnames)}")
    values = _in_unit(table, flux, unit, DENSITY_UNIT)
    if error is not None:
        own = str(table[error].unit or table[flux].unit or unit)
        return values, _in_unit(table, error, own, DENSITY_UNIT)
    scale = _in_unit(table, flux, unit, DENSITY_UNIT, values=1.0)
    return values, scale * _error(_numbers(table, str(ivar)))


def _error(ivar: np.ndarray) -> np.ndarray:
    import numpy as np

    return 1 / np.sqrt(np.where(ivar > 0, ivar, np.nan))


def _ivar(error: np.ndarray) -> np.ndarray:
    import numpy as np

    good = np.isfinite(error) & (error > 0)
    return np.where(good, 1 / np.where(good, error, 1) ** 2, 0)


def _numbers(table: Table, name: str) -> np.ndarray:
    import numpy as np

    try:
        return np.ma.filled(np.ma.asarray(table[name], dtype=np.float64), np.nan).ravel()
    except (TypeError, ValueError):
        raise UnreadableFileError(f"column '{name}' is not of numbers") from None


def _in_unit(table: Table, name: str, unit: str, wanted: str, values: float | None = None) -> Any:
    """Return a column, or a value in its unit, in the wanted unit."""
    from astropy import units

    own = table[name].unit or unit
    try:
        factor = units.Unit(own).to(units.Unit(wanted))
    except (ValueError, TypeError) as error:
        raise UnreadableFileError(f"column '{name}' in '{own}' cannot be turned to '{wanted}': {error}") from None
    return factor * (_numbers(table, name) if values is None else values)


def _growing(spectrum: Spectrum) -> Spectrum:
    if len(spectrum.wave_aa) > 1 and spectrum.wave_aa[0] > spectrum.wave_aa[-1]:
        return Spectrum(spectrum.wave_aa[::-1], spectrum.flux[::-1], spectrum.ivar[::-1], spectrum.in_air)
    return spectrum


def _in_air(header: dict[str, Any], wavelengths: str) -> bool:
    if wavelengths != "header":
        return wavelengths == "air"
    if "AIRORVAC" in header:
        return str(header["AIRORVAC"]).strip().lower() == "air"
    return str(header.get("VACUUM", "T")).strip().lower() in ("f", "false", "0")


def _said(header: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, keywords in KEYWORDS.items():
        value = next((header[key] for key in keywords if key in header), None)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            found[name] = float(value)
    return found
