"""Put the pictures of many objects on few sheets, each embedded once and shown in parts.

A page with a thousand embedded files is slow, and one per model and table would repeat them; a style
class per sheet and two numbers per object show any of them at any size. What a kind draws in lines, not in pixels,
stands in the page once as a symbol, and is sharp at any size.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup, escape
from PIL import Image

from astro_vae import kinds
from astro_vae.objects import Objects
from astro_vae.settings import AnyViewSettings

COLUMNS = 20
ROWS = 20
CELL = 96  # pixels; larger thumbnails are reduced to this


def data_uri(png: bytes) -> str:
    """Return a PNG as an address that needs no file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


@dataclass
class Sheets:
    """The sheets with the place (sheet, column, row) of each object on them, and the symbols of those in lines."""

    addresses: list[str] = field(default_factory=list)
    places: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    symbols: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def picture(self, object_id: str) -> Markup:
        """Return the element that shows an object; an empty frame where it has no picture."""
        label = escape(f"picture of {object_id}")
        if object_id in self.numbers:
            return Markup(f'<svg class="thumb drawn" role="img" aria-label="{label}">'
                          f'<use href="#o{self.numbers[object_id]}"/></svg>')
        if object_id not in self.places:
            return Markup(f'<span class="thumb none" role="img" aria-label="{label}"></span>')
        sheet, x, y = self.places[object_id]
        return Markup(f'<span class="thumb s{sheet}" style="--x:{x};--y:{y}" role="img" aria-label="{label}"></span>')

    def drawings(self) -> Markup:
        """Return the symbols, which are shown nowhere themselves; empty where there are none."""
        return Markup("<svg hidden>{}</svg>").format(Markup("".join(self.symbols))) if self.symbols else Markup("")

    def style(self) -> Markup:
        """Return the style classes of the sheets."""
        return Markup("\n".join(f".s{i}{{background-image:url({a})}}" for i, a in enumerate(self.addresses)))


def sheets(objects: Objects, object_ids: Iterable[str], view: AnyViewSettings) -> Sheets:
    """Draw the view of each named object that has values.

    Parameters
    ----------
    objects : Objects
    object_ids : iterable of str
        Objects to draw; they are placed in the order of the file.
    view : AnyViewSettings
        What the network saw is what the reader sees.
    """
    wanted, kind = set(object_ids), kinds.kind(objects.attributes.get("kind", "image"))
    made = Sheets()
    pictures: list[Image.Image] = []
    for table, values in objects.blocks(256):
        chosen = table["object_id"].isin(wanted).to_numpy()
        if not chosen.any():
            continue
        seen = kind.view.view(values[chosen], table[chosen], view, scaled=bool(objects.attributes.get("scaled")))
        for object_id, image in zip(table["object_id"][chosen], seen, strict=True):
            drawn = kind.draw.thumbnail(image)
            if isinstance(drawn, str):
                made.numbers[object_id] = n = len(made.symbols)
                made.symbols.append(drawn.replace("<symbol", f'<symbol id="o{n}"', 1))
            else:
                n = len(pictures)
                made.places[object_id] = (n // (COLUMNS * ROWS), n % COLUMNS, n // COLUMNS % ROWS)
                pictures.append(_picture(drawn))
    for start in range(0, len(pictures), COLUMNS * ROWS):
        made.addresses.append(data_uri(_sheet(pictures[start : start + COLUMNS * ROWS])))
    return made


def _picture(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    return picture if picture.size == (CELL, CELL) else picture.resize((CELL, CELL), Image.Resampling.LANCZOS)


def _sheet(pictures: list[Image.Image]) -> bytes:
    """Lay pictures out row by row on one PNG with a palette of 256 colours."""
    # Every sheet has all columns, so that one rule of the style holds for all of them; black costs nothing.
    sheet = Image.new("RGB", (COLUMNS * CELL, -(-len(pictures) // COLUMNS) * CELL))
    for n, picture in enumerate(pictures):
        sheet.paste(picture, (n % COLUMNS * CELL, n // COLUMNS * CELL))
    return _png(sheet.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def figure(path: Path, colours: int = 256, width: int = 1800) -> str:
    """Return a PNG file as an address, reduced to `width` pixels and a palette where that saves half.

    Parameters
    ----------
    path : Path
    colours : int
        Size of the palette; a figure of one colour map and black text needs no more.
    width : int
        Largest width, pixels.
    """
    original = path.read_bytes()
    picture: Image.Image = Image.open(io.BytesIO(original)).convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    smaller = _png(picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE))
    return data_uri(smaller if len(smaller) < len(original) / 2 else original)

