"""Bland-Altman: the difference between reading and planted truth over their mean, a panel a readout."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from vct.records import TrialResult
from vct.report.charts.base import GREY, Figure, arm_colour, base_chart, evenly, finished, inline
from vct.report.charts.truth import MOST_PANELS, MOST_POINTS, in_unit, varied_pairs
from vct.report.numbers import number
from vct.report.tables import arms_of, measurement


def agreement_panels(result: TrialResult) -> list[Figure]:
    """Difference over mean for at most `MOST_PANELS` readouts whose truth varies, those of the endpoints first."""
    limits = {item["readout"]: item for item in measurement(result).to_dict("records")}
    shown = list(varied_pairs(result).items())[:MOST_PANELS]
    return [
        _panel(index, readout, unit, pairs, limits[readout], arms_of(result))
        for index, (readout, (unit, pairs)) in enumerate(shown, start=1)
    ]


def _panel(
    index: int,
    readout: str,
    unit: str,
    pairs: list[tuple[str, str, str, float, float]],
    limits: Mapping[Hashable, Any],
    arms: list[str],
) -> Figure:
    import altair as alt
    import pandas as pd

    frame = pd.DataFrame(pairs, columns=["patient", "arm", "visit", "truth", "value"])
    frame = frame.assign(mean=(frame["truth"] + frame["value"]) / 2, difference=frame["value"] - frame["truth"])
    ordered = frame.sort_values("difference", kind="stable")
    drawn = ordered.iloc[evenly(range(len(frame)), MOST_POINTS)].drop(columns=["truth", "value"])
    farthest = frame.iloc[int(frame["difference"].abs().to_numpy().argmax())]
    lines = [limits["mean_difference"], limits["loa_low"], limits["loa_high"]]
    y = alt.Y("difference:Q", title=f"Reading − truth{in_unit(unit)}", axis=alt.Axis(tickCount=5))
    rules = alt.Chart(inline([{"difference": float(value)} for value in lines])).mark_rule(color=GREY)
    zero = alt.Chart(inline([{"difference": 0.0}])).mark_rule(color=GREY, strokeDash=[4, 3])
    points = base_chart().mark_point(size=18, opacity=0.6, filled=True)
    layers = (
        zero.encode(y=y),
        rules.encode(y=y),
        points.encode(
            x=alt.X(
                "mean:Q", title=f"Mean of both{in_unit(unit)}", axis=alt.Axis(tickCount=4), scale=alt.Scale(zero=False)
            ),
            y=y,
            color=arm_colour(arms),
            tooltip=[alt.Tooltip("patient:N"), alt.Tooltip("visit:N"), alt.Tooltip("difference:Q", format=".3g")],
        ),
    )
    bias, low, high = (number(float(value)) for value in lines)
    return Figure(
        name=f"figure_agreement_{index}",
        title=readout,
        caption=f"Bias {bias}, 95 % limits of agreement {low} to {high}{in_unit(unit)}; {len(drawn)} of {len(frame)} "
        "readings drawn; the dashed line is no difference. "
        f"Farthest off: {farthest['patient']} at {farthest['visit']}, read {number(farthest['value'])} where "
        f"{number(farthest['truth'])} was planted.",
        alt=f"Bland-Altman plot of {readout}: bias {bias}, limits of agreement {low} to {high}{in_unit(unit)}.",
        spec=finished(drawn, *layers, height=230),
        frame=frame,
        sources=("measurement",),
    )
