"""Divide objects into training, validation and test, by position on the sky, before any augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.files import atomic, step_lock
from astro_vae.objects import Objects, open_objects
from astro_vae.settings import SplitSettings
from astro_vae.steps._examples import read_rows
from astro_vae.steps._own_parts import own_parts


def split(settings: SplitSettings, *, objects: Path, out: Path) -> None:
    """Write the part of each usable object: object_id, group, part, reason.

    Objects of one group show the same piece of sky and share a part: those closer than
    `settings.radius_arcsec`, in chains; where there is no position, those whose images are alike.

    Parameters
    ----------
    settings : SplitSettings
    objects : Path
        The file of the step prepare.
    out : Path
        The split, as CSV; part is train, validation, test or dropped.

    Raises
    ------
    UserError
        If there are too few groups for the parts that are asked for, or a table of parts does not suit.
    """
    opened = open_objects(objects)
    table = opened.usable.reset_index(drop=True)
    group = groups(opened, table, settings.radius_arcsec)
    part, reason = _given(settings, table, group)
    _draw(table, group, part, settings, origin=objects)
    made = pd.DataFrame({"object_id": table["object_id"], "group": group, "part": part, "reason": reason})
    with step_lock(out.parent, "split"), atomic(out) as partial:
        made.to_csv(partial, index=False)
    counts = made["part"].value_counts()
    print(f"{len(made)} objects in {group.max() + 1} groups: " + ", ".join(f"{n} {p}" for p, n in counts.items()))


def groups(objects: Objects, table: pd.DataFrame, radius_arcsec: float) -> np.ndarray:
    """Return the group of each object (N,): numbers in the order of their first object."""
    placed = np.flatnonzero(table["ra"].notna() & table["dec"].notna())
    others = np.setdiff1d(np.arange(len(table)), placed)
    pairs = [placed[near(table["ra"].to_numpy()[placed], table["dec"].to_numpy()[placed], radius_arcsec)]]
    if len(others):
        rows = table["row"].to_numpy()[others]
        pairs.append(others[kinds.kind(objects.attributes["kind"]).twins.twins(read_rows(objects, rows))])
    i, j = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(table), len(table)))
    return pd.factorize(connected_components(graph, directed=False)[1])[0]


def near(ra_deg: np.ndarray, dec_deg: np.ndarray, radius_arcsec: float) -> np.ndarray:
    """Return the pairs (P, 2) of positions that lie within the radius of each other, on the sphere."""
    if not len(ra_deg):
        return np.empty((0, 2), dtype=np.int64)
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    vectors = np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])  # (N, 3)
    chord = 2 * np.sin(np.radians(radius_arcsec / 3600) / 2)
    return cKDTree(vectors).query_pairs(chord, output_type="ndarray").reshape(-1, 2).astype(np.int64)


def _given(settings: SplitSettings, table: pd.DataFrame, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts that stand before any is drawn ("": to be drawn), and why: those of a table, or published."""
    part, reason = np.full((2, len(table)), "", dtype=object)
    if settings.table:
        path = Path(settings.table).expanduser()
        named = own_parts(path, settings.column, table)
        part[named == ""], reason[named == ""] = "dropped", f"not in {path.name}"
        _keep(named, f"test part of {path.name}", table, group, part, reason)
    elif settings.published:
        _keep(table["published_part"].to_numpy(), "published test part", table, group, part, reason)
    return part, reason


def _keep(
    named: np.ndarray, words: str, table: pd.DataFrame, group: np.ndarray, part: np.ndarray, reason: np.ndarray
) -> None:
    """Keep the named parts (N,), in place, and drop the twins of a test source from the rest."""
    test = named == "test"
    part[test], reason[test] = "test", words
    part[named == "validation"] = "validation"
    names = pd.Series(table["object_id"].to_numpy()[test], index=group[test])
    names = names[~names.index.duplicated()]
    for i in np.flatnonzero(np.isin(group, names.index) & (part != "test") & (part != "dropped")):
        part[i], reason[i] = "dropped", f"same sky as {names[group[i]]} of the {words}"
    part[(part == "") & np.isin(group, group[part == "validation"])] = "validation"


def _draw(table: pd.DataFrame, group: np.ndarray, part: np.ndarray, settings: SplitSettings, *, origin: Path) -> None:
    """Give a part, in place, to all objects that have none, group by group, in proportion per label."""
    free = pd.DataFrame({"group": group, "label": table["label"]})[part == ""].drop_duplicates("group")
    rng = np.random.default_rng(settings.seed)
    # Groups in random order within each label, of which each part takes evenly spaced ones.
    queue = free.iloc[rng.permutation(len(free))].sort_values("label", kind="stable")["group"].to_numpy()
    wanted = {"validation": settings.validation_fraction, "test": settings.test_fraction}
    total, drawn = len(queue), {}
    for name in ("test", "validation"):
        if name not in part:
            count = max(1, round(wanted[name] * total)) if wanted[name] > 0 else 0
            drawn[name], queue = _every(queue, count)
    if not len(queue):
        raise UserError(
            f"{origin}: {total} groups of objects are too few for training, validation and test; "
            "give more objects, or make split.radius_arcsec smaller"
        )
    for name, chosen in {**drawn, "train": queue}.items():
        part[(part == "") & np.isin(group, chosen)] = name


def _every(queue: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Take `count` evenly spaced entries out of a queue; return them, and the rest."""
    count = min(count, len(queue))
    taken = np.floor((np.arange(count) + 0.5) * len(queue) / max(count, 1)).astype(int)
    return queue[taken], np.delete(queue, taken)
