"""The paragraph that a report opens with: what was compared, what came out, what the planted truth says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING

from vct.records import Comparison, TrialResult
from vct.report.measurement_cost import Cost, measurement_cost
from vct.report.numbers import estimate, interval, number, p_value, shared_decimals, unit_of
from vct.report.tables import arms_of
from vct.report.wording import is_ratio, method_name

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[Comparison, Comparison | None]

MOST_QUANTITIES = 4


def paired(comparisons: Iterable[Comparison]) -> list[Pair]:
    """Every measured comparison with the same statement about the planted truth, where there is one."""
    truths: dict[tuple[object, ...], list[Comparison]] = defaultdict(list)
    measured = []
    for item in comparisons:
        if item.source == "truth":
            truths[_key(item)].append(item)
        else:
            measured.append(item)
    return [(item, truths[_key(item)].pop(0) if truths[_key(item)] else None) for item in measured]


def primary(comparisons: Sequence[Comparison]) -> list[Pair]:
    """What the first analysis that sets arms against each other says of everybody, a pair for each later arm.

    Where no analysis does, what the first one says of each arm.
    """
    pairs = [pair for pair in paired(comparisons) if pair[0].subgroup == "all"]
    candidates = [pair for pair in pairs if pair[0].reference] or pairs
    return [pair for pair in candidates if analysis(pair[0]) == analysis(candidates[0][0])]


def sentences(result: TrialResult) -> list[str]:
    """The answer in plain sentences; the same stand on the page and in the summary."""
    arms = arms_of(result)
    count = len({patient.id for patient in result.enrolment.patients})
    twins = count < len(result.enrolment.patients)
    visits = [str(visit["name"]) for visit in result.protocol.get("visits", ())]
    opening = f"{count} virtual patients were simulated"
    if len(arms) > 1:
        opening += f" on the arms {_listed(arms)}{', each patient on every arm,' if twins else ''}"
    if visits:
        opening += f" with {'scans at' if len(visits) > 1 else 'a scan at'} {_listed(visits)}"
    found = [opening + "."]
    pairs = primary(result.comparisons)
    for arm in dict.fromkeys(item.arm for item, _ in pairs):
        own = [pair for pair in pairs if pair[0].arm == arm][:MOST_QUANTITIES]
        items = [item for item, _ in own]
        found += [
            _statement(items),
            _verdict(items),
            _of_truth([truth for _, truth in own]),
            _for_the_design(result, own[0]),
        ]
    if not pairs:
        found.append("The protocol names no analysis, so nothing is compared.")
    found.append(
        "This is one simulated trial: another seed gives other numbers, and none is evidence about a real treatment."
    )
    return [sentence for sentence in found if sentence]


def about(comparison: Comparison) -> str:
    """Who is compared with whom."""
    return f"{comparison.arm} against {comparison.reference}" if comparison.reference else comparison.arm


def analysis(comparison: Comparison) -> tuple[object, ...]:
    """Which analysis of whom a comparison comes from, whatever it says of which arm, subgroup or source."""
    return comparison.endpoint, comparison.method, comparison.visit, comparison.analysis_set


def _statement(items: Sequence[Comparison]) -> str:
    first = items[0]
    where = f"{first.endpoint} at {first.visit}" if first.visit else first.endpoint
    count = f"n = {first.n}" + (f" and {first.n_reference}" if first.reference else "") + f", {first.n_missing} missing"
    return (
        f"Primary analysis ({method_name(first.method)}, {first.analysis_set}) of {where}, {about(first)}: "
        f"{'; '.join(map(_finding, items))}; {count}."
    )


def _finding(item: Comparison) -> str:
    decimals = shared_decimals(item.estimate, item.ci_low, item.ci_high)
    facts = []
    if item.ci_low is not None or item.ci_high is not None:
        facts.append(f"{100 * item.confidence:g} % CI {interval(item.ci_low, item.ci_high, decimals)}")
    if item.p_value is not None:
        shown = p_value(item.p_value)
        facts.append(f"p {shown}" if shown.startswith("<") else f"p = {shown}")
    text = f"{item.quantity} {number(item.estimate, decimals)}{unit_of(item.unit, item.quantity)}"
    if item.estimate is None:
        text = f"no {item.quantity}" + (f", {item.note}" if item.note else "")
    return f"{text} ({', '.join(facts)})" if facts else text


def _verdict(items: Sequence[Comparison]) -> str:
    item = items[0]
    if not item.reference or item.estimate is None or item.ci_low is None or item.ci_high is None:
        return ""
    null = 1.0 if is_ratio(item.quantity) else 0.0
    if item.ci_low <= null <= item.ci_high:
        return f"The interval includes {null:g}: this trial shows neither a difference nor that there is none."
    return f"The interval excludes {null:g}: this trial shows a difference."


def _of_truth(truths: Sequence[Comparison | None]) -> str:
    known = [item for item in truths if item is not None and item.estimate is not None]
    told = [
        f"{item.quantity} {estimate(item.estimate, item.ci_low, item.ci_high)}{unit_of(item.unit, item.quantity)}"
        for item in known
    ]
    if not told:
        return ""
    return f"The same analysis of the planted truth, without scanner and reader, gives {'; '.join(told)}."


def implications(result: TrialResult) -> pd.DataFrame:
    """What the primary analysis means for the design, a row a comparison: see `Cost`."""
    import pandas as pd

    rows = [
        (item.endpoint, item.visit, item.arm, item.reference, *astuple(measurement_cost(result, item, truth)))
        for item, truth in primary(result.comparisons)
    ]
    columns = ["endpoint", "visit", "arm", "reference", "half_width", "half_width_truth", "measurement_cost_percent"]
    return pd.DataFrame(rows, columns=[*columns, "measurement_cost_low_percent", "measurement_cost_high_percent"])


def _for_the_design(result: TrialResult, pair: Pair) -> str:
    item, cost = pair[0], measurement_cost(result, *pair)
    if not item.reference or cost.half_width is None:
        return ""
    unit = unit_of(item.unit, item.quantity)
    told = f"For the design: with these numbers of patients the interval reaches ±{number(cost.half_width)}{unit}"
    if cost.half_width_truth is None or cost.percent is None:
        return f"{told}."
    told += f", on the planted truth ±{number(cost.half_width_truth)}{unit}"
    return f"{told}: {_loss(cost)}."


def _loss(cost: Cost) -> str:
    share = f"{number(cost.percent, 0)} % of the patients"
    if cost.low_percent is not None:
        share += f" (95 % interval {interval(cost.low_percent, cost.high_percent, 0)} %)"
    if cost.is_told_from_none and (cost.percent or 0.0) < 0.0:
        return f"readings spread less than the truth, a cost of {share}: no gain where they shrink the effect as well"
    if cost.is_told_from_none:
        return f"scanner and reader cost as much precision as leaving out {share}"
    if cost.low_percent is not None:
        return f"the precision that scanner and reader cost, {share}, cannot be told from none in this trial"
    return f"by these two widths scanner and reader cost {share}, how surely is not known"


def _key(item: Comparison) -> tuple[object, ...]:
    return *analysis(item), item.quantity, item.arm, item.reference, item.subgroup


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
