"""What simulated surveys have in common: a folder for each set of settings, complete or not there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.errors import UserError
from astro_vae.settings import SourceSettings
from astro_vae.surveys.candidate import Candidate

if TYPE_CHECKING:
    import pandas as pd

TRUTH = "truth.csv"


def link(source: SourceSettings, candidate: Candidate) -> str:
    """Return no address: what is simulated lies nowhere on the sky."""
    return ""


def folder_name(source: SourceSettings, seed: int, version: int) -> str:
    """Return the name of the folder for these settings: another setting or version, another folder."""
    text = json.dumps(source.model_dump(mode="json", exclude={"min_fraction"}) | {"version": version}, sort_keys=True)
    return f"seed{seed}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def simulated(place: Path, simulate: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """Simulate a survey unless it is there already; return the manifest, a row per FITS file and the truth.

    Parameters
    ----------
    place : Path
        The folder; it gets its name when it is complete.
    simulate : callable
        Writes all FITS files into a folder, and returns the table of what was drawn.
    """
    import pandas as pd

    from astro_vae.download import COLUMNS
    from astro_vae.files import checksum

    if not (place / TRUTH).is_file():
        partial = place.with_name(f".{place.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        simulate(partial).to_csv(partial / TRUTH, index=False)
        shutil.rmtree(place, ignore_errors=True)
        partial.rename(place)
    rows = [
        {"address": f"simulated:{place.name}/{p.name}", "path": f"{place.name}/{p.name}", "bytes": p.stat().st_size,
         "checksum": f"sha256:{checksum(p)}", "status": "ok", "reason": ""}
        for p in [*sorted(place.glob("*.fits")), place / TRUTH]
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_truth(place: Path) -> list[dict[Any, Any]]:
    """Return the rows of the table of what was drawn, or raise a `UserError` where it has gone."""
    import pandas as pd

    try:
        return pd.read_csv(place / TRUTH, keep_default_na=False).to_dict("records")
    except FileNotFoundError:
        raise UserError(f"{place / TRUTH}: no such file; run the step 'download' again") from None
