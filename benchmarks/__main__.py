"""Print every ratio: `python -m benchmarks [NAME …]`."""

from __future__ import annotations

import sys

from benchmarks import augmenting, starting, storing, training

ALL = {module.__name__.rpartition(".")[2]: module.ratios for module in (starting, augmenting, storing, training)}


def main(names: list[str]) -> None:
    """Run the benchmarks by name, all of them without a name."""
    for name in names or ALL:
        for text in ALL[name]():
            print(f"{name}: {text}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
