"""Titles of a gallery: rank, name, label and the main reason."""

from __future__ import annotations

import pandas as pd
import pytest

from astro_vae.products.gallery import titles_of
from astro_vae.products.reasons import main

RUN = "a run of residuals stands out (percentile 99.9): excess of flux at 4492 +- 4 Angstrom, near HeII, 132 sigma"


@pytest.mark.parametrize(("why", "words"), [
    (f"{RUN}; small break at 4000 Angstrom (0.80)", "excess of flux at 4492 \u00b1 4 \u00c5, near HeII, 132 sigma"),
    ("far from its nearest neighbours (percentile 98); doubtful: x", "far from its nearest neighbours"),
    ("highest in latent density (percentile 60)", "highest in latent density"), ("", ""),
])
def test_the_main_reason_is_the_first_or_its_remark(why: str, words: str) -> None:
    assert main(why) == words


def test_titles_name_label_and_reason_in_the_room_they_have() -> None:
    table = pd.DataFrame({
        "rank": [1, 2], "object_id": ["a", "b" * 30], "label": ["QSO", ""], "label_predicted": ["QSO", "QSO"],
        "why": [RUN, "far from its nearest neighbours (percentile 98)"],
    })
    assert titles_of(table, (64, 1)) == [
        "1: a (QSO)\nexcess of flux at 4492 \u00b1 4 \u00c5, near HeII, 132 sigma",
        f"2: {'b' * 19}\u2026 (unlabelled)\nfar from its nearest neighbours",
    ]
    assert titles_of(table, (20, 2))[0] == "1: a (QSO)\nexcess of flux at\n4492 \u00b1 4 \u00c5, near\u2026"
    plain = table.drop(columns="label_predicted").assign(label="")
    assert titles_of(plain, (64, 1))[0].startswith("1: a\n")
