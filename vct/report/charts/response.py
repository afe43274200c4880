"""Response categories: a stacked bar an arm."""

from __future__ import annotations

from collections import Counter

from vct.records import TrialResult
from vct.report.charts.base import Figure, base_chart, category_colour, category_legend, finished, ordered_categories
from vct.report.charts.select import categories
from vct.report.tables import arms_of

ROW = 44
LEAST_LABELLED_PERCENT = 6.0
DARK = ("CMR", "PMD", "R", "NE")
"""Categories whose counts are written in white."""


def response(result: TrialResult) -> Figure | None:
    """Percent of the arm's patients with each category, the count written inside; None without categories."""
    import altair as alt
    import pandas as pd

    outcomes = categories(result)
    if not outcomes:
        return None
    known = ordered_categories([item.category for item in outcomes])
    rows = []
    for arm in arms_of(result):
        counts = Counter(item.category for item in outcomes if item.arm == arm)
        total, start = sum(counts.values()), 0.0
        for category in known:
            share = 100.0 * counts[category] / total if total else 0.0
            rows.append((arm, category, counts[category], share, start, start + share))
            start += share
    columns = ["arm", "category", "count", "percent", "from_percent", "to_percent"]
    frame = pd.DataFrame(rows, columns=columns)
    drawn = frame[frame["count"] > 0].assign(
        middle=lambda table: (table["from_percent"] + table["to_percent"]) / 2,
        ink=lambda table: ["white" if name in DARK else "black" for name in table["category"]],
    )
    base = base_chart().encode(
        y=alt.Y("arm:N", sort=arms_of(result), title=None, axis=alt.Axis(labelLimit=160)),
        tooltip=[alt.Tooltip(name) for name in ("arm:N", "category:N", "count:Q")]
        + [alt.Tooltip("percent:Q", format=".1f")],
    )
    bars = base.mark_bar(stroke="white", strokeWidth=1).encode(
        x=alt.X(
            "from_percent:Q",
            title="Patients of the arm (%)",
            scale=alt.Scale(domain=[0, 100]),
            axis=alt.Axis(tickCount=5),
        ),
        x2="to_percent:Q",
        color=category_colour(known),
    )
    counts_text = base.transform_filter(f"datum.percent >= {LEAST_LABELLED_PERCENT}").mark_text(fontSize=12)
    text = counts_text.encode(x="middle:Q", text="count:Q", color=alt.Color("ink:N", scale=None))
    first = outcomes[0]
    where = f"{first.endpoint} at {first.visit}" if first.visit else first.endpoint
    told = "; ".join(
        f"{arm}: " + ", ".join(f"{count} {name}" for name, count in zip(part["category"], part["count"], strict=True))
        for arm, part in frame.groupby("arm", sort=False)
    )
    return Figure(
        name="figure_response",
        title=f"{where}: response by arm",
        caption="Numbers inside the bars are patients." + _meanings(known),
        alt=f"Stacked bar chart of {where}. {told}.",
        spec=finished(drawn, bars, text, height=ROW * len(arms_of(result))),
        frame=frame,
        legends=(category_legend(known),),
    )


def _meanings(known: list[str]) -> str:
    words = {
        "CMR": "complete metabolic response",
        "PMR": "partial metabolic response",
        "SMD": "stable metabolic disease",
        "PMD": "progressive metabolic disease",
        "R": "response",
        "NR": "no response",
        "NE": "not evaluable",
    }
    told = [f"{name}: {words[name]}" for name in known if name in words]
    return f" {'; '.join(told)}." if told else ""
