"""What a person can mend about their disk is one line that names the file; other errors stay what they are."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from astro_vae import cli, download
from astro_vae.disk import FORBIDDEN, FULL, fault, told
from astro_vae.errors import UserError
from astro_vae.files import atomic

LIMIT = 100_000  # bytes of a file


@pytest.mark.parametrize("number", [*FULL, *FORBIDDEN])
def test_every_such_error_names_the_file_and_the_remedy(number: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^{tmp_path}/a.csv: .*, and run the same command again$"), told(
        tmp_path / "a.csv"
    ):
        raise OSError(number, os.strerror(number))


def test_errors_that_say_the_number_in_their_text_only() -> None:
    text = "Can't decrement id ref count (file write failed: errno = 28, error message = 'No space left on device')"
    assert str(fault(RuntimeError(text), "objects.h5")).startswith("objects.h5: no space left on its disk")


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    assert fault(ValueError("Permission denied")) is None
    assert fault(UserError(os.strerror(errno.ENOSPC))) is None
    with pytest.raises(FileNotFoundError), told(tmp_path / "a.csv"):
        (tmp_path / "gone").read_text()


def test_a_file_that_is_read_meanwhile_is_named_itself(tmp_path: Path) -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/input.h5")
    with pytest.raises(UserError, match=r"^/elsewhere/input\.h5: no permission"), told(tmp_path / "out.csv"):
        raise error


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="a part of this path is a file"), atomic(tmp_path / "file" / "a.csv"):
        pass
    with pytest.raises(UserError, match=r"folder\.csv: it is a folder"), atomic(tmp_path / "folder.csv") as partial:
        partial.write_text("x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.csv"]


WRITERS = {
    "h5py": "import h5py; f = h5py.File(path, 'w'); f['x'] = b; f.close()",
    "safetensors": "from safetensors.numpy import save_file; save_file({'x': b}, path)",
    "pandas": "import pandas; pandas.DataFrame({'x': b}).to_csv(path)",
    "parquet": "import pandas; pandas.DataFrame({'x': b}).to_parquet(path)",
    "astropy": "from astropy.io import fits; fits.PrimaryHDU(b).writeto(path)",
    "pillow": "from PIL import Image; Image.fromarray((b.reshape(500, -1) * 255).astype('u1')).save(path)",
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_library_that_writes_is_understood(name: str, tmp_path: Path) -> None:
    """The limit of a file's size stands for the end of a disk: writing fails in the same place."""
    out = tmp_path / ("a.png" if name == "pillow" else "a.fits")
    code = f"""
import sys, numpy
from pathlib import Path
from astro_vae import cli
from astro_vae.files import atomic
b = numpy.random.default_rng(1).random(500 * 500)
def app():
    with atomic(Path({str(out)!r})) as path:
        {WRITERS[name]}
cli.app = app
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT)),
    )
    assert done.returncode == 1
    fault = "no space left on" if name == "astropy" else "larger than"  # NumPy tells no number
    assert done.stderr.splitlines()[-1].startswith(f"astro-vae: {out}: {fault} its disk")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_a_command_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app() -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/data/results")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    said = capsys.readouterr().err
    assert said == (
        "astro-vae: /data/results: its disk may only be read from; choose a folder on another, and run the same "
        "command again\n"
    )


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download.shutil, "copyfile", full)
    monkeypatch.delenv("ASTRO_VAE_MIRROR", raising=False)
    files = [download.RemoteFile(f"https://x.org/{i}.fits", f"{i}.fits") for i in range(20)]
    with pytest.raises(UserError, match=r"fits\.part: no space left on its disk"):
        download.fetch(files, tmp_path / "data", mirror=str(tmp_path))
