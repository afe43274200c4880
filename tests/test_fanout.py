"""Patients on processes: the same bytes everywhere, and what happens when processes, patients or disks fail."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dask
import pytest

from vct import trial
from vct.cluster import Cluster, Local, Running
from vct.errors import ClusterError, PatientError, RunError, StoppedError, StorageError
from vct.fanout import map_patients
from vct.journal import HIDDEN, Journal, Shard
from vct.progress import progress_of
from vct.protocol import Protocol, load
from vct.report import write
from vct.store import RunFolder

DOUBLES = Path(__file__).with_name("doubles")
PROTOCOL = DOUBLES / "quick.yaml"
MANIFESTS = [{"protocol": {}, "seed": seed, "engine": "quick"} for seed in (1, 2)]

Make = Callable[..., Any]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Make:
    """The quick engine's class, here and in child processes."""
    monkeypatch.syspath_prepend(DOUBLES)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(DOUBLES), str(DOUBLES.parent.parent), str(DOUBLES.parent)]))
    from quick import Quick

    return Quick


def trial_of(patients: int) -> Protocol:
    return load(PROTOCOL).model_copy(update={"sample_size": patients})


def files_of(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if not name.startswith(HIDDEN)}


@contextmanager
def separate_cluster() -> Iterator[tuple[Cluster, subprocess.Popen[bytes]]]:
    """A scheduler (which is given too) and two workers of Dask as processes, as an operator would start them."""
    scheduler_file = Path(os.environ["PYTEST_TMP"]) / "scheduler.json"
    common = ["--scheduler-file", str(scheduler_file), "--no-dashboard"]
    start = [sys.executable, "-m"]
    scheduler = subprocess.Popen([*start, "distributed.cli.dask_scheduler", *common, "--port", "0"])
    worker = [*start, "distributed.cli.dask_worker", *common, "--nthreads", "1", "--no-nanny"]
    workers = [subprocess.Popen(worker) for _ in range(2)]
    try:
        while not scheduler_file.exists():
            time.sleep(0.1)
        yield Running(address=json.loads(scheduler_file.read_text())["address"]), scheduler
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def test_the_same_bytes_wherever_it_runs(quick: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_TMP", str(tmp_path))
    protocol, engine = trial_of(6), quick()
    here = trial.run(protocol, engine, out=tmp_path / "here", keep_scans="all")
    two = trial.run(protocol, engine, out=tmp_path / "two", keep_scans="all", workers=2)
    trial.run(protocol, engine, out=tmp_path / "four", keep_scans="all", workers=4)
    with separate_cluster() as (cluster, _):
        trial.run(protocol, engine, out=tmp_path / "cluster", keep_scans="all", cluster=cluster)
    for number in (1, 2, 3):
        trial.run_shard(Shard(number=number, of=3), protocol, engine, out=tmp_path / "shards", keep_scans="all")
    expected = files_of(tmp_path / "here")
    assert len([name for name in expected if name.endswith("_pet.nii.gz")]) == 12
    for name in ("two", "four", "cluster", "shards"):
        assert files_of(tmp_path / name) == expected, name
    merged = trial.reopen(tmp_path / "shards")
    assert two.comparisons == here.comparisons == merged.comparisons
    write(here, tmp_path / "here")
    write(merged, tmp_path / "shards")
    assert files_of(tmp_path / "shards") == files_of(tmp_path / "here")


def test_a_batch_gives_what_single_patients_give(quick: Make, tmp_path: Path) -> None:
    alone = trial.run(trial_of(5), quick())
    together = trial.run(trial_of(5), quick(), together=5, out=tmp_path / "run")
    assert together.readings == alone.readings
    assert [len(batch) for batch in trial.plan_of(trial_of(5), quick(), together=5).batches()] == [2, 2, 1]


def test_shards_of_separate_folders_are_merged(quick: Make, tmp_path: Path) -> None:
    for number in (1, 2):
        trial.run_shard(Shard(number=number, of=2), trial_of(4), quick(), out=tmp_path / str(number))
    first, second = RunFolder(tmp_path / "1"), RunFolder(tmp_path / "2")
    with pytest.raises(RunError, match="2 of 4 patients are not done"):
        trial.reopen(first.path)
    assert first.take_in(second) == len(files_of(second.path)) - 1
    assert first.take_in(second) == 0
    assert len(trial.reopen(first.path).enrolment.patients) == 4
    trial.run(trial_of(5), quick(), out=tmp_path / "other")
    with pytest.raises(RunError, match="holds another run"):
        first.take_in(RunFolder(tmp_path / "other"))


@pytest.mark.parametrize("together", [1, 8])
def test_a_patient_that_always_fails_is_set_aside(quick: Make, tmp_path: Path, together: int) -> None:
    result = trial.run(trial_of(4), quick(fail="P0002"), out=tmp_path / "run", together=together)
    (failure,) = result.provenance["failed"]
    assert failure["patient"] == "P0002"
    assert failure["error"] == "visit baseline: ZeroDivisionError: no counts"
    assert {reading.patient for reading in result.readings} == {"P0001", "P0003", "P0004"}
    assert len(result.enrolment.patients) == 4
    assert trial.reopen(tmp_path / "run").provenance["failed"] == [failure]
    assert "P0002" in (tmp_path / "run" / "failed").iterdir().__next__().name


def test_what_was_set_aside_is_tried_again(quick: Make, tmp_path: Path) -> None:
    protocol = trial_of(4)
    trial.run(protocol, quick(fail="P0002"), out=tmp_path / "run")
    trial.run(protocol, quick(), out=tmp_path / "whole")
    result = trial.run(protocol, quick(), out=tmp_path / "run", resume=True)
    assert result.provenance["failed"] == []
    assert files_of(tmp_path / "run") == files_of(tmp_path / "whole")


def test_a_run_in_which_everything_fails_ends(quick: Make, tmp_path: Path) -> None:
    with pytest.raises(PatientError, match="the first 1 patients failed; P0001: visit baseline: ZeroDivisionError"):
        trial.run(trial_of(1), quick(fail="P0001"), out=tmp_path / "run")


def test_a_worker_that_is_killed_is_replaced(quick: Make, tmp_path: Path) -> None:
    killed = []

    def kill_one(done: int, total: int) -> None:
        if done == 2:
            (victim, *_) = Journal(tmp_path / "run").under_way()
            os.kill(victim.pid, signal.SIGKILL)
            killed.append(victim.pid)

    trial.run(trial_of(6), quick(delay_s=0.3), out=tmp_path / "run", workers=2, watch=kill_one)
    trial.run(trial_of(6), quick(), out=tmp_path / "whole")
    assert len(killed) == 1
    assert files_of(tmp_path / "run") == files_of(tmp_path / "whole")


class Counted:
    """A walk that notes in a file whenever it is unpickled, that is, whenever it arrives in a process."""

    def __init__(self, notes: Path) -> None:
        self.notes = notes

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__dict__ = state
        with self.notes.open("a") as handle:
            handle.write(f"{os.getpid()}\n")

    def __call__(self, batch: tuple[int, ...]) -> int:
        time.sleep(0.05)
        return os.getpid()


def test_the_walk_with_its_model_travels_once_to_each_worker(quick: Make, tmp_path: Path) -> None:
    found = list(map_patients(Counted(tmp_path / "notes"), [(number,) for number in range(40)], Local(2)))
    assert len(found) == 40
    arrivals = [int(pid) for pid in (tmp_path / "notes").read_text().split() if int(pid) != os.getpid()]
    assert sorted(arrivals) == sorted({pid for _, pid in found})
    assert len(arrivals) == 2


@pytest.mark.slow
def test_a_patient_that_kills_every_worker_is_set_aside(quick: Make, tmp_path: Path) -> None:
    result = trial.run(trial_of(5), quick(kill="P0002"), out=tmp_path / "run", workers=2)
    (failure,) = result.provenance["failed"]
    assert (failure["patient"], failure["error"][:33]) == ("P0002", "every process that tried it died ")
    assert {reading.patient for reading in result.readings} == {"P0001", "P0003", "P0004", "P0005"}


def test_a_scheduler_that_is_gone_is_said(quick: Make) -> None:
    impatient = dask.config.set({"distributed.comm.timeouts.connect": "1s"})
    with impatient, pytest.raises(ClusterError, match="no Dask scheduler answers at tcp://127"):
        list(map_patients(len, [(1,)], Running(address="tcp://127.0.0.1:9")))


def test_a_scheduler_that_dies_in_mid_run_is_said_and_nothing_is_lost(
    quick: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_TMP", str(tmp_path))
    run = tmp_path / "run"
    with separate_cluster() as (cluster, scheduler), pytest.raises(ClusterError, match="the cluster is gone"):
        trial.run(trial_of(8), quick(delay_s=0.2), out=run, cluster=cluster, watch=lambda *_: scheduler.kill())
    assert 0 < len(RunFolder(run).finished()) < 8
    trial.run(trial_of(8), quick(), out=run, resume=True)
    trial.run(trial_of(8), quick(), out=tmp_path / "whole")
    assert files_of(run) == files_of(tmp_path / "whole")


def test_errors_that_are_no_patients_fault_end_the_run(quick: Make) -> None:
    def full(batch: object) -> None:
        raise StorageError("disk full")

    with pytest.raises(StorageError):
        list(map_patients(full, [(1,)]))


def test_a_full_disk_ends_the_run_and_it_can_go_on(
    quick: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = trial_of(4)
    trial.run(protocol, quick(), out=tmp_path / "whole", keep_scans="all")
    room = iter(range(40))

    def fsync(handle: int) -> None:
        if next(room, None) is None:
            raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(StorageError, match="cannot be written \\(No space left on device\\)"):
            trial.run(protocol, quick(), out=tmp_path / "run", keep_scans="all")
    assert 0 < len(RunFolder(tmp_path / "run").finished()) < 4
    trial.run(protocol, quick(), out=tmp_path / "run", keep_scans="all", resume=True)
    assert files_of(tmp_path / "run") == files_of(tmp_path / "whole")


def test_two_runs_on_one_folder_are_refused(quick: Make, tmp_path: Path) -> None:
    trial.run(trial_of(2), quick(), out=tmp_path / "run")
    said = rf"another run is at work in this folder \(process {os.getpid()} on"
    with Journal(tmp_path / "run").held(None), pytest.raises(RunError, match=said):
        trial.run(trial_of(2), quick(), out=tmp_path / "run", resume=True)
    with Journal(tmp_path / "run").held(Shard(number=1, of=2)), Journal(tmp_path / "run").held(Shard(number=2, of=2)):
        for other in (None, Shard(number=2, of=2)):
            with pytest.raises(RunError, match="another run"), Journal(tmp_path / "run").held(other):
                raise AssertionError
    trial.run(trial_of(2), quick(), out=tmp_path / "run", resume=True)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call gave, or the RunError that it raised; all begin at the same moment."""
    gate = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        gate.wait()
        try:
            return call()
        except RunError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def test_of_runs_that_begin_at_once_on_one_folder_one_wins(tmp_path: Path) -> None:
    def begin(number: int, out: Path, ended: threading.Barrier, shard: Shard | None) -> int:
        try:
            with RunFolder(out).held(MANIFESTS[number % 2], resume=shard is not None, shard=shard):
                ended.wait()
                return number
        except RunError:
            ended.wait()
            raise

    for attempt in range(10):
        whole, sharded, ended = tmp_path / f"whole{attempt}", tmp_path / f"shards{attempt}", threading.Barrier(6)
        found = at_once(*(partial(begin, number, whole, ended, None) for number in range(6)))
        (winner,) = [item for item in found if isinstance(item, int)]
        assert RunFolder(whole).manifest() == MANIFESTS[winner % 2]
        assert all(re.search("another run is at work|already holds a run", str(e)) for e in found if e != winner)
        shards = [Shard(number=number + 1, of=6) for number in range(6)]
        found = at_once(*(partial(begin, number, sharded, ended, shard) for number, shard in enumerate(shards)))
        first = MANIFESTS.index(RunFolder(sharded).manifest())
        assert [item for item in found if isinstance(item, int)] == [first, first + 2, first + 4]
        assert all("holds another run" in str(item) for item in found if isinstance(item, RunError))


def test_a_run_that_ends_while_another_begins_is_not_mixed_with_it(
    quick: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, before = Journal.held, {}

    def late(journal: Journal, shard: Shard | None) -> Any:
        monkeypatch.setattr(Journal, "held", held)
        trial.run(trial_of(2), quick(), out=tmp_path / "run", seed=1)
        before.update(files_of(tmp_path / "run"))
        return held(journal, shard)

    monkeypatch.setattr(Journal, "held", late)
    with pytest.raises(RunError, match="already holds a run"):
        trial.run(trial_of(2), quick(), out=tmp_path / "run", seed=2)
    assert files_of(tmp_path / "run") == before


def test_two_conductors_started_at_once(quick: Make, tmp_path: Path) -> None:
    order = ["run", str(PROTOCOL), "--out", str(tmp_path / "run"), "--engine", "quick:delay=0.05"]
    found = at_once(*(partial(vct, *order, "--seed", seed) for seed in ("1", "2")))
    codes = [code for code, _ in found]
    assert sorted(codes) == [0, 2]
    assert re.search("another run is at work|already holds a run", found[codes.index(2)][1])
    vct(*order[:3], str(tmp_path / "whole"), "--engine", "quick", "--seed", str(codes.index(0) + 1))
    assert files_of(tmp_path / "run") == files_of(tmp_path / "whole")


def test_a_stopped_run_keeps_what_is_finished(quick: Make, tmp_path: Path) -> None:
    done: list[int] = []
    with pytest.raises(StoppedError, match="2 of 4 patients are done"):
        trial.run(
            trial_of(4),
            quick(),
            out=tmp_path / "run",
            watch=lambda count, _: done.append(count),
            stop=lambda: len(done) == 2,
        )
    found = progress_of(tmp_path / "run")
    assert (found.done, found.total, found.state) == (2, 4, "stopped; go on with --resume")


def vct(*arguments: str, wait_for: Path | None = None, signals: tuple[int, ...] = ()) -> tuple[int, str]:
    """Run the command line; once `wait_for` exists, send it the signals."""
    child = subprocess.Popen(
        [sys.executable, "-m", "vct.cli", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while wait_for and not wait_for.exists() and child.poll() is None:
        time.sleep(0.05)
    for number in signals:
        child.send_signal(number)
        time.sleep(0.3)
    said, _ = child.communicate()
    return child.returncode, said


@pytest.mark.parametrize(("times", "waits_s"), [(1, 0.6), (2, 60.0)])
def test_ctrl_c(quick: Make, tmp_path: Path, times: int, waits_s: float) -> None:
    run = tmp_path / "run"
    order = ["run", str(PROTOCOL), "--out", str(run), "--engine", f"quick:delay={waits_s}", "--workers", "1"]
    code, said = vct(*order, wait_for=run / HIDDEN / "running" / "P0001-a.json", signals=(signal.SIGINT,) * times)
    assert code == 130
    assert "stopping after the patients under way" in said
    assert len(RunFolder(run).finished()) == (1 if times == 1 else 0)
    assert ("stopped: 1 of 12 patients are done; go on with --resume" in said) == (times == 1)


def test_the_command_line_says_who_failed(quick: Make, tmp_path: Path) -> None:
    order = ["run", str(PROTOCOL), "--out", str(tmp_path / "run"), "--engine", "quick:fail=P0002", "--workers", "1"]
    code, said = vct(*order)
    assert code == 3
    assert "1 of 12 patients failed and are missing from the result; the first: P0002" in said
    assert (tmp_path / "run" / "report.html").exists()
