"""Hundreds of broken protocols: each is refused with a place, exit code 2, no traceback, and nothing is written."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vct import cli
from vct.errors import SpecError
from vct.protocol import find, load
from vct.shipped import shipped_names

Loc = tuple[Any, ...]
SHIPPED = shipped_names("protocols")


def text_of(name: str) -> str:
    return find(name).read_text()


def walk(data: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    yield loc, data
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from walk(value, (*loc, key))


def replaced(data: Any, loc: Loc, change: Any) -> Any:
    """A copy of `data` in which `change(container, key)` was applied at `loc`."""
    copy = deepcopy(data)
    inner = copy
    for key in loc[:-1]:
        inner = inner[key]
    change(inner, loc[-1])
    return copy


def rename(container: Any, key: Any) -> None:
    container[f"{key}_x"] = container.pop(key)


def set_to(value: Any) -> Any:
    def change(container: Any, key: Any) -> None:
        container[key] = value

    return change


def broken_versions(name: str) -> Iterator[tuple[str, Any]]:
    """Changes that no protocol survives: an unknown key, or a mapping where a number, text or list belongs."""
    data = yaml.safe_load(text_of(name))
    for loc, value in walk(data):
        if not loc:
            continue
        where = ".".join(map(str, loc))
        if isinstance(loc[-1], str):
            yield f"{where} renamed", replaced(data, loc, rename)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{where} huge", replaced(data, loc, set_to(-1e300))
        if not isinstance(value, dict):
            yield f"{where} a mapping", replaced(data, loc, set_to({"what": {"is": "this"}}))


def refused(file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    out = file.parent / "never"
    monkeypatch.setattr("sys.argv", ["vct", "run", str(file), "--out", str(out)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    assert stopped.value.code == 2, captured.err
    assert not out.exists()
    assert "Traceback" not in captured.err
    return captured.err


EVERY = 10
"""The default suite takes every tenth version, some 190 of 1,900; `-m slow` takes them all."""


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.slow)])
def test_broken_versions_are_refused_with_their_place(
    name: str, every: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "broken.yaml"
    versions = list(broken_versions(name))
    assert len(versions) >= 200
    for what, data in versions[::every]:
        file.write_text(json.dumps(data))
        message = refused(file, capsys, monkeypatch)
        assert re.search(r"\.yaml(:\d+:\d+)?: ", message), f"{what}: {message}"


@settings(max_examples=120)
@given(data=st.data())
def test_damaged_text_never_ends_in_a_traceback(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = text_of(data.draw(st.sampled_from(SHIPPED)))
    place = data.draw(st.integers(0, len(text)))
    noise = data.draw(st.text(max_size=6) | st.sampled_from(["{", "]", ": ", "\n- ", "\t", "&a ", "*a", "!!x ", "'"]))
    cut = data.draw(st.integers(0, 12))
    file = tmp_path_factory.getbasetemp() / "damaged.yaml"
    file.write_text(text[:place] + noise + text[place + cut :], encoding="utf-8", errors="replace")
    with contextlib.suppress(SpecError):
        assert load(file).sample_size >= 1
