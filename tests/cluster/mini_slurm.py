"""A real Slurm of three nodes on one machine: n1 and n2 in the partition cpu, n3 with a GPU in the partition gpu.

    python tests/cluster/mini_slurm.py install|start|stop

It needs root. Everything lies in one folder, listens on the loopback interface and runs at idle priority; a
Slurm or munge of the machine is left alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
BASE = Path(tempfile.gettempdir()) / "astro_vae_mini_slurm"
SYSTEM = Path("/etc/slurm")
PORT = 26820
NODES = ("n1", "n2", "n3")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
PATIENCE = ("--option=Acquire::Retries=2", "--option=Acquire::http::Timeout=30")  # of apt-get without a network
IDLE = ("chrt", "--idle", "0")


def why_not() -> str:
    """Say why no cluster can be started here; nothing if it can."""
    if os.geteuid() != 0:
        return "starting Slurm's daemons needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"Slurm is not installed (no {', '.join(missing)}), and `make cluster-test` needs apt-get to install it"
    there = SYSTEM / "slurm.conf"
    if there.exists() and not _is_ours(there):
        return f"this machine has a Slurm of its own ({there})"
    return ""


def install() -> None:
    """Install Slurm's packages where they are missing; end with the reason where no cluster can be started."""
    if os.geteuid() == 0 and shutil.which("apt-get") and not all(shutil.which(name) for name in PROGRAMS):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
            subprocess.run(["apt-get", "--quiet=2", *PATIENCE, *words], env=environment, stdout=subprocess.DEVNULL,
                           check=False)
    if reason := why_not():
        sys.exit(f"no cluster test here: {reason}")


def start() -> None:
    """Start the daemons and wait until the three nodes are idle.

    Raises
    ------
    RuntimeError
        If the cluster runs already, or a daemon does not come up; the folder `log` says why.
    """
    if _says("scontrol", "ping").count("is UP") and _is_ours(SYSTEM / "slurm.conf"):
        raise RuntimeError(f"the cluster in {BASE} runs already; `python {__file__} stop` ends it")
    stop()
    for folder in ("etc", "run", "log", "state", "state/ctld", *(f"state/{node}" for node in NODES)):
        (BASE / folder).mkdir(parents=True, mode=0o755)
    _configure()
    _start_munge()
    configuration = str(BASE / "etc" / "slurm.conf")
    subprocess.run([*IDLE, "slurmctld", "-f", configuration, "-c"], check=True)
    _wait("slurmctld", lambda: _says("scontrol", "ping").count("is UP") == 1)
    for node in NODES:
        subprocess.run([*IDLE, "slurmd", "-f", configuration, "-N", node], check=True)
    _wait("slurmd", lambda: _says("sinfo", "--noheader", "--Node", "--format=%N %T").count(" idle") == len(NODES))


def stop() -> None:
    """End all jobs and daemons of ours, and remove their folder and links."""
    if (BASE / "run" / "slurmctld.pid").exists():
        subprocess.run(["scancel", "--user=root"], timeout=30, capture_output=True, check=False)
        deadline = time.monotonic() + 40
        while _says("squeue", "--noheader") and time.monotonic() < deadline:
            time.sleep(0.5)
    pids = [BASE / "run" / f"{name}.pid" for name in (*(f"slurmd-{n}" for n in NODES), "slurmctld", "munged")]
    _end(pids)
    for name in FILES:
        if _is_ours(SYSTEM / name):
            (SYSTEM / name).unlink()
    shutil.rmtree(BASE, ignore_errors=True)


def _configure() -> None:
    """Fill in the configuration, and link it where Slurm's commands look for it.

    Snakemake's jobs drop SLURM_CONF from their environment, so the place that is built in must lead to it.
    """
    words = {"@HOST@": socket.gethostname().split(".")[0], "@BASE@": str(BASE)}
    words |= {f"@PORT{i or ''}@": str(PORT + i) for i in range(len(NODES) + 1)}
    SYSTEM.mkdir(exist_ok=True)
    for name in FILES:
        text = (HERE / name).read_text()
        for word, value in words.items():
            text = text.replace(word, value)
        path = BASE / "etc" / name
        path.write_text(text)
        link = SYSTEM / name
        if not link.exists() or _is_ours(link):
            link.unlink(missing_ok=True)
            link.symlink_to(path)


def _start_munge() -> None:
    key = BASE / "etc" / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    run, log = BASE / "run", BASE / "log"
    subprocess.run(
        [*IDLE, "munged", f"--key-file={key}", f"--socket={run}/munge.socket", f"--pid-file={run}/munged.pid",
         f"--log-file={log}/munged.log", f"--seed-file={BASE}/state/munged.seed", "--num-threads=2"], check=True,
    )
    _wait("munged", lambda: bool(_says("munge", "--socket", f"{run}/munge.socket", "--no-input")))


def _is_ours(link: Path) -> bool:
    return link.is_symlink() and link.readlink().parent == BASE / "etc"


def _says(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


def _wait(what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} is not up after {seconds:.0f} s; see {BASE / 'log'}")
        time.sleep(0.1)


def _end(paths: list[Path]) -> None:
    """End the daemons of these pid files, all at once."""
    pids = [pid for path in paths if path.exists() and _is_daemon(pid := int(path.read_text()), path.stem)]
    for sign, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + seconds
        while (pids := [pid for pid in pids if _command(pid)]) and time.monotonic() < deadline:
            time.sleep(0.1)


def _is_daemon(pid: int, name: str) -> bool:
    """Tell whether a process is still the one whose pid file has this name, such as slurmd-n1."""
    return bool(program := Path(_command(pid)).name) and name.startswith(program)


def _command(pid: int) -> str:
    """Return the program of a process; nothing where it has ended, whether or not somebody has noticed."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0]
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    {"install": install, "start": start, "stop": stop}[sys.argv[1]]()
