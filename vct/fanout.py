"""`map_patients`: the one seam through which patients reach processes."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from itertools import count, islice
from typing import TYPE_CHECKING, Any, TypeVar

from vct.cluster import ONE_THREAD, Cluster
from vct.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future

Result = TypeVar("Result")
Batch = TypeVar("Batch")
Stop = Callable[[], bool]

_AHEAD = 2
_RECOUNT_S = 5.0


def never() -> bool:
    """Nobody asks to stop."""
    return False


def map_patients(
    walk: Callable[[Batch], Result], batches: Sequence[Batch], cluster: Cluster | None = None, stop: Stop = never
) -> Iterator[tuple[Batch, Result | None]]:
    """Yield (batch, result) as they finish, in this process or on the processes of `cluster`.

    `walk` goes to each process once, and is called there for one batch at a time; it must be picklable and idempotent,
    since the batch of a lost process is done again elsewhere. The result is None when every process that tried the
    batch died. At most two batches a process are under way, so that memory does not grow with their number. Once
    `stop()` is true, no batch is begun. Raises what `walk` raises, and ClusterError when the cluster is gone; what was
    finished stays finished.
    """
    if cluster is None:
        for batch in batches:
            if stop():
                return
            yield batch, walk(batch)
    elif batches:
        with cluster.connect() as client:
            yield from _on(client, walk, batches, stop)


def _on(
    client: Client, walk: Callable[[Batch], Result], batches: Sequence[Batch], stop: Stop
) -> Iterator[tuple[Batch, Result | None]]:
    from distributed import as_completed

    from vct.carrier import Carrier, call

    token = secrets.token_hex(8)
    waiting, number = iter(batches), count()
    room = _Room(client)
    under_way: dict[Future[Any], Batch] = {}
    completed: Any = as_completed()

    def send() -> None:
        sent = list(islice(waiting, 0 if stop() else max(room() - len(under_way), 0)))
        if sent:
            keys = [f"{token}-{next(number)}" for _ in sent]
            futures = client.map(call, [token] * len(sent), sent, key=keys, pure=False)
            under_way.update(zip(futures, sent, strict=True))
            completed.update(futures)

    try:
        client.register_plugin(Carrier(token, walk), name=token)
        send()
        while under_way:
            finished = completed.next_batch(block=True)
            answers = client.gather([future for future in finished if future.status == "finished"])
            for future in finished:
                if future.status != "finished":
                    _reraise(future)
                yield under_way.pop(future), answers.pop(0) if future.status == "finished" else None
            send()
        with suppress(OSError, TimeoutError):
            client.unregister_worker_plugin(token)
    except ImportError as error:
        raise ClusterError(f"the workers lack a package that this process has ({error})") from error
    except (CancelledError, OSError, TimeoutError) as error:
        raise ClusterError("the cluster is gone; what was finished stays, go on with --resume") from error


def _reraise(future: Future[Any]) -> None:
    """Raise what a task raised; not that its processes died."""
    from distributed import KilledWorker

    with suppress(KilledWorker):
        future.result()


class _Room:
    """How many batches may be under way; workers come and go, so they are counted again every few seconds."""

    def __init__(self, client: Client) -> None:
        self.client, self.counted, self.room = client, 0.0, 0

    def __call__(self) -> int:
        now = time.monotonic()
        if self.counted == 0.0 or now - self.counted > _RECOUNT_S:
            self.counted, self.room = now, _AHEAD * max(len(self.client.nthreads()), 1)
        return self.room


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let child processes start with one numerical thread each: the cores are taken by them."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
