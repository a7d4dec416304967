"""The published MiraBest images from the survey's own FITS files, bit for bit, and sizes against the catalogue."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astro_vae.images.measure import measure, measure_noise
from astro_vae.images.view import central, view
from astro_vae.settings_images import ViewSettings

BATCHES = "www.jb.man.ac.uk/research/MiraBest/MiraBest_F/MiraBest_F_batches.tar.gz"
FITS = "raw.githubusercontent.com/fmporter/MiraBest_builder/main/FITS"

# The published image of one was made with the disc of its angular size; those of two do not show the source.
OF_ANGULAR_SIZE = "200_149.170-000.023_0.1392_0107.66"
FAULTY = {"200_147.709-000.888_0.2715_0030.00", "300_147.428-000.840_0.0810_0043.06"}


class ArraysOnly(pickle.Unpickler):
    """Read pickled arrays and refuse everything else."""

    def find_class(self, module: str, name: str) -> Any:
        core = np._core.multiarray
        known = {"_reconstruct": core._reconstruct, "scalar": core.scalar, "ndarray": np.ndarray, "dtype": np.dtype}
        if module.split(".")[0] != "numpy" or name not in known:
            msg = f"{module}.{name}"
            raise pickle.UnpicklingError(msg)
        return known[name]


@pytest.fixture(scope="module")
def published(mirror: Path) -> dict[str, np.ndarray]:
    images = {}
    with tarfile.open(mirror / BATCHES) as archive:
        for member in archive:
            if member.isfile() and member.name.split("/")[-1].startswith(("data_batch", "test_batch")):
                batch = ArraysOnly(archive.extractfile(member), encoding="latin1").load()
                names = [Path(str(name)).name.removesuffix(".png") for name in batch["filenames"]]
                images |= dict(zip(names, batch["data"], strict=True))
    return images


@pytest.fixture(scope="module")
def cutouts(mirror: Path, published: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    paths = sorted(path for path in (mirror / FITS).glob("*.fits") if path.stem in published)
    return {path.stem: fits.getdata(path).astype(np.float32) for path in paths}


def table(cutouts: dict[str, np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame({
        "noise": [measure_noise(image, "sigma_clip") for image in cutouts.values()],
        "las_arcsec": [float(name[27:34]) for name in cutouts],
        "pixel_arcsec": 1.8,
    })


def differing(cutouts: dict[str, np.ndarray], published: dict[str, np.ndarray], size: int, **settings: str) -> set[str]:
    """View the stored cutouts of this size, and name those that are not the published images."""
    values = np.stack([central(image, size) for image in cutouts.values()])
    chosen = ViewSettings.model_validate({"size": 150} | settings)
    seen = view(values, table(cutouts), chosen, scaled=False)
    return {name for name, image in zip(cutouts, seen, strict=True) if not np.array_equal(image, published[name])}


@pytest.mark.parametrize("size", [150, 212, 300])
def test_the_published_images_bit_for_bit(
    cutouts: dict[str, np.ndarray], published: dict[str, np.ndarray], size: int
) -> None:
    assert len(published) == 1256
    assert len(cutouts) == 120
    assert differing(cutouts, published, size) == FAULTY | {OF_ANGULAR_SIZE}


def test_the_exception_has_the_mask_of_its_angular_size(
    cutouts: dict[str, np.ndarray], published: dict[str, np.ndarray]
) -> None:
    one = {OF_ANGULAR_SIZE: cutouts[OF_ANGULAR_SIZE]}
    assert not differing(one, published, 212, mask="angular_size")


def test_sizes_follow_the_catalogue(cutouts: dict[str, np.ndarray]) -> None:
    noise = table(cutouts)["noise"]
    sizes = np.array([
        measure(image, noise=sigma, beam=(5.4, 5.4, 0), pixel_arcsec=1.8, field=150, north_deg=0)["las_arcsec"]
        for image, sigma in zip(cutouts.values(), noise, strict=True)
    ])
    # The catalogue's sizes lie between peaks, ours between 3 sigma contours of a 5.4 arcsec beam.
    catalogue = np.array([float(name[27:34]) for name in cutouts]) + 18
    agree = np.abs(np.log(sizes / catalogue)) < np.log(1.3)
    assert agree.sum() >= 100
    assert np.median(sizes / catalogue) == pytest.approx(1, abs=0.05)
