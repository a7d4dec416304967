"""The object file keeps tables and values, gives the same bytes for the same input, and says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.files import checksum
from astro_vae.objects import FIRST_COLUMNS, Objects, Writer, open_objects

FLUX = {"flux": Column("Flux density", "Jy", "phot.flux.density;em.radio"), "name": Column("Of the user")}


def table(n: int = 5) -> pd.DataFrame:
    """Make n candidates, of which every third is refused."""
    refused = np.arange(n) % 3 == 2
    rows = np.where(refused, -1, np.cumsum(~refused) - 1)
    return pd.DataFrame({
        "object_id": [f"J{i}" for i in range(n)], "ra": np.arange(n) + 0.125, "dec": -np.arange(n) / 8,
        "label": ["FRI", ""] * (n // 2) + ["FRII"] * (n % 2), "status": np.where(refused, "refused", "ok"),
        "reason": np.where(refused, "NaN", ""), "row": rows,
        "flux": np.where(refused, np.nan, 1.5), "name": [None, "Grüße"] * (n // 2) + ["x"] * (n % 2),
    })


def values(n: int = 4, size: int = 6) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n, size, size)).astype(np.float32)


def write(path: Path, rows: pd.DataFrame, data: np.ndarray, **options: object) -> Objects:
    with Writer(path, data.shape[1:], str(data.dtype), {"kind": "image", "scaled": False}, **options) as writer:
        for start in range(0, len(data), 3):
            writer.append(data[start : start + 3])
        writer.table(rows, FLUX)
    return open_objects(path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    opened = write(tmp_path / "a.h5", table(), values())
    assert tuple(opened.table.columns[:7]) == FIRST_COLUMNS
    pd.testing.assert_frame_equal(opened.table, table().fillna({"name": ""}))
    np.testing.assert_array_equal(opened.read(), values())
    np.testing.assert_array_equal(opened.read("values", 1, 3), values()[1:3])
    assert opened.attributes == {"kind": "image", "scaled": False}
    assert opened.columns["flux"] == FLUX["flux"]
    assert opened.columns["ra"].unit == "deg"
    assert opened.shape == (6, 6)


def test_usable_rows_come_in_the_order_of_the_values(tmp_path: Path) -> None:
    opened = write(tmp_path / "a.h5", table()[::-1], values())
    assert list(opened.usable["object_id"]) == ["J0", "J1", "J3", "J4"]
    blocks = list(opened.blocks(3))
    assert [list(rows["row"]) for rows, _ in blocks] == [[0, 1, 2], [3]]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), values())


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, packing: str) -> None:
    options = {"compression": dict(hdf5plugin.Zstd(clevel=1))} if packing == "zstd" else {}
    for name in ("a", "b"):
        write(tmp_path / name, table(5000), values(200, 40), **options)
    assert checksum(tmp_path / "a") == checksum(tmp_path / "b")


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import test_objects as t\n"
        "t.write(Path(sys.argv[2]), t.table(), t.values())"
    )
    write(tmp_path / "a", table(), values())
    subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "b")], check=True)
    assert checksum(tmp_path / "a") == checksum(tmp_path / "b")


def test_layers_of_a_spectrum_lie_beside_its_values(tmp_path: Path) -> None:
    spectra = np.arange(12, dtype=np.float32).reshape(3, 4)
    with Writer(tmp_path / "a.h5", (4,)) as writer:
        assert writer.append(spectra[:2], ivar=spectra[:2] + 1, mask=spectra[:2] > 3) == range(2)
        assert writer.append(spectra[2:], ivar=spectra[2:] + 1, mask=spectra[2:] > 3) == range(2, 3)
        writer.table(table(0), FLUX)
    opened = open_objects(tmp_path / "a.h5")
    np.testing.assert_array_equal(opened.read("ivar"), spectra + 1)
    np.testing.assert_array_equal(opened.read("mask", 1), (spectra > 3)[1:])


def test_attributes_may_be_filled_in_on_the_way(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5", (2,)) as writer:
        writer.table(table(0), FLUX)
        writer.attributes = {"labels": ["FRI"]}
    opened = open_objects(tmp_path / "a.h5")
    assert opened.attributes == {"labels": ["FRI"]}
    assert opened.usable.empty
    assert list(opened.blocks()) == []


@pytest.mark.parametrize(("size", "dtype", "rows"), [(96, "uint8", 64), (150, "uint8", 46), (212, "float32", 5)])
def test_no_chunk_outgrows_the_cache_of_hdf5(tmp_path: Path, size: int, dtype: str, rows: int) -> None:
    with Writer(tmp_path / "a.h5", (size, size), dtype) as writer:
        writer.table(table(0), FLUX)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["values"].chunks == (rows, size, size)


def test_a_column_without_description_is_refused(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.h5", (2,)) as writer, pytest.raises(KeyError, match="flux"):
        writer.table(table(), {})


def test_no_file_a_foreign_file_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with pytest.raises(UserError, match=r"a\.h5: no such file; run the step that makes it"):
        open_objects(path)
    path.write_text("no HDF5")
    with pytest.raises(UserError, match=r"a\.h5: not an object file of astro_vae, or damaged"):
        open_objects(path)
    with h5py.File(path, "w") as file:
        file["other"] = [1]
    with pytest.raises(UserError, match=r"a\.h5: not an object file"):
        open_objects(path)
    write(path, table(), values())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"a\.h5: not an object file"):
        open_objects(path)


def test_the_attributes_are_json(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", table(), values())
    with h5py.File(tmp_path / "a.h5") as file:
        assert json.loads(file.attrs["attributes"])["kind"] == "image"
        assert json.loads(file["table"]["flux"].attrs["column"])["unit"] == "Jy"


def _external_link(file: h5py.File, other: Path) -> None:
    del file["values"]
    file["values"] = h5py.ExternalLink(str(other), "values")


def _external_table(file: h5py.File, other: Path) -> None:
    del file["table"]
    file["table"] = h5py.ExternalLink(str(other), "table")


def _external_column(file: h5py.File, other: Path) -> None:
    del file["table/name"]
    file["table/name"] = h5py.ExternalLink(str(other), "table/name")


def _soft_link(file: h5py.File, other: Path) -> None:
    del file["values"]
    file["values"] = h5py.SoftLink("/table/ra")


def _external_storage(file: h5py.File, other: Path) -> None:
    del file["values"]
    file.create_dataset("values", (4, 6, 6), "f4", external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def _virtual(file: h5py.File, other: Path) -> None:
    del file["values"]
    layout = h5py.VirtualLayout((4, 6, 6), "f4")
    layout[:] = h5py.VirtualSource(str(other), "values", (4, 6, 6))
    file.create_virtual_dataset("values", layout)


@pytest.mark.parametrize(
    "spoil", [_external_link, _external_table, _external_column, _soft_link, _external_storage, _virtual]
)
def test_a_file_that_takes_data_from_elsewhere_is_refused(tmp_path: Path, spoil: Callable) -> None:
    other = write(tmp_path / "other.h5", table(), values()).path
    path = write(tmp_path / "a.h5", table(), values()).path
    with h5py.File(path, "r+") as file:
        spoil(file, other)
    with pytest.raises(UserError, match=r"a\.h5: .*(is a link|lie in other files)"):
        open_objects(path)
