"""A table comes back from each format with its values, units and descriptions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from astropy.table import Table

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.products.catalog import read_catalog, write_catalog

COLUMNS = {
    "noise": Column("Noise of the cutout", "Jy/beam", "stat.stdev"),
    "z_mean_0": Column("Posterior mean of latent 0, long axis turned upright with the brighter half above " * 2),
}


@pytest.fixture
def written(tmp_path: Path) -> tuple[pd.DataFrame, Path]:
    table = pd.DataFrame({
        "object_id": ["3C 66B", "Åland"], "ra": [35.8, np.nan], "dec": [43.0, np.nan], "label": ["FRI", ""],
        "noise": [1.5e-4, np.nan], "z_mean_0": np.array([0.5, -1], np.float32), "n": [3, 4],
    })
    write_catalog(table, COLUMNS, tmp_path / "t.fits", formats=(".fits", ".parquet", ".vot", ".csv"),
                  meta={"temperature": 7.5, "survey": "mirabest"})
    return table, tmp_path / "t.fits"


def test_parquet_comes_back_whole_with_its_words(written: tuple[pd.DataFrame, Path]) -> None:
    table, path = written
    pd.testing.assert_frame_equal(read_catalog(path.with_suffix(".parquet")), table)
    schema = pq.read_schema(path.with_suffix(".parquet"))
    assert schema.field("noise").metadata[b"unit"] == b"Jy/beam"
    assert schema.field("ra").metadata[b"ucd"] == b"pos.eq.ra;meta.main"
    assert json.loads(schema.metadata[b"astro_vae"])["temperature"] == 7.5


def test_fits_comes_back_with_units_and_descriptions(written: tuple[pd.DataFrame, Path]) -> None:
    table, path = written
    with fits.open(path) as hdus:
        hdus.verify("exception")
        header = hdus[1].header
    assert header["TUNIT5"] in ("Jy/beam", "beam-1 Jy", "Jy beam-1")
    assert header["TCOMM6"] == COLUMNS["z_mean_0"].description.strip()
    assert header["TUCD2"] == "pos.eq.ra;meta.main"
    assert header["temperature"] == 7.5
    again = Table.read(path)
    assert list(again["object_id"]) == ["3C 66B", "Aland"]  # FITS is ASCII
    np.testing.assert_array_equal(np.ma.filled(again["noise"], np.nan), table["noise"])


def test_names_that_fits_cannot_hold_stay_apart(tmp_path: Path) -> None:
    table = pd.DataFrame({"object_id": ["x"], "p_H\u03b1": [0.1], "p_H\u03b2": [0.9], "S\u00e9rsic": ["H\u03b1"]})
    write_catalog(table, {}, tmp_path / "t.fits", meta={"note": "\u03b1"})
    with fits.open(tmp_path / "t.fits") as hdus:
        hdus.verify("exception")
        assert hdus[1].columns.names == ["object_id", "p_H\\u03b1", "p_H\\u03b2", "Sersic"]
        assert hdus[1].data["Sersic"][0] == "H\\u03b1"
    assert list(read_catalog(tmp_path / "t.parquet")) == list(table)


def test_votable_comes_back_with_units_ucds_and_frame(written: tuple[pd.DataFrame, Path]) -> None:
    table, path = written
    votable = parse(path.with_suffix(".vot"))
    inner = votable.get_first_table()
    field = inner.get_field_by_id_or_name("noise")
    assert (str(field.unit), field.ucd, field.description) == ("Jy / beam", "stat.stdev", "Noise of the cutout")
    assert inner.get_field_by_id_or_name("ra").ref == votable.resources[0].coordinate_systems[0].ID
    again = inner.to_table()
    assert list(again["object_id"]) == ["3C 66B", "Åland"]
    assert again["noise"][0] == table["noise"][0]


def test_the_same_table_gives_the_same_bytes(written: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    table, path = written
    (tmp_path / "again").mkdir()
    formats = (".fits", ".parquet", ".vot", ".csv")
    write_catalog(table, COLUMNS, tmp_path / "again" / "t.fits", formats=formats,
                  meta={"temperature": 7.5, "survey": "mirabest"})
    for suffix in formats:
        one, other = path.with_suffix(suffix), tmp_path / "again" / f"t{suffix}"
        assert one.read_bytes() == other.read_bytes(), suffix


def test_what_cannot_be_written_or_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.xlsx.*known: \.fits"):
        write_catalog(pd.DataFrame({"n": [1]}), {}, tmp_path / "t.fits", formats=(".xlsx",))
    with pytest.raises(UserError, match="no such file"):
        read_catalog(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_text("no table")
    with pytest.raises(UserError, match="not a Parquet table"):
        read_catalog(tmp_path / "t.parquet")
