"""Virtual clinical trials of FDG PET/CT: from two YAML files to a report that compares the arms.

>>> import vct
>>> protocol = vct.load("null_trial")
>>> protocol.sample_size > 1
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Protocol": "vct.protocol",
    "load": "vct.protocol",
    "run": "vct.trial",
    "reopen": "vct.trial",
    "make_engine": "vct.engine",
    "write_report": "vct.report",
    "stream": "vct.rng",
    "Volume": "vct.volume",
    "Patient": "vct.records",
    "Visit": "vct.records",
    "Lesion": "vct.records",
    "Snapshot": "vct.records",
    "Scan": "vct.records",
    "Reading": "vct.records",
    "TrialResult": "vct.records",
    "VctError": "vct.errors",
}

__all__ = [
    "Lesion",
    "Patient",
    "Protocol",
    "Reading",
    "Scan",
    "Snapshot",
    "TrialResult",
    "VctError",
    "Visit",
    "Volume",
    "load",
    "make_engine",
    "reopen",
    "run",
    "stream",
    "write_report",
]

if TYPE_CHECKING:
    from vct.engine import make as make_engine
    from vct.errors import VctError
    from vct.protocol import Protocol, load
    from vct.records import Lesion, Patient, Reading, Scan, Snapshot, TrialResult, Visit
    from vct.report import write as write_report
    from vct.rng import stream
    from vct.trial import reopen, run
    from vct.volume import Volume


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import vct` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vct' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), {"make_engine": "make", "write_report": "write"}.get(name, name))


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
