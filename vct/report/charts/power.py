"""Power curves of `power.csv`, with bands of their Monte Carlo error."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from vct.report.charts.base import ARM_COLOURS, GREY, Figure, Legend, base_chart, finished, inline
from vct.report.wording import method_name

if TYPE_CHECKING:
    import pandas as pd

Z95 = 1.959964
MOST_LINES = len(ARM_COLOURS)


def power(table: pd.DataFrame) -> Figure | None:
    """Power over patients, or over the effect where n does not vary; None when the table holds none."""
    import altair as alt

    rows = table[table["quantity"].isin(["power", "type_i_error"])].copy()
    if rows.empty:
        return None
    rows["line"] = [_line(item) for item in rows.to_dict("records")]
    across = "n" if rows["n"].nunique() > 1 else "effect"
    if across == "n" and rows["effect"].nunique() > 1:
        rows["line"] += [f", effect × {effect:g}" for effect in rows["effect"]]
    lines = list(dict.fromkeys(rows["line"]))[:MOST_LINES]
    rows = rows[rows["line"].isin(lines)]
    rows = rows.assign(
        low=(rows["value"] - Z95 * rows["mc_se"]).clip(0, 1), high=(rows["value"] + Z95 * rows["mc_se"]).clip(0, 1)
    )
    frame = rows[["line", "n", "effect", "quantity", "value", "mc_se", "low", "high", "replicates"]].reset_index(
        drop=True
    )
    colours = dict(zip(lines, ARM_COLOURS, strict=False))
    axis = alt.Axis(format="%", tickCount=5)
    y = alt.Y("value:Q", title="Power", axis=axis, scale=alt.Scale(domain=[0, 1]))
    base = base_chart().encode(
        x=alt.X(
            f"{across}:Q",
            title="Patients" if across == "n" else "Effect (× the protocol's)",
            scale=alt.Scale(zero=False),
        ),
        color=alt.Color("line:N", scale=alt.Scale(domain=lines, range=list(colours.values())), legend=None),
    )
    hints = [alt.Tooltip("line:N"), alt.Tooltip("n:Q"), alt.Tooltip("effect:Q"), alt.Tooltip("value:Q", format=".3f")]
    layers = (
        alt.Chart(inline([{"value": 0.8}])).mark_rule(color=GREY, strokeDash=[4, 3]).encode(y="value:Q"),
        base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q", title="Power", axis=axis), y2="high:Q"),
        base.mark_line(strokeWidth=2).encode(y=y),
        base.mark_point(filled=True, size=45, opacity=1).encode(y=y, tooltip=hints),
    )
    told = "; ".join(
        f"{item['line']} at n = {item['n']:g}, effect {item['effect']:g}: {100 * float(item['value']):.1f} %"
        for item in frame.head(12).to_dict("records")
    )
    return Figure(
        name="figure_power",
        title="Power" + (" by number of patients" if across == "n" else " by size of the effect"),
        caption="Bands are 95 % Monte Carlo limits; the dashed line is 80 %. "
        f"{int(frame['replicates'].min())} replicates at least.",
        alt=f"Power curves. {told}.",
        spec=finished(frame, *layers),
        frame=frame,
        legends=(Legend("Analysis", tuple(colours.items())),),
    )


def _line(item: Mapping[Hashable, Any]) -> str:
    parts = [item.get(name) for name in ("endpoint", "analysis", "arm")]
    named = [method_name(str(part)) for part in parts if isinstance(part, str) and part]
    return ", ".join(named) or "the trial"
