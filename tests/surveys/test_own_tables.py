"""Tables of a person's own: astropy's sorts of columns become numbers and texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.table import QTable, Table
from astropy.time import Time, TimeDelta

from astro_vae.errors import UserError
from astro_vae.surveys._own_tables import read_own_table
from astro_vae.surveys._positions import read_positions


def written(path: Path, **columns: object) -> Path:
    QTable(columns).write(path, overwrite=True)
    return path


def test_times_and_positions_become_texts_and_degrees(tmp_path: Path) -> None:
    when = Time([50_000.0, 51_000.5], format="mjd")
    gap = when.copy()
    gap[1] = np.ma.masked
    centre = SkyCoord([0, 1] * u.deg, [0, 2] * u.deg, frame="galactic")
    path = written(
        tmp_path / "t.ecsv", obs=when, gap=gap, centre=centre, width=[1.5, 2] * u.arcsec,
        exposure=TimeDelta(when - when), site=EarthLocation.from_geodetic([1, 2] * u.deg, [3, 4] * u.deg),
        pairs=np.zeros((2, 2)), note=["a", ""],
    )
    table = read_own_table(path, setting="source.catalog", what="positions")
    assert table.colnames == ["obs", "gap", "centre.ra", "centre.dec", "width", "exposure", "site", "note"]
    assert table["obs"].tolist() == ["1995-10-10T00:00:00.000", "1998-07-06T12:00:00.000"]
    assert table["gap"].tolist() == ["1995-10-10T00:00:00.000", ""]
    assert (table["centre.ra"][0], table["centre.dec"][0]) == pytest.approx((266.405, -28.936), abs=1e-3)
    assert table["width"].tolist() == [1.5, 2]
    assert table["exposure"].tolist() == ["0.0", "0.0"]


@pytest.mark.parametrize("ending", ["ecsv", "fits"])
def test_a_column_of_positions_is_the_position(tmp_path: Path, ending: str) -> None:
    sky = SkyCoord([10, 20] * u.deg, [-5, 5] * u.deg)
    (one, other) = read_positions(written(tmp_path / f"t.{ending}", target=sky, id=["x", "y"], n=[3, 4]))
    assert (one.object_id, one.ra, one.dec) == ("x", pytest.approx(10), pytest.approx(-5))
    assert other.extra == {"n": 4}


def test_columns_of_degrees_come_before_a_column_of_positions(tmp_path: Path) -> None:
    sky = SkyCoord([10] * u.deg, [-5] * u.deg)
    (one,) = read_positions(written(tmp_path / "t.ecsv", phase=sky, RA=[1.0], DEC=[2.0]))
    assert (one.ra, one.dec) == (1, 2)
    assert one.extra == {"phase.ra": pytest.approx(10), "phase.dec": pytest.approx(-5)}


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.ecsv: no such file; set source\.x to your table of things"):
        read_own_table(tmp_path / "none.ecsv", setting="source.x", what="things")
    Table({"a": [1]}).write(tmp_path / "t.fits")
    (tmp_path / "t.fits").write_bytes((tmp_path / "t.fits").read_bytes()[:3000])
    with pytest.raises(UserError, match=r"t\.fits: not a table that can be read"):
        read_own_table(tmp_path / "t.fits", setting="source.x", what="things")
