"""Where processes come from: a GPU each here, a job each of a batch system."""

from __future__ import annotations

import gc
import os

import pytest

from vct import cluster
from vct.cluster import ENVIRONMENT, Cluster, Local, Lsf, Pbs, Slurm
from vct.devices import Gpu, visible

ANSWER = "0, GPU-aa, NVIDIA A, 40960\n1, GPU-bb, NVIDIA B, 24576\n"
FIRST, SECOND = Gpu(index="0", name="NVIDIA A", memory_mb=40960), Gpu(index="1", name="NVIDIA B", memory_mb=24576)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [(None, (FIRST, SECOND)), ("1,0", (SECOND, FIRST)), ("GPU-bb", (SECOND,)), ("", ()), ("7", ())],
)
def test_gpus_that_this_process_may_use(allowed: str | None, expected: tuple[Gpu, ...]) -> None:
    assert visible(ANSWER, allowed) == expected


def test_each_worker_sees_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "gpus", lambda: (FIRST, SECOND))
    with Local(2).connect() as client:
        seen = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
    assert sorted(seen.values()) == ["0", "1"]


def script_of(place: Cluster) -> list[str]:
    """The lines of a job's script, unindented."""
    with place.connect() as client:
        return [line.strip().replace('"', "") for line in client.cluster.job_script().splitlines()]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # dask-jobqueue's own
@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Slurm, ["#SBATCH -p night", "#SBATCH -A money", "#SBATCH -t 26:00:00", "#SBATCH --gres=gpu:1"]),
        (Pbs, ["#PBS -q night", "#PBS -A money", "#PBS -l walltime=26:00:00", "#PBS --gres=gpu:1"]),
        (Lsf, ["#BSUB -q night", "#BSUB -P money", "#BSUB -W 26:00", "#BSUB --gres=gpu:1"]),
    ],
)
def test_what_a_batch_system_is_asked_for(place: type[Slurm | Pbs | Lsf], expected: list[str]) -> None:
    pytest.importorskip("dask_jobqueue")
    asked = {"jobs": 3, "queue": "night", "account": "money", "walltime": "1-02:00:00", "directives": ["--gres=gpu:1"]}
    lines = script_of(place.model_validate(asked | {"modules": ["cuda/12"]}))
    gc.collect()
    assert set(expected) <= set(lines)
    before = [*(f"export {name}={value}" for name, value in ENVIRONMENT.items()), "module load cuda/12"]
    assert lines[-1 - len(before) : -1] == before
    assert all(word in lines[-1] for word in ("tls://", "--nthreads 1", "--tls-key"))
