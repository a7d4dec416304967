"""Begin a survey of one's own files: look at them, write a configuration file, name the next command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astro_vae.errors import UserError

if TYPE_CHECKING:
    from astro_vae.init.choose import Choice

    Told = tuple[list[tuple[str, str]], list[str], list[Choice]]


def init(
    name: Annotated[str, typer.Argument(help="Name of the survey, and of its configuration file.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder of FITS, PNG or JPEG images, or of mosaics with --catalog.")
    ] = None,
    spectra: Annotated[
        Path | None, typer.Option(help="Folder of spectra: spec-*.fits, or tables of wavelength, flux and error.")
    ] = None,
    sample: Annotated[
        Path | None, typer.Option(help="Table of SDSS spectra (CSV, FITS, ECSV): plate, mjd, fiber; run2d, labels.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", "--redshifts", help="CSV table: file and label, or redshift of spectra.")
    ] = None,
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
    """Look at your images or spectra, or a list of SDSS spectra, say what is odd, and write a configuration file."""
    from astro_vae.settings import NAME_PATTERN

    if not NAME_PATTERN.fullmatch(name):
        file = f"; a file is given by --sample {name}, after a name" if Path(name).is_file() else ""
        raise UserError(f"'{name}' becomes a path: use letters, digits, '_' and '-' only, no '-' in front{file}")
    path = out or (Path("config") if Path("config").is_dir() else Path()) / f"{name}.yaml"
    if path.exists() and not force:
        raise UserError(f"{path}: is there already; choose another name, or --force to write over it")
    given = [one for one in (images, spectra, sample) if one]
    if len(given) != 1 or (catalog and not images):
        raise UserError("give your files: --images (and --catalog for mosaics), or --spectra, or --sample")
    known = {"labels": _absolute(labels), "follow_links": follow_links}
    if images:
        facts, odd, choices = _of_images({**known, "path": _absolute(images), "catalog": _absolute(catalog)})
    elif spectra:
        facts, odd, choices = _of_spectra({**known, "path": _absolute(spectra)})
    elif any(known.values()):
        raise UserError("--labels and --follow-links speak of a folder; labels of a --sample are a column of it")
    else:
        facts, odd, choices = _of_sample(_absolute(sample))
    _print(facts, odd)
    if not choices:
        raise UserError(f"{given[0]}: no object can be used, so that no configuration file is written")
    _write(path, name, facts, choices)
    print(f"wrote {path}; its comments say why\nnext: {_command(path)}")


def _of_images(known: dict[str, Any]) -> Told:
    """Return what was found of images, what is odd, and the settings; no settings where none can be used."""
    from astro_vae.init.choose import choose
    from astro_vae.init.look import look, on_terminal
    from astro_vae.init.tell import facts, odd
    from astro_vae.surveys.folder import Source

    found = look(Source(survey="folder", **known), progress=on_terminal)
    return facts(found), odd(found), choose(found) if len(found.readable) else []


def _of_spectra(known: dict[str, Any]) -> Told:
    """Return the same of spectra."""
    from astro_vae.init import spectra
    from astro_vae.init.look import on_terminal
    from astro_vae.surveys.spectra_folder import Source

    found = spectra.look(Source(survey="spectra_folder", **known), progress=on_terminal)
    return spectra.facts(found), spectra.odd(found), spectra.choose(found) if spectra.usable(found) else []


def _of_sample(sample: str) -> Told:
    """Return the same of a list of SDSS spectra; none of them is fetched."""
    from astro_vae.init import sample as listed
    from astro_vae.init.sample_tell import facts, odd
    from astro_vae.surveys.sdss import Source

    found = listed.look(Source(survey="sdss", sample=sample))
    return facts(found), odd(found), listed.choose(found) if found.taken.any() else []


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


def _write(path: Path, name: str, facts: list[tuple[str, str]], choices: list[Choice]) -> None:
    import yaml

    from astro_vae.files import write_text
    from astro_vae.init.text import config_text
    from astro_vae.surveys import settings_of

    head = [f"Written by `astro-vae init {name}` after a look at the files below; change what you know better.",
            "What may be set, with units and meanings: docs/settings.md.",
            *(f"{what}: {value}" for what, value in facts)]
    text = config_text(name, choices, head)
    settings_of(yaml.safe_load(text), path)
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
