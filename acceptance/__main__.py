"""Run what is too long for the tests: `python -m acceptance [NAME …]`.

Each target keeps its work in its own folder under `ASTRO_VAE_ACCEPTANCE` (by default beside the clone),
so that an interruption costs nothing and a finished target is not run again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from acceptance import folder, frdeep, init, interrupted, memory, network, outliers, sdss, study, surveys

ROOT = Path(__file__).parents[1]

TARGETS: dict[str, Callable[[Path, Path], str]] = {
    "interrupted": interrupted.run,
    "network": network.run,
    "folder": folder.run,
    "init": init.run,
    "memory": memory.run,
    "surveys": surveys.run,
    "study": study.run,
    "frdeep": frdeep.run,
    "sdss": sdss.run,
    "outliers": outliers.run,
}


def main(names: list[str]) -> int:
    """Run the targets by name, all of them without a name; return how many failed."""
    unknown = set(names) - set(TARGETS)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    base = Path(os.environ.get("ASTRO_VAE_ACCEPTANCE", ROOT.parent / "astro_vae_acceptance"))
    failed = 0
    for name in names or TARGETS:
        place = base / name
        place.mkdir(parents=True, exist_ok=True)
        said = place / "said.txt"
        if said.exists():
            print(f"{name}: done before\n{said.read_text()}")
            continue
        try:
            text = TARGETS[name](place, ROOT)
        except AssertionError as error:
            failed += 1
            print(f"{name}: FAILED: {error}")
        else:
            said.write_text(text)
            print(f"{name}: passed\n{text}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
