"""Tables as they are read: rounded, with units and group headings. Page and summary show the same ones."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from vct.records import Comparison, TrialResult
from vct.report import tables
from vct.report.answer import Pair, about, paired, primary
from vct.report.cells import Row, Table
from vct.report.charts import group_name, subgroup_rows
from vct.report.numbers import NONE, estimate, number, p_value, unit_of
from vct.report.wording import CHECKED, LEVELS, method_name


def table_one(result: TrialResult) -> Table:
    """Demographics by arm."""
    frame = tables.table_one(result)
    arms = list(dict.fromkeys(frame["arm"]))
    sizes = {arm: sum(item.arm == arm for item in result.enrolment.patients) for arm in arms}
    sizes[tables.EVERYONE] = len(result.enrolment.patients)
    rows: list[Row] = []
    for variable, group in frame.groupby("variable", sort=False):
        name = tables.DEMOGRAPHICS.get(str(variable)) or tables.CATEGORIES[str(variable)]
        if variable in tables.DEMOGRAPHICS:
            rows.append(Row((f"{name}\nmean (SD), median [quartiles]", *map(_spread, group.to_dict("records")))))
        else:
            rows.append(Row((f"{name}, n (%)",), group=True))
            for level, part in group.groupby("level", sort=False):
                shares = zip(part["count"], part["percent"], strict=True)
                counts = (f"{int(count)} ({number(percent, 0)} %)" for count, percent in shares)
                rows.append(Row((LEVELS.get(str(level), str(level)), *counts)))
    head = ("Variable", *(f"{arm}\nn = {sizes[arm]}" for arm in arms))
    return Table(caption="Demographics at enrolment", csv="table_one", head=head, rows=tuple(rows))


def primary_results(result: TrialResult) -> list[Table]:
    """Every statement about everybody and the primary endpoint, measured beside truth."""
    return _results(result, True, "Primary endpoint")


def secondary_results(result: TrialResult) -> list[Table]:
    """The same of the other endpoints."""
    return _results(result, False, "Secondary endpoints")


def _results(result: TrialResult, primary_ones: bool, caption: str) -> list[Table]:
    """Arms compared first, then each arm by itself."""
    first = primary(result.comparisons)
    endpoint = first[0][0].endpoint if first else ""
    pairs = [pair for pair in paired(result.comparisons) if pair[0].subgroup == "all"]
    pairs = [pair for pair in pairs if (pair[0].endpoint == endpoint) == primary_ones]
    kinds = {
        f"{caption}: arms compared, measured and on the planted truth": [pair for pair in pairs if pair[0].reference],
        f"{caption}: each arm by itself, measured and on the planted truth": [
            pair for pair in pairs if not pair[0].reference
        ],
    }
    return [_by_endpoint(caption, chosen) for caption, chosen in kinds.items() if chosen]


def _by_endpoint(caption: str, pairs: Sequence[Pair]) -> Table:
    rows: list[Row] = []
    for endpoint, visit in dict.fromkeys((item.endpoint, item.visit) for item, _ in pairs):
        rows.append(Row((f"{endpoint} at {visit}" if visit else endpoint,), group=True))
        own = [pair for pair in pairs if (pair[0].endpoint, pair[0].visit) == (endpoint, visit)]
        rows += [Row((_method(item), *_cells(item), _planted(truth))) for item, truth in own]
    items = [item for item, _ in pairs]
    head = (*_head("Analysis", items), f"Planted truth\n({_level(items)})")
    return Table(caption=caption, csv="comparisons", head=head, rows=tuple(rows), left=2)


def subgroups(result: TrialResult) -> Table:
    """The forest plot's numbers."""
    shown = subgroup_rows(result)
    rows = tuple(Row((group_name(item), *_cells(item))) for item in shown)
    return Table(caption="By subgroup", csv="comparisons", head=_head("Subgroup", shown), rows=rows, left=2)


def measurement(result: TrialResult) -> Table:
    """Bias and spread of every readout against the planted truth."""
    frame = tables.measurement(result)
    rows = [
        Row(
            (
                _named(item),
                str(item["n"]),
                f"{number(item['mean_difference'])} ({number(item['sd_difference'])})",
                f"{number(item['loa_low'])} to {number(item['loa_high'])}",
                _percent_bias(item),
            )
        )
        for item in frame.to_dict("records")
    ]
    head = ("Readout", "n", "Reading − truth\nmean (SD)", "Limits of\nagreement (95 %)", "Bias (%)\nmean (SD)")
    return Table(caption="Readings against the planted truth", csv="measurement", head=head, rows=tuple(rows))


def flow(frame: Any) -> Table:
    """The CONSORT numbers as a table."""
    rows = tuple(
        Row((str(item.stage).capitalize(), item.arm or NONE, item.reason or NONE, str(item.count)))
        for item in frame.itertuples(index=False)
    )
    return Table(caption="The flow in numbers", csv="consort", head=("Stage", "Arm", "What", "n"), rows=rows, left=3)


def listed(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of words from the protocol."""
    shown = tuple(Row(tuple(str(cell) for cell in row)) for row in rows)
    return Table(caption=caption, csv="design", head=tuple(head), rows=shown, left=len(head))


def _spread(cell: Mapping[Hashable, Any]) -> str:
    mean = f"{number(cell['mean'], 1)} ({number(cell['sd'], 1)})"
    return f"{mean}\n{number(cell['median'], 1)} [{number(cell['q1'], 1)} to {number(cell['q3'], 1)}]"


def _cells(item: Comparison) -> tuple[str, ...]:
    count = f"{item.n} / {item.n_reference}" if item.reference else str(item.n)
    found = estimate(item.estimate, item.ci_low, item.ci_high)
    return (about(item), count, str(item.n_missing), found, p_value(item.p_value))


def _planted(truth: Comparison | None) -> str:
    return NONE if truth is None else estimate(truth.estimate, truth.ci_low, truth.ci_high)


def _method(item: Comparison) -> str:
    unit = unit_of(item.unit, item.quantity).strip()
    name = f"{item.quantity}{f' ({unit})' if unit else ''}"
    remarks = (f"{method_name(item.method)}, {item.analysis_set}", CHECKED.get(item.checked, item.checked), item.note)
    return f"{name[:1].upper()}{name[1:]}\n{'; '.join(filter(None, remarks))}"


def _head(first: str, items: Sequence[Comparison]) -> tuple[str, ...]:
    return (first, "Arms", "n", "Missing", f"Measured\n({_level(items)})", "p")


def _level(items: Sequence[Comparison]) -> str:
    levels = {item.confidence for item in items}
    return f"{100 * levels.pop():g} % CI" if len(levels) == 1 else "CI"


def _named(item: Mapping[Hashable, Any]) -> str:
    return f"{item['readout']} ({item['unit']})" if item["unit"] not in ("", "1") else str(item["readout"])


def _percent_bias(item: Mapping[Hashable, Any]) -> str:
    if not item["n_percent"]:
        return NONE
    return f"{number(item['mean_bias_percent'], 1)} ({number(item['sd_bias_percent'], 1)})"
