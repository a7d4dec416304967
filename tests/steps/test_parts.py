"""Whatever the number of blocks, the object file is the same, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from astro_vae.columns import Column
from astro_vae.errors import UserError
from astro_vae.objects import open_objects
from astro_vae.settings import SourceSettings
from astro_vae.settings_images import PrepareSettings
from astro_vae.settings_spectra import GridSettings, SpectrumPrepareSettings
from astro_vae.spectra.spectrum import Spectrum
from astro_vae.steps import prepare as step
from astro_vae.surveys.candidate import WHOLE, Block, Candidate

SOURCE = SourceSettings(survey="fake")
SETTINGS: dict[str, Any] = {
    "image": PrepareSettings(size=36, field=30),
    "spectrum": SpectrumPrepareSettings(grid=GridSettings(log_start=3.65, log_step=0.001, bins=150), margin=5),
}


def an_image(seed: int) -> dict[str, Any]:
    y, x = np.mgrid[:40, :40] - 19.5
    noise = np.random.default_rng(seed).normal(0, 0.01, (40, 40))
    values = (np.exp(-(y**2 + (x - seed % 5) ** 2) / 8) + noise).astype(np.float32)
    return {"values": values, "pixel_arcsec": 1.8, "beam": (5.4, 5.4, 0.0), "north_deg": 0.0, "ra": 10.0 + seed}


def a_spectrum(seed: int) -> dict[str, Any]:
    wave = np.geomspace(4500.0, 7500, 800)
    flux = (5 + np.random.default_rng(seed).normal(0, 0.2, len(wave))).astype(np.float32)
    return {"values": Spectrum(wave, flux, np.full(len(wave), 25, np.float32)), "redshift": 0.01, "unit": "flux"}


MAKE: dict[str, Callable[[int], dict[str, Any]]] = {"image": an_image, "spectrum": a_spectrum}


def survey(kind: str) -> list[Candidate]:
    """Give a survey with all that may go wrong between blocks: names and contents that were there before."""
    ones = [Candidate(f"J{i}", **MAKE[kind](i), label="ab"[i % 2], extra={"n": i, "w": i / 3}) for i in range(9)]
    ones[1] = replace(ones[1], values=None, reason="missing: gone", extra={"n": np.int64(1)})
    ones[3] = replace(ones[3], object_id="J0")  # its name is taken by another block
    ones[5] = replace(ones[5], values=ones[3].values, extra={"note": "first of its content that is kept"})
    ones[6] = replace(ones[6], values=ones[5].values)
    ones[7] = replace(ones[7], unit="other", extra={"w": None, "note": np.float32(2)})
    ones[8] = replace(ones[8], object_id="J1")  # the name of one that was refused
    return ones


@pytest.fixture(params=["image", "spectrum"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Give functions that prepare a small survey of one kind, whole or a block, and what was read for that."""
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("address,path,bytes,checksum,status,reason\nhttp://a/b,b,3,md5:0,ok,\n")
    read: list[str] = []

    def candidates(source: Any, folder: Path, listed: Any, block: Block = WHOLE) -> Iterator[Candidate]:
        for one in block.of(survey(request.param)):
            read.append(one.object_id)
            yield one

    fake = SimpleNamespace(KIND=request.param, COLUMNS={"n": Column("Number")}, candidates=candidates)
    monkeypatch.setattr(step.surveys, "survey", lambda _: fake)
    monkeypatch.setattr(step, "PEEK", 2)
    settings = SETTINGS[request.param]
    given: dict[str, Any] = {"folder": tmp_path, "manifest": manifest}

    def parts(total: int, **changed: Any) -> list[Path]:
        paths = [tmp_path / f"{number}-of-{total}.h5" for number in range(1, total + 1)]
        for number, path in enumerate(paths, 1):
            step.prepare_block(
                SOURCE, settings.model_copy(update=changed), block=Block(number, total), **given, out=path
            )
        return paths

    def whole(made: Any = ()) -> Path:
        step.prepare(SOURCE, settings, **given, out=tmp_path / "objects.h5", parts=made)
        return tmp_path / "objects.h5"

    return SimpleNamespace(parts=parts, whole=whole, read=read)


@pytest.mark.parametrize("total", [1, 3, 12])
def test_blocks_give_the_same_bytes(place: SimpleNamespace, total: int) -> None:
    expected = place.whole().read_bytes()
    table = open_objects(place.whole()).table
    assert table["object_id"][table["row"] >= 0].tolist() == ["J0", "J2", "J4", "J5"]
    assert table["reason"][3].startswith("duplicate name")
    assert table["reason"][6].endswith("the same pixels as J5")
    assert place.whole(place.parts(total)[::-1]).read_bytes() == expected


def test_a_block_reads_its_own_files_and_the_first_ones(place: SimpleNamespace) -> None:
    place.parts(3)
    first, own = "J0 J1 J2", ("J0 J1 J2", "J0 J4 J5", "J6 J7 J1")
    assert " ".join(place.read) == " ".join(f"{first} {block}" for block in own)


def test_parts_that_do_not_belong_together_are_named(place: SimpleNamespace) -> None:
    one, two, three = place.parts(3)
    for wrong in ([one, three], [one, two, two, three], [one, *place.parts(2)]):
        with pytest.raises(UserError, match="not the parts of all blocks"):
            place.whole(wrong)
    other = place.parts(1, min_snr=4.0)
    with pytest.raises(UserError, match=r"1-of-1\.h5: made with other settings or of other files; remove it"):
        place.whole(other)


@pytest.mark.parametrize(("length", "total"), [(10, 3), (3, 10), (0, 4), (7, 1)])
def test_blocks_hold_every_row_once(length: int, total: int) -> None:
    rows = list(range(length))
    blocks = [Block(number, total).of(rows) for number in range(1, total + 1)]
    assert [row for block in blocks for row in block] == rows
    assert max(map(len, blocks)) - min(map(len, blocks)) <= 1
