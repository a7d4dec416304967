"""The simulated radio survey: the numbers asked for, and measures that agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astro_vae.images.measure import measure, measure_noise
from astro_vae.surveys import simulated_radio
from astro_vae.surveys._radio_population import ANOMALIES_ARCSEC, COMPACT_ARCSEC, RESOLVED_ARCSEC, draw_population
from astro_vae.surveys.candidate import Candidate


@pytest.fixture(scope="module")
def survey() -> ModuleType:
    return simulated_radio


def test_the_numbers_that_were_asked_for(found: list[Candidate]) -> None:
    assert Counter(c.label for c in found) == {"FRI": 12, "FRII": 12, "": 15}
    classes = Counter(c.extra["true_class"] for c in found)
    assert classes == {"FRI": 15, "FRII": 15, "compact": 2, "bent": 2, **dict.fromkeys(survey_anomalies(), 1)}
    assert sum(c.extra["is_anomaly"] for c in found) == 5
    assert all(c.label in ("", c.extra["true_class"]) for c in found)
    assert all(set(c.extra) == set(simulated_radio.COLUMNS) for c in found)


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
    table = draw_population(np.random.default_rng(1), **counts, min_flux_mjy=40.0)
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
