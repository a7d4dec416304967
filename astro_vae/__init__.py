"""Label-conditioned variational autoencoders for astronomical surveys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astro_vae.trained import TrainedModel

__all__ = ["__version__", "load"]
__version__ = "0.1.0"


def load(folder: Any) -> TrainedModel:
    """Load a trained model from its folder; see `astro_vae.model.load`."""
    from astro_vae import model  # torch takes a second to import, and not every command needs it

    return model.load(folder)
