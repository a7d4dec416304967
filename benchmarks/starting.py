"""How soon `--help` answers, against importing torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks._clock import compared, paired


def ratios() -> Iterator[str]:
    """Time fresh interpreters."""
    ours, theirs = paired(
        lambda: subprocess.run([sys.executable, "-m", "astro_vae", "--help"], check=True, capture_output=True),
        lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True),
        repeats=3,
    )
    yield compared("astro-vae --help against `import torch`", ours, theirs, "3.3 and 0.3 s")
