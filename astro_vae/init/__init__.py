"""Begin a survey of one's own images: look at them, write a configuration file, name the next command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from astro_vae.errors import UserError


def init(
    name: Annotated[str, typer.Argument(help="Name of the survey, and of its configuration file.")],
    images: Annotated[Path, typer.Option(help="Folder of FITS, PNG or JPEG images, or of mosaics with --catalog.")],
    labels: Annotated[Path | None, typer.Option(help="CSV table of labels: columns file and label.")] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="Table of positions (ra, dec in deg) of objects in mosaics.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Configuration file; config/NAME.yaml where there is config/, else NAME.yaml.")
    ] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Take what symbolic links outside the folder point at.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a configuration file of this name.")] = False,
) -> None:
    """Look at your own images, say what is odd, and write a configuration file for them."""
    from astro_vae.init.look import look, on_terminal
    from astro_vae.init.tell import facts, odd
    from astro_vae.settings import NAME_PATTERN
    from astro_vae.surveys.folder import Source

    if not NAME_PATTERN.fullmatch(name):
        raise UserError(f"'{name}' becomes a path: use letters, digits, '_' and '-' only, no '-' in front")
    path = out or (Path("config") if Path("config").is_dir() else Path()) / f"{name}.yaml"
    if path.exists() and not force:
        raise UserError(f"{path}: is there already; choose another name, or --force to write over it")
    source = Source(
        survey="folder", path=_absolute(images), labels=_absolute(labels), catalog=_absolute(catalog),
        follow_links=follow_links,
    )
    found = look(source, progress=on_terminal)
    _print(facts(found), odd(found))
    _write(path, name, found)
    print(f"wrote {path}; its comments say why\nnext: {_command(path)}")


def _absolute(path: Path | None) -> str:
    """Return the path as a configuration file needs it, which may be read from elsewhere."""
    return str(path.expanduser().resolve()) if path else ""


def _print(facts: list[tuple[str, str]], odd: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for what, value in facts:
        table.add_row(what, value)
    console = Console(markup=False, highlight=False)
    console.print(table)
    console.print("\nodd:" if odd else "\nnothing odd", *odd, sep="\n  ", soft_wrap=True)


def _write(path: Path, name: str, found: object) -> None:
    import yaml

    from astro_vae.files import write_text
    from astro_vae.init.choose import choose
    from astro_vae.init.look import Findings
    from astro_vae.init.tell import facts
    from astro_vae.init.text import config_text
    from astro_vae.section import validate
    from astro_vae.settings import Settings
    from astro_vae.surveys import SOURCES

    assert isinstance(found, Findings)
    if found.readable.empty:
        raise UserError(f"{found.source.path}: no object can be used, so that no configuration file is written")
    head = [f"Written by `astro-vae init {name}` after a look at the images below; change what you know better.",
            "What may be set, with units and meanings: docs/settings.md.",
            *(f"{what}: {value}" for what, value in facts(found))]
    text = config_text(name, choose(found), head)
    validate(Settings, {"run": path.stem, **yaml.safe_load(text)}, origin=str(path), sources=SOURCES)
    write_text(path, text)


def _command(path: Path) -> str:
    """Return the command that runs the configuration file, from here if the project is here."""
    import shlex

    run = "astro-vae run --config"
    if Path("Snakefile").is_file():
        return f"{run} {shlex.quote(str(path))}"
    project = Path(__file__).parents[2]
    place = f"cd {shlex.quote(str(project))} && " if (project / "Snakefile").is_file() else "in the project's folder: "
    return f"{place}{run} {shlex.quote(str(path.resolve()))}"
