"""Read a PNG or JPEG as 8-bit grey values."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_vae.surveys._fits_file import UnreadableFileError

if TYPE_CHECKING:
    import numpy as np


def read_picture(path: Path) -> np.ndarray:
    """Return the grey values (H, W) of a picture as uint8; its lowest line is row 0.

    Pictures with more than 8 bits are divided by their own maximum, since 8-bit ones have no flux scale either.

    Raises
    ------
    UnreadableFileError
        If it is no picture, damaged, or unpacks to more than memory should hold.
    """
    import numpy as np
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                return np.ascontiguousarray(_grey(image)[::-1])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableFileError(f"too large to be one object: {str(error).partition(',')[0]}") from None
    except Exception as error:  # damage shows in many ways: OSError, SyntaxError, ValueError, zlib.error, …
        size = path.stat().st_size
        raise UnreadableFileError("empty file: 0 bytes" if not size else f"no picture, or damaged: {error}") from None


def _grey(image: Any) -> np.ndarray:
    import numpy as np

    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return np.asarray(image.convert("L"))
    values = np.asarray(image).astype(np.float64)  # `convert` would cut these off at 255
    return (255 * np.clip(values / max(values.max(), 1), 0, 1)).astype(np.uint8)
