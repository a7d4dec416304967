"""The workflow on a real Slurm of three nodes: what goes wrong on a cluster, and that the products do not show it.

One run is led through everything in turn, and each test looks at what one part of it left: the last lines of the
output (`pytest -rP`) name the job or the line of a log that shows it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import mini_slurm
from cluster_project import Frozen, Project, are, jobs, told, wait

from acceptance.interrupted import differences

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

ENDED_BY_SLURM = ("FAILED", "OUT_OF_MEMORY")  # the first where memory is sampled, the second where cgroups watch it


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Start the cluster; skip where that is not possible."""
    if reason := mini_slurm.why_not():
        pytest.skip(reason)
    mini_slurm.start()
    yield
    mini_slurm.stop()


class Story:
    """One run of the workflow on the cluster, disturbed in every way, and one on this machine, left alone."""

    def __init__(self, folder: Path) -> None:
        little = {"set-resources": {"augment": {"mem_mb": "150 * attempt**3"}}}
        # The interval grows by 10 s with each question that finds no job at its end: 1, 12, 33 s after a job began.
        self.project = Project(folder / "cluster", "slurm", **little, **{"slurm-init-seconds-before-status-checks": 1})
        self.local = Project(folder / "local")
        try:
            self.head = self.project.start()
            self.undisturbed = self.local.start()  # while the cluster has one job after another, and a core to spare
            self.drain()
            self.cancel_from_outside()
            self.run_out_of_time()
            self.kill_the_head()
            self.finish()
        finally:
            self.project.kill()
            self.local.kill()

    def drain(self) -> None:
        """Drain the node of the first job while it runs, until the training has begun."""
        self.project.writer(".prepare.lock")
        self.drained = jobs(rule="prepare")[0]["NodeList"]
        _scontrol("update", f"nodename={self.drained}", "state=drain", "reason=test")

    def cancel_from_outside(self) -> None:
        """Cancel the classifier's job while it runs."""
        self.project.writer(".classifier.lock")
        _scontrol("update", f"nodename={self.drained}", "state=resume")
        self.cancelled = jobs(rule="classifier", JobState="RUNNING")[0]["JobId"]
        subprocess.run(["scancel", self.cancelled], check=True)

    def run_out_of_time(self) -> None:
        """Cut the training's time once it has a checkpoint.

        A minute or two are left, less than the two minutes before the end at which it asks to be told.
        """
        writer = self.project.writer("cvae/.train.lock")
        self.slow = writer["job"]
        wait("a checkpoint", (self.project.results / "cvae" / "checkpoints" / "last.pt").exists)
        with Frozen(writer["process"]):
            (job,) = jobs(JobId=self.slow)
            self.asked = job["TimeLimit"]
            _, minutes, _ = job["RunTime"].split(":")
            _scontrol("update", f"jobid={self.slow}", f"timelimit={int(minutes) + 2}")
            wait("the signal before the end of its time", lambda: "CANCELLED" in _log(job))
        wait("the end of its job", lambda: not jobs(JobId=self.slow, JobState="RUNNING"))

    def kill_the_head(self) -> None:
        """Kill the head process while the training goes on in a second job; the same command again takes over."""
        log = self.project.results / "cvae" / "logs" / "train.log"
        wait("a training that goes on", lambda: log.exists() and "goes on from results" in log.read_text())
        self.went_on = _line(log.read_text(), "goes on from results")
        writer = self.project.writer("cvae/.train.lock")
        self.left = writer["job"]
        with Frozen(writer["process"]):
            self.second_command = self.project.start().wait()
            self.project.kill()
            self.state_without_head = jobs(JobId=self.left)[0]["JobState"]
            self.head = self.project.start()
            wait("the end of the job that was left", lambda: not jobs(JobId=self.left, JobState="RUNNING"))

    def finish(self) -> None:
        """Wait for both runs, and keep what the cluster knows of its jobs."""
        assert self.head.wait() == 0, self.project.said.read_text()[-6000:]
        assert self.undisturbed.wait() == 0, self.local.said.read_text()[-6000:]
        self.jobs = jobs()

    def of(self, **wanted: str) -> list[dict[str, str]]:
        """List the jobs of the run with these values."""
        return [job for job in self.jobs if are(job, **wanted)]


@pytest.fixture(scope="module")
def story(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Story:
    start = time.monotonic()
    story = Story(tmp_path_factory.mktemp("cluster"))
    print(f"the disturbed run and the one on this machine took {time.monotonic() - start:.0f} s together")
    return story


def test_training_lands_on_the_gpu_partition(story: Story) -> None:
    for rule in ("train", "classifier"):
        for job in story.of(rule=rule):
            print(f"{rule}: {told(job)} {job['TresPerJob']}")
            assert (job["Partition"], job["NodeList"], job["TresPerJob"]) == ("gpu", "n3", "gres:gpu:1")
    others = [job for job in story.of() if job["Partition"] != "gpu"]
    assert {job["NodeList"] for job in others} <= {"n1", "n2"}
    assert not any("TresPerJob" in job for job in others)


def test_a_job_killed_for_its_memory_comes_back_with_more(story: Story) -> None:
    first, second = story.of(rule="augment")
    print(told(first), told(second), story.project.line(f"SLURM-job '{first['JobId']}' failed"), sep="\n")
    assert first["JobState"] in ENDED_BY_SLURM
    assert second["JobState"] == "COMPLETED"
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("150M", "1200M")
    assert "exceed" in _log(first)


def test_a_training_whose_time_is_up_comes_back_with_more_and_goes_on(story: Story) -> None:
    (first,), (second,) = story.of(JobId=story.slow), story.of(JobId=story.left)
    print(told(first), told(second), sep="\n")
    assert (story.asked, second["TimeLimit"]) == ("02:00:00", "04:00:00")
    assert first["TimeLimit"] < story.asked
    stopped = _line(_log(first), "stopped by SIGTERM")
    print(stopped, story.went_on, sep="\n")
    examples = [re.findall(r"after (\d+) ", line) for line in (stopped, story.went_on)]
    assert examples[0] == examples[1]


def test_a_cancelled_job_comes_back(story: Story) -> None:
    first, *others = story.of(rule="classifier")
    print(told(first), told(others[-1]), story.project.line(f"SLURM-job '{story.cancelled}' failed"), sep="\n")
    assert (first["JobId"], first["JobState"]) == (story.cancelled, "CANCELLED")
    assert others[-1]["JobState"] == "COMPLETED"


def test_jobs_go_past_a_drained_node(story: Story) -> None:
    (prepare,), (split,) = story.of(rule="prepare"), story.of(rule="split")
    print(told(prepare), told(split), sep="\n")
    assert (prepare["NodeList"], prepare["JobState"]) == (story.drained, "COMPLETED")
    assert split["JobState"] == "COMPLETED"
    assert split["NodeList"] != story.drained


def test_a_second_command_is_refused_while_the_first_runs(story: Story) -> None:
    print(story.project.line("step 'run' is already running"))
    assert story.second_command == 1


def test_after_a_kill_of_the_head_the_same_command_leaves_one_writer(story: Story) -> None:
    (left,) = story.of(JobId=story.left)
    last = story.of(rule="train")[-1]
    print(told(left), told(last), story.project.line("cancelled what an earlier run had left"), sep="\n")
    assert story.state_without_head == "RUNNING"
    assert (left["JobState"], last["JobState"]) == ("CANCELLED", "COMPLETED")
    assert last["StartTime"] >= left["EndTime"]
    log = (story.project.results / "cvae" / "logs" / "train.log").read_text()
    print(_line(log, "goes on from"))


def test_products_are_those_of_a_run_on_this_machine(story: Story) -> None:
    one, other = story.project.results, story.local.results
    names = [{p.relative_to(folder) for p in folder.rglob("*") if p.is_file()} for folder in (one, other)]
    print(f"{len(names[0])} files, {len(names[0] ^ names[1])} of them in one run only")
    assert names[0] == names[1]
    assert differences(story.project.folder, story.local.folder) == []


def test_scratch_is_used_and_clean(story: Story) -> None:
    log = (story.project.results / "cvae" / "logs" / "train.log").read_text()
    print(_line(log, "scratch: augmented.h5"))
    assert list(story.project.scratch.glob("astro-vae-*")) == []


def test_with_another_scheduler_a_killed_head_leaves_one_writer_too(story: Story, tmp_path: Path) -> None:
    project = Project(tmp_path / "generic", "generic", **{"seconds-between-status-checks": 2})
    product = "results/tiny/simulated/split.csv"
    project.start(product)
    writer = project.writer(".prepare.lock")
    with Frozen(writer["process"]):
        project.kill()
        head = project.start(product)
        assert head.wait() == 0, project.said.read_text()
    first, second = [job for job in jobs() if job["JobName"] == "prepare"]
    print(told(first), told(second), project.line("cancelled what an earlier run had left"), sep="\n")
    assert (first["JobState"], second["JobState"]) == ("CANCELLED", "COMPLETED")
    assert second["StartTime"] >= first["EndTime"]
    for name in ("objects.h5", "split.csv"):
        assert (project.results / name).read_bytes() == (story.local.results / name).read_bytes()


def _scontrol(*words: str) -> None:
    subprocess.run(["scontrol", *words], check=True)


def _log(job: dict[str, str]) -> str:
    """Return the log that Slurm keeps of a job that failed."""
    return Path(job["StdOut"]).read_text()


def _line(text: str, words: str) -> str:
    found = [line for line in text.splitlines() if words in line]
    assert found, text
    return found[-1]
