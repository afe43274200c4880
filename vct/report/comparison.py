"""Runs side by side: what differs between their protocols, what each found, ranked by the question asked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vct.errors import InputError
from vct.report.answer import implications, primary
from vct.report.cells import Row, Table
from vct.report.numbers import NONE, estimate, interval, number, p_value
from vct.report.tables import arms_of, leaves
from vct.report.wording import is_ratio, words

if TYPE_CHECKING:
    import pandas as pd

    from vct.records import TrialResult

ORDERS: dict[str, tuple[str, bool]] = {
    "effect": ("absolute_estimate", True),
    "bias": ("absolute_bias", False),
    "precision": ("half_width", False),
    "measurement": ("measurement_cost_percent", False),
    "p": ("p_value", False),
    "power": ("power", True),
    "patients": ("patients", False),
    "scans": ("scans", False),
}
"""What runs can be ranked by: the column, and whether the largest comes first."""
COSTS = ("measurement_cost_percent", "measurement_cost_low_percent", "measurement_cost_high_percent")
UNTOLD = ("title", "description", "source", "seed")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A finished run under a short name, with the operating characteristics that lie in its folder, if any."""

    name: str
    result: TrialResult
    power: pd.DataFrame | None = None


def side_by_side(scenarios: Sequence[Scenario], by: str) -> pd.DataFrame:
    """A row a run: design, primary estimate measured and planted, power, cost; the best answer to `by` first.

    `power` is that of the full effect at the planned number of patients in the run's `tables/power.csv`. Ratios are
    ranked by their distance from 1. Raises InputError for an unknown order.
    """
    import pandas as pd

    if by not in ORDERS:
        raise InputError(f"--by {by}: must be one of {', '.join(ORDERS)}")
    column, largest = ORDERS[by]
    frame = pd.DataFrame([_row(scenario) for scenario in scenarios])
    frame = frame.sort_values(column, ascending=not largest, na_position="last", kind="stable")
    frame.insert(0, "rank", range(1, len(frame) + 1))
    return frame.reset_index(drop=True)


def differences(scenarios: Sequence[Scenario]) -> pd.DataFrame:
    """Every setting that is not the same in all runs: a row a setting, a column a run; "" where a run lacks it."""
    import pandas as pd

    told = {scenario.name: dict(_settings(scenario.result)) for scenario in scenarios}
    places = dict.fromkeys(place for settings in told.values() for place in settings)
    rows = [{"setting": place, **{name: told[name].get(place, "") for name in told}} for place in places]
    differing = [row for row in rows if len({row[name] for name in told}) > 1]
    return pd.DataFrame(differing, columns=["setting", *told])


def ranking_table(frame: pd.DataFrame, by: str) -> Table:
    """The runs as they are read."""
    rows = tuple(
        Row(
            (
                str(item["run"]),
                f"{item['patients']} / {item['scans']}",
                f"{item['endpoint']}\n{item['quantity']}, {item['contrast']}" if item["endpoint"] else NONE,
                estimate(item["estimate"], item["ci_low"], item["ci_high"]),
                number(item["truth"]),
                p_value(item["p_value"]),
                NONE
                if item["power"] is None or item["power"] != item["power"]
                else f"{number(100 * item['power'], 1)} %",
                _share(item),
            )
        )
        for item in frame.to_dict("records")
    )
    head: tuple[str, ...] = ("Run", "Patients / scans", "Primary analysis", "Measured", "Planted truth", "p", "Power")
    head = (*head, "Lost to measurement (%)\n95 % interval")
    return Table(caption=f"Runs, ranked by {by}", csv="compare", head=head, rows=rows)


def differences_table(frame: pd.DataFrame) -> Table:
    """The settings that differ, as they are read."""
    rows = tuple(Row(tuple(str(cell) or NONE for cell in row)) for row in frame.itertuples(index=False, name=None))
    head = tuple(str(name) for name in frame.columns)
    return Table(caption="What differs between the protocols", csv="differences", head=head, rows=rows, left=len(head))


def html(frame: pd.DataFrame, differing: pd.DataFrame, by: str) -> str:
    """The comparison as a page of its own."""
    from vct.report.html import asset, policy, template

    style = asset("style.css")
    page = template("compare.html.j2").render(
        by=by,
        count=len(frame),
        best=str(frame["run"].iloc[0]),
        ranking=ranking_table(frame, by),
        differences=differences_table(differing),
        policy=policy(style, []),
        style=style,
    )
    return str(page)


def _row(scenario: Scenario) -> dict[str, Any]:
    result = scenario.result
    pairs = primary(result.comparisons)
    item, truth = pairs[0] if pairs else (None, None)
    widths: Mapping[Any, Any] = implications(result).iloc[0].to_dict() if pairs else {}
    null = 1.0 if item and is_ratio(item.quantity) else 0.0
    found = None if item is None else item.estimate
    planted = None if truth is None else truth.estimate
    return {
        "run": scenario.name,
        "arms": ", ".join(arms_of(result)),
        "patients": len({patient.id for patient in result.enrolment.patients}),
        "scans": sum(seen.status == "done" for seen in result.enrolment.attendance),
        "endpoint": item.endpoint if item else "",
        "quantity": item.quantity if item else "",
        "contrast": f"{item.arm} against {item.reference}" if item and item.reference else item.arm if item else "",
        "estimate": found,
        "ci_low": item.ci_low if item else None,
        "ci_high": item.ci_high if item else None,
        "p_value": item.p_value if item else None,
        "truth": planted,
        "absolute_estimate": None if found is None else abs(found - null),
        "absolute_bias": None if found is None or planted is None else abs(found - planted),
        "half_width": widths.get("half_width"),
        **{name: widths.get(name) for name in COSTS},
        "power": _power(scenario),
    }


def _share(item: Mapping[Hashable, Any]) -> str:
    share, low, high = (item[name] for name in COSTS)
    known = low is not None and low == low
    return f"{number(share, 0)}\n{interval(low, high, 0)}" if known else number(share, 0)


def _power(scenario: Scenario) -> float | None:
    if scenario.power is None:
        return None
    table = scenario.power
    planned = scenario.result.protocol.get("sample_size")
    own = table[(table["quantity"] == "power") & (table["effect"] == 1) & (table["n"] == planned)]
    return float(own["value"].iloc[0]) if len(own) else None


def _settings(result: TrialResult) -> list[tuple[str, str]]:
    """Places and values; parts of a list go by their names, so that an insertion does not move the others."""
    protocol = {key: value for key, value in result.protocol.items() if key not in UNTOLD}
    found = [(place, str(value)) for place, value in leaves(_by_name(protocol)) if value not in (None, "")]
    return [
        *found,
        ("engine", str(result.provenance.get("engine", ""))),
        ("seed", str(result.provenance.get("seed", ""))),
    ]


def _by_name(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _by_name(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        names = [item.get("name") if isinstance(item, Mapping) else None for item in value]
        if all(names) and len(set(names)) == len(names):
            return {f"“{words(name)}”": _by_name(item) for name, item in zip(names, value, strict=True)}
        return [_by_name(item) for item in value]
    return value


def named(folders: Sequence[Path]) -> dict[str, Path]:
    """Short names of run folders: the last part of the path, the whole path where that is not unique."""
    short = [folder.resolve().name for folder in folders]
    return {
        name if short.count(name) == 1 else str(folder): folder for name, folder in zip(short, folders, strict=True)
    }
