"""Define every setting of a run: type, default, unit and meaning.

These models are the only definition: the configuration files are validated by them, the JSON schema
and the page of settings in the documentation are generated from them. A key that is not defined here
is refused, and the nearest one that is defined is named.

What a survey's own files need (`source:`) is defined by the survey's module, as a subclass of
`SourceSettings`; it is handed in from above, so that adding a survey changes nothing here. The survey's kind
of data says which sections stand under `prepare`, `view` and `augment`: those of `settings_images` or those of
`settings_spectra`. Those of models are in `settings_models`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, SerializeAsAny, ValidationInfo, model_validator

from astro_vae.section import Section, setting, unknown
from astro_vae.settings_images import AugmentSettings, PrepareSettings, ViewSettings, check_sizes
from astro_vae.settings_models import ModelSettings
from astro_vae.settings_spectra import (
    SpectrumAugmentSettings,
    SpectrumPrepareSettings,
    SpectrumViewSettings,
    check_grids,
)

# A leading hyphen would be read as an option where the name is a word of a command.
NAME_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
RESERVED_MODEL_NAMES = ("benchmarks", "classifier", "logs")  # these folders lie beside those of the models


class SourceSettings(Section):
    """What every survey's `source:` has; a survey's module adds its own settings in a subclass."""

    kind: ClassVar[str] = "image"  # of the survey's data

    survey: str = setting(..., "Name of the survey's module (see the list of surveys).")
    min_fraction: float = setting(
        0.95, "The run goes on when at least this fraction of the requested files arrived.", ge=0, le=1
    )


class SplitSettings(Section):
    """How objects are divided before augmentation; objects near each other on the sky stay together."""

    published: bool = setting(True, "Keep the test part that the survey published, where there is one.")
    table: str = setting(
        "", "CSV table of your own parts, in the place of published ones: `object_id` (for SDSS also plate, mjd and "
        "fiber), and train, validation or test in `column`. Objects that it does not name are dropped."
    )
    column: str = setting("part", "Column of `table` with the parts.")
    validation_fraction: float = setting(
        0.1, "Fraction of the groups for validation, where none is published or in `table`.", gt=0, lt=1
    )
    test_fraction: float = setting(
        0.15, "Fraction of the groups for testing, where none is published or in `table`.", ge=0, lt=1
    )
    radius_arcsec: float = setting(
        60.0, "Objects closer than this on the sky share a group.", unit="arcsec", ge=0
    )
    seed: int = setting(1, "Seed of the split.")


class PriorSettings(Section):
    """The prior of the latents per label, fitted after training to the aggregate posterior."""

    name: Literal["mixture", "standard_normal"] = setting(
        "mixture", "Gaussian mixture per label, or the N(0, I) of the training."
    )
    components: int = setting(40, "Components of the mixture per label.", ge=1)
    examples: int = setting(20_000, "Augmented examples whose posteriors it is fitted to.", unit="example", ge=10)
    seed: int = setting(1, "Seed of the fit.")


ScoreName = Literal[
    "reconstruction", "residual_runs", "latent_density", "isolation_forest", "nearest_neighbours",
    "local_outlier_factor",
]


class ProductSettings(Section):
    """What is made of a trained model."""

    prior: PriorSettings = setting(PriorSettings(), "The prior that samples are drawn from.")
    rotations: int = setting(12, "Rotations over which latents, label probabilities and scores are averaged.", ge=1)
    draws: int = setting(50, "Draws of the latents for importance weighting.", ge=1)
    likelihood_power: float = setting(
        0.01,
        "Power of p(x | z, y) in label probabilities: the errors of a decoder are shared by many pixels, which the "
        "likelihood counts as independent. 1 is plain Bayes.",
        gt=0, le=1,
    )
    refine: int = setting(
        0, "Damped Gauss-Newton steps by which the latents of each object go on from the encoder's to those of highest "
        "posterior density, whose curvature gives their errors (likelihood gaussian_ivar; 0: as encoded).",
        unit="step", ge=0,
    )
    samples_per_label: int = setting(200, "Generated samples per label.", ge=1)
    samples_seed: int = setting(1, "Seed of the samples.")
    top: int = setting(24, "Objects in the gallery of anomalies.", ge=1)
    neighbours: int = setting(10, "Neighbours of the scores nearest_neighbours and local_outlier_factor.", ge=1)
    combined: tuple[ScoreName, ...] = setting(
        (),
        "Scores that make the rank, combined by Fisher's method (empty: reconstruction and latent_density for images, "
        "residual_runs and local_outlier_factor for spectra). residual_runs is for spectra alone. By default one says "
        "what cannot be redrawn and one what has strange latents; the others look at the same again.",
    )
    normal_labels: tuple[str, ...] = setting(
        (), "Labels that count as ordinary when a ranking is evaluated (empty: the labels that the model knows)."
    )
    bootstrap: int = setting(1000, "Bootstrap resamplings over sources behind each error.", ge=10)


class ClassifierSettings(Section):
    """The independent judge of generated samples: a small network trained on real objects only."""

    examples: int = setting(120_000, "Augmented examples seen in training.", unit="example", ge=1)
    seed: int = setting(1, "Seed of the training.")


class ExecutionSettings(Section):
    """How to run, never what to compute: nothing here but `blocks` makes a step run again."""

    device: Literal["auto", "cpu", "cuda"] = setting("auto", "Where training runs; auto takes a GPU when there is one.")
    mirror: str | None = setting(
        None, "Folder or address of a mirror of the archives; the environment's ASTRO_VAE_MIRROR comes first."
    )
    downloads: int = setting(4, "Files fetched at the same time.", ge=1, le=16)
    blocks: int = setting(
        1, "Jobs that share the files of a survey in the step prepare; 8 or so where they are many thousands. The "
        "objects are the same, byte for byte, but with another number they are made again. For sdss, first, "
        "the simulated surveys and folders of your own, mosaics too; the others are one job.", unit="job", ge=1,
        le=1000,
    )
    scratch: str | None = setting(
        None, "Folder on the disk of a compute node, such as $TMPDIR, that a training copies its examples to and "
        "reads them from; the copy is removed in the end."
    )
    checkpoint_minutes: float = setting(3.0, "Time between two checkpoints of a training.", unit="min", gt=0)
    progress: bool = setting(True, "Show progress bars on a terminal.")


def _as_source(value: Any, info: ValidationInfo) -> SourceSettings:
    """Validate `source:` with the class of the survey that it names."""
    known = (info.context or {}).get("sources", {})
    if isinstance(value, SourceSettings):
        return value
    if not isinstance(value, Mapping) or "survey" not in value:
        raise ValueError("must have a key 'survey'; known: " + ", ".join(sorted(known)))
    if not isinstance(value["survey"], str) or value["survey"] not in known:
        raise ValueError(unknown(value["survey"], known).replace("setting", "survey"))
    return known[value["survey"]].model_validate(value)


SECTIONS: dict[str, dict[str, type[Section]]] = {
    "image": {"prepare": PrepareSettings, "view": ViewSettings, "augment": AugmentSettings},
    "spectrum": {
        "prepare": SpectrumPrepareSettings, "view": SpectrumViewSettings, "augment": SpectrumAugmentSettings,
    },
}
"""The sections that look into an object, by kind of data."""

AnyPrepareSettings = PrepareSettings | SpectrumPrepareSettings
AnyViewSettings = ViewSettings | SpectrumViewSettings
AnyAugmentSettings = AugmentSettings | SpectrumAugmentSettings


def section_class(name: str, data: Mapping[str, Any]) -> type[Section]:
    """Return the class of a section `prepare`, `view` or `augment` that was written out: it says its kind."""
    kind = data.get("kind", "image")
    return SECTIONS[kind if kind in SECTIONS else "image"][name]


def _of_kind(value: Any, info: ValidationInfo) -> Any:
    """Validate a section with the class that belongs to the survey's kind of data."""
    kind = info.data["source"].kind if "source" in info.data else "image"
    section = SECTIONS[kind][str(info.field_name)]
    if "source" not in info.data:  # what is wrong with `source` is said already
        return section()
    return value if isinstance(value, section) else section.model_validate({} if value is None else value)


def _same_grid(data: Any) -> Any:
    """Let the network see the bins that are prepared, where `view` does not say which."""
    prepare, view = (data.get(name) or {} for name in ("prepare", "view")) if isinstance(data, Mapping) else ({}, {})
    if isinstance(prepare, Mapping) and isinstance(view, Mapping) and "grid" in prepare and "grid" not in view:
        return {**data, "view": {**view, "grid": prepare["grid"]}}
    return data


class SurveySettings(Section):
    """One survey: from its files to the products of each of its models."""

    source: Annotated[SerializeAsAny[SourceSettings], BeforeValidator(_as_source)] = setting(
        ..., "Where the objects come from; the other keys depend on the survey."
    )
    prepare: Annotated[SerializeAsAny[AnyPrepareSettings], BeforeValidator(_of_kind)] = setting(
        None, "From files to objects."
    )
    split: SplitSettings = setting(SplitSettings(), "Training, validation and test.")
    view: Annotated[SerializeAsAny[AnyViewSettings], BeforeValidator(_of_kind)] = setting(
        None, "What a network sees of an object."
    )
    augment: Annotated[SerializeAsAny[AnyAugmentSettings], BeforeValidator(_of_kind)] = setting(
        None, "From hundreds of objects to hundreds of thousands."
    )
    classifier: ClassifierSettings = setting(ClassifierSettings(), "The judge of generated samples.")
    models: dict[str, ModelSettings] = setting(..., "Models by name, trained on the same examples.", min_length=1)
    products: ProductSettings = setting(ProductSettings(), "Catalogs, samples, rankings.")

    @model_validator(mode="before")
    @classmethod
    def _fill_grid(cls, data: Any) -> Any:
        return _same_grid(data)

    @model_validator(mode="after")
    def _check_sizes(self) -> SurveySettings:
        if isinstance(self.prepare, PrepareSettings) and isinstance(self.view, ViewSettings):
            check_sizes(self.prepare, self.view)
        if isinstance(self.prepare, SpectrumPrepareSettings) and isinstance(self.view, SpectrumViewSettings):
            check_grids(self.prepare, self.view)
        if "residual_runs" in self.products.combined and isinstance(self.view, ViewSettings):
            raise ValueError("products.combined: residual_runs is a score of spectra; images have no errors of pixels")
        if self.split.validation_fraction + self.split.test_fraction >= 1:
            raise ValueError("split.validation_fraction and split.test_fraction leave nothing to train on")
        return self


class Settings(Section):
    """One run: a map of surveys, and how to run."""

    run: str = setting("default", "Name of the folder under results/; by default the name of the config file.")
    surveys: dict[str, SurveySettings] = setting(..., "Surveys by name.", min_length=1)
    execution: ExecutionSettings = setting(ExecutionSettings(), "How to run; changes here recompute nothing.")

    @model_validator(mode="after")
    def _check_names(self) -> Settings:
        names = [self.run, *self.surveys, *(m for s in self.surveys.values() for m in s.models)]
        for name in names:
            if not NAME_PATTERN.fullmatch(name):
                raise ValueError(f"'{name}' becomes a path: use letters, digits, '_' and '-' only, no '-' in front")
        for name in (m for s in self.surveys.values() for m in s.models if m in RESERVED_MODEL_NAMES):
            raise ValueError(f"a model cannot be called '{name}': that folder is taken; choose another name")
        return self
