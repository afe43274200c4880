"""What a figure of the report is, and the one look of all charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vct.records import TrialResult
from vct.report.cells import Table

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

ARM_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6a00", "#767676")
"""Okabe and Ito's palette, safe for colour-blind readers (https://jfly.uni-koeln.de/color/), and two darker ones."""

GRADES = ("CMR", "PMR", "SMD", "PMD")
"""PERCIST's categories from best to worst."""

CATEGORY_COLOURS: dict[str, str] = {
    "CMR": "#01665e",
    "PMR": "#5ab4ac",
    "SMD": "#bdbdbd",
    "PMD": "#a6611a",
    "R": "#01665e",
    "NR": "#bdbdbd",
    "NE": "#6b6b6b",
}
"""Response from best to worst: ColorBrewer's BrBG (https://colorbrewer2.org), not evaluable in dark grey."""

OTHER_COLOURS = ("#01665e", "#bdbdbd", "#a6611a", "#5ab4ac", "#dfc27d", "#35978f", "#8c510a", "#80cdc1")
GREY = "#767676"
HEIGHT = 300
ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Legend:
    """Names and their colours under a title; the page prints it, so that it wraps where the page is narrow."""

    title: str
    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart: its Vega-Lite specification, the table that it draws and what it says in words.

    `name` is also the name of the table's CSV file; `alt` stands for the chart where it cannot be seen. `table`
    is printed below the chart, `table_frame` holds its numbers. `sources` are further tables that the caption quotes.
    """

    name: str
    title: str
    caption: str
    alt: str
    spec: Mapping[str, Any]
    frame: pd.DataFrame
    legends: tuple[Legend, ...] = ()
    table: Table | None = None
    table_frame: pd.DataFrame | None = None
    sources: tuple[str, ...] = ()

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """What is written as CSV, by name."""
        own = {self.name: self.frame}
        return own if self.table is None or self.table_frame is None else {**own, self.table.csv: self.table_frame}


def base_chart() -> alt.Chart:
    """A chart over the rows of the figure's table, which `finished` puts in."""
    import altair as alt

    return alt.Chart(alt.NamedData(name=ROWS))


def inline(values: Sequence[Mapping[str, float]]) -> alt.InlineData:
    """A few rows of a chart's own, such as the ends of a line."""
    import altair as alt

    return alt.InlineData(values=[dict(value) for value in values])


def finished(
    frame: pd.DataFrame, *layers: alt.Chart, height: float = HEIGHT, own_colours: bool = False
) -> dict[str, Any]:
    """The specification of layers over the rows of `frame` (what is missing is null), as wide as the page.

    With `own_colours` each layer has its own scale of colours. The page's CSS colours text and grid.
    """
    import altair as alt

    chart = alt.LayerChart(layer=list(layers)).properties(
        width="container", height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    )
    if own_colours:
        chart = chart.resolve_scale(color="independent")
    styled = (
        chart.configure(aria=False, background="transparent", font="system-ui, sans-serif", padding=2)
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=12, titleFontSize=12, titleFontWeight="normal", titlePadding=8, tickColor=GREY)
        .configure_axisX(grid=False)
        .configure_axisY(domain=False, ticks=False, labelPadding=6)
    )
    spec: dict[str, Any] = styled.to_dict()
    del spec["$schema"]
    rounded = frame.apply(lambda column: column.map(_rounded) if column.dtype.kind == "f" else column)
    spec.setdefault("datasets", {})[ROWS] = rounded.astype(object).where(frame.notna(), None).to_dict("records")
    return spec


def _rounded(value: float) -> float:
    """Six significant digits, more than a screen shows; the CSV holds all."""
    return float(f"{value:.6g}")


def arm_colour(arms: Sequence[str]) -> alt.Color:
    """Colour by the column `arm`; the same arm has the same colour in every chart."""
    return _colour("arm", {arm: ARM_COLOURS[index % len(ARM_COLOURS)] for index, arm in enumerate(arms)})


def category_colour(categories: Sequence[str]) -> alt.Color:
    """Colour by the column `category`."""
    return _colour("category", category_colours(categories))


def arm_legend(arms: Sequence[str]) -> tuple[Legend, ...]:
    """What the arms' colours mean; nothing for a single arm."""
    return (Legend("Arm", tuple(zip(arms, ARM_COLOURS * len(arms), strict=False))),) if len(arms) > 1 else ()


def category_legend(categories: Sequence[str]) -> Legend:
    """What the categories' colours mean."""
    return Legend("Response", tuple(category_colours(categories).items()))


def category_colours(categories: Sequence[str]) -> dict[str, str]:
    """PERCIST's categories have their own colours, others take the next free one."""
    others = iter(OTHER_COLOURS * (1 + len(categories) // len(OTHER_COLOURS)))
    return {name: CATEGORY_COLOURS.get(name) or next(others) for name in categories}


def _colour(column: str, colours: Mapping[str, str]) -> alt.Color:
    import altair as alt

    return alt.Color(f"{column}:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=None)


def planned_days(result: TrialResult) -> dict[str, float]:
    """The planned day of every visit, in order."""
    named = {str(visit["name"]): float(visit["day"]) for visit in result.protocol.get("visits", ())}
    seen = {item.visit.name: item.planned_day for item in result.enrolment.attendance}
    days = {**seen, **named}
    return dict(sorted(days.items(), key=lambda item: item[1]))


def ordered_categories(names: Sequence[str]) -> list[str]:
    """Each category once: PERCIST's from best to worst, then others by name."""
    known = [name for name in CATEGORY_COLOURS if name in names]
    return known + sorted(set(names) - set(known))


def evenly(items: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of `items`, evenly spread and in order."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]
