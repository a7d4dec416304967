"""A list of SDSS spectra becomes a configuration that works; what is odd about it is told, and nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.table import Table

from astro_vae.errors import UserError
from astro_vae.init.sample import DEFAULT, chosen_range, ends
from astro_vae.init.spectra import coverage
from astro_vae.objects import open_objects
from astro_vae.surveys import load_settings
from astro_vae.surveys.sdss import Source
from tests.init.commands import init, prepared

N = 20


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(**columns: object) -> pd.DataFrame:
    """Give spectra of one plate of SDSS-I, with other columns besides."""
    return pd.DataFrame({"Plate": 266, "MJD": 51602, "FIBERID": np.arange(1, N + 1), **columns})


def told(frame: pd.DataFrame) -> str:
    """Return what is said of a list."""
    frame.to_csv("list.csv", index=False)
    return " ".join(init("own", "--sample", "list.csv", "--force").split())


def source() -> Source:
    found = load_settings(Path("own.yaml")).surveys["own"].source
    assert isinstance(found, Source)
    return found


def test_a_list_becomes_a_configuration(here: Path) -> None:
    said = told(table(z=np.linspace(0.02, 0.3, N), Label=["a", "b"] * 10, EBV=0.05, note=np.arange(N)))
    assert "20 rows, 20 spectra: 20 of SDSS-I and II, 0 of BOSS" in said
    assert "about 3.8 MB, by the run; nothing is fetched now" in said
    assert "none (26 for plates below 3510" in said
    assert "redshift column z: 0.02 to 0.3, median 0.16; that of the file counts" in said
    assert "redshifts above 0 and up to 0.36, on 3388 to 8310 Angstrom at rest" in said
    assert "column ebv: 0.05 mag" in said
    assert "column label: a 10, b 10" in said
    assert "nothing odd" in said
    made, survey = source(), load_settings(here / "own.yaml").surveys["own"]
    assert (made.sample, made.labels, made.label_column) == (str(here / "list.csv"), "column", "label")
    assert (made.ebv_column, made.redshift) == ("ebv", (0, 0.36))
    assert survey.models["cvae"].conditional
    assert survey.models["cvae"].train.learning_rate == 3e-4
    assert survey.products.neighbours == 2
    assert '# keep: ["note"]' in Path("own.yaml").read_text()
    assert sorted(path.name for path in here.iterdir()) == ["list.csv", "own.yaml"]


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
def test_a_list_may_be_a_table_of_another_format(here: Path, ending: str) -> None:
    Table.from_pandas(table(RUN2D="103", morphology=["round", "oval"] * 10)).write(here / f"list.{ending}")
    assert "run2d 103 20" in " ".join(init("own", "--sample", f"list.{ending}").split())
    assert source().label_column == "morphology"


def test_without_redshifts_it_says_which_are_taken_and_what_others_need(here: Path) -> None:
    said = told(table())
    assert "redshift not in the list; that of the file counts" in said
    assert "redshifts above 0 and up to 0.36, on 3388 to 8310 Angstrom at rest; all others, as most quasars" in said
    text = Path("own.yaml").read_text().replace("\n#", "")
    redshift, bins = (text.split(start)[1].split(stop)[0] + stop
                      for start, stop in (("such as source.redshift: ", "]"), ("prepare.grid: ", "}")))
    assert yaml.safe_load(redshift) == [1.5, 2.2]
    own = yaml.safe_load(Path("own.yaml").read_text())
    own["surveys"]["own"]["source"]["redshift"] = yaml.safe_load(redshift)
    own["surveys"]["own"]["prepare"]["grid"] = yaml.safe_load(bins)
    Path("quasars.yaml").write_text(yaml.safe_dump(own))
    assert load_settings(Path("quasars.yaml")).surveys["own"].view.grid.log_start == pytest.approx(3.1041, abs=1e-6)
    assert not load_settings(Path("own.yaml")).surveys["own"].models["cvae"].conditional


def test_a_list_of_quasars_gets_redshifts_and_bins_of_its_own(here: Path) -> None:
    said = told(table(redshift=np.linspace(1.6, 2.0, N), Plate=7338, MJD=56660, **{"class": "QSO"}))
    assert "0 of SDSS-I and II, 20 of BOSS" in said
    assert "nothing odd" in said
    survey = load_settings(Path("own.yaml")).surveys["own"]
    assert source().redshift == (1.59, 2.0)
    low, high = (10 ** (survey.prepare.grid.log_start + i * survey.prepare.grid.log_step) for i in (0, 999))
    assert 1280 < low < 1300
    assert 3600 < high < 3800
    assert low < survey.view.window_aa[0] < survey.view.window_aa[1] < high
    assert not survey.models["cvae"].conditional  # one class


def test_what_is_odd_is_told(here: Path) -> None:
    frame = table(
        z=[0.1] * 11 + [1.8] * 6 + [-0.001] * 3, RUN2D="26", EBV=[0.1] * 19 + [-9], zwarning=[0] * 18 + [4, 0],
        **{"class": ["GALAXY"] * 11 + ["QSO"] * 6 + ["STAR"] * 3},
    )
    frame.loc[0, "RUN2D"] = "v5_13_2"
    frame.loc[1, "FIBERID"] = 1001
    said = told(pd.concat([frame, frame.iloc[:2]]))
    assert "22 rows, 20 spectra" in said
    assert "2 rows name a spectrum again; the first of each is kept" in said
    assert "1 of 20 spectra cannot be of SDSS: fibres go from 1 to 1000" in said
    assert "such as spec-0266-51602-1001" in said
    assert "1 of 20 spectra have a run2d that does not go with the plate" in said
    assert "such as spec-0266-51602-0001, run2d 'v5_13_2'" in said
    assert "3 are of class STAR and will be refused; a run of stars needs source.classes: [STAR]" in said
    assert "6 of 20 spectra have a redshift that is not above 0 and up to 0.36" in said
    assert "for 6 of the 6 beyond, in a configuration of their own: source.redshift: [1.79, 1.8] and prepare" in said
    assert "1 have a ZWARNING" in said
    assert "1 of 20 spectra have an E(B-V) that is below zero or no number, such as '-9.0'" in said
    assert source().labels == "class"
    assert not load_settings(Path("own.yaml")).surveys["own"].models["cvae"].conditional  # 11 galaxies are left


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"label": ["a"] * 2 + [""] * 18}, ("column", "label")),
        ({"class": ["Seyfert", "LINER"] * 10}, ("column", "class")),
        ({"class": ["GALAXY", "QSO"] * 10}, ("class", "label")),
        ({"type": [1, 2] * 10}, ("column", "type")),
        ({"type": np.linspace(0, 1, N)}, ("class", "label")),
        ({"type": [f"name {i}" for i in range(N)]}, ("class", "label")),
        ({"hue": ["red", "blue"] * 10}, ("class", "label")),  # only offered
    ],
)
def test_columns_that_are_labels(here: Path, columns: dict[str, object], expected: tuple[str, str]) -> None:
    said = told(table(**columns))
    assert (source().labels, source().label_column) == expected
    if "hue" in columns:
        assert "column hue: red 10, blue 10" in said
        assert "# label_column: hue" in Path("own.yaml").read_text()


def test_magnitudes_are_no_redshifts_and_parts_no_labels(here: Path) -> None:
    said = told(table(z=np.linspace(15, 20, N), split=["train"] * 12 + ["test"] * 8))
    assert "redshift not in the list" in said
    assert source().part_column == "split"
    assert source().labels == "class"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("own", "--sample", "other.csv"), r"other\.csv: needs a column 'fiber'; found: plate, mjd"),
        (("own", "--sample", "none.csv"), r"none\.csv: no such file; set source\.sample"),
        (("own", "--sample", "empty.csv"), "empty.csv: no object can be used"),
        (("own", "--sample", "list.csv", "--labels", "list.csv"), "labels of a --sample are a column of it"),
        (("own", "--sample", "list.csv", "--spectra", "."), "--spectra, or --sample"),
        (("own", "--spectra", "list.csv"), r"list\.csv: a file; .* is given by --sample"),
        (("list.csv",), r"'list\.csv' becomes a path: .*a file is given by --sample list\.csv, after a name"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(here: Path, words: tuple[str, ...], message: str) -> None:
    table().to_csv("list.csv", index=False)
    Path("other.csv").write_text("plate,mjd\n266,51602\n")
    Path("empty.csv").write_text("plate,mjd,fiber\n")
    with pytest.raises(UserError, match=message):
        init(*words)
    assert not list(here.glob("*.yaml"))


def test_the_range_holds_what_its_bins_cover() -> None:
    plates, redshifts = pd.DataFrame({"plate": [266] * 30}), pd.Series(np.linspace(0.9, 1.3, 30))
    found = chosen_range(ends(plates, redshifts))
    covered = coverage(ends(plates, redshifts), found.bins) >= 0.8
    assert (found.low, found.high) == (0.89, 1.3)
    assert covered.all()
    assert found.holds(redshifts).all()
    assert chosen_range(ends(plates, redshifts * np.nan)) == DEFAULT
    assert chosen_range(ends(plates, redshifts / 10)) == DEFAULT


def test_real_spectra_of_a_list_are_kept(mirror: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRO_VAE_MIRROR", str(mirror))
    legacy = mirror / "data.sdss.org/sas/dr17/sdss/spectro/redux/26/spectra/lite"
    names = [path.stem.split("-")[1:] for path in sorted(legacy.glob("*/spec-*.fits"))[:8]]
    if not names:
        pytest.skip("no spectra of SDSS in the mirror")
    pd.DataFrame(names, columns=["PLATE", "MJD", "FIBERID"]).to_csv("list.csv", index=False)
    init("own", "--sample", "list.csv")
    prepared(here / "own.yaml", here)
    table = open_objects(here / "objects.h5").table
    assert len(table) == len(names)
    assert (table["row"] >= 0).any()
    assert not table["reason"].str.startswith(("missing", "failed")).any()
