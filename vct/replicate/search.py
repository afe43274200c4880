"""The smallest trial that reaches a power: bracket, halve, stop when Monte Carlo error allows a verdict, or say not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from vct.errors import InputError
from vct.replicate.power import Figure, characteristics
from vct.replicate.simulate import Job

BATCH = 1000
"""Replicates between two looks at whether a size is decided."""
SURE = 0.99
"""Confidence that a decided size is on the side that is said, all its looks together (Bonferroni)."""

Pick = Callable[[Figure], bool]
Watch = Callable[["Tried"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One size: the power found, its Monte Carlo standard error, and on which side of the target it is for sure."""

    n: int
    power: float
    mc_se: float
    replicates: int
    side: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`n` is the smallest size whose estimated power reaches the target. Every size below `surely_below` surely misses
    it; `surely_enough` surely reaches it (None when no size tried did).
    """

    n: int
    surely_below: int
    surely_enough: int | None
    tried: tuple[Tried, ...]


def search(
    job: Job,
    pick: Pick,
    target: float,
    *,
    low: int,
    high: int,
    step: int,
    replicates: int,
    workers: int = 1,
    watch: Watch | None = None,
) -> Answer:
    """Search sizes low, low + step, ... up to `high`, by doubling and then halving; power is taken to grow with size.

    A size is simulated in batches until its power is surely above or below `target` (Wilson's interval, 99 % over all
    looks) or `replicates` are spent. All sizes share their luck. Raises InputError when `high` does not reach it.
    """
    seen: dict[int, Tried] = {}

    def at(k: int) -> Tried:
        if k not in seen:
            seen[k] = _tried(job, pick, target, low + k * step, replicates, workers)
            if watch:
                watch(seen[k])
        return seen[k]

    last = (high - low) // step
    below, above = -1, 0
    while at(above).power < target:
        if above == last:
            raise InputError(
                f"power {target:g} is not reached with {low + last * step} patients: it is {at(last).power:.3f} there; "
                "raise --high"
            )
        below, above = above, min(last, max(1, 2 * above))
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if at(middle).power >= target else (middle, above)
    enough, first = _edge(at, above, last, "above"), above
    while first > 0 and at(first - 1).side == "undecided":
        first -= 1
    return Answer(
        n=low + above * step,
        surely_below=low + first * step,
        surely_enough=None if enough is None else low + enough * step,
        tried=tuple(seen[k] for k in sorted(seen)),
    )


def _edge(at: Callable[[int], Tried], start: int, last: int, side: str) -> int | None:
    """The first size from `start` on that is surely on this side."""
    for k in range(start, last + 1):
        if at(k).side == side:
            return k
    return None


def _tried(job: Job, pick: Pick, target: float, n: int, replicates: int, workers: int) -> Tried:
    one = replace(job, sizes=(n,))
    batches = list(_batches(replicates))
    for size in batches:
        figure = next((item for item in characteristics(one, size, workers=workers) if pick(item)), None)
        if figure is None:
            raise InputError("no such power: the protocol has no such endpoint and analysis that tests")
        side = _side(figure.value, size, target, 1.0 - (1.0 - SURE) / len(batches))
        if side != "undecided" or size == replicates:
            return Tried(n=n, power=figure.value, mc_se=figure.mc_se, replicates=size, side=side)
    raise InputError(f"replicates must be at least 1 (got {replicates})")


def _batches(replicates: int) -> Iterator[int]:
    """Replicates at each look: the batch doubles, so that starting over costs no more than the last look."""
    size = BATCH
    while size < replicates:
        yield size
        size *= 2
    yield replicates


def _side(power: float, n: int, target: float, confidence: float) -> str:
    from scipy.stats import binomtest

    limits = binomtest(round(power * n), n).proportion_ci(confidence, "wilson")
    return "above" if limits.low >= target else "below" if limits.high < target else "undecided"
