"""The generated page and schema: complete, up to date, and the same rules as the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from astro_vae import settings, settings_docs
from astro_vae.errors import UserError
from astro_vae.section import Section, setting
from astro_vae.settings import SourceSettings
from astro_vae.surveys import SOURCES, load_settings

ROOT = Path(__file__).parents[1]


class _Source(SourceSettings):
    """A survey of this test."""

    depth: float = setting(2.5, "How deep.", unit="mJy", gt=0)
    codes: dict[str, list[int]] = setting({"a": [1]}, "Codes | by label.")


def test_generated_files_are_up_to_date() -> None:
    assert settings_docs.stale(ROOT, SOURCES) == [], "run `astro-vae docs`"


def test_every_section_has_a_place_on_the_page() -> None:
    subclasses, known = [Section], set()
    while subclasses:
        found = [c for c in subclasses.pop().__subclasses__() if c.__module__.startswith(settings.__name__)]
        subclasses += found
        known |= set(found)
    assert known - set(settings_docs.PLACES.values()) == {SourceSettings}


def test_page_states_type_default_unit_and_meaning() -> None:
    page = settings_docs.page({"test": _Source})
    assert "| `depth` | number > 0 | `2.5` | mJy | How deep. |" in page
    assert '| `codes` | map of names to list of integer | `{"a": [1]}` |  | Codes \\| by label. |' in page
    assert "| `survey` | text | **must be given** |" in page
    assert "| `warm_up` | number >= 0 and <= 1 | `0.15` |" in page


def test_schema_knows_each_survey_and_refuses_unknown_keys() -> None:
    schema = settings_docs.schema({"test": _Source})
    assert schema["$defs"]["SourceSettings"] == {"oneOf": [{"$ref": "#/$defs/source_test"}]}
    assert schema["$defs"]["source_test"]["properties"]["survey"]["const"] == "test"
    objects = [d for d in schema["$defs"].values() if d.get("type") == "object"]
    assert objects
    assert all(d["additionalProperties"] is False for d in objects)


def test_schema_resolves_every_reference() -> None:
    schema = settings_docs.schema(SOURCES)
    for part in json.dumps(schema).split('"#/$defs/')[1:]:
        assert part.split('"')[0] in schema["$defs"]


def test_write_then_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = {"test": _Source}
    with pytest.raises(UserError, match="astro-vae docs"):
        settings_docs.write_docs(check=True, root=tmp_path, sources=sources)
    assert settings_docs.write_docs(root=tmp_path, sources=sources) == 0
    assert "schema.json" in capsys.readouterr().out
    assert settings_docs.write_docs(check=True, root=tmp_path, sources=sources) == 0
    (tmp_path / settings_docs.PAGE).write_text("old")
    assert settings_docs.stale(tmp_path, sources) == [settings_docs.PAGE]


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_configurations_fit_models_and_schema(path: Path) -> None:
    jsonschema, yaml = pytest.importorskip("jsonschema"), pytest.importorskip("yaml")
    load_settings(path)
    jsonschema.validate(yaml.safe_load(path.read_text()), settings_docs.schema(SOURCES))
