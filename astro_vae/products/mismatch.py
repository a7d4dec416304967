"""Say in what objects differ from those that a model was trained on, by the contract in its model.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from astro_vae import kinds
from astro_vae.errors import UserError
from astro_vae.surveys import OWN_FILES


def differences(attributes: Mapping[str, Any], contract: Mapping[str, Any]) -> list[str]:
    """Say in what a whole file differs: survey, scaled or not, unit, and how its values were made of those measured.

    Parameters
    ----------
    attributes : mapping
        Of an object file; see `astro_vae.objects.Objects`.
    contract : mapping
        Of a trained model.

    Raises
    ------
    UserError
        If it holds objects of another kind, of which a model can make nothing.
    """
    if attributes["kind"] != contract["kind"]:
        raise UserError(
            f"these objects are of kind '{attributes['kind']}', the model was trained on '{contract['kind']}'; "
            "give it objects of that kind"
        )
    found = []
    surveys = attributes["survey"], contract["survey"]
    if surveys[0] != surveys[1] and not {*surveys} & {*OWN_FILES.values()}:
        found.append(f"they are of the survey '{surveys[0]}', not '{surveys[1]}'")
    if bool(attributes["scaled"]) != bool(contract["scaled"]):
        sorts = {True: "8-bit images without a flux scale", False: "physical images"}
        found.append(f"they are {sorts[bool(attributes['scaled'])]}, not {sorts[bool(contract['scaled'])]}")
    elif attributes["unit"] != contract["unit"]:
        found.append(f"their unit is '{attributes['unit']}', not '{contract['unit']}'")
    return [*found, *_otherwise_prepared(attributes, contract)]


def _otherwise_prepared(attributes: Mapping[str, Any], contract: Mapping[str, Any]) -> list[str]:
    """Name the settings of `prepare` on which values depend, and which are not those of the training."""
    theirs, ours = (attributes.get("settings") or {}).get("prepare") or {}, contract.get("prepare") or {}
    names = [name for name in kinds.kind(contract["kind"]).cut.VALUES_DEPEND_ON if name in theirs and name in ours]
    return [
        f"they were prepared with prepare.{name} {theirs[name]}, not {ours[name]}" for name in names
        if theirs[name] != ours[name]
    ]


def differences_of_each(table: pd.DataFrame, contract: Mapping[str, Any]) -> np.ndarray:
    """Say in what each object differs, in the columns that `ALIKE` of its kind names: text (N,), empty where in none.

    What nothing was known of in the training is not looked at.

    Parameters
    ----------
    table : DataFrame, N rows
        Of an object file.
    contract : mapping
        Of a trained model.

    Raises
    ------
    UserError
        If the contract does not say it.
    """
    if contract.get("ranges") is None:
        raise UserError(
            "the model.json of this model does not say in what range the objects of its training lie; "
            "run the step 'train' again"
        )
    reasons = np.full(len(table), "", dtype=object)
    compared = kinds.kind(contract["kind"]).cut.ALIKE
    for column in [name for name in compared if name in contract["ranges"]]:
        alike, (low, high) = compared[column], contract["ranges"][column]
        least, most = alike.limits(low, high)
        values = table[column].to_numpy(float) if column in table else np.full(len(table), np.nan)
        outside = ~((values >= least) & (values <= most))  # NaN is outside
        wanted = f"{low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"{low:.4g} to {high:.4g}"
        for i in np.flatnonzero(outside):
            value = "not known" if np.isnan(values[i]) else f"{values[i]:.4g} {alike.unit}".strip()
            reason = f"{alike.words} {value}, the model was trained on {wanted} {alike.unit}".strip()
            reasons[i] = "; ".join(filter(None, (reasons[i], reason)))
    return reasons
