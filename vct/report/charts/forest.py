"""Forest plot: the first analysis that looks into subgroups."""

from __future__ import annotations

from vct.records import Comparison, TrialResult
from vct.report.answer import analysis
from vct.report.charts.base import GREY, Figure, arm_colour, arm_legend, base_chart, finished, inline
from vct.report.numbers import estimate, unit_of
from vct.report.tables import arms_of
from vct.report.wording import is_ratio, method_name

ROW = 26


def subgroup_rows(result: TrialResult) -> list[Comparison]:
    """Everybody first, then the subgroups, of the first measured contrast that has subgroups; empty when none has."""
    contrasts = [item for item in result.comparisons if item.source == "measured" and item.reference]
    first = next((item for item in contrasts if item.subgroup != "all"), None)
    if first is None:
        return []
    same = [item for item in contrasts if (analysis(item), item.quantity) == (analysis(first), first.quantity)]
    groups = list(dict.fromkeys(["all", *(item.subgroup for item in same)]))
    return sorted(same, key=lambda item: groups.index(item.subgroup))


def forest(result: TrialResult) -> Figure | None:
    """Estimates with intervals by subgroup; None when no analysis has subgroups."""
    import altair as alt
    import pandas as pd

    rows = subgroup_rows(result)
    if not any(item.estimate is not None for item in rows):
        return None
    arms = arms_of(result)
    table = [
        (group_name(item), item.arm, item.reference, item.estimate, item.ci_low, item.ci_high, item.n, item.n_reference)
        for item in rows
    ]
    columns = ["subgroup", "arm", "reference", "estimate", "ci_low", "ci_high", "n", "n_reference"]
    frame = pd.DataFrame(table, columns=columns)
    first, several = rows[0], frame["arm"].nunique() > 1
    null = 1.0 if is_ratio(first.quantity) else 0.0
    positive = frame[["estimate", "ci_low"]].dropna().gt(0).all(axis=None)
    scale = alt.Scale(type="log") if null and positive else alt.Scale(zero=False)
    unit = unit_of(first.unit, first.quantity).strip()
    title = f"{first.quantity}{f' ({unit})' if unit else ''}, {100 * first.confidence:g} % CI"
    order = list(dict.fromkeys(frame["subgroup"]))
    base = base_chart().encode(
        y=alt.Y("subgroup:N", sort=order, title=None, axis=alt.Axis(labelLimit=180)),
        color=arm_colour(arms),
        tooltip=[alt.Tooltip(name) for name in ("subgroup:N", "arm:N", "n:Q", "n_reference:Q")]
        + [alt.Tooltip(f"{name}:Q", format=".3g") for name in ("estimate", "ci_low", "ci_high")],
    )
    if several:
        base = base.encode(yOffset=alt.YOffset("arm:N", sort=arms))
    axis = alt.Axis(tickCount=6)
    x = alt.X("estimate:Q", title=title, scale=scale, axis=axis)
    layers = (
        alt.Chart(inline([{"null": null}])).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="null:Q"),
        base.mark_rule(strokeWidth=2).encode(x=alt.X("ci_low:Q", title=title, scale=scale, axis=axis), x2="ci_high:Q"),
        base.mark_point(filled=True, size=80, opacity=1, shape="square").encode(x=x),
    )
    told = "; ".join(f"{group_name(item)}: {estimate(item.estimate, item.ci_low, item.ci_high)}" for item in rows)
    return Figure(
        name="figure_forest",
        title=f"{first.endpoint} by subgroup",
        caption=f"{method_name(first.method)}, {first.analysis_set}: {first.quantity} against {first.reference}. "
        "Intervals are not adjusted "
        f"for looking at several subgroups; the dashed line ({null:g}) is no difference.",
        alt=f"Forest plot of the {first.quantity}. {told}.",
        spec=finished(frame, *layers, height=ROW * len(frame) + 10),
        frame=frame,
        legends=arm_legend(arms) if several else (),
    )


def group_name(item: Comparison) -> str:
    """The subgroup as a label."""
    return "Everybody" if item.subgroup == "all" else item.subgroup.replace("=", ": ")
