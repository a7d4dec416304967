"""Settings: what is refused and how, what every one of them says, and what a step sees of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from astro_vae import plan, settings, settings_models
from astro_vae.errors import UserError
from astro_vae.section import Section, setting, validate
from astro_vae.settings import SourceSettings


class _Source(SourceSettings):
    """A survey of this test."""

    depth: float = setting(2.5, "How deep.", unit="mJy", gt=0)


SOURCES = {"deep_field": _Source}
PHYSICAL = ("size", "field", "frame", "radius_arcsec", "rotate_deg", "shift_px", "threshold_sigma", "min_snr",
            "flux_scale", "noise_sigma", "checkpoint_minutes")


def _config(**survey: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"source": {"survey": "deep_field"}, "models": {"vae": {"type": "vae"}}}
    return {"run": "test", "surveys": {"first": base | survey}}


def _validated(data: Any) -> settings.Settings:
    return validate(settings.Settings, data, origin="test.yaml", sources=SOURCES)


def _sections() -> list[type[Section]]:
    found, queue = [], [Section]
    while queue:
        own = [c for c in queue.pop().__subclasses__() if c.__module__.startswith(settings.__name__)]
        found += own
        queue += own
    return found


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_config(view={"sise": 96}), ["surveys.first.view", "unknown setting 'sise'", "did you mean 'size'"]),
        (_config(view={"q": 96}), ["unknown setting 'q'", "known here: frame, mask"]),
        (_config(models={"a": {"type": "vae", "lattents": 8}}), ["models.a", "did you mean 'latents'"]),
        (_config(models={"a": {"type": "gan"}}), ["models.a", "one of vae, pca, em_pca"]),
        (_config(models={"a": {"train": {"batch": 0}}}), ["models.a", "train.batch", "greater than or equal to 1"]),
        (_config(models={}), ["models", "at least 1 item"]),
        (_config(source={"survey": "deep_fields"}), ["unknown survey 'deep_fields'", "did you mean 'deep_field'"]),
        (_config(source={"survey": ["deep_field"]}), ["unknown survey"]),
        (_config(source={"depth": 3}), ["must have a key 'survey'", "deep_field"]),
        (_config(source={"survey": "deep_field", "dept": 3}), ["surveys.first.source", "did you mean 'depth'"]),
        (_config(source={"survey": "deep_field", "depth": -1}), ["surveys.first.source.depth", "greater than 0"]),
        (_config(view={"frame": 500}), ["view.frame (500)", "prepare.size (212)"]),
        (_config(prepare={"field": 300}), ["prepare.field (300)", "prepare.size (212)"]),
        (_config(view={"size": 160}), ["view.size (160)", "view.frame (150)"]),
        (_config(split={"validation_fraction": 0.5, "test_fraction": 0.5}), ["nothing to train on"]),
        (_config(products={"combined": ["residual_runs"]}), ["residual_runs is a score of spectra"]),
        (_config(augment={"shift_px": float("nan")}), ["augment.shift_px", "finite number"]),
        ({"surveys": {}}, ["surveys", "at least 1 item"]),
        (None, ["(top)"]),
    ],
)
def test_mistakes_are_refused_by_place_and_remedy(data: Any, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        _validated(data)
    for word in ["test.yaml", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "", "-rf", "é", "a.b", "a\n"])
def test_names_that_cannot_be_paths_and_words_are_refused(name: str) -> None:
    valid = _config()
    with pytest.raises(UserError, match="becomes a path"):
        _validated(valid | {"run": name})
    with pytest.raises(UserError, match="becomes a path"):
        _validated({"surveys": {name: valid["surveys"]["first"]}})
    with pytest.raises(UserError, match="becomes a path"):
        _validated(_config(models={name: {"type": "pca"}}))


def test_a_model_cannot_take_the_folder_of_the_classifier() -> None:
    with pytest.raises(UserError, match="cannot be called 'classifier'"):
        _validated(_config(models={"classifier": {"type": "pca"}}))


@pytest.mark.parametrize("section", _sections(), ids=lambda c: c.__name__)
def test_every_setting_says_what_it_means(section: type[Section]) -> None:
    assert section.__doc__
    for name, field in section.model_fields.items():
        assert field.description, name
        assert field.description.endswith((".", ")")), name


def test_physical_settings_have_units() -> None:
    sections = (settings.SplitSettings, settings.ExecutionSettings, *settings.SECTIONS["image"].values())
    fields = {name: field for section in sections for name, field in section.model_fields.items()}
    for name in PHYSICAL:
        extra = fields[name].json_schema_extra
        assert isinstance(extra, dict), name
        assert extra["unit"], name


def test_type_of_a_model_is_vae_unless_said() -> None:
    linear = {name: {"type": name} for name in settings_models.LINEAR_TYPES}
    models = _validated(_config(models={"a": {"latents": 4}, **linear})).surveys["first"].models
    assert isinstance(models["a"], settings_models.VaeSettings)
    assert all(isinstance(models[name], settings_models.PcaSettings) and models[name].type == name for name in linear)


def test_settings_of_the_survey_survive_the_dump() -> None:
    dump = _validated(_config(source={"survey": "deep_field", "depth": 7})).model_dump(mode="json")
    assert dump["surveys"]["first"]["source"]["depth"] == 7
    assert _validated(dump).model_dump(mode="json") == dump


def test_defaults_of_maps_are_not_shared() -> None:
    class Holder(Section):
        """Holds a map."""

        codes: dict[str, int] = setting({"a": 1}, "Codes.")

    assert Holder().codes == {"a": 1}
    assert Holder().codes is not Holder().codes


def test_params_are_the_same_text_for_the_same_settings() -> None:
    one = _validated(_config(view={"size": 64, "frame": 128}))
    other = _validated(_config(view={"frame": 128, "size": 64}))
    for step in plan.STEPS:
        text = plan.params(one, step, "first", "vae")
        assert text == plan.params(other, step, "first", "vae")
        assert json.loads(text)["step"] == step
        assert json.loads(text)["version"] == plan.STEPS[step].version


REFINED = {"fit-prior", "encode", "rank", "evaluate"}


def _changed(config: dict[str, Any]) -> set[str]:
    before, after = _validated(_config()), _validated(config)
    return {s for s in plan.STEPS if plan.params(before, s, "first", "vae") != plan.params(after, s, "first", "vae")}


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        (_config() | {"execution": {"device": "cpu", "downloads": 1}}, set()),
        (_config(source={"survey": "deep_field", "depth": 3}), {"download", "prepare"}),
        (_config(prepare={"min_snr": 4}), {"prepare"}),
        (_config(split={"seed": 2}), {"split"}),
        (_config(view={"size": 64}), {"augment", "classifier", "train"}),
        (_config(models={"vae": {"latents": 4}}), {"train"}),
        (_config(products={"top": 3}), {"rank"}),
        (_config(products={"refine": 3}), REFINED),
        (_config(models={"vae": {"refine": 3}}), REFINED),
        (_config(products={"prior": {"components": 3}}), {"fit-prior"}),
    ],
)
def test_an_edit_changes_the_steps_that_read_it(config: dict[str, Any], steps: set[str]) -> None:
    changed = _changed(config)
    assert changed - {"report"} == steps
    assert ("report" in changed) == bool(steps)


def test_adding_a_model_leaves_the_others_alone() -> None:
    assert _changed(_config(models={"vae": {"type": "vae"}, "pca": {"type": "pca"}})) == {"report"}


class _Spectra(SourceSettings):
    """A survey of spectra of this test."""

    kind = "spectrum"


def _of_spectra(**survey: Any) -> Any:
    data = _config(source={"survey": "spectra"}, **survey)
    return validate(settings.Settings, data, origin="test.yaml", sources={"spectra": _Spectra}).surveys["first"]


def test_sections_are_those_of_the_kind_of_data() -> None:
    survey = _of_spectra(prepare={"min_snr": 5}, augment={"mix": 0.5})
    assert isinstance(survey.view, settings.SpectrumViewSettings)
    assert (survey.prepare.min_snr, survey.augment.mix) == (5, 0.5)
    for name in ("prepare", "view", "augment"):
        written = json.loads(survey.model_dump_json())[name]
        assert settings.section_class(name, written).model_validate(written) == getattr(survey, name)
        images = json.loads(_validated(_config()).surveys["first"].model_dump_json())[name]
        assert settings.section_class(name, images) is settings.SECTIONS["image"][name]


def test_the_view_takes_the_grid_that_is_prepared() -> None:
    assert _of_spectra(prepare={"grid": {"bins": 500}}).view.grid.bins == 500
    assert _of_spectra(view={"grid": {"bins": 500, "log_start": 3.53 + 250 * 0.00039}}).view.grid.bins == 500


@pytest.mark.parametrize(
    ("survey", "words"),
    [
        ({"view": {"grid": {"bins": 500}}}, ["not in the middle of prepare.grid", "starts at 3.6275"]),
        ({"view": {"grid": {"bins": 1200, "log_start": 3.53 - 100 * 0.00039}}}, ["enlarge prepare.margin"]),
        ({"view": {"frame": 96}}, ["surveys.first.view", "unknown setting 'frame'"]),
        ({"view": {"window_aa": [5000, 4000]}}, ["two growing wavelengths"]),
        ({"view": {"window_aa": [530, 585]}}, ["530 to 585 Angstrom", "go from 3388 to 8310 Angstrom"]),
    ],
)
def test_mistakes_in_sections_of_spectra_are_refused(survey: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        _of_spectra(**survey)
    for word in words:
        assert word in str(caught.value)
