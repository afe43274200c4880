"""What the computer is asked for."""

import ctypes
import platform
from types import SimpleNamespace

import pytest

from vct.devices import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_glibc_keeps_freed_memory() -> None:
    assert keep_freed_memory()


def test_without_glibc_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert not keep_freed_memory()
