"""Residuals of images are not searched for runs.

What a network sees of an image is cut off at a threshold and scaled to bytes: its pixels have no errors, by which a
patch of residuals could be significant. How badly a whole image is redrawn is for `fit` to say.
"""

from __future__ import annotations

from astro_vae.columns import Column

RUNS = None
"""Filters over residuals; None: this kind of data has none."""
COLUMNS: dict[str, Column] = {}
"""Of the ranking: where the strongest run is; nowhere."""
