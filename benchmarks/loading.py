"""Does data loading keep up with training? Samples a second of the memory-mapped folder, and of a training step on it.

loading.py [BODIES] [SECONDS]: made-up bodies on the models' own grids, dropped from the page cache where the system
lets us. "read" maps and copies a sample's voxels; "drawn" also deforms, repaints and encodes it (what a step does
before its network); "trained" is a whole step, forward, backward and optimiser, of the small network on this CPU.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from hardware import hardware

from vct.engine.cascade.grid import shape_at
from vct.engine.cascade.presets import LOWRES, SUPERRES
from vct.records import Patient
from vct.training.data import Bodies
from vct.training.loop import Draw
from vct.training.tasks import LowresTask, SuperresTask, _bodies

PATCH = 48


def made_up(folder: Path, count: int, spacing_mm: float) -> Bodies:
    """Bodies of noise, stored as `vct.training.data` stores bodies."""
    shape = shape_at(spacing_mm)
    rng = np.random.default_rng(0)
    maps = {}
    for name, dtype, most in (("ct", np.int16, 100), ("pet", np.float16, 4), ("labels", np.uint8, 60)):
        path = folder / f"{name}-{spacing_mm:g}.npy"
        whole = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(count, *shape))
        for row in range(count):
            whole[row] = rng.integers(0, most, shape)
        whole.flush()
        maps[name] = np.lib.format.open_memmap(path, mode="r")
        with path.open("rb") as handle:
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    patients = tuple(
        Patient(id=f"P{n}", sex="FM"[n % 2], age_years=40.0 + n, height_cm=160.0 + n, weight_kg=60.0 + n)
        for n in range(count)
    )
    lengths = tuple(1000.0 + n for n in range(count))
    return Bodies(patients=patients, lengths_mm=lengths, spacing_mm=spacing_mm, about="made up", **maps)


def rate(do: Callable[[Draw], object], seconds: float) -> float:
    """How often a second `do` was done, of CPU time."""
    do(Draw(0, 0))
    begun, count = time.process_time(), 0
    while time.process_time() - begun < seconds:
        count += 1
        do(Draw(0, count))
    return count / (time.process_time() - begun)


def trained(task: LowresTask | SuperresTask) -> Callable[[Draw], None]:
    """One training step with a batch of one."""
    optimiser = torch.optim.AdamW(task.model.parameters(), lr=1e-4)

    def step(draw: Draw) -> None:
        optimiser.zero_grad()
        task.loss(task.model, draw, 1).backward()
        optimiser.step()

    return step


def rows(folder: Path, count: int, seconds: float) -> Iterator[str]:
    """Lines of the table."""
    yield "| network | sample, MB | read/s | drawn/s | trained/s | drawn to trained |"
    yield "|---|---|---|---|---|---|"
    low = LowresTask(made_up(folder, count, 8.0), LOWRES["small"])
    high = SuperresTask(made_up(folder, count, 4.0), SUPERRES["small"], PATCH)
    corner = (slice(0, PATCH),) * 3
    readers: tuple[tuple[str, LowresTask | SuperresTask, tuple[slice, ...], Callable[[Draw], object]], ...] = (
        (
            "stage 1, small",
            low,
            (),
            lambda draw: low.fresh([int(draw.numpy.integers(count))], draw, torch.device("cpu")),
        ),
        ("stage 2, small, patch 48", high, corner, lambda draw: high.patches(draw, 1)),
    )
    for name, task, box, drawn in readers:
        sample = sum(part.nbytes for part in (task.bodies.ct, task.bodies.pet, task.bodies.labels)) / count
        if box:
            sample *= PATCH**3 / np.prod(task.bodies.ct.shape[1:])
        read = rate(lambda draw, t=task, b=box: _bodies(t.bodies, [int(draw.numpy.integers(count))], b), seconds)
        makes, takes = rate(drawn, seconds), rate(trained(task), seconds)
        yield f"| {name} | {sample / 1e6:.1f} | {read:.0f} | {makes:.1f} | {takes:.2f} | {makes / takes:.1f} |"


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    torch.set_num_threads(1)
    print(f"{hardware()}, torch {torch.__version__}, one thread, {count} bodies\n")
    with tempfile.TemporaryDirectory() as folder:
        for line in rows(Path(folder), count, seconds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
