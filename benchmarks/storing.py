"""Write and read the augmented file, against the bare parts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from astro_vae.images import augment
from astro_vae.objects import Writer, open_objects
from astro_vae.settings_images import AugmentSettings
from benchmarks._clock import compared, paired, seconds
from benchmarks.augmenting import OUT, N, bare, workload

BLOCK = 2048


def ratios() -> Iterator[str]:
    """Write 20,000 examples as the step does, and bare; then read them whole, and bare."""
    values, parents, transforms, maps = workload()
    settings = AugmentSettings(total=N)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "examples.h5"

        def ours() -> None:
            with Writer(path, (OUT, OUT), "uint8", {}, dict(hdf5plugin.Zstd(clevel=1))) as writer:
                for start in range(0, N, BLOCK):
                    part = slice(start, start + BLOCK)
                    writer.append(augment.apply(values, parents[part], transforms.iloc[part], settings, out_size=OUT))
                writer.table(transforms, augment.COLUMNS)

        images = bare(values, parents, maps)

        def bare_write() -> None:
            with h5py.File(Path(folder) / "bare.h5", "w") as file:
                data = file.create_dataset("values", images.shape, "uint8", chunks=(64, OUT, OUT),
                                           **hdf5plugin.Zstd(clevel=1))
                for start in range(0, N, BLOCK):
                    data[start : start + BLOCK] = images[start : start + BLOCK]

        made, parts = paired(ours, lambda: (bare(values, parents, maps), bare_write()), repeats=3)
        yield compared("warp and write against bare warp plus bare write", made, parts, "0.67")

        def bare_read() -> None:
            with h5py.File(path, "r") as file:
                target = np.empty(file["values"].shape, np.uint8)
                file["values"].read_direct(target)

        read, direct = paired(lambda: open_objects(path).read(), bare_read)
        yield compared("read whole against a bare read", read, direct, "0.9")
        yield f"(one bare warp of {N}: {seconds(lambda: bare(values, parents, maps)):.2f} s)"
