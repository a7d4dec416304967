"""Read a spectrum from a file of whatever origin: an SDSS file, or a table of wavelength, flux and error."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.spectra.measure import DENSITY_UNIT
from astro_vae.spectra.spectrum import Spectrum
from astro_vae.surveys._fits_file import UnreadableFileError, check_rows, open_fits, packing
from astro_vae.surveys._sdss_files import MAX_PIXELS, has_columns_of_sdss, read_spectrum_file
from astro_vae.surveys.listing import FITS

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import Table

WAVE = ("wavelength", "wavelengths", "wave", "wave_aa", "lambda", "lam", "wl", "spectral_axis")
LOG_WAVE = ("loglam", "loglambda", "logwave", "log_wave", "log_lambda")
FLUX = ("flux", "flux_density", "f_lambda", "flambda", "flam", "flux_reduced")
ERROR = (
    "error", "errors", "err", "flux_err", "fluxerr", "flux_error", "err_flux", "error_flux", "sigma", "flux_sigma",
    "std", "flux_std", "uncertainty", "unc", "flux_unc", "noise", "e_flux", "eflux",
)
IVAR = ("ivar", "flux_ivar", "invvar", "inverse_variance", "weight")
SDSS = ("spec-", (".fits", ".fits.gz"))  # how names of files of that survey begin and end
SDSS_NAME = re.compile(r"spec-\d+-\d+-\d+\.fits(\.gz)?")
SPELLINGS = {  # of units in headers, whose "A" is no ampere
    re.compile(r"\b(A|AA|Ang|[aA]ngstroms|ANGSTROMS?)\b"): "Angstrom", re.compile(r"\bergs\b"): "erg",
    re.compile(r"\b(FLAM|flam)\b"): "erg Angstrom-1 s-1 cm-2",
}
SHORTEST_AA = 1000.0  # a table without a unit that ends below this is hardly in Angstrom
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
        A file of SDSS (`spec-*.fits` with that survey's columns); FITS, ECSV, or a text table with a header line.
    wavelengths : {"header", "vacuum", "air"}
    wavelength_unit, flux_unit : str
        Where the table does not say its own.
    bad_bits : tuple of str
        Of an SDSS file; see `read_spectrum_file`.

    Raises
    ------
    UnreadableFileError
        If it is damaged, a column is not there, or a unit is none of wavelengths, or of flux per wavelength.
    """
    if _is_sdss(path):
        file = read_spectrum_file(path, bad_bits)
        row = {"redshift": "Z", "ra": "PLUG_RA", "dec": "PLUG_DEC"}
        return SpectrumTable(file.spectrum, {k: float(file.row[name]) for k, name in row.items() if name in file.row})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of many instruments break small rules of the standard
        table = _table(path)
        columns = {name.lower(): name for name in table.colnames}
        wave = _wave(table, columns, wavelength_unit)
        flux, error = _flux(table, columns, flux_unit)
        _check_scale(wave, stated=bool((name := _find(columns, WAVE)) and table[name].unit))
    header = {str(key).upper(): value for key, value in table.meta.items()}
    if not len(wave) == len(flux) == len(error):
        raise UnreadableFileError(f"columns of {len(wave)} wavelengths, {len(flux)} fluxes and {len(error)} errors")
    spectrum = Spectrum(wave, flux, _ivar(error), in_air=_in_air(header, wavelengths))
    return SpectrumTable(_growing(spectrum), _said(header))


def _is_sdss(path: Path) -> bool:
    """Tell whether a file is one of SDSS: by its whole name, or by how that begins and by columns of HDU 1."""
    if SDSS_NAME.fullmatch(path.name):
        return True
    if not (path.name.startswith(SDSS[0]) and path.name.endswith(SDSS[1])):
        return False
    with open_fits(path) as units:
        return len(units) > 2 and has_columns_of_sdss(units[1])


def _table(path: Path) -> Table:
    return _fits_table(path) if path.name.lower().endswith(FITS) else _text_table(path)


def _fits_table(path: Path) -> Table:
    """Return the first table of a FITS file."""
    from astropy.table import Table

    with open_fits(path) as units:
        tables = [unit for unit in units if unit.header.get("XTENSION", "").strip() in ("BINTABLE", "TABLE")]
        if not tables:
            raise UnreadableFileError(
                "no table in the FITS file: write wavelength, flux and error as columns; an image of pixels is not read"
            )
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
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")  # some go on for pages
        raise UnreadableFileError(f"no table, or damaged: {type(error).__name__}: {first[:120]}") from None


def _find(columns: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((columns[name] for name in names if name in columns), None)


def _wave(table: Table, columns: dict[str, str], unit: str) -> np.ndarray:
    """Return the wavelengths in Angstrom."""
    linear, log = _find(columns, WAVE), _find(columns, LOG_WAVE)
    if linear is None and log is None:
        raise _missing("wavelengths", WAVE + LOG_WAVE, table)
    if linear is None:
        return 10 ** _numbers(table, str(log))
    wave: np.ndarray = _in_unit(table, linear, unit, "Angstrom", "wavelength_unit")
    return wave


def _check_scale(wave_aa: np.ndarray, *, stated: bool) -> None:
    """Refuse nanometres, micrometres and logarithms that no unit tells from Angstrom."""
    import numpy as np

    known = wave_aa[np.isfinite(wave_aa)]
    if not stated and len(known) and known.max() < SHORTEST_AA:
        raise UnreadableFileError(
            f"wavelengths without a unit: {known.min():g} to {known.max():g} is too short for Angstrom; set "
            f"source.wavelength_unit (nm, um), or name the column {LOG_WAVE[0]} if these are logarithms"
        )


def _missing(what: str, names: tuple[str, ...], table: Table) -> UnreadableFileError:
    found = ", ".join(table.colnames[:12])
    return UnreadableFileError(
        f"no column of {what}: found {found}; a header line must name it, as {names[0]} or {', '.join(names[1:])}"
    )


def _flux(table: Table, columns: dict[str, str], unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Return flux densities and their errors in `DENSITY_UNIT`."""
    flux, error, ivar = (_find(columns, names) for names in (FLUX, ERROR, IVAR))
    if flux is None:
        raise _missing("flux", FLUX, table)
    if error is None and ivar is None:
        raise _missing("errors", ERROR + IVAR, table)
    said = "flux_unit"
    values = _in_unit(table, flux, unit, DENSITY_UNIT, said)
    if error is not None:
        own = str(table[error].unit or table[flux].unit or unit)
        return values, _in_unit(table, error, own, DENSITY_UNIT, said)
    scale = _in_unit(table, flux, unit, DENSITY_UNIT, said, values=1.0)
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


def _in_unit(table: Table, name: str, unit: str, wanted: str, said: str, values: float | None = None) -> Any:
    """Return a column, or a value in its unit, in the wanted unit; where it has none, `said` is the setting of it."""
    from astropy import units

    own = known = str(table[name].unit or unit)
    for spelling, standard in SPELLINGS.items():
        known = spelling.sub(standard, known)
    try:
        factor = units.Unit(known).to(units.Unit(wanted))
    except (ValueError, TypeError):
        remedy = "mend the unit in the file" if table[name].unit else f"mend source.{said}"
        raise UnreadableFileError(
            f"column '{name}' in '{own}' cannot be turned to '{wanted}': {remedy}, or turn the values to that"
        ) from None
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
