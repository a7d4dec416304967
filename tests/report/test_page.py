"""The page: whole, escaped, alone, and made of whatever is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astro_vae.errors import UserError
from astro_vae.report import report

VOID = {"meta", "link", "img", "input", "br", "hr", "line", "polyline", "path", "circle"}
SETTINGS = json.dumps({"step": "report", "version": 1, "view": {"size": 16, "frame": 20, "threshold_sigma": -1.0},
                       "models": {"vae8": {}, "pca8": {}, "later": {}}})


class _Reader(HTMLParser):
    """Check that elements nest, and gather tags, attributes and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "action", "data", "srcset")]
        self.ids += [v or "" for k, v in attrs if k == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def _read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


@pytest.fixture
def page(results: Callable[..., Path], tmp_path: Path) -> str:
    out = tmp_path / "report.html"
    report(SETTINGS, folder=results(), out=out)
    return out.read_text("utf-8")


def test_page_loads_nothing_from_elsewhere(page: str) -> None:
    reader = _read(page)
    assert all(a.startswith(("data:", "#")) for a in reader.addresses)
    assert all(a.startswith("data:") for a in re.findall(r"url\((.*?)\)", page))
    assert not {"iframe", "object", "embed"} & set(reader.tags)
    assert not re.search(r"https?://|@import|fetch\(|XMLHttpRequest|sendBeacon", page)


def test_every_entry_of_the_contents_leads_to_a_section(page: str) -> None:
    reader = _read(page)
    targets = [a[1:] for a in reader.addresses if a.startswith("#")]
    assert targets
    assert set(targets) <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))


def test_what_comes_from_files_is_escaped(page: str) -> None:
    assert "J0000&lt;b&gt;" in page
    assert "J0000<b>" not in page


def test_summary_comes_first_with_its_figures(page: str) -> None:
    positions = [page.index(f'id="{name}"') for name in ("summary", "objects", "comparison", "models", "anomalies")]
    assert positions == sorted(positions)
    assert "(5.20 \u00b1 0.30)\u202f\u00d7\u202f10<sup>\u22124</sup>" in page
    assert "4.2 times better than the mean image" in page
    assert '<td>active units</td><td class="n">6</td>' in page
    assert "of 4 lie among the first 4 ranks" in page
    assert "What is measured on samples lies 0.250 from that of real training objects" in page
    assert "Planted: the ranking reaches an area under the curve of 0.800, the best score that needs no model" in page


def test_refused_objects_are_listed_with_their_reason(page: str) -> None:
    assert page.count("NaN in the field: 12 of 400 pixels") == 4
    assert "NaN in the field (4)" in page


def test_ranking_has_a_row_per_object_with_picture_scores_and_reason(page: str) -> None:
    rows = re.findall(r"<tr data-label=.*?</tr>", page, flags=re.S)
    assert len(rows) == 2 * 36
    for row in rows:
        assert 'class="thumb s0"' in row
        assert "far from its neighbours; 3 components" in row
        assert row.count('class="bar"') == 3
    assert page.count('title="Minus log likelihood per pixel">reconstruction</th>') == 2
    assert "trivial score, for comparison\">size</th>" in page
    assert ">flux</th>" not in page
    assert page.count("url(data:image/png;base64,") == 1


def test_settings_times_and_versions_are_shown(page: str) -> None:
    for words in ("threshold_sigma: -1.0", "vae8 / train", "2 min 05 s", "torch", "sha256"):
        assert words in page


def test_same_results_give_the_same_page(results: Callable[..., Path], tmp_path: Path) -> None:
    folder = results()
    for name in ("a.html", "b.html"):
        report(json.loads(SETTINGS), folder=folder, out=tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_objects_alone_make_a_page(results: Callable[..., Path], tmp_path: Path) -> None:
    folder = results(models=False)
    (folder / "split.csv").unlink()
    report("{}", folder=folder, out=tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    _read(text)
    assert "No model has been trained yet." in text
    assert 'id="anomalies"' not in text


@pytest.mark.parametrize("name", ["history.csv", "metrics.json", "latents.parquet", "anomalies.parquet", "model.json"])
def test_a_missing_product_is_left_out(results: Callable[..., Path], tmp_path: Path, name: str) -> None:
    folder = results()
    for path in folder.glob(f"**/{name}"):
        path.unlink()
    report(SETTINGS, folder=folder, out=tmp_path / "report.html")
    _read((tmp_path / "report.html").read_text("utf-8"))


@pytest.mark.parametrize(("settings", "words"), [("{", "not valid JSON"), ("[]", "expected a map")])
def test_bad_settings_are_refused(results: Callable[..., Path], tmp_path: Path, settings: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        report(settings, folder=results(), out=tmp_path / "report.html")


def test_missing_and_damaged_files_are_named(
    results: Callable[..., Path], damage: Callable[[Path], None], tmp_path: Path
) -> None:
    folder, out = results(), tmp_path / "report.html"
    with pytest.raises(UserError, match=r"gan.*no such folder"):
        report(SETTINGS, folder=folder, out=out, models=["gan"])
    damage(folder / "vae8" / "anomalies.parquet")
    with pytest.raises(UserError, match=r"anomalies\.parquet: not a Parquet table"):
        report(SETTINGS, folder=folder, out=out)
    (folder / "objects.h5").unlink()
    with pytest.raises(UserError, match=r"objects\.h5: no such file"):
        report(SETTINGS, folder=folder, out=out)
    assert not out.exists()


@pytest.mark.parametrize("n", [8, 9])
def test_many_models_have_a_row_each_in_tables_by_what_is_measured(
    results: Callable[..., Path], tmp_path: Path, n: int
) -> None:
    folder = results()
    table = pd.DataFrame({
        "model": [f"m{i}" for i in range(n)], "latents": 6, "test_mse": np.arange(n) + 1.5, "test_mse_error": 0.5,
        "validation_mse": 2.5, "sample_agreement": 0.5, "odd_auc": 0.75,
    })
    table.to_csv(folder / "comparison.csv", index=False)
    report(SETTINGS, folder=folder, out=tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    _read(text)
    section = text[text.index('<section id="comparison">') : text.index('<section id="models">')]
    heads = [re.findall(r"<th.*?>(.*?)</th>", head) for head in re.findall(r"<thead>(.*?)</thead>", section)]
    rows = re.findall(r"<tr><td>(.*?)</tr>", section)
    if n == 8:
        assert heads == [["figure", *(f"m{i}" for i in range(n))]]
        assert len(rows) == 5
    else:
        assert heads == [["model", "latents", "mean squared error"], ["model", "mean squared error"],
                         ["model", "samples obey their label"], ["model", "odd AUC"]]
        assert len(rows) == 4 * n
        assert section.count("<details>") == 1  # validation
    assert section.count('class="best"') == 1


def test_rankings_of_many_models_share_the_rows_of_a_page(
    results: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astro_vae.report.ranking.ALL_ROWS", 20)
    report(SETTINGS, folder=results(), out=tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert text.count("<tr data-label=") == 20
    assert text.count("The first 10 are shown; 26 more rows in anomalies.csv.") == 2


def test_the_objects_that_lead_each_score_are_listed(results: Callable[..., Path], tmp_path: Path) -> None:
    folder = results()
    ranking = pd.read_parquet(folder / "vae8" / "anomalies.parquet").sort_values("reconstruction", ascending=False)
    ranking.loc[ranking.index[0], "reconstruction"] = np.nan  # what has no score leads none
    ranking.sort_values("rank").to_parquet(folder / "vae8" / "anomalies.parquet")
    report(SETTINGS, folder=folder, out=tmp_path / "report.html", models=["vae8"])
    text = (tmp_path / "report.html").read_text("utf-8")
    table = text[text.index('class="plain leaders"') :].split("</table>")[0]
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in table.split("<tr>")[2:]]
    assert [row[0] for row in rows] == ["combined", "reconstruction", "latent density"]
    assert [re.findall(r"^J\d+", cell) for cell in rows[1][1:]] == [[i[:5]] for i in ranking["object_id"][1:6]]
    assert f"<small>rank {ranking['rank'].iloc[1]}: far from its neighbours</small>" in rows[1][1]
