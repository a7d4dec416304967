"""MiraBest over HTTP from a server that misbehaves: a cut connection, wrong bytes, a page instead of a file."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from acceptance._run import logs, mirror, workflow

FAULTS = ("cut", "wrong", "page")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve a folder; `fault` says what goes wrong with archives."""

    fault = ""

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        if not self.fault or not self.path.endswith(".gz"):
            super().do_GET()
            return
        data = Path(self.translate_path(self.path)).read_bytes()
        page = b"<html>maintenance</html>"
        sent = {"cut": data[: len(data) // 2], "wrong": bytes(len(data)), "page": page}[self.fault]
        self.send_response(200)
        self.send_header("Content-Length", str(len(sent) if self.fault == "page" else len(data)))
        self.end_headers()
        self.wfile.write(sent)
        self.close_connection = True


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serve `folder` on loopback and give the address."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def run(place: Path, root: Path) -> str:
    """Run the quick form of config/mirabest.yaml against each fault, then against a server that behaves."""
    for left in ("data", "results"):  # an interrupted run of this target: the faults must meet an empty folder
        shutil.rmtree(place / left, ignore_errors=True)
    config = place / "mirabest.yaml"
    settings = yaml.safe_load((root / "config" / "mirabest.yaml").read_text())
    survey = settings["surveys"]["mirabest"]
    survey["augment"] = {"total": 5000}
    survey["classifier"] = {"examples": 10_000}
    survey["models"] = {"cvae8": {"type": "vae", "latents": 8, "train": {"examples": 20_000}},
                        "pca8": {"type": "pca", "latents": 8, "examples": 2000}}
    survey["products"] = {"rotations": 3, "draws": 6, "prior": {"components": 5, "examples": 4000}}
    config.write_text(yaml.safe_dump(settings))
    said = []
    with server(mirror()) as address:
        for fault in FAULTS:
            Handler.fault = fault
            done = workflow(root, place, config, "--until", "download", "--retries", "0", ASTRO_VAE_MIRROR=address)
            log = next(place.rglob("logs/download.log")).read_text().strip()
            assert done.returncode != 0, f"{fault}: the run went on"
            assert "Traceback" not in log, log
            whole = [p for p in (place / "data").rglob("*.gz") if not p.name.endswith(".part")]
            assert whole == [], f"{fault}: a bad file was left behind: {whole}"
            said.append(f"{fault}: {log.splitlines()[-1]}")
            print(said[-1], flush=True)
        Handler.fault = ""
        done = workflow(root, place, config, ASTRO_VAE_MIRROR=address)
    assert done.returncode == 0, done.stderr[-2000:] + logs(place)
    said.append(f"then whole: {len(list(place.rglob('report.html')))} page")
    return "\n".join(said)
