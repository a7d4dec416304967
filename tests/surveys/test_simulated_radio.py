"""The simulated survey: the numbers asked for, the same bytes for the same seed, and measures that agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astro_vae.errors import UserError
from astro_vae.images.measure import measure, measure_noise
from astro_vae.settings import ExecutionSettings
from astro_vae.surveys import simulated_radio as survey
from astro_vae.surveys._radio_population import ANOMALIES_ARCSEC, COMPACT_ARCSEC, RESOLVED_ARCSEC, draw_population
from astro_vae.surveys._simulated import folder_name
from astro_vae.surveys.candidate import Candidate
from astro_vae.surveys.simulated_radio import Source, candidates, obtain

EXECUTION = ExecutionSettings()


def source(**known: float) -> Source:
    few = {"labelled": 24, "unlabelled": 6, "other": 4, "anomalies": 5}
    return Source.model_validate({"survey": "simulated_radio", **few, **known})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("simulated")
    return folder, obtain(source(), folder, execution=EXECUTION)


@pytest.fixture(scope="module")
def found(made: tuple[Path, pd.DataFrame]) -> list[Candidate]:
    return list(candidates(source(), *made))


def test_the_numbers_that_were_asked_for(found: list[Candidate]) -> None:
    assert Counter(c.label for c in found) == {"FRI": 12, "FRII": 12, "": 15}
    classes = Counter(c.extra["true_class"] for c in found)
    assert classes == {"FRI": 15, "FRII": 15, "compact": 2, "bent": 2, **dict.fromkeys(survey_anomalies(), 1)}
    assert sum(c.extra["is_anomaly"] for c in found) == 5
    assert all(c.label in ("", c.extra["true_class"]) for c in found)
    assert all(set(c.extra) == set(survey.COLUMNS) for c in found)


def survey_anomalies() -> tuple[str, ...]:
    return ("ring", "x_shaped", "double_double", "one_sided", "artefact")


def test_images_have_position_scale_and_unit(found: list[Candidate]) -> None:
    for c in found:
        assert c.values is not None
        assert c.values.shape == (212, 212)
        assert (c.unit, c.scaled, c.north_deg) == ("Jy/beam", False, 0)
        assert c.pixel_arcsec == pytest.approx(1.8)
        assert c.beam == pytest.approx((5.4, 5.4, 0))
        assert 110 <= c.ra <= 260
        assert 5 <= c.dec <= 60


def test_the_manifest_names_every_file(made: tuple[Path, pd.DataFrame]) -> None:
    folder, manifest = made
    assert len(manifest) == 39 + 1
    assert manifest["path"].iloc[-1].endswith("/truth.csv")
    assert all((folder / path).stat().st_size == size for path, size in zip(manifest["path"], manifest["bytes"],
                                                                           strict=True))
    assert obtain(source(), folder, execution=EXECUTION).equals(manifest)


def test_the_same_seed_gives_the_same_bytes(made: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    again = obtain(source(min_fraction=0.5), tmp_path, execution=EXECUTION)
    assert again.equals(made[1])
    other = obtain(source(seed=2, labelled=2, unlabelled=0, other=0), tmp_path, execution=EXECUTION)
    assert not set(other["checksum"]) & set(again["checksum"])


def test_an_unfinished_simulation_is_made_again(tmp_path: Path) -> None:
    few = source(labelled=2, unlabelled=0, other=0, anomalies=0)
    left = tmp_path / f".{folder_name(few, few.seed, survey.VERSION)}.partial"
    left.mkdir()
    (left / "sim_99999.fits").write_bytes(b"half")
    names = [Path(path).name for path in obtain(few, tmp_path, execution=EXECUTION)["path"]]
    assert names == ["sim_00000.fits", "sim_00001.fits", "truth.csv"]
    assert not left.exists()


def test_headers_do_not_tell_the_class(made: tuple[Path, pd.DataFrame]) -> None:
    folder, manifest = made
    header = fits.getheader(folder / manifest["path"][0])
    assert header["BUNIT"] == "JY/BEAM"
    text = header.tostring()
    assert not any(name in text for name in ("FRI", "compact", "bent", *survey_anomalies()))


def test_sources_measure_as_they_were_made(found: list[Candidate]) -> None:
    flux, angle, noises = [], [], []
    for c in found:
        assert c.values is not None
        noise = measure_noise(c.values, "sigma_clip")
        if c.extra["true_class"] != "artefact":
            noises.append(noise)
        if c.label and c.extra["n_neighbours"] == 0:
            seen = measure(c.values, noise=noise, beam=c.beam, pixel_arcsec=1.8, field=150, north_deg=0)
            flux.append(1000 * seen["total_flux"] / c.extra["true_flux_mjy"])
            turned = seen["position_angle_deg"] - c.extra["true_position_angle_deg"]
            angle.append(abs((turned + 90) % 180 - 90))
    assert np.median(noises) == pytest.approx(1.5e-4, rel=0.1)
    assert len(flux) >= 5
    assert np.median(flux) == pytest.approx(1, abs=0.08)
    assert np.median(angle) < 10


def test_the_population_is_physical() -> None:
    counts = {"labelled": 4000, "unlabelled": 0, "other": 0, "anomalies": 200}
    table = draw_population(np.random.default_rng(1), **counts, min_flux_mjy=source().min_flux_mjy)
    assert table["object_id"].is_unique
    assert table["redshift"].between(0.03, 0.55).all()
    assert table["inclination_deg"].between(30, 90).all()
    assert table["true_flux_mjy"].between(40, 3000).all()
    assert table["log_power"].between(22.5, 28).all()
    ordinary = table[(table["is_anomaly"] == 0) & (table["true_class"] != "compact")]
    assert ordinary["true_size_arcsec"].between(*RESOLVED_ARCSEC).all()
    assert table.loc[table["is_anomaly"] == 1, "true_size_arcsec"].between(*ANOMALIES_ARCSEC).all()
    assert table.loc[table["true_class"] == "compact", "true_size_arcsec"].between(*COMPACT_ARCSEC).all()
    medians = ordinary.groupby("true_class")["true_size_arcsec"].median()
    assert medians["FRI"] > 1.5 * medians["FRII"]
    # Euclid's counts would have slope 1.5; a Pareto law of slope 1.1 has this part above twice the limit.
    assert np.mean(table["true_flux_mjy"] > 80) == pytest.approx(2**-1.1, abs=0.04)


def test_without_its_files_the_survey_says_so(made: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"truth\.csv: no such file; run the step 'download' again"):
        next(candidates(source(), tmp_path, made[1]))
