"""The house rules that a machine can check: floors, fences around heavy packages, file length, licences."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "vct"
FLOORS = [
    {"errors", "rng", "part", "structures", "shipped", "files", "devices", "interrupt", "arrays", "niftifile"},
    {"yamlfile", "volume", "distributions", "checkpoint", "options"},
    {"shapes", "forms", "records", "formats", "segmenter", "plausibility", "cluster", "carrier", "journal", "keeping"},
    {"cohort", "course", "engine", "acquisition", "readout", "endpoint", "stats"},
    {"protocol", "report", "store", "fanout", "training"},
    {"interim", "bodies", "progress"},
    {"walk"},
    {"conclude"},
    {"trial", "schema", "export"},
    {"preview", "nema_report", "replicate", "decompose", "cost", "doctor"},
    {"atlas_cli", "cascade_cli", "cluster_cli", "design_cli", "rule_cli", "measure_cli", "formats_cli", "report_cli"},
    {"cli"},
]
STAGES = FLOORS[3]
ALONE = STAGES | {"protocol", "store", "fanout"}
"""Rooms that never import a neighbour on their own floor."""
MAX_LINES = 400

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imported(path: Path) -> set[str]:
    """Every module that a file imports, inside functions too, as dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            if node.module == "vct":
                names |= {f"vct.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    for name in imported(path):
        if not name.startswith("vct."):
            continue
        other = name.split(".")[1]
        if other in (room, "__version__"):
            continue
        assert floor_of(other) <= floor_of(room), f"{room} imports {other}, which lies above it"
        if room in ALONE:
            assert floor_of(other) < floor_of(room), f"{room} imports its neighbour {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_packages_stay_behind_their_fences(path: Path) -> None:
    top = {name.split(".")[0] for name in imported(path)}
    inside = path.relative_to(PACKAGE).as_posix()
    if not inside.startswith(("engine/cascade/", "training/", "segmenter/", "checkpoint.py")):
        assert "torch" not in top
        assert "monai" not in top


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in FILES} - {"__init__"}
    assert rooms <= set().union(*FLOORS)
    assert set().union(*FLOORS) <= rooms


def test_nothing_is_unpickled_or_evaluated() -> None:
    forbidden = {"pickle", "marshal", "shelve", "dill", "joblib"}
    for path in FILES:
        assert not {name.split(".")[0] for name in imported(path)} & forbidden, path
        calls = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"eval", "exec"}, path
