"""What every group of settings is built of: a described field, a section that refuses unknown keys, clear errors."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from astro_vae.errors import UserError


def setting(default: Any, meaning: str, *, unit: str = "", **constraints: Any) -> Any:
    """Describe one setting: its default (`...` where it must be given), meaning and unit."""
    extra: Any = {"unit": unit} if unit else None
    if isinstance(default, (dict, list)):
        constraints["default_factory"] = default.copy
    else:
        constraints["default"] = default
    return Field(description=meaning, json_schema_extra=extra, **constraints)


class Section(BaseModel):
    """A group of settings; unknown keys are refused with the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for key in data:
                if key not in cls.model_fields:
                    raise ValueError(unknown(key, cls.model_fields))
        return data


def unknown(key: object, known: Mapping[str, Any]) -> str:
    """Say that a key is not known, and which known one is nearest."""
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else "known here: " + ", ".join(sorted(known))
    return f"unknown setting '{key}'; {hint}"


def validate(
    model: type[Section], data: Any, *, origin: str, sources: Mapping[str, type[Section]] | None = None
) -> Any:
    """Validate `data` as `model`, or raise a `UserError` that names origin, key and remedy, a line each."""
    try:
        return model.model_validate(data, context={"sources": sources or {}})
    except ValidationError as error:
        lines = [f"  {_place(e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
        raise UserError(f"{origin}: these settings cannot be used:\n" + "\n".join(lines)) from None


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "(top)"
