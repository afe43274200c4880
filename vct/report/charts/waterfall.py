"""Waterfall: every patient's percent change, from the largest rise to the deepest fall."""

from __future__ import annotations

from vct.records import TrialResult
from vct.report.charts.base import (
    Figure,
    arm_colour,
    arm_legend,
    base_chart,
    category_colour,
    category_legend,
    evenly,
    finished,
    ordered_categories,
)
from vct.report.charts.select import categories, percent_change
from vct.report.tables import arms_of

STRIP_SHARE = 0.035
MOST_BARS = 240


def waterfall(result: TrialResult) -> Figure | None:
    """A bar a patient coloured by arm, over a strip coloured by response category; None without percent changes."""
    import altair as alt
    import pandas as pd

    outcomes = percent_change(result)
    if len(outcomes) < 2:
        return None
    judged = {(item.patient, item.arm): item.category for item in categories(result)}
    ordered = sorted(outcomes, key=lambda item: (-(item.value or 0.0), item.arm, item.patient))
    frame = pd.DataFrame(
        [
            (rank, item.patient, item.arm, item.value, judged.get((item.patient, item.arm), ""))
            for rank, item in enumerate(ordered, start=1)
        ],
        columns=["rank", "patient", "arm", "change_percent", "category"],
    )
    first = outcomes[0]
    drawn = frame.iloc[evenly(range(len(frame)), MOST_BARS)]
    base = base_chart().encode(x=alt.X("rank:O", axis=None, scale=alt.Scale(paddingInner=0.15)))
    low, high = min(0.0, frame["change_percent"].min()), max(0.0, frame["change_percent"].max())
    reach = (high - low) or 1.0
    floor = low - 2 * STRIP_SHARE * reach
    hints = [alt.Tooltip("patient:N"), alt.Tooltip("arm:N"), alt.Tooltip("change_percent:Q", format=".1f")]
    bars = base.mark_bar().encode(
        y=alt.Y("change_percent:Q", title=f"{first.endpoint} (%)", scale=alt.Scale(domain=[floor, high], nice=False)),
        color=arm_colour(arms_of(result)),
        tooltip=[*hints, alt.Tooltip("category:N")],
    )
    layers: list[alt.Chart] = [bars]
    known = ordered_categories([name for name in frame["category"].unique() if name])
    if known:
        strip = base.transform_filter("datum.category != ''").mark_rect()
        layers.append(
            strip.encode(y=alt.datum(floor), y2=alt.datum(floor + STRIP_SHARE * reach), color=category_colour(known))
        )
    falls = int((frame["change_percent"] < 0).sum())
    missing = len(result.enrolment.patients) - len(frame)
    where = f"{first.endpoint} at {first.visit}" if first.visit else first.endpoint
    return Figure(
        name="figure_waterfall",
        title=f"{where}, patient by patient",
        caption=f"{len(frame)} patients, {missing} without a value."
        + (f" {len(drawn)} of the bars are drawn, evenly chosen." if len(drawn) < len(frame) else "")
        + (" The strip below the bars is the response category." if known else ""),
        alt=f"Waterfall chart of {where}: {falls} of {len(frame)} patients fell; from "
        f"{high:.0f} % to {low:.0f} %. Bars are coloured by arm.",
        spec=finished(drawn, *layers, own_colours=True),
        frame=frame,
        legends=(*arm_legend(arms_of(result)), *([category_legend(known)] if known else [])),
    )
