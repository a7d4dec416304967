"""A module imports only from floors below its own, and every module has a floor."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "astro_vae"

FLOORS = {
    "columns": 0,
    "errors": 0,
    "section": 0,
    "settings_images": 0,
    "settings_models": 0,
    "settings_spectra": 0,
    "settings": 0,
    "plan": 0,
    "slurm": 0,
    "files": 0,
    "disk": 0,
    "objects": 1,
    "transfer": 1,
    "download": 1,
    "images": 1,
    "spectra": 1,
    "vae": 1,
    "linear": 1,
    "kinds": 2,
    "surveys": 3,
    "trained": 3,
    "model": 3,
    "steps": 4,
    "classifier": 4,
    "products": 5,
    "compare": 5,
    "evaluate": 5,
    "report": 6,
    "estimate": 6,
    "cli": 7,
    "cli_steps": 7,
    "init": 7,
    "runner": 7,
    "settings_docs": 7,
}
# Within these a module may use those named before it.
ORDERS = (
    ("errors", "section", "settings_images", "settings_models", "settings_spectra", "settings", "plan"),
    ("errors", "disk", "slurm", "files"),
    ("columns", "objects"),
    ("transfer", "download"),
    ("vae", "linear"),
    ("trained", "model"),
    ("steps", "classifier"),
    ("products", "compare", "evaluate"),
    ("settings_docs", "runner", "cli_steps", "init", "cli"),
)


def rooms() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem not in ("__init__", "__main__"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Name the rooms that a module imports from, at its top or inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "astro_vae":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("astro_vae."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("astro_vae.")}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
    return found - {"__version__"}


@pytest.mark.parametrize("path", rooms(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_floors_below(path: Path) -> None:
    room = room_of(path)
    assert room in FLOORS, f"{room} has no floor: give it one"
    for other in imported_rooms(path) - {room}:
        in_order = any(room in o and other in o[: o.index(room)] for o in ORDERS)
        assert in_order or FLOORS[other] < FLOORS[room], f"{room} ({FLOORS[room]}) imports {other} ({FLOORS[other]})"


@pytest.mark.parametrize("room", ["vae", "linear"])
def test_the_statistics_know_no_astronomy_and_no_settings(room: str) -> None:
    for path in rooms():
        if room_of(path) == room:
            assert imported_rooms(path) <= {room, "vae"}, path


@pytest.mark.parametrize("room", ["surveys", "images", "spectra"])
def test_surveys_images_and_spectra_know_no_torch(room: str) -> None:
    for path in rooms():
        if room_of(path) == room:
            text = path.read_text(encoding="utf-8")
            assert "import torch" not in text, path
            assert "from torch" not in text, path
