"""What this computer has, and what fits on it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import gettempdir

from rich.table import Table

from vct import __version__
from vct.cost import measured
from vct.devices import cores, gpus, memory_bytes
from vct.engine import make
from vct.errors import InputError
from vct.progress import size
from vct.protocol import load
from vct.trial import plan_of

PACKAGES = {
    "": ("numpy", "scipy", "pandas", "pydantic", "nibabel", "pyarrow", "distributed"),
    "vct[cluster]": ("dask-jobqueue",),
    "vct[cascade]": ("torch", "safetensors"),
    "vct[training]": ("lightning-fabric",),
}
BATCH_SYSTEMS = {"Slurm": "sbatch", "PBS": "qsub", "LSF": "bsub"}


def findings_table(engine: str, resolution_mm: float) -> Table:
    """Everything, for the terminal; what an engine takes is measured with a patient of `null_trial`."""
    table = Table(title=f"vct {__version__}", show_header=False)
    for label, value in (*_software(), *_hardware(), *_fit(engine, resolution_mm)):
        table.add_row(label, value)
    return table


def _software() -> Iterator[tuple[str, str]]:
    yield "Python", f"{platform.python_version()} ({sys.executable})"
    for extra, names in PACKAGES.items():
        for name in names:
            try:
                yield name, version(name)
            except PackageNotFoundError:
                yield name, f"not installed; comes with {extra}" if extra else "not installed"
    found = [name for name, program in BATCH_SYSTEMS.items() if shutil.which(program)]
    yield "batch systems", ", ".join(found) or "none (sbatch, qsub, bsub are not on the PATH)"


def _hardware() -> Iterator[tuple[str, str]]:
    import psutil

    yield "cores", f"{cores()} of {platform.machine()}"
    free = psutil.virtual_memory().available
    yield "memory", f"{size(memory_bytes())}, {size(free)} free"
    devices = gpus()
    yield "GPUs", "; ".join(f"{item.name}, {item.memory_mb / 1024:.0f} GiB" for item in devices) or "none"
    for label, place in (("disk here", Path.cwd()), ("disk for scratch", Path(gettempdir()))):
        yield label, f"{size(shutil.disk_usage(place).free)} free of {size(shutil.disk_usage(place).total)}"


def _fit(spec: str, resolution_mm: float) -> Iterator[tuple[str, str]]:
    import psutil

    try:
        engine = make(spec, resolution_mm)
    except InputError as error:
        yield "engine", str(error)
        return
    rates = measured(plan_of(load("null_trial"), engine))
    fit = psutil.virtual_memory().available // max(rates.memory_bytes, 1)
    yield "engine", f"{engine.name}: {rates.seconds:.1f} s a scan, {size(rates.memory_bytes)} a process"
    limit = "memory" if fit < cores() else "cores"
    yield "processes that fit", f"{max(1, min(fit, cores()))}, by {limit} (vct run --workers)"
