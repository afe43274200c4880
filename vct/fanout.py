"""`map_patients`: the one seam through which patients reach processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import Any, TypeVar

from vct.errors import PatientError
from vct.records import Patient

Result = TypeVar("Result")
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_AHEAD = 2


def map_patients(
    walk: Callable[[Patient], Result], patients: Sequence[Patient], workers: int
) -> Iterator[tuple[Patient, Result]]:
    """Yield (patient, result) as they finish, in this process or in `workers` others.

    At most a few patients a worker are under way, so memory does not grow with their number. `walk` must be picklable
    and idempotent. Raises what `walk` raises, and PatientError when a worker dies; what was finished stays finished.
    """
    if workers <= 1 or len(patients) <= 1:
        for patient in patients:
            yield patient, walk(patient)
        return
    with (
        single_threaded(),
        ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_adopt, initargs=(walk,)) as pool,
    ):
        queue = iter(patients)
        under_way = {pool.submit(_call, patient): patient for patient in islice(queue, workers * _AHEAD)}
        try:
            while under_way:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    patient = under_way.pop(future)
                    yield patient, _result(future, patient)
                    under_way.update({pool.submit(_call, following): following for following in islice(queue, 1)})
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Future[Result], patient: Patient) -> Result:
    try:
        return future.result()
    except BrokenProcessPool:
        raise PatientError(
            f"a worker process died at patient {patient.id} (out of memory?); run again with --resume"
        ) from None


_adopted: list[Callable[[Patient], object]] = []


def _adopt(walk: Callable[[Patient], object]) -> None:
    _adopted[:] = [walk]


def _call(patient: Patient) -> Any:
    return _adopted[0](patient)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let child processes start with one numerical thread each: the cores are taken by patients."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
