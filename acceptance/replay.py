"""Loopback servers that answer as SkyView and the FIRST cutout server do, or fail as they do."""

from __future__ import annotations

import http.server
import io
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from astropy.io import fits

FORM = """<html><body><h1>SkyView Query Form</h1>
<form name="query" action="runquery.pl" method="GET" target="skyview_out">
<INPUT name="Position" size=30 id="object">
<select multiple NAME='survey' id='Optical:DSS'><option>DSS</option></select>
<select multiple name='survey' id='Radio:GHz'><option>VLA FIRST (1.4 GHz)</option><option>NVSS</option>
<option>TGSS ADR1</option></select>
<select name="coordinates"><option value="J2000" selected>J2000</option></select>
<input type="submit" value="Submit"></form></body></html>"""
ANSWER = "<html>Download <a href=../../tempspace/fits/{name}.fits>FITS</a> or <a href=q.jpg>quick look jpeg</a></html>"
SILENT_TIMEOUT = 0.6  # s
MAINTENANCE = "<html><head><style>b {color: red}</style></head><body><b>Down</b> for maintenance</body></html>"
NOT_COVERED = "<html><body>Sorry, this position is outside the area of the survey.</body></html>"


def cutout(ra: float, dec: float, *, size: int = 24, pixel: float = 1.8, unit: str = "JY/BEAM", axes: int = 2,
           **cards: object) -> bytes:
    """Return a FITS file as the services make it; NaN in a corner, as where a survey ends."""
    rng = np.random.default_rng([int(1e4 * ra), int(1e4 * (dec + 90))])
    values = rng.normal(0, 1e-4, (size, size)).astype(np.float32)
    values[size // 2 - 1 : size // 2 + 2, size // 2 - 1 : size // 2 + 2], values[:2, :2] = 0.05, np.nan
    header = fits.Header({"BUNIT": unit, "EQUINOX": 2000.0, **cards})
    for i, (kind, at, step) in enumerate((("RA---TAN", ra, -pixel / 3600), ("DEC--TAN", dec, pixel / 3600)), 1):
        header[f"CTYPE{i}"], header[f"CRVAL{i}"], header[f"CDELT{i}"] = kind, at, step
        header[f"CRPIX{i}"] = (size + 1) / 2
    for i, kind in enumerate(("FREQ", "STOKES")[: axes - 2], 3):
        header[f"CTYPE{i}"], header[f"CRVAL{i}"], header[f"CDELT{i}"], header[f"CRPIX{i}"] = kind, 1.0, 1.0, 1.0
    written = io.BytesIO()
    fits.writeto(written, values.reshape((1,) * (axes - 2) + values.shape), header)
    return written.getvalue()


class Services:
    """Both services, and an archive of files. Each query is answered by the next of `behaviours`; the last one stays.

    Attributes
    ----------
    draw : callable
        From right ascension and declination (deg) to the FITS file that a good answer holds, or None if it has none.
    archive : Path, optional
        Folder whose files lie below the same address, named after their hosts.
    pause : float
        Seconds that the FIRST cutout server takes for an answer.
    """

    def __init__(self) -> None:
        self.behaviours = ["good"]
        self.forms = [FORM]
        self.cards: dict[str, Any] = {}
        self.draw: Callable[[float, float], bytes | None] = lambda ra, dec: cutout(ra, dec, **self.cards)
        self.archive: Path | None = None
        self.pause = 0.0
        self.queries: list[dict[str, str]] = []
        self.files: dict[str, bytes] = {}
        self.requests = self.together = self.most = 0
        self.lock = threading.Lock()

    def answer(self, query: dict[str, str], ra: float, dec: float) -> tuple[int, bytes | None]:
        """Return status and FITS file, None where there is none, or the page that is sent instead."""
        with self.lock:
            self.queries.append(query)
            behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        if behaviour == "good":
            return 200, self.draw(ra, dec)
        image = cutout(ra, dec, **self.cards)
        blank = image[:2880] + b"\xff" * 2880
        pages = {
            "absent": (200, None), "blank": (200, blank), "cut": (200, image[:3000]),
            "empty": (200, b""), "maintenance": (200, MAINTENANCE.encode()), "outside": (200, NOT_COVERED.encode()),
            "error": (500, b"Internal Server Error"), "busy": (503, b"busy"), "forbidden": (403, b"no"),
            "elsewhere": (200, cutout(ra, dec + 0.5, **self.cards)),
        }
        if behaviour == "silent":
            time.sleep(2 * SILENT_TIMEOUT)
        return pages.get(behaviour, (200, b""))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers below /m/, as a mirror does that has all hosts in it."""

    services: Services

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.services.requests += 1
        place, query = urlsplit(self.path), {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        if not place.path.startswith("/m/skyview.gsfc.nasa.gov/"):
            self._file(unquote(place.path).removeprefix("/m/"))
        elif place.path.endswith("/cgi/basicform.pl"):
            forms = self.services.forms
            self._send(200, (forms.pop(0) if len(forms) > 1 else forms[0]).encode())
        elif place.path.endswith("/cgi/runquery.pl"):
            ra, dec = (float(x) for x in query["Position"].split())
            self._page(*self.services.answer(query, ra, dec))
        else:
            content = self.services.files.pop(Path(place.path).stem, None)
            self._send(404 if content is None else 200, content or b"")

    def _file(self, name: str) -> None:
        """Answer with a file of the archive, if there is one."""
        archive = self.services.archive
        if archive is None or not (archive / name).is_file():
            self._send(404, b"")
        else:
            self._send(200, (archive / name).read_bytes())

    def _page(self, status: int, content: bytes | None) -> None:
        """Answer with a page that has a link to the file, or with the page that is sent in its place."""
        if status != 200 or (content is not None and content[:1] in (b"", b"<")):
            self._send(status, content or b"")
            return
        name = f"skv{uuid.uuid4().hex}"  # queries come at the same time
        if content is not None:
            self.services.files[name] = content
        self._send(200, ANSWER.format(name=name).encode())

    def do_POST(self) -> None:
        services = self.services
        with services.lock:
            services.requests += 1
            services.together += 1
            services.most = max(services.most, services.together)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = {k: v[0] for k, v in parse_qs(body).items()}
        hours, dec = (float(x) for x in query["RA"].split())
        status, content = services.answer(query, 15 * hours, dec)
        time.sleep(services.pause)
        with services.lock:
            services.together -= 1
        self._send(status if self.path == "/m/sundog.stsci.edu/cgi-bin/firstcutout" else 404, content or b"")


@contextmanager
def serve(services: Services) -> Iterator[str]:
    """Serve on loopback, and give the address of the mirror."""
    handler = type("OneHandler", (Handler,), {"services": services})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/m/"
        finally:
            server.shutdown()
            thread.join()
