"""What several readouts ask of the same scan is worked out once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from vct.records import Scan

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def once_per_scan(function: Callable[Concatenate[Scan, Asked], Answer]) -> Callable[Concatenate[Scan, Asked], Answer]:
    """Remember what `function(scan, ...)` answered for as long as the scan lives. Its other arguments are hashable."""
    answers: WeakKeyDictionary[Scan, dict[Hashable, Answer]] = WeakKeyDictionary()

    @wraps(function)
    def remembered(scan: Scan, /, *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        known = answers.setdefault(scan, {})
        key = (args, tuple(kwargs.items()))
        if key not in known:
            known[key] = function(scan, *args, **kwargs)
        return known[key]

    return remembered
