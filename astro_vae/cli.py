"""Parse words: the commands of a user, each of which calls one function; those of the workflow are in `cli_steps`.

Heavy imports stand where they are used, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from astro_vae import __version__
from astro_vae.cli_steps import steps
from astro_vae.disk import fault
from astro_vae.errors import UserError
from astro_vae.init import init

app = typer.Typer(
    name="astro-vae",
    help="Latent catalogs, samples and anomaly rankings of a survey, from a label-conditioned VAE.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(steps, name="step")

Model = Annotated[
    Path, typer.Argument(help="A trained model: results/<run>/<survey>/<model>, or model/ in it.", exists=True)
]
Places = Annotated[
    list[Path],
    typer.Argument(help="Images, or spectra (spec-*.fits, tables), folders of them, or one objects.h5.", exists=True),
]
Labels = Annotated[
    Path | None, typer.Option(
        "--labels", "--redshifts", exists=True,
        help="CSV with columns `file` and `label`, or of spectra `redshift` or `z`, and others to carry along.",
    )
]
PixelArcsec = Annotated[float | None, typer.Option(help="Side of a pixel (arcsec), where the files do not say it.")]
Beam = Annotated[
    tuple[float, float, float] | None,
    typer.Option(help="Beam: major and minor axis (FWHM, arcsec), position angle (deg), where the files do not say."),
]
Unit = Annotated[str | None, typer.Option(help="Unit of FITS files without a BUNIT, such as Jy/beam.")]
Wavelengths = Annotated[
    str | None, typer.Option(help="Wavelengths of tables of spectra: air, vacuum, or header (what it says).")
]
WavelengthUnit = Annotated[str | None, typer.Option(help="Unit of wavelengths, where tables do not say it.")]
FluxUnit = Annotated[str | None, typer.Option(help="Unit of flux densities, where tables do not say it.")]
AllowMismatch = Annotated[
    bool, typer.Option("--allow-mismatch", help="Take objects unlike those of the training, with a warning.")
]

def main() -> None:
    """Run the command line; a user's mistake, or a full disk, ends in one message and exit status 1."""
    try:
        app()
    except Exception as error:
        told = error if isinstance(error, UserError) else fault(error)
        if told is None:
            raise
        print(f"astro-vae: {told}", file=sys.stderr)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(f"astro_vae {__version__}")
        raise typer.Exit


@app.command()
def run(
    config: Annotated[Path, typer.Option(help="Configuration file of the run.")] = Path("config/config.yaml"),
    cores: Annotated[
        str | None, typer.Option(help="Processor cores to use, a number or 'all'; all unless a profile is given.")
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Folder that says where jobs run: profiles/slurm or profiles/generic.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done.")] = False,
    words: Annotated[
        list[str] | None, typer.Argument(help="After --, further words for Snakemake: options or targets.")
    ] = None,
) -> None:
    """Run the whole workflow of a configuration file; after an interruption the same command goes on."""
    from astro_vae.runner import run_workflow

    raise typer.Exit(run_workflow(config, cores=cores, profile=profile, dry_run=dry_run, words=words or ()))


app.command()(init)


@app.command(
    "score", help="Score how strange new objects are to a model, with the columns of the workflow's anomalies.*."
)
@app.command(
    "encode", help="Encode new objects: latents and label probabilities, with the columns of the workflow's latents.*."
)
def of_new_objects(
    context: typer.Context, model: Model, files: Places,
    out: Annotated[Path, typer.Option(help="Table: .fits, .parquet, .vot or .csv.")],
    labels: Labels = None, pixel_arcsec: PixelArcsec = None, beam: Beam = None, unit: Unit = None,
    wavelengths: Wavelengths = None, wavelength_unit: WavelengthUnit = None, flux_unit: FluxUnit = None,
    allow_mismatch: AllowMismatch = False,
) -> None:
    """Write a table of new objects, by either command."""
    from astro_vae.products.new_objects import encode_new, score_new

    # what the user says of the files, as settings of the survey of own files of the model's kind
    told = {
        "labels": labels and str(labels), "pixel_arcsec": pixel_arcsec, "beam": beam, "unit": unit,
        "wavelengths": wavelengths, "wavelength_unit": wavelength_unit, "flux_unit": flux_unit,
    }
    write = encode_new if context.command.name == "encode" else score_new
    known = {name: value for name, value in told.items() if value is not None}
    write(model, files, out=out, known=known, allow_mismatch=allow_mismatch)


@app.command()
def generate(
    model: Model, out: Annotated[Path, typer.Option(help="Samples: .fits (a cube or table per label), .h5 or .png.")],
    label: Annotated[str | None, typer.Option(help="Label of the samples; all by their natural frequencies.")] = None,
    n: Annotated[int, typer.Option("--n", help="Number of samples.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same samples.")] = 1,
) -> None:
    """Generate images or spectra from a trained model."""
    from astro_vae.products.new_samples import generate_new

    generate_new(model, label=label, n=n, seed=seed, out=out)


@app.command()
def track(
    model: Model,
    start: Annotated[str, typer.Option("--from", help="Name of an object of the run, or a label.")],
    end: Annotated[str, typer.Option("--to", help="Name of an object of the run, or a label.")],
    out: Annotated[Path, typer.Option(help="Track: .fits, .h5 or .png.")],
    steps: Annotated[int, typer.Option(help="Objects on the way, the ends counted.", min=2)] = 9,
) -> None:
    """Write what lies on the way between two objects or labels in the latent space."""
    from astro_vae.products.tracks import track_new

    track_new(model, start=start, end=end, steps=steps, out=out)


@app.command()
def estimate(
    config: Annotated[Path, typer.Option(help="Configuration file of the run.")] = Path("config/config.yaml"),
    device: Annotated[str, typer.Option(help="Where trainings will run: cpu or cuda.")] = "cpu",
) -> None:
    """Say how many hours, how much memory and disk a run will take, before anything is started."""
    from astro_vae.estimate import estimate as told

    print(told(config, device=device))


@app.command()
def docs(
    check: Annotated[bool, typer.Option(help="Only say whether they are up to date.")] = False,
) -> None:
    """Write docs/settings.md and config/schema.json from the definitions of the settings."""
    from astro_vae.settings_docs import write_docs

    raise typer.Exit(write_docs(check=check))
