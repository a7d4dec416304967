"""Every format of a spectrum file is read, and damaged ones are refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astro_vae.surveys._fits_file import UnreadableFileError
from astro_vae.surveys._sdss_files import read_spectrum_file

Write = Callable[..., Path]


@pytest.mark.parametrize("variant", ["legacy", "resaved", "boss"])
def test_every_variant_is_the_same_spectrum(write_spectrum: Write, tmp_path: Path, variant: str) -> None:
    file = read_spectrum_file(write_spectrum(tmp_path / "a.fits", variant=variant, SUBCLASS="AGN   "))
    spectrum = file.spectrum
    assert spectrum.flux.dtype.isnative
    assert len(spectrum.wave_aa) == 3840
    np.testing.assert_allclose(spectrum.wave_aa[[0, -1]], 10 ** np.array([3.58, 3.9639]), rtol=1e-6)
    assert spectrum.flux.mean() == pytest.approx(10, abs=0.1)
    np.testing.assert_allclose(spectrum.ivar, 4)
    assert not spectrum.in_air
    assert (file.row["CLASS"], file.row["SUBCLASS"], file.row["Z"], file.row["ZWARNING"]) == ("GALAXY", "AGN", 0.1, 0)
    assert file.row["RUN2D"] == ("v5_13_0" if variant == "boss" else "26")
    assert "SN_MEDIAN" not in file.row


def test_bad_bits_are_chosen_one_by_one(write_spectrum: Write, tmp_path: Path) -> None:
    path = write_spectrum(tmp_path / "a.fits", bits=(slice(100, 150), 1 << 23 | 1 << 4))
    assert (read_spectrum_file(path).spectrum.ivar > 0).all()
    assert (read_spectrum_file(path, ("NOSKY",)).spectrum.ivar > 0).all()
    masked = read_spectrum_file(path, ("NOSKY", "BRIGHTSKY")).spectrum.ivar == 0
    assert np.flatnonzero(masked).tolist() == list(range(100, 150))


@pytest.mark.parametrize("kept", [0, 100, 2880, 14_400, 60_000, -3000, -2880])
def test_truncated_files_are_refused(write_spectrum: Write, tmp_path: Path, kept: int) -> None:
    path = write_spectrum(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableFileError, match=r"empty file|truncated|1 HDUs"):
        read_spectrum_file(path)


def test_files_with_other_hdus_are_refused(write_spectrum: Write, tmp_path: Path) -> None:
    path = write_spectrum(tmp_path / "a.fits")
    with fits.open(path) as units:
        swapped = fits.HDUList([units[0].copy(), units[2].copy(), units[1].copy()])
        swapped.writeto(tmp_path / "b.fits")
        fits.HDUList([units[0].copy(), units[1].copy()]).writeto(tmp_path / "c.fits")
        fits.HDUList([units[0].copy(), units[1].copy(), units[3].copy()]).writeto(tmp_path / "d.fits")
        image = fits.ImageHDU(np.zeros((2, 2)))
        fits.HDUList([units[0].copy(), image, units[2].copy()]).writeto(tmp_path / "e.fits")
    for name, reason in {
        "b": "HDU 1 is no spectrum: it has no column flux, loglam", "c": "2 HDUs", "d": "it has no column CLASS, Z",
        "e": "HDU 1 is no spectrum",
    }.items():
        with pytest.raises(UnreadableFileError, match=reason):
            read_spectrum_file(tmp_path / f"{name}.fits")
    (tmp_path / "f.fits").write_text("SIMPLE but no more")
    with pytest.raises(UnreadableFileError, match="no FITS file"):
        read_spectrum_file(tmp_path / "f.fits")
