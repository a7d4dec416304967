"""Linear models with the encode and decode of a variational autoencoder: what a network must beat.

`Ppca` is for complete data with the same noise everywhere, `WeightedLinear` for data with inverse variances and
gaps; `FITS` has the ways to find its components.
"""

from astro_vae.linear.ppca import Ppca
from astro_vae.linear.weighted import FITS, WeightedLinear

__all__ = ["FITS", "Ppca", "WeightedLinear"]
