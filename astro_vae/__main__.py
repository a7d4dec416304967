"""Run the command line as `python -m astro_vae`."""

from astro_vae.cli import main

main()
