"""The spectra of the hosts of MiraBest's radio galaxies: its catalogue names plate, date and fibre of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from astro_vae.errors import UserError
from astro_vae.surveys import mirabest

if TYPE_CHECKING:
    import pandas as pd

MIRABEST = "mirabest"  # as `sample`: the catalogue of that survey
MORPHOLOGY = {"1": "FRI", "2": "FRII", "3": "hybrid"}
"""Labels by the first digit of a class code, whether or not the class is certain; 4 is none of them."""


def radio_hosts(folder: Path) -> pd.DataFrame:
    """Read MiraBest's catalogue as a sample of spectra.

    Returns
    -------
    DataFrame
        Columns plate, mjd, fiber, run2d (empty: the catalogue does not say), label (FRI, FRII or hybrid, confident or
        not; empty where it could not be told), code, radio_object (MiraBest's name), log_power (of the radio emission
        at 1.4 GHz in W/Hz) and las_arcsec; all but the first three are texts. Sources too large for MiraBest's
        cutouts (270 arcsec) are left out.

    Raises
    ------
    UserError
        If the catalogue is not there.
    """
    import pandas as pd

    path = folder / mirabest.CATALOGUE
    if not path.is_file():
        raise UserError(f"{path}: no such file; run the step 'download' again")
    rows = []
    for name, known in mirabest.catalogue_rows(path).items():
        fields = mirabest.NAME.fullmatch(name)
        rows.append({
            "plate": known["sdss_plate"], "mjd": known["sdss_mjd"], "fiber": known["sdss_fiber"], "run2d": "",
            "label": MORPHOLOGY.get(name[0], ""), "code": name[:3], "radio_object": name,
            "log_power": str(known["log_power"]), "las_arcsec": fields["las"] if fields else "",
        })
    return pd.DataFrame(rows).drop_duplicates(["plate", "mjd", "fiber"], ignore_index=True)
