"""Kaplan-Meier curves with their pointwise limits and the numbers at risk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vct.records import Outcome, TrialResult
from vct.report.cells import Row, Table
from vct.report.charts.base import Figure, arm_colour, arm_legend, base_chart, evenly, finished
from vct.report.charts.select import survival as survival_outcomes
from vct.report.tables import arms_of
from vct.stats import survival_curve

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

STEPS_DAYS, MOST_STEPS = (1, 2, 5, 7, 14, 28, 56, 84, 182, 365, 730, 1460), 8
MOST_POINTS = 200
COLUMNS = ("time_days", "survival", "ci_low", "ci_high", "at_risk", "events", "censored")


def survival(result: TrialResult) -> Figure | None:
    """Step curves by arm with a tick for each censored patient; None without times to an event."""
    import altair as alt

    outcomes = survival_outcomes(result)
    if not outcomes:
        return None
    arms = arms_of(result)
    frame, at_risk = _curves(outcomes, arms), _at_risk(outcomes, arms)
    base = base_chart().encode(
        x=alt.X("time_days:Q", title="Days from randomisation", scale=alt.Scale(nice=False)), color=arm_colour(arms)
    )
    hints = [alt.Tooltip("arm:N"), alt.Tooltip("time_days:Q", format=".0f"), alt.Tooltip("at_risk:Q")]
    curve = base.encode(y=_share("survival"), tooltip=[*hints, alt.Tooltip("survival:Q", format=".3f")])
    band = base.transform_filter("isValid(datum.ci_low)").mark_area(interpolate="step-after", opacity=0.12)
    layers = (
        band.encode(y=_share("ci_low"), y2="ci_high:Q"),
        curve.mark_line(interpolate="step-after", strokeWidth=2),
        curve.transform_filter("datum.censored > 0").mark_tick(orient="vertical", thickness=1.5, size=10, opacity=1),
    )
    sizes = {arm: [bool(item.event) for item in outcomes if item.arm == arm] for arm in arms}
    told = "; ".join(f"{arm}: {sum(events)} events in {len(events)} patients" for arm, events in sizes.items())
    return Figure(
        name="figure_survival",
        title=outcomes[0].endpoint,
        caption=f"Kaplan-Meier estimate with pointwise 95 % limits; ticks are censored patients. {told}.",
        alt=f"Kaplan-Meier curves of {outcomes[0].endpoint}. {told}.",
        spec=finished(_thinned(frame), *layers),
        frame=frame,
        legends=arm_legend(arms),
        table=_table(at_risk),
        table_frame=at_risk,
        sources=("figure_survival_at_risk",),
    )


def _thinned(frame: pd.DataFrame) -> pd.DataFrame:
    """At most `MOST_POINTS` steps of each arm's curve, its ends among them."""
    import pandas as pd

    parts = [part.iloc[[*evenly(range(len(part)), MOST_POINTS), -1]] for _, part in frame.groupby("arm", sort=False)]
    return pd.concat(parts, ignore_index=True).drop_duplicates()


def _share(column: str) -> alt.Y:
    import altair as alt

    axis, scale = alt.Axis(format="%", tickCount=5), alt.Scale(domain=[0, 1])
    return alt.Y(f"{column}:Q", title="Without an event", axis=axis, scale=scale)


def _curves(outcomes: Sequence[Outcome], arms: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for arm in arms:
        curve = survival_curve([item for item in outcomes if item.arm == arm])
        parts.append(pd.DataFrame({"arm": arm, **{name: getattr(curve, name) for name in COLUMNS}}))
    return pd.concat(parts, ignore_index=True)


def _at_risk(outcomes: Sequence[Outcome], arms: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    last = max(item.time_days or 0.0 for item in outcomes)
    step = next((days for days in STEPS_DAYS if last / days <= MOST_STEPS), STEPS_DAYS[-1])
    rows = []
    for arm in arms:
        own = [item.time_days or 0.0 for item in outcomes if item.arm == arm]
        events = sum(bool(item.event) for item in outcomes if item.arm == arm)
        days = range(0, int(last) + 1, step)
        rows += [(arm, day, sum(time >= day for time in own), len(own), events) for day in days]
    return pd.DataFrame(rows, columns=["arm", "day", "at_risk", "patients_in_all", "events_in_all"])


def _table(at_risk: pd.DataFrame) -> Table:
    rows = tuple(Row((str(arm), *map(str, part["at_risk"]))) for arm, part in at_risk.groupby("arm", sort=False))
    head = ("Day", *map(str, at_risk["day"].unique()))
    return Table(caption="Patients at risk", csv="figure_survival_at_risk", head=head, rows=rows)
