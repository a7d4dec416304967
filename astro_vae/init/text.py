"""Write choices as a configuration file with the reasons beside the settings."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from astro_vae.init.choose import Choice

PLAIN = re.compile(r"[a-z_]+")
COMMENT_COLUMN = 34


def config_text(name: str, choices: Sequence[Choice], head: Sequence[str]) -> str:
    """Return the text of a configuration file for one survey.

    Parameters
    ----------
    name : str
        Of the survey.
    choices : sequence of Choice
        Keys with dots; those of one section follow one another.
    head : sequence of str
        Lines of the comment at the top.
    """
    lines = [*(f"# {line}".rstrip() for line in head), "surveys:", f"  {json.dumps(name)}:"]
    live = {tuple(c.key.split(".")[:depth]) for c in choices if not c.off for depth in range(1, c.key.count(".") + 1)}
    above: list[str] = []
    for choice in choices:
        *sections, key = choice.key.split(".")
        shared = next((i for i, (a, b) in enumerate(zip(above, sections, strict=False)) if a != b),
                      min(len(above), len(sections)))
        for depth, section in list(enumerate(sections))[shared:]:  # one without a setting would be empty
            off = "" if tuple(sections[: depth + 1]) in live else "# "
            lines.append(f"{'  ' * (2 + depth)}{off}{section}:")
        above = sections
        lines.append(_line("  " * (2 + len(sections)), key, choice))
    return "\n".join(lines) + "\n"


def _line(indent: str, key: str, choice: Choice) -> str:
    setting = f"{indent}{'# ' if choice.off else ''}{key}: {_value(choice.value)}"
    return f"{setting:<{COMMENT_COLUMN}} # {choice.reason}" if choice.reason else setting


def _value(value: Any) -> str:
    """Return a value as YAML, of which JSON is a part."""
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
