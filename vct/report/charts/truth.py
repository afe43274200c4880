"""Readings against the planted truth, a panel a readout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.records import TrialResult
from vct.report.charts.base import GREY, Figure, arm_colour, base_chart, evenly, finished, inline
from vct.report.charts.select import used_readouts
from vct.report.tables import arms_of

if TYPE_CHECKING:
    import pandas as pd

MOST_PANELS, MOST_POINTS = 6, 240
LOG_FROM_RATIO = 100.0

Pair = tuple[str, str, str, float, float]
"""Patient, arm, visit, truth and value."""


def truth_panels(result: TrialResult) -> list[Figure]:
    """Reading over truth for at most `MOST_PANELS` readouts whose truth varies, those of the endpoints first."""
    shown = list(varied_pairs(result).items())[:MOST_PANELS]
    arms = arms_of(result)
    return [_panel(index, name, *found, arms) for index, (name, found) in enumerate(shown, start=1)]


def varied_pairs(result: TrialResult) -> dict[str, tuple[str, list[Pair]]]:
    """Unit and pairs of every readout whose truth varies, those of the endpoints first."""
    pairs: dict[str, list[Pair]] = {}
    units: dict[str, str] = {}
    for item in result.readings:
        if item.value is not None and item.truth is not None:
            units[item.readout] = item.unit
            row = (item.patient, item.arm, item.visit, item.truth, item.value)
            pairs.setdefault(item.readout, []).append(row)
    varied = [name for name in used_readouts(result) if len({truth for *_, truth, _ in pairs.get(name, ())}) > 1]
    return {name: (units[name], pairs[name]) for name in varied}


def _panel(index: int, readout: str, unit: str, pairs: list[Pair], arms: list[str]) -> Figure:
    import altair as alt
    import pandas as pd

    frame = pd.DataFrame(pairs, columns=["patient", "arm", "visit", "truth", "value"])
    by_error = (frame["value"] - frame["truth"]).sort_values(kind="stable").index.tolist()
    drawn = frame.loc[evenly(by_error, MOST_POINTS)]
    numbers = [number for row in pairs for number in row[3:]]
    low, high = min(numbers), max(numbers)
    wide = low > 0 and high / low > LOG_FROM_RATIO
    scale = alt.Scale(type="log") if wide else alt.Scale(zero=False)
    ends = [{"truth": low, "value": low}, {"truth": high, "value": high}]
    base = alt.Chart(inline(ends)).mark_line(color=GREY, strokeDash=[4, 3])
    points = base_chart().mark_point(size=18, opacity=0.6, filled=True)
    encodings = {
        "x": alt.X("truth:Q", title=f"Planted truth{in_unit(unit)}", scale=scale, axis=alt.Axis(tickCount=4)),
        "y": alt.Y("value:Q", title=f"Reading{in_unit(unit)}", scale=scale, axis=alt.Axis(tickCount=4)),
    }
    hints = [alt.Tooltip("patient:N"), alt.Tooltip("visit:N")]
    hints += [alt.Tooltip("truth:Q", format=".3g"), alt.Tooltip("value:Q", format=".3g")]
    layers = (base.encode(**encodings), points.encode(**encodings, color=arm_colour(arms), tooltip=hints))
    some = f"{len(drawn)} of {len(pairs)}" if len(drawn) < len(pairs) else f"All {len(pairs)}"
    return Figure(
        name=f"figure_truth_{index}",
        title=readout,
        caption=f"{some} readings{'; logarithmic axes' if wide else ''}.",
        alt=f"Scatter plot of {readout}: {some} readings against the planted truth; {_above(frame)}.",
        spec=finished(drawn, *layers, height=230),
        frame=frame,
        sources=("measurement",),
    )


def _above(frame: pd.DataFrame) -> str:
    above = int((frame["value"] > frame["truth"]).sum())
    return f"{above} lie above the line of equality, {int((frame['value'] < frame['truth']).sum())} below"


def in_unit(unit: str) -> str:
    """The unit in brackets, where there is one."""
    return f" ({unit})" if unit not in ("", "1") else ""
