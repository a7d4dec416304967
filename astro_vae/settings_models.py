"""Define the settings of models: entries of `models:` and what stands under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from astro_vae.section import Section, setting


class TrainSettings(Section):
    """How long and how a model is trained; budgets are counted in examples, never in time."""

    examples: int = setting(360_000, "Examples seen in all.", unit="example", ge=1)
    batch: int = setting(128, "Examples per step.", unit="example", ge=1)
    learning_rate: float = setting(2e-3, "Peak learning rate of AdamW.", gt=0)
    weight_decay: float = setting(0.01, "Weight decay of AdamW.", ge=0)
    schedule: Literal["one_cycle", "cosine", "constant"] = setting("one_cycle", "Course of the learning rate.")
    warm_up: float = setting(
        0.15, "Fraction of the examples over which the weight of the KL divergence rises to `beta`.", ge=0, le=1
    )
    clip_norm: float = setting(10_000.0, "Largest norm of the gradient of the loss in nats (0: no limit).", ge=0)
    validate_every: int = setting(20_000, "Examples between two evaluations on validation.", unit="example", ge=1)
    keep: Literal["best", "last"] = setting(
        "best",
        "Which weights make the model: those that were best on validation; or the last, where validation has so few "
        "objects that the best is a matter of luck. Then no training ends early.",
    )
    patience: int = setting(
        10, "Training ends early after this many evaluations without a better validation ELBO (0: never).", ge=0
    )
    precision: Literal["bf16-mixed", "32-true"] = setting(
        "bf16-mixed", "Arithmetic of the networks; losses are always summed in 32 bits."
    )
    seed: int = setting(1, "Seed of the weights, the order of examples and the draws of the latents.")


class NetworkSettings(Section):
    """Encoder and decoder of a variational autoencoder."""

    name: Literal["convolutional", "convolutional_1d", "dense", "bastien"] = setting(
        "convolutional",
        "Patches and residual convolutions of images; convolutions of spectra; fully connected layers; or those of "
        "Bastien et al. (2021).",
    )
    channels: tuple[int, ...] = setting(
        (32, 64, 128),
        "Channels at 1/4 of the image's size, at 1/8 and so on (convolutional); at 1/4 of a spectrum's length, at "
        "1/16 and so on (convolutional_1d).",
    )
    hidden: tuple[int, ...] = setting((256,), "Sizes of the fully connected layers between data and latents.")
    path: Literal["none", "linear", "curved"] = setting(
        "none",
        "Begin from a model to which encoder and decoder learn corrections, for the likelihood gaussian_ivar: weighted "
        "EM-PCA of as many latents, or the same with bends (curved_pca). It carries where only hundreds of objects are "
        "at hand.",
    )
    path_examples: int = setting(
        12_000, "Augmented examples that the path begins from (0: the objects of the training part themselves).",
        unit="example", ge=0,
    )
    fill: Literal["zero", "infill"] = setting(
        "zero",
        "What the encoder sees where a datum is not valid, beside the mask that says so: zero; or what ten components "
        "of the training part make of the valid data, found by iterative infill, as in Portillo et al. (2020). The "
        "likelihood does not count these data in either case.",
    )
    dropout: float = setting(0.0, "Dropout after each hidden fully connected layer.", ge=0, lt=1)


class VaeSettings(Section):
    """A variational autoencoder."""

    type: Literal["vae"] = setting("vae", "This entry is a variational autoencoder.")
    latents: int = setting(32, "Number of latent variables.", ge=1)
    conditional: bool = setting(True, "Give the label to encoder and decoder.")
    network: NetworkSettings = setting(NetworkSettings(), "The networks.")
    likelihood: Literal[
        "gaussian", "gaussian_ivar", "censored_gaussian", "bernoulli", "continuous_bernoulli"
    ] = setting(
        "gaussian",
        "p(x | z, y): Gaussian with one learned sigma; Gaussian with the inverse variance and mask of each datum, for "
        "spectra; with one sigma on data cut off at zero, such as thresholded images; or one of the Bernoulli family "
        "for values in [0, 1].",
    )
    error_floor: float = setting(
        0.0, "Error of the model as a fraction of the flux, added to that of the measurement (gaussian_ivar).",
        ge=0, lt=1,
    )
    objective: Literal["elbo", "info_vae", "autoencoder"] = setting(
        "elbo",
        "Evidence lower bound; with the discrepancy of all latents from N(0, I) added (Zhao et al. 2017); or the "
        "reconstruction alone, from latents that are not drawn.",
    )
    mmd_weight: float = setting(
        100.0, "Weight of that discrepancy, lambda - 1 of Zhao et al. at alpha = 0, per latent (info_vae).", ge=0
    )
    beta: float = setting(1.0, "Weight of the KL divergence; 1 is the evidence lower bound.", gt=0)
    free_nats: float = setting(
        0.0, "KL divergence per latent below which nothing is gained (0: off).", unit="nat", ge=0
    )
    labels: tuple[str, ...] = setting(
        (), "Labels to train on, in this order; objects with another label are left out (empty: all)."
    )
    refine: int | None = setting(
        None, "In the place of `products.refine` for this model (empty: that holds).", unit="step", ge=0
    )
    train: TrainSettings = setting(TrainSettings(), "The training.")


class PcaSettings(Section):
    """A linear model: baseline, with encode and decode like a VAE."""

    type: Literal["pca", "em_pca", "infill_pca", "nmf", "curved_pca"] = setting(
        "pca",
        "Probabilistic principal components of complete data; for data with inverse variances and gaps: weighted "
        "EM-PCA, principal components after iterative infill, factors that are nowhere negative, or weighted EM-PCA "
        "with a bend in each latent and products of latents.",
    )
    latents: int = setting(32, "Number of components.", ge=1)
    labels: tuple[str, ...] = setting((), "Labels to fit on (empty: all).")
    examples: int = setting(
        12_000, "Augmented examples that it is fitted on (0: the objects of the training part themselves).",
        unit="example", ge=0,
    )
    seed: int = setting(1, "Seed of the choice of examples.")


def _model_type(entry: Any) -> str | None:
    """Return which class describes an entry of `models:`: "vae", where `type` is left out too, or "linear"."""
    name = entry.get("type", "vae") if isinstance(entry, Mapping) else getattr(entry, "type", None)
    return "linear" if name in LINEAR_TYPES else name


LINEAR_TYPES = ("pca", "em_pca", "infill_pca", "nmf", "curved_pca")
"""Types of models without networks: linear ones, and one that is linear but for bends."""


ModelSettings = Annotated[
    Annotated[VaeSettings, Tag("vae")] | Annotated[PcaSettings, Tag("linear")],
    Discriminator(
        _model_type, custom_error_type="unknown_model",
        custom_error_message=f"type must be one of {', '.join(('vae', *LINEAR_TYPES))}",
    ),
]
