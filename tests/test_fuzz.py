"""Damaged files, drawn by hypothesis: each is taken, or refused with a documented error. Longer: benchmarks/fuzz.py."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).with_name("doubles")))
from readers import Reader, readers

NAMES = ("protocol", "cohort", "nifti", "nifti.gz", "template", "case", "weights")


class Known(dict[str, Reader]):
    """Hypothesis prints it when a case fails."""

    __repr__ = object.__repr__


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    return Known(readers(tmp_path_factory.mktemp("valid")))


def damaged(valid: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
    """`valid` with some bytes, from a place on, replaced by others."""
    content = bytearray(valid)
    for place, length, new in cuts:
        start = int(place * len(content))
        content[start : start + length] = new
    return bytes(content)


@pytest.mark.parametrize("name", NAMES)
def test_valid_files_are_taken(known: dict[str, Reader], name: str, tmp_path: Path) -> None:
    assert known[name].try_on(known[name].valid, tmp_path)


CUTS = st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=4)


@pytest.mark.parametrize("name", NAMES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=CUTS)
def test_damaged_files_are_taken_or_refused(
    known: dict[str, Reader], name: str, cuts: list[tuple[float, int, bytes]]
) -> None:
    with TemporaryDirectory() as folder:
        known[name].try_on(damaged(known[name].valid, cuts), Path(folder))
