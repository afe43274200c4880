"""Spaghetti: the primary readout of every patient over the visits, and each arm's mean."""

from __future__ import annotations

from vct.records import TrialResult
from vct.report.charts.base import Figure, arm_colour, arm_legend, base_chart, evenly, finished, planned_days
from vct.report.charts.select import drawn_readout
from vct.report.tables import arms_of

MOST_LINES = 60
LOG_FROM_RATIO = 20.0


def spaghetti(result: TrialResult) -> Figure | None:
    """Thin lines for at most `MOST_LINES` patients an arm, thick ones for means; None with fewer than two visits."""
    import altair as alt
    import pandas as pd

    readout, days, arms = drawn_readout(result), planned_days(result), arms_of(result)
    readings = [item for item in result.readings if item.readout == readout and item.value is not None]
    seen = [visit for visit in days if any(item.visit == visit for item in readings)]
    if len(seen) < 2:
        return None
    rows = [(item.patient, item.arm, item.visit, days[item.visit], item.value) for item in readings]
    frame = pd.DataFrame(rows, columns=["patient", "arm", "visit", "planned_day", "value"])
    drawn = {
        (patient, arm)
        for arm in arms
        for patient in evenly(list(frame.loc[frame["arm"] == arm, "patient"].unique()), MOST_LINES)
    }
    lines = frame[[pair in drawn for pair in zip(frame["patient"], frame["arm"], strict=True)]]
    means = frame.groupby(["arm", "visit", "planned_day"], sort=False)["value"].agg(["mean", "count"]).reset_index()
    means = means.rename(columns={"mean": "value", "count": "n"}).assign(patient="mean")
    shown = pd.concat([lines, means], ignore_index=True)[["patient", "arm", "visit", "planned_day", "value", "n"]]
    unit = readings[0].unit
    wide = frame["value"].min() > 0 and frame["value"].max() / frame["value"].min() > LOG_FROM_RATIO
    scale = alt.Scale(type="log") if wide else alt.Scale(zero=True)
    ticks = alt.Axis(values=[days[visit] for visit in seen], format=".10~g")
    base = base_chart().encode(
        x=alt.X(
            "planned_day:Q", title="Planned day from randomisation", axis=ticks, scale=alt.Scale(nice=False, padding=12)
        ),
        y=alt.Y("value:Q", title=f"{readout} ({unit})", scale=scale),
        color=arm_colour(arms),
    )
    hints = [alt.Tooltip("patient:N"), alt.Tooltip("visit:N"), alt.Tooltip("value:Q", format=".3g")]
    single = base.transform_filter("datum.patient != 'mean'")
    mean = base.transform_filter("datum.patient == 'mean'").encode(tooltip=[alt.Tooltip("arm:N"), *hints[1:]])
    layers = (
        single.mark_line(strokeWidth=1, opacity=0.35).encode(detail="patient:N", tooltip=hints),
        mean.mark_line(strokeWidth=4),
        mean.mark_point(size=70, filled=True, opacity=1),
    )
    total = frame[["patient", "arm"]].drop_duplicates().shape[0]
    some = f"{len(drawn)} of {total}" if len(drawn) < total else f"all {total}"
    named = ", ".join(f"{visit} on day {days[visit]:g}" for visit in seen)
    told = "; ".join(
        f"{arm}: " + " to ".join(f"{value:.3g}" for value in means.loc[means["arm"] == arm, "value"]) for arm in arms
    )
    return Figure(
        name="figure_spaghetti",
        title=f"{readout} over the visits",
        caption=f"Thin lines: {some} patients; thick lines: the mean of everyone read"
        f"{'; logarithmic axis' if wide else ''}. Visits: {named}.",
        alt=f"Line chart of {readout} ({unit}) by visit. Means: {told}.",
        spec=finished(shown, *layers),
        frame=shown,
        legends=arm_legend(arms),
        sources=("readings",),
    )
