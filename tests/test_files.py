"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vct.errors import StorageError
from vct.files import aside, write_aside


def test_a_file_takes_its_place_in_missing_folders(tmp_path: Path) -> None:
    write_aside(tmp_path / "a" / "b.txt", b"one")
    write_aside(tmp_path / "a" / "b.txt", b"two")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"two"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_aside(tmp_path / "b.txt", b"old")

    def fail_half_way() -> None:
        with aside(tmp_path / "b.txt") as written:
            written.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert (tmp_path / "b.txt").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_full_disk_is_named_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"b\.txt: cannot be written \(No space left on device\)"):
        write_aside(tmp_path / "b.txt", b"x")
    assert not list(tmp_path.iterdir())


def test_the_suffixes_stay_so_that_writers_know_the_format(tmp_path: Path) -> None:
    with aside(tmp_path / "scan.nii.gz") as written:
        assert written.name.endswith("scan.nii.gz")
        written.write_bytes(b"x")
