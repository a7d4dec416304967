"""One page per survey, made from the products: figures, tables, and the ranking with pictures."""

from __future__ import annotations

from astro_vae.report.page import report

__all__ = ["report"]
