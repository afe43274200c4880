"""Operating characteristics: many blocks of replicates, and every figure with its Monte Carlo standard error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from vct.course.many import Array
from vct.fanout import single_threaded
from vct.replicate.outcomes import Mask
from vct.replicate.simulate import BLOCK, Job, Outcome, Statement, simulate
from vct.replicate.watch import EFFICACY, FUTILITY
from vct.stats.design.monitoring import Monitoring, is_ratio

Watch = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One operating characteristic: a row of power.csv. `n` is the planned size, `effect` a multiple of the planned."""

    n: int
    effect: float
    endpoint: str
    analysis: str
    arm: str
    quantity: str
    value: float
    mc_se: float
    replicates: int


def characteristics(job: Job, replicates: int, *, workers: int = 1, watch: Watch | None = None) -> tuple[Figure, ...]:
    """Simulate and sum up. The same figures whatever `workers`; `watch(done, total)` hears of every block."""
    blocks = [(number, min(BLOCK, replicates - start)) for number, start in enumerate(range(0, replicates, BLOCK))]
    found = []
    for done, outcomes in enumerate(_simulated(job, blocks, workers), start=1):
        found.append(outcomes)
        if watch:
            watch(min(done * BLOCK, replicates), replicates)
    scenarios = [_joined(pieces) for pieces in zip(*found, strict=True)]
    return tuple(figure for one in scenarios for figure in figures(one, job.protocol.design, _arms(job)))


def _arms(job: Job) -> tuple[str, ...]:
    return tuple(arm.name for arm in job.protocol.arms)


def _simulated(job: Job, blocks: Sequence[tuple[int, int]], workers: int) -> Iterator[list[Outcome]]:
    if workers <= 1 or len(blocks) <= 1:
        yield from (simulate(job, number, size) for number, size in blocks)
        return
    with single_threaded(), ProcessPoolExecutor(min(workers, len(blocks)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_call, ((job, number, size) for number, size in blocks))


def _call(piece: tuple[Job, int, int]) -> list[Outcome]:
    return simulate(*piece)


def _joined(pieces: Sequence[Outcome]) -> Outcome:
    """Blocks of one scenario, end to end."""
    statements = []
    for same in zip(*(piece.statements for piece in pieces), strict=True):
        columns = {name: np.concatenate([getattr(item, name) for item in same]) for name in ARRAYS}
        first = same[0]
        statements.append(
            Statement(
                endpoint=first.endpoint,
                analysis=first.analysis,
                quantity=first.quantity,
                arm=first.arm,
                confidence=first.confidence,
                **columns,
            )
        )
    first_piece = pieces[0]
    return Outcome(
        size=first_piece.size,
        effect=first_piece.effect,
        statements=tuple(statements),
        patients=np.concatenate([piece.patients for piece in pieces]),
        duration=np.concatenate([piece.duration for piece in pieces]),
        look=np.concatenate([piece.look for piece in pieces], axis=-1),
        decision=np.concatenate([piece.decision for piece in pieces], axis=-1),
        observed=tuple(item for piece in pieces for item in piece.observed),
    )


ARRAYS = ("estimate", "low", "high", "p", "true")


def figures(found: Outcome, design: Monitoring | None, arms: Sequence[str]) -> Iterator[Figure]:
    """Every figure of one scenario.

    The true value of an estimate is its mean over the replicates when everybody is read perfectly at every visit and no
    look stops the trial; ratios are averaged by their logarithm, and so is their bias. Bias is the mean estimate less
    that, coverage the share of intervals that hold it; both come after stopping, from the analysis as it stands.
    """

    def row(quantity: str, value: float, error: float, n: int, about: Statement | None = None, arm: str = "") -> Figure:
        return Figure(
            n=found.size,
            effect=found.effect,
            endpoint=about.endpoint if about else "",
            analysis=about.analysis if about else "",
            arm=about.arm if about else arm,
            quantity=quantity,
            value=value,
            mc_se=error,
            replicates=n,
        )

    def share(quantity: str, hits: Mask, about: Statement | None = None, arm: str = "") -> Figure:
        n = hits.size
        return row(quantity, float(hits.mean()), share_error(int(hits.sum()), n), n, about, arm)

    wins = "type_i_error" if found.effect == 0.0 else "power"
    if design is not None:
        looks, decisions = np.atleast_2d(found.look), np.atleast_2d(found.decision)
        named = arms if design.by_arm else ("",)
        for arm, look, decision in zip(named, looks, decisions, strict=True):
            yield share(wins, decision == EFFICACY, arm=arm)
            for k in range(1, len(design.rule.looks()) + 1):
                yield share(f"stopped_look_{k}", look == k, arm=arm)
                yield share(f"efficacy_look_{k}", (look == k) & (decision == EFFICACY), arm=arm)
                yield share(f"futility_look_{k}", (look == k) & (decision == FUTILITY), arm=arm)
    for quantity, values in (("expected_n", found.patients), ("duration_days", found.duration)):
        yield row(quantity, float(values.mean()), _mean_error(values), values.size)
    for item in found.statements:
        yield share(wins, np.nan_to_num(item.p, nan=1.0) <= 1.0 - item.confidence + 1e-12, item)
        scale = np.log if is_ratio(item.quantity) else np.asarray
        with np.errstate(invalid="ignore", divide="ignore"):
            estimate, low, high, true = (scale(x) for x in (item.estimate, item.low, item.high, item.true))
        kept = np.isfinite(estimate) & np.isfinite(true)
        if not kept.any():
            continue
        n = int(kept.sum())
        estimate, true = estimate[kept], true[kept]
        target, mean = float(true.mean()), float(estimate.mean())
        ratio = is_ratio(item.quantity)
        for name, number, spread in (("true_value", target, true), ("mean_estimate", mean, estimate)):
            back = math.exp(number) if ratio else 1.0
            yield row(name, back if ratio else number, back * _mean_error(spread), n, item)
        yield row("bias", mean - target, _mean_error(estimate - true), n, item)
        known = np.isfinite(low) & np.isfinite(high)
        if known.any():
            yield share("coverage", (low[known] <= target) & (target <= high[known]), item)


def share_error(hits: int, n: int) -> float:
    """Monte Carlo standard error of a share; of 0 or all of them as if half a replicate had gone the other way."""
    p = min(max(hits, 0.5), n - 0.5) / n
    return math.sqrt(p * (1.0 - p) / n)


def _mean_error(values: Array) -> float:
    return float(values.std(ddof=1) / math.sqrt(values.size)) if values.size > 1 else math.nan
