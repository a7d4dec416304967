"""Ask the queue of a Slurm cluster about jobs, and cancel them.

Where there is no Slurm, nothing is known of any job: no job is over, and none is left.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Collection

from astro_vae.errors import UserError

ENDED = frozenset({
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
})
POLL_SECONDS = 1.0


def this_job() -> dict[str, str]:
    """Return the Slurm job that this process runs in, and its cluster; empty texts outside of one."""
    return {"job": os.environ.get("SLURM_JOB_ID", ""), "cluster": os.environ.get("SLURM_CLUSTER_NAME", "")}


def is_over(job: str, cluster: str) -> bool:
    """Tell whether the queue says that a job has ended; False where it says nothing.

    Parameters
    ----------
    job : str
        Number of the job.
    cluster : str
        The cluster that it ran on; a number means nothing to the queue of another one.
    """
    if not job or shutil.which("squeue") is None or cluster != _cluster():
        return False
    asked = _call("squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}")
    if asked.returncode:
        return "Invalid job id" in asked.stderr  # the queue forgets jobs some minutes after their end
    return set(asked.stdout.split()) <= ENDED


def jobs_named(names: Collection[str]) -> list[str]:
    """List the jobs of this user, waiting or running, that have one of these names.

    Raises
    ------
    UserError
        If the queue does not answer.
    """
    if not names or shutil.which("squeue") is None:
        return []
    asked = _call("squeue", "--me", "--noheader", "--format=%i %j")
    if asked.returncode:
        raise UserError(
            f"the queue does not answer ({asked.stderr.strip()}), and an earlier run may have jobs in it; "
            "try again when squeue works"
        )
    rows = [line.split(maxsplit=1) for line in asked.stdout.splitlines()]
    return [row[0] for row in rows if len(row) == 2 and row[1].strip() in names]


def cancel_named(names: Collection[str], *, seconds: float = 300) -> list[str]:
    """Cancel the jobs of these names, wait until they are gone, and return their numbers.

    Parameters
    ----------
    names : collection of str
    seconds : float
        How long to wait; a job has some 30 s to end by itself before it is killed.

    Raises
    ------
    UserError
        If the queue does not answer, or a job does not end in time.
    """
    jobs = jobs_named(names)
    if not jobs:
        return []
    _call("scancel", *jobs)
    deadline = time.monotonic() + seconds
    while left := jobs_named(names):
        if time.monotonic() > deadline:
            raise UserError(f"cancelled jobs have not ended after {seconds:.0f} s: {', '.join(left)}; see squeue --me")
        time.sleep(POLL_SECONDS)
    return jobs


def _cluster() -> str:
    """Return the name of the cluster that squeue asks."""
    lines = _call("scontrol", "show", "config").stdout.splitlines()
    found = [line.split("=", 1)[1].strip() for line in lines if line.split("=", 1)[0].strip() == "ClusterName"]
    return found[0] if found else ""


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (subprocess.TimeoutExpired, OSError) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
