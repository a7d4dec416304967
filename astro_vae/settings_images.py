"""Define the settings of the steps that look into an image: prepare, view and augment.

Where the survey gives spectra, the sections of the same names in `settings_spectra` stand in their place.
"""

from __future__ import annotations

from typing import Literal

from astro_vae.section import Section, setting


class PrepareSettings(Section):
    """How the survey's files become objects (physical values; nothing is clipped or scaled here)."""

    size: int = setting(
        212, "Side of the stored cutout; larger than the view by sqrt(2) so that a rotation has pixels.",
        unit="pixel", ge=8,
    )
    noise: Literal["sigma_clip", "mad", "edge"] = setting(
        "sigma_clip",
        "Noise estimate over the whole cutout: standard deviation after clipping at 3 sigma, scaled median "
        "absolute deviation, or standard deviation of the outermost ring.",
    )
    min_snr: float = setting(
        3.0, "Objects whose peak in the field lies below this many noise sigma are refused.", unit="sigma", ge=0
    )
    max_nan_fraction: float = setting(
        0.0, "Objects with a larger fraction of NaN pixels inside the field are refused.", ge=0, le=1
    )
    field: int = setting(
        150, "Side of the central field that must be complete and in which sources are measured.",
        unit="pixel", ge=8,
    )


class ViewSettings(Section):
    """How physical values become what a network sees; the last act of augment, encode and score."""

    size: int = setting(96, "Side of the image that the network sees.", unit="pixel", ge=8)
    frame: int = setting(
        150, "Side of the field in which the mask and the scaling act, before the crop to `size`.",
        unit="pixel", ge=8,
    )
    method: Literal["crop", "resample"] = setting("crop", "Way from `frame` to `size`.")
    threshold_sigma: float = setting(
        3.0, "Pixels at or below this many noise sigma are set to zero (negative: no threshold).", unit="sigma"
    )
    mask: Literal["disc", "angular_size", "none"] = setting(
        "disc", "Pixels kept: the disc inscribed in the frame, a disc of the object's angular size, or all."
    )
    scaling: Literal["linear", "sqrt", "log", "asinh", "zscale"] = setting(
        "linear", "Stretch of the brightness between the image's own minimum and maximum."
    )
    stretch: float = setting(
        0.1, "Softening of the log and asinh stretches, as a fraction of the maximum.", gt=0
    )


class AugmentSettings(Section):
    """How the training part becomes `total` examples, each a transform of one parent."""

    total: int = setting(200_000, "Number of augmented examples.", ge=1)
    balance: bool = setting(False, "Give every label the same number of examples (unlabelled ones keep their share).")
    rotate_deg: float = setting(360.0, "Rotation angles are drawn from [0, this).", unit="deg", ge=0, le=360)
    flip: bool = setting(True, "Mirror half of the examples.")
    shift_px: float = setting(1.0, "Largest shift along each axis.", unit="pixel", ge=0)
    size_scale: float = setting(0.05, "Sizes are scaled by 1 plus or minus at most this.", ge=0, lt=0.5)
    noise_sigma: float = setting(
        0.0, "Gaussian noise added, as a fraction of the object's own noise (physical values only).",
        unit="sigma", ge=0,
    )
    flux_scale: float = setting(
        0.0, "Flux densities are scaled by 10**u, u uniform within plus or minus this (physical values only).",
        unit="dex", ge=0,
    )
    interpolation: Literal["nearest", "linear", "cubic"] = setting("linear", "Interpolation of the one warp.")
    materialise: bool = setting(
        True, "Write the examples to a file; otherwise the same transforms are drawn during training."
    )
    seed: int = setting(1, "Seed of the transforms.")


def check_sizes(prepare: PrepareSettings, view: ViewSettings) -> None:
    """Raise a `ValueError` where `view` looks at more than `prepare` stores."""
    if view.method == "crop" and view.size > view.frame:
        raise ValueError(f"view.size ({view.size}) cannot be cropped from view.frame ({view.frame}); enlarge frame")
    for name, size in (("view.frame", view.frame), ("prepare.field", prepare.field)):
        if size > prepare.size:
            raise ValueError(f"{name} ({size}) is larger than the stored cutout, prepare.size ({prepare.size})")
