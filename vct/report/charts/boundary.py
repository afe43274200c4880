"""Boundary plot: the statistic at every look and where the trial would have stopped."""

from __future__ import annotations

from collections.abc import Sequence

from vct.records import Look, TrialResult
from vct.report.charts.base import ARM_COLOURS, GREY, Figure, Legend, base_chart, finished
from vct.report.numbers import number
from vct.report.wording import words

COLOURS = {"observed": "#000000", "efficacy": ARM_COLOURS[2], "futility": ARM_COLOURS[1]}
FAR = 8.0
"""A boundary beyond this is never crossed and stays undrawn."""


def boundary(result: TrialResult) -> Figure | None:
    """The measured looks of the first comparison that is watched; None when nobody looks before the end."""
    import altair as alt
    import pandas as pd

    looks = _first(result)
    if not looks:
        return None
    rows = []
    for look in looks:
        for line, value in (("observed", look.statistic), ("efficacy", look.upper), ("futility", look.lower)):
            rows.append((look.number, look.information, look.n, line, value, look.decision))
        if look.reverse is not None:
            rows.append(
                (look.number, look.information, look.n, "efficacy, other direction", look.reverse, look.decision)
            )
    frame = pd.DataFrame(rows, columns=["look", "information", "n", "line", "value", "decision"])
    drawn = frame[frame["value"].notna() & (frame["value"].abs() <= FAR if looks[0].scale == "z" else True)]
    base = base_chart().encode(
        x=alt.X("information:Q", title="Share of the planned information", axis=alt.Axis(format="%", tickCount=5)),
        y=alt.Y("value:Q", title="z" if looks[0].scale == "z" else "Responders", scale=alt.Scale(zero=True, padding=8)),
        detail="line:N",
        tooltip=[alt.Tooltip(f"{name}:N") for name in ("look", "line", "n", "decision")]
        + [alt.Tooltip("value:Q", format=".3f")],
    )
    colours = {**COLOURS, "efficacy, other direction": COLOURS["efficacy"]}
    colour = alt.Color("line:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=None)
    bounds = base.transform_filter("datum.line !== 'observed'").encode(color=colour)
    seen = base.transform_filter("datum.line === 'observed'")
    layers = (
        alt.Chart(alt.InlineData(values=[{"value": 0.0}])).mark_rule(color=GREY, strokeDash=[4, 3]).encode(y="value:Q"),
        bounds.mark_line(strokeWidth=2),
        bounds.mark_point(filled=True, size=36, opacity=1),
        seen.mark_line(strokeWidth=1.5, color=GREY),
        seen.mark_point(filled=True, size=90, opacity=1, color=GREY, shape="diamond"),
    )
    last = looks[-1]
    there = [line for line in COLOURS if (drawn["line"] == line).any()]
    told = "; ".join(
        f"look {look.number} (n = {look.n}): {number(look.statistic, 2)}, {words(look.decision)}" for look in looks
    )
    against = f", {last.arm} against {last.reference}" if last.reference else f", {last.arm}"
    return Figure(
        name="figure_boundary",
        title=f"{last.endpoint}{against}: looks and boundaries",
        caption=f"Diamonds are the observed statistic. {told}.",
        alt=f"Boundary plot of {last.endpoint}. {told}.",
        spec=finished(drawn, *layers),
        frame=frame,
        legends=(Legend("Line", tuple((line, GREY if line == "observed" else COLOURS[line]) for line in there)),),
    )


def _first(result: TrialResult) -> Sequence[Look]:
    measured = [look for look in result.looks if look.source == "measured"]
    if not measured:
        return []
    key = (measured[0].endpoint, measured[0].method, measured[0].arm, measured[0].reference)
    return [look for look in measured if (look.endpoint, look.method, look.arm, look.reference) == key]
