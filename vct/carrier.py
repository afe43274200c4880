"""What runs in a Dask worker: the walk, brought there once, called for one batch at a time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from distributed import WorkerPlugin

from vct import __version__
from vct.errors import ClusterError

_carried: dict[str, tuple[str, Callable[[Any], Any]]] = {}
_one_at_a_time = threading.Lock()


class Carrier(WorkerPlugin):
    """Brings a walk to every worker, also to those that join later; `token` tells runs on one cluster apart."""

    def __init__(self, token: str, walk: Callable[[Any], Any]) -> None:
        self.token, self.walk, self.version = token, walk, __version__

    def setup(self, worker: object) -> None:  # noqa: ARG002
        """Called by Dask. Ctrl-C in a terminal reaches the whole group of processes; it is meant for the conductor."""
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        _carried[self.token] = self.version, self.walk

    def teardown(self, worker: object) -> None:  # noqa: ARG002
        """Called by Dask."""
        _carried.pop(self.token, None)


def call(token: str, batch: Any) -> Any:
    """The walk of `token`, called for a batch. Raises ClusterError when the worker has another version of `vct`."""
    with _one_at_a_time:
        version, walk = _carried[token]
        if version != __version__:
            raise ClusterError(f"the workers have vct {__version__}, this run needs {version}")
        return walk(batch)
