"""Where the YAML files that come with `vct` lie, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

DEFAULT_ENGINE = "cascade"
"""The engine of a run that names none."""


def shipped(folder: str) -> Path:
    """The folder of shipped `cohorts` or `protocols`."""
    package = Path(__file__).resolve().parent
    inside = package / "shipped" / folder
    return inside if inside.is_dir() else package.parent / folder


def shipped_names(folder: str) -> tuple[str, ...]:
    """Names of the files in a shipped folder, in order."""
    return tuple(sorted(file.stem for file in shipped(folder).glob("*.yaml")))
