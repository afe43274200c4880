"""What this computer has: GPUs, cores, memory."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from dataclasses import dataclass

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Numbers of glibc's `malloc.h`."""
_KEPT_BYTES = 2**31 - 1
"""The most that `mallopt`, which takes an int, can be told."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU; `index` is what CUDA_VISIBLE_DEVICES calls it."""

    index: str
    name: str
    memory_mb: int


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that this process may use, by `nvidia-smi` and CUDA_VISIBLE_DEVICES; none where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ()
    return visible(answer, os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible(answer: str, allowed: str | None) -> tuple[Gpu, ...]:
    """The GPUs in an answer of `nvidia-smi` (index, uuid, name, MiB) that CUDA_VISIBLE_DEVICES allows, in its order."""
    found: dict[str, Gpu] = {}
    for line in answer.strip().splitlines():
        index, uuid, name, memory = (cell.strip() for cell in line.split(","))
        found[index] = found[uuid] = Gpu(index=index, name=name, memory_mb=int(memory))
    if allowed is None:
        return tuple(dict.fromkeys(found.values()))
    return tuple(found[name.strip()] for name in allowed.split(",") if name.strip() in found)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory that this process may use: the computer's, or its container's where that is less."""
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT)


def keep_freed_memory() -> bool:
    """Let glibc keep up to 2 GiB of freed memory for what is asked for next, and say whether it does.

    By default every large tensor goes back to the kernel, which clears its pages anew for the next one: half of the
    time of a patient at 2 mm (`benchmarks/cascade_cost.md`). False without glibc; nothing changes there.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
