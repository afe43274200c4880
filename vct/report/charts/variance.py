"""Bars of `decompose.csv`: each source's share of an endpoint's variance, with its Monte Carlo error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.report.charts.base import ARM_COLOURS, GREY, Figure, base_chart, finished, inline
from vct.report.wording import words

if TYPE_CHECKING:
    import pandas as pd

Z95 = 1.959964
ROW = 30


def variance(table: pd.DataFrame) -> Figure | None:
    """Shares of the first endpoint's variance by source, in the table's order; None where its total is not known."""
    import altair as alt

    endpoint = table["endpoint"].iloc[0] if len(table) else None
    own = table[table["endpoint"] == endpoint]
    total = own.loc[own["source"] == "total", "variance"]
    if total.empty or not float(total.iloc[0]) > 0.0:
        return None
    own = own[own["source"] != "total"]
    frame = own.assign(
        source=[words(source) for source in own["source"]],
        low=own["share"] - Z95 * own["mc_se"] / float(total.iloc[0]),
        high=own["share"] + Z95 * own["mc_se"] / float(total.iloc[0]),
    ).reset_index(drop=True)
    frame["clear"] = (frame["low"] > 0.0) | (frame["high"] < 0.0)
    axis = alt.Axis(format="%", tickCount=6)
    title = f"Share of the variance of {endpoint}"
    base = base_chart().encode(
        y=alt.Y("source:N", sort=list(frame["source"]), title=None, axis=alt.Axis(labelLimit=240))
    )
    layers = (
        base.mark_bar(color=ARM_COLOURS[0], height=14).encode(
            x=alt.X("share:Q", title=title, axis=axis),
            opacity=alt.condition("datum.clear", alt.value(0.85), alt.value(0.3)),
            tooltip=[alt.Tooltip("source:N"), alt.Tooltip("share:Q", format=".1%"), alt.Tooltip("variance:Q")],
        ),
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title, axis=axis), x2="high:Q"),
        alt.Chart(inline([{"none": 0.0}])).mark_rule(color=GREY).encode(x="none:Q"),
    )
    told = "; ".join(f"{item['source']} {100 * float(item['share']):.1f} %" for item in frame.to_dict("records"))
    return Figure(
        name="figure_decompose",
        title="Where the power went",
        caption="What an endpoint's variance loses when one source is switched off, on the same patients and the same "
        "luck; lines are 95 % Monte Carlo limits; bars that they do not tell from zero are pale. Sources that lower "
        "the variance lie left of zero.",
        alt=f"Shares of the variance of {endpoint}. {told}.",
        spec=finished(frame, *layers, height=ROW * len(frame) + 10),
        frame=frame,
    )
