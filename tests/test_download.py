"""Downloads from a loopback server that cuts connections, sends wrong bytes, pages, and errors."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from astro_vae import download, transfer
from astro_vae.download import COLUMNS, RemoteFile, fetch
from astro_vae.errors import UserError

CONTENT = gzip.compress(np.random.default_rng(1).bytes(300_000), mtime=0)
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><html><body>Down for maintenance</body></html>"


class Archive:
    """A server with one behaviour per answer; the last one stays. It notes what it was asked."""

    def __init__(self) -> None:
        self.behaviours: list[str] = ["good"]
        self.asked: list[tuple[str, str | None]] = []
        self.times: list[float] = []
        self.agents: set[str | None] = set()
        self.pause = "0"
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.address = ""

    def next(self) -> str:
        return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]


class Handler(http.server.BaseHTTPRequestHandler):
    archive: Archive

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        with self.archive.lock:
            self.archive.asked.append((self.path, asked))
            self.archive.times.append(time.monotonic())
            self.archive.agents.add(self.headers.get("User-Agent"))
            self.archive.at_once += 1
            self.archive.most_at_once = max(self.archive.most_at_once, self.archive.at_once)
            behaviour = self.archive.next()
        getattr(self, f"_{behaviour}")(int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0)
        with self.archive.lock:
            self.archive.at_once -= 1

    def _send(self, status: int, body: bytes, promised: int | None = None, start: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def _good(self, start: int) -> None:
        if start >= len(CONTENT):
            self._send(416, b"")
        elif start:
            self._send(206, CONTENT[start:], start=start)
        else:
            self._send(200, CONTENT)

    def _no_ranges(self, start: int) -> None:
        self._send(200, CONTENT)

    def _cut(self, start: int) -> None:
        self._send(206 if start else 200, CONTENT[start : start + 100_000], len(CONTENT) - start, start or None)

    def _wrong(self, start: int) -> None:
        self._send(200, CONTENT[:2] + bytes(len(CONTENT) - 2))

    def _page(self, start: int) -> None:
        self._send(200, PAGE)

    def _absent(self, start: int) -> None:
        self._send(404, b"no such file")

    def _busy(self, start: int) -> None:
        self._send(503, b"try later")

    def _asks_for_a_pause(self, start: int) -> None:
        self.send_response(429)
        self.send_header("Retry-After", self.archive.pause)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _forbidden(self, start: int) -> None:
        self._send(403, b"not for you")


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(download, "RETRY_DELAYS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(transfer, "TIMEOUT", 5.0)
    monkeypatch.delenv("ASTRO_VAE_MIRROR", raising=False)
    known = Archive()
    handler = type("OneHandler", (Handler,), {"archive": known})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        known.address = f"http://127.0.0.1:{server.server_port}"
        yield known
        server.shutdown()
        thread.join()


def quiet(_: str) -> None:
    """Report nothing."""


def one(archive: Archive, folder: Path, *, checksum: str = MD5, **known: int) -> dict[str, object]:
    """Fetch the one file and return its row."""
    file = RemoteFile(f"{archive.address}/a/b.gz", "b.gz", checksum=checksum, **known)
    manifest = fetch([file], folder, report=quiet)
    assert tuple(manifest.columns) == COLUMNS
    return manifest.iloc[0].to_dict()


def test_a_whole_file_arrives_once(archive: Archive, tmp_path: Path) -> None:
    for _ in range(2):
        row = one(archive, tmp_path)
        assert (row["status"], row["bytes"], row["checksum"]) == ("ok", len(CONTENT), MD5)
        assert (tmp_path / "b.gz").read_bytes() == CONTENT
    assert len(archive.asked) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["b.gz"]


def test_a_cut_connection_is_taken_up_where_it_stopped(archive: Archive, tmp_path: Path) -> None:
    archive.behaviours = ["cut", "cut", "good"]
    assert one(archive, tmp_path)["status"] == "ok"
    assert [asked for _, asked in archive.asked] == [None, "bytes=100000-", "bytes=200000-"]
    assert (tmp_path / "b.gz").read_bytes() == CONTENT


def test_the_next_call_goes_on_where_the_last_one_stopped(archive: Archive, tmp_path: Path) -> None:
    archive.behaviours = ["cut", "absent"]
    assert one(archive, tmp_path)["status"] == "missing"
    assert (tmp_path / "b.gz.part").stat().st_size == 100_000
    archive.behaviours = ["good"]
    assert one(archive, tmp_path)["status"] == "ok"
    assert archive.asked[-1][1] == "bytes=100000-"
    assert [p.name for p in tmp_path.iterdir()] == ["b.gz"]


def test_a_server_that_ignores_ranges_gives_the_same_file(archive: Archive, tmp_path: Path) -> None:
    archive.behaviours = ["cut", "no_ranges"]
    assert one(archive, tmp_path)["status"] == "ok"
    assert (tmp_path / "b.gz").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more"])
def test_a_partial_file_that_is_too_long_is_fetched_again(archive: Archive, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "b.gz.part").write_bytes(left)
    assert one(archive, tmp_path)["status"] == "ok"
    assert (tmp_path / "b.gz").read_bytes() == CONTENT


def test_a_partial_file_of_other_bytes_is_found_out(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "b.gz.part").write_bytes(b"\x1f\x8b" + bytes(5000))
    assert one(archive, tmp_path)["status"] == "ok"
    assert [asked for _, asked in archive.asked] == ["bytes=5002-", None]


def test_without_a_checksum_nothing_is_taken_up(archive: Archive, tmp_path: Path) -> None:
    archive.behaviours = ["cut", "good"]
    row = one(archive, tmp_path, checksum="")
    assert [asked for _, asked in archive.asked] == [None, None]
    assert row["checksum"] == "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("behaviour", "status", "said", "attempts"),
    [
        ("wrong", "failed", "wrong checksum: md5", 4),
        ("page", "failed", "a web page instead of the file (61 bytes)", 4),
        ("busy", "failed", "HTTP status 503", 4),
        ("forbidden", "failed", "HTTP status 403", 1),
        ("absent", "missing", "not at the archive: HTTP status 404", 1),
    ],
)
def test_bad_answers_leave_no_file(
    archive: Archive, tmp_path: Path, behaviour: str, status: str, said: str, attempts: int
) -> None:
    archive.behaviours = [behaviour]
    row = one(archive, tmp_path)
    assert row["status"] == status
    assert said in str(row["reason"])
    assert len(archive.asked) == attempts
    assert list(tmp_path.iterdir()) == []
    assert (row["bytes"], row["checksum"]) == (0, "")


@pytest.mark.parametrize("behaviour", ["wrong", "page", "busy"])
def test_a_passing_fault_is_survived(archive: Archive, tmp_path: Path, behaviour: str) -> None:
    archive.behaviours = [behaviour, "good"]
    assert one(archive, tmp_path)["status"] == "ok"
    assert (tmp_path / "b.gz").read_bytes() == CONTENT


def test_a_cut_every_time_keeps_what_it_has(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "RETRY_DELAYS", (0.0,))
    archive.behaviours = ["cut"]
    row = one(archive, tmp_path)
    assert row["status"] == "failed"
    assert f"the connection was cut after 100000 of {len(CONTENT) - 100_000} bytes" in str(row["reason"])
    assert [p.name for p in tmp_path.iterdir()] == ["b.gz.part"]


def test_size_and_kind_are_checked(archive: Archive, tmp_path: Path) -> None:
    assert "instead of 7" in str(one(archive, tmp_path, checksum="", size=7)["reason"])
    fits = RemoteFile(f"{archive.address}/a.fits", "a.fits")
    assert "not the kind of file" in fetch([fits], tmp_path, report=quiet)["reason"][0]


def test_a_file_that_was_damaged_on_disk_is_fetched_again(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "b.gz").write_bytes(CONTENT[:-1])
    assert one(archive, tmp_path)["status"] == "ok"
    assert (tmp_path / "b.gz").read_bytes() == CONTENT


def test_names_are_quoted_and_rows_keep_their_order(archive: Archive, tmp_path: Path) -> None:
    names = ["SDSS J1509+33 I.gz", "a#b.gz", "c%41.gz"] + [f"{i}.gz" for i in range(20)]
    files = [RemoteFile(f"{archive.address}/{n}" if "#" not in n else f"{archive.address}/a%23b.gz", n, checksum=MD5)
             for n in names]
    lines: list[str] = []
    manifest = fetch(files, tmp_path, downloads=4, report=lines.append)
    assert manifest["path"].tolist() == names
    assert (manifest["status"] == "ok").all()
    assert {"/SDSS%20J1509%2B33%20I.gz", "/a%23b.gz", "/cA.gz"} <= {path for path, _ in archive.asked}
    assert lines[-1].startswith("23 of 23 files, 6.9 MB")


def test_an_archive_out_of_reach_is_not_asked_for_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "RETRY_DELAYS", ())
    monkeypatch.delenv("ASTRO_VAE_MIRROR", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # a port where nobody listens
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        files = [RemoteFile(f"{address}/{i}", str(i)) for i in range(30)]
        manifest = fetch(files, tmp_path, downloads=1, report=quiet)
    assert (manifest["status"] == "failed").all()
    assert "no answer" in manifest["reason"][0]
    assert manifest["reason"].str.startswith("not tried").sum() == 30 - download.GIVE_UP_AFTER


def test_mirror_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "mirror" / "archive.example" / "x y"
    place.mkdir(parents=True)
    (place / "b+1.gz").write_bytes(CONTENT)
    files = [RemoteFile("https://archive.example/x%20y/b+1.gz", "in/b.gz", checksum=MD5),
             RemoteFile("https://archive.example/none.gz", "none.gz")]
    monkeypatch.setenv("ASTRO_VAE_MIRROR", str(tmp_path / "mirror"))
    manifest = fetch(files, tmp_path / "data", mirror="/nowhere", report=quiet)
    assert manifest["status"].tolist() == ["ok", "missing"]
    assert manifest["reason"][1].startswith("not in the mirror")
    assert (tmp_path / "data" / "in" / "b.gz").read_bytes() == CONTENT


def test_mirror_is_an_address(archive: Archive, tmp_path: Path) -> None:
    file = RemoteFile("https://archive.example/x y/b.gz", "b.gz", checksum=MD5)
    manifest = fetch([file], tmp_path, mirror=f"{archive.address}/m/", report=quiet)
    assert manifest["status"].tolist() == ["ok"]
    assert archive.asked == [("/m/archive.example/x%20y/b.gz", None)]
    assert manifest["address"][0] == file.url


def test_nothing_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="outside of the folder"):
        fetch([RemoteFile("https://archive.example/b", "../b")], tmp_path / "data", report=quiet)


def test_a_server_that_asks_for_a_pause_gets_it_from_all(archive: Archive, tmp_path: Path) -> None:
    archive.pause, archive.behaviours = "1", ["asks_for_a_pause", "good"]
    files = [RemoteFile(f"{archive.address}/{i}.gz", f"{i}.gz", checksum=MD5) for i in range(6)]
    manifest = fetch(files, tmp_path, downloads=1, report=quiet)
    assert (manifest["status"] == "ok").all()
    assert archive.times[1] - archive.times[0] >= 1
    assert archive.times[-1] - archive.times[1] < 1  # it is asked for once


def test_a_pause_of_hours_is_left_to_a_later_run(archive: Archive, tmp_path: Path) -> None:
    archive.pause, archive.behaviours = "7200", ["asks_for_a_pause"]
    row = one(archive, tmp_path)
    assert (row["status"], len(archive.asked)) == ("failed", 1)
    assert "HTTP status 429" in str(row["reason"])
    assert str(row["reason"]).endswith("the server asks to be left alone for 7200 s")


def test_a_pause_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert transfer.asked_pause(later) == pytest.approx(90, abs=3)
    assert transfer.asked_pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [transfer.asked_pause(said) for said in ("", "soon", " 12 ")] == [0, 0, 12]


def test_a_server_is_asked_by_few_at_once_and_told_by_whom(archive: Archive, tmp_path: Path) -> None:
    files = [RemoteFile(f"{archive.address}/{i}.gz", f"{i}.gz", checksum=MD5) for i in range(40)]
    assert (fetch(files, tmp_path, downloads=3, report=quiet)["status"] == "ok").all()
    assert archive.most_at_once <= 3
    assert archive.agents == {f"astro_vae/{version('astro_vae')}"}
