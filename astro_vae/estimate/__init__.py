"""Say how long a run takes, and how much memory and disk, before anything of it is started."""

from astro_vae.estimate.costs import estimate

__all__ = ["estimate"]
