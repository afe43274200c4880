"""Tables that other verbs made and the report prints: what `vct power` and `vct decompose` found of the same trial."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vct.errors import InputError
from vct.files import write_aside

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: dict[str, tuple[str, ...]] = {
    "power": ("n", "effect", "endpoint", "analysis", "quantity", "value", "mc_se", "replicates"),
    "decompose": ("endpoint", "source", "variance", "share", "patients_cost", "mc_se"),
}
"""The files by name, and the columns that each must have."""


def adopt(run: Path, folders: Iterable[Path]) -> None:
    """Copy the known tables of other folders into a run's. Raises InputError for a folder that holds none."""
    for folder in folders:
        found = [path for name in COLUMNS for path in (folder / f"{name}.csv",) if path.is_file()]
        if not found:
            raise InputError(f"{folder}: holds neither {' nor '.join(f'{name}.csv' for name in COLUMNS)}")
        for path in found:
            _read(path)
            write_aside(run / "tables" / path.name, path.read_bytes())


def companions(run: Path) -> dict[str, pd.DataFrame]:
    """The known tables that lie in a run's folder, by name. Raises InputError when one is damaged."""
    return {name: _read(path) for name in COLUMNS if (path := run / "tables" / f"{name}.csv").is_file()}


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(("endpoint", "analysis", "arm", "quantity", "source"), str))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is not a readable table ({error})") from error
    missing = [name for name in COLUMNS[path.stem] if name not in frame.columns]
    if missing:
        raise InputError(f"{path}: lacks the column {missing[0]!r} (it has {', '.join(frame.columns)})")
    return frame
