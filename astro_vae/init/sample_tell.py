"""Say what was found in a list of SDSS spectra, and what is odd about it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astro_vae.init.sample import DEFAULT, Listed, chosen_range, ends, numbers
from astro_vae.init.tell import counted, size, span
from astro_vae.surveys import sdss
from astro_vae.surveys._sdss_sample import FIRST_BOSS_PLATE

REDUCTIONS = {"", "26", "103", "104"}  # of SDSS-I and II in the last release
FIRST_MJD = 51_000
FIBRES = 1000
EXAMPLE = (1.51, 2.2)  # redshifts of quasars with CIV and MgII


def facts(found: Listed) -> list[tuple[str, str]]:
    """Return what was found as pairs of words and values."""
    table, number = found.table, len(found.table)
    boss = int((table["plate"] >= FIRST_BOSS_PLATE).sum())
    ebv = f"column {found.ebv}: {span(numbers(table[found.ebv]), 'mag')}" if found.ebv else "none"
    return [
        ("list", f"{found.rows} rows, {number} spectra: {number - boss} of SDSS-I and II, {boss} of BOSS"),
        ("to fetch", f"about {size(number * sdss.FILE_BYTES)}, by the run; nothing is fetched now"),
        ("run2d", counted(table["run2d"]) if table["run2d"].any() else
         f"none (26 for plates below {FIRST_BOSS_PLATE}, which leaves out what is under 103 or 104 alone)"),
        ("redshift", f"column {found.redshift}: {span(found.redshifts, '')}; that of the file counts"
         if found.redshift else "not in the list; that of the file counts"),
        ("taken", _taken(found)),
        ("E(B-V)", ebv + ("" if found.ebv else "; dust of the Galaxy is not taken out")),
        ("could be labels", "; ".join(f"column {name}: {counted(_spelled(counts))}"
                                      for name, counts in found.candidates.items()) or "no column"),
    ]


def _spelled(counts: pd.Series) -> pd.Series:
    return pd.Series(np.repeat(counts.index.to_numpy(str), counts.to_numpy(int)))


def _taken(found: Listed) -> str:
    """Say in words which redshifts and wavelengths are taken, and what to set for others."""
    here = found.range
    low, high = (10 ** (here.bins.log_start + i * here.bins.log_step) for i in (0, here.bins.bins - 1))
    said = f"redshifts above {here.low:g} and up to {here.high:g}, on {low:.0f} to {high:.0f} Angstrom at rest"
    if here != DEFAULT or found.redshift:
        return said
    table = pd.DataFrame({"plate": FIRST_BOSS_PLATE}, index=range(2))
    example = chosen_range(ends(table, pd.Series(EXAMPLE)))
    return f"{said}; all others, as most quasars, are refused: for them set both, such as {example.said()}"


def odd(found: Listed) -> list[str]:
    """Return what a person should look at, a line each."""
    said, table = [], found.table
    if found.rows > len(table):
        said.append(f"{found.rows - len(table)} rows name a spectrum again; the first of each is kept")
    never = (table["plate"] < 1) | ~table["fiber"].between(1, FIBRES) | (table["mjd"] < FIRST_MJD)
    legacy = table["run2d"].str.isdigit()
    old = table["plate"] < FIRST_BOSS_PLATE
    astray = (old & ~table["run2d"].isin(REDUCTIONS)) | (~old & legacy)
    for rows, what in ((never, f"cannot be of SDSS: fibres go from 1 to {FIBRES}, dates (mjd) from {FIRST_MJD}"),
                       (astray & ~never, f"have a run2d that does not go with the plate (26, 103 or 104 below "
                        f"{FIRST_BOSS_PLATE}, v5_... from there on): the archive will not have them")):
        if rows.any():
            one = sdss.name(table[rows].iloc[0].to_dict())
            said.append(f"{rows.sum()} of {len(table)} spectra {what}; such as {one}, run2d "
                        f"'{table['run2d'][rows].iloc[0]}'")
    return [*said, *_odd_redshifts(found), *_odd_extinction(found)]


def _odd_redshifts(found: Listed) -> list[str]:
    here, redshifts, said = found.range, found.redshifts, []
    stars = int(found.stars.sum())
    if stars:
        said.append(f"{stars} are of class STAR and will be refused; a run of stars needs source.classes: [STAR] and "
                    "source.redshift: [-0.01, 0.01]")
    out = redshifts.notna() & ~here.holds(redshifts) & ~found.stars
    beyond = out & (redshifts > here.high)
    if out.any():
        said.append(f"{out.sum()} of {len(redshifts)} spectra have a redshift that is not above {here.low:g} and up to "
                    f"{here.high:g}, and will be refused")
    if beyond.any():
        other = chosen_range(ends(found.table[beyond], redshifts[beyond]))
        if other != DEFAULT:
            said.append(f"  for {other.holds(redshifts[beyond]).sum()} of the {beyond.sum()} beyond, in a "
                        f"configuration of their own: {other.said()}")
    if found.doubtful.any():
        said.append(f"{found.doubtful.sum()} have a ZWARNING; those whose bits are not in source.allow_zwarning are "
                    "refused")
    return said


def _odd_extinction(found: Listed) -> list[str]:
    if not found.ebv:
        return []
    texts = found.table[found.ebv]
    wrong = (texts != "") & ~(pd.to_numeric(texts, errors="coerce") >= 0)
    if not wrong.any():
        return []
    return [f"{wrong.sum()} of {len(texts)} spectra have an E(B-V) that is below zero or no number, such as "
            f"'{texts[wrong].iloc[0]}', and will be refused; leave it empty where it is not known"]
