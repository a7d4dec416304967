"""Fetch or simulate a survey's files, and say in manifest.csv what came and what did not."""

from __future__ import annotations

from pathlib import Path

from astro_vae import surveys
from astro_vae.errors import UserError
from astro_vae.files import atomic, step_lock
from astro_vae.settings import ExecutionSettings, SourceSettings

ABSENT = "missing.csv"  # what did not arrive, where that ends a run


def download(source: SourceSettings, *, folder: Path, out: Path, execution: ExecutionSettings) -> None:
    """Obtain the files of `source` and write the manifest.

    Parameters
    ----------
    source : SourceSettings
        The survey and its own settings.
    folder : Path
        Where the files go, in the archive's own layout; shared by all runs.
    out : Path
        The manifest: a row per file with address, path, bytes, checksum, status and reason.
    execution : ExecutionSettings
        Mirror and number of downloads at the same time.

    Raises
    ------
    UserError
        If fewer than `source.min_fraction` of the files arrived; those that did not are listed in `missing.csv`
        beside the manifest.
    """
    with step_lock(folder, "download"):
        manifest = surveys.survey(source.survey).obtain(source, folder, execution=execution)
    arrived, absent = manifest["status"] == "ok", out.with_name(ABSENT)
    absent.unlink(missing_ok=True)
    if arrived.mean() < source.min_fraction:
        first = manifest[~arrived].iloc[0]
        own = source.survey in surveys.OWN_FILES.values()  # nothing will arrive there by asking again
        remedy = "Mend the names in your table" if own else "Run the same command again to go on"
        with atomic(absent) as partial:
            manifest[~arrived].to_csv(partial, index=False)
        raise UserError(
            f"{source.survey}: {arrived.sum()} of {len(manifest)} files arrived, fewer than "
            f"source.min_fraction = {source.min_fraction}; the first that did not: {first['address']} "
            f"({first['reason']}), all of them: {absent}. {remedy}, or lower source.min_fraction"
        )
    with atomic(out) as partial:
        manifest.to_csv(partial, index=False)
    print(f"{source.survey}: {arrived.sum()} of {len(manifest)} files at hand in {folder}")
