"""A split of one's own: its table is read, matched and refused in one line where it does not suit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from astro_vae.errors import UserError
from astro_vae.steps._own_parts import own_parts

OBJECTS = pd.DataFrame({
    "object_id": ["spec-0266-51602-0001", "spec-0266-51602-0013", "spec-0300-51666-0640"],
    "plate": [266.0, 266.0, 300.0], "mjd": [51602, 51602, 51666], "fiber": [1, 13, 640],
})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "mine.csv"


def test_objects_are_named_by_their_id(table: Path) -> None:
    table.write_text("object_id,part,other\nspec-0300-51666-0640, test,1\nspec-0266-51602-0001,train,2\nelse,train,3\n")
    assert list(own_parts(table, "part", OBJECTS)) == ["train", "", "test"]


def test_or_by_plate_date_and_fibre_however_they_are_written(table: Path) -> None:
    table.write_text("plate,mjd,fiber,part_1,part_2\n0266,51602,13,validation,test\n300.0,51666,640,test,\n")
    assert list(own_parts(table, "part_1", OBJECTS)) == ["", "validation", "test"]
    assert list(own_parts(table, "part_2", OBJECTS)) == ["", "test", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,part\na,test\n", r"mine\.csv: needs a column 'part' .* and a column 'object_id', or plate"),
        ("object_id,where\na,test\n", r"needs a column 'part'.*found: object_id, where"),
        ("object_id,part\na,training\n", "'part' of a is 'training'; it must be train, validation, test, or empty"),
        ("object_id,part\na,train\na,test\na,train\n", "a has two parts; keep one"),
        ("object_id,part\na,train\n", "names none of the 3 objects, such as spec-0266-51602-0001"),
    ],
)
def test_what_does_not_suit_is_refused(table: Path, text: str, message: str) -> None:
    table.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        own_parts(table, "part", OBJECTS)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there_is_named(table: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.csv: no such file; set split\.table"):
        own_parts(table, "part", OBJECTS)
