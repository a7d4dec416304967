"""Read a table of positions on the sky, in any format that astropy knows, as objects without values yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.errors import UserError
from astro_vae.surveys._own_tables import PLACES, read_own_table
from astro_vae.surveys.candidate import Candidate

if TYPE_CHECKING:
    import numpy as np

NAMES = {
    "ra": ("ra", "ra_deg", "radeg", "_raj2000", "raj2000", "ra_j2000", "_ra", "ra_icrs", "right_ascension", "alpha"),
    "dec": ("dec", "dec_deg", "decdeg", "_dej2000", "dej2000", "decj2000", "dec_j2000", "_de", "de_icrs", "dec_icrs",
            "dedeg", "declination", "delta"),
    "name": ("name", "object_id", "source_name", "designation", "main_id", "id"),
    "label": ("label",),
}
"""Names of the columns that are looked for, the best one first; capital letters make no difference."""


def read_positions(path: Path, *, setting: str = "source.positions") -> list[Candidate]:
    """Read a table of positions, which `setting` names; columns that are not looked for are kept as they are."""
    table = read_own_table(path, setting=setting, what="positions")
    names = {n.lower(): n for n in reversed(table.colnames)}
    found = {want: next((names[name] for name in known if name in names), "") for want, known in NAMES.items()}
    if not found["ra"] and not found["dec"]:  # a column of positions, of any name
        found |= {end[1:]: next((n for n in table.colnames if n.endswith(end)), "") for end in PLACES}
    if not found["ra"] or not found["dec"]:
        raise UserError(f"{path}: needs columns 'ra' and 'dec' (deg); found: {', '.join(table.colnames)}")
    positions = zip(*(_degrees(path, table[found[axis]]) for axis in ("ra", "dec")), strict=True)
    texts = [table[found[want]].tolist() if found[want] else [None] * len(table) for want in ("name", "label")]
    own = {name.strip().replace("/", "_"): table[name].tolist()  # "/" would nest a column
           for name in table.colnames if name not in found.values()}
    return [
        _target(ra, dec, name, label, {column: values[i] for column, values in own.items()})
        for i, ((ra, dec), name, label) in enumerate(zip(positions, *texts, strict=True))
    ]


def _target(ra: float, dec: float, name: Any, label: Any, extra: dict[str, Any]) -> Candidate:
    known = Candidate(_text(name), None, label=_text(label), extra=extra)
    if not (-180 <= ra <= 360 and -90 <= dec <= 90):
        reason = f"no position: ra {ra:g}, dec {dec:g} (deg)"
        return replace(known, object_id=known.object_id or "without name or position", reason=reason)
    return replace(known, object_id=known.object_id or place(ra % 360, dec), ra=ra % 360, dec=dec)


def place(ra: float, dec: float) -> str:
    """Return a name made of a position (deg)."""
    return f"{ra:010.6f}{dec:+010.6f}"  # 4 milliarcsec


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip()  # NaN: a column of numbers with a gap


def _degrees(path: Path, column: Any) -> np.ndarray:
    """Return a column of angles in degrees, NaN where it has no value."""
    import numpy as np

    if column.dtype.kind not in "fiu":
        example = column[0] if len(column) else "nothing"
        raise UserError(f"{path}: column '{column.name}' holds '{example}'; positions must be degrees, such as 149.17")
    values = np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
    try:
        return values if column.unit is None else (values * column.unit).to_value("deg")
    except (TypeError, ValueError):
        raise UserError(f"{path}: column '{column.name}' is in '{column.unit}'; positions must be degrees") from None
