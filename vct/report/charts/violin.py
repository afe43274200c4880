"""Violins of organ uptake at the first scan: what was read beside what was planted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from vct.records import TrialResult
from vct.report.charts.base import ARM_COLOURS, Figure, Legend, base_chart, finished, planned_days
from vct.report.wording import words

if TYPE_CHECKING:
    import pandas as pd

POINTS, HALF_WIDTH = 60, 0.42
LEAST_PATIENTS = 5
SIDES = {"read": (-1.0, ARM_COLOURS[0]), "planted": (1.0, ARM_COLOURS[4])}


def violin(result: TrialResult) -> Figure | None:
    """A split violin an organ readout; None without organs that are read in `LEAST_PATIENTS` patients."""
    import altair as alt
    import pandas as pd

    values = _values(result)
    names = list(values)
    if not names:
        return None
    curves, rows = [], []
    for index, name in enumerate(names):
        for side, (sign, _) in SIDES.items():
            own = np.array(values[name][side])
            q1, median, q3 = np.quantile(own, [0.25, 0.5, 0.75])
            rows.append((name, side, len(own), own.mean(), own.std(ddof=1), q1, median, q3))
            curves.append(_half(own, name, side, index, sign))
    frame = pd.DataFrame(rows, columns=["readout", "side", "n", "mean", "sd", "q1", "median", "q3"])
    drawn = pd.concat(curves, ignore_index=True)
    base = base_chart()
    labels = f"{json.dumps([words(name) for name in names])}[datum.value]"
    axis = alt.Axis(values=list(range(len(names))), labelExpr=labels, ticks=False, labelLimit=110)
    scale = alt.Scale(domain=[-0.6, len(names) - 0.4], nice=False)
    y = alt.Y("value:Q", title="Uptake (g/ml)", scale=alt.Scale(zero=True))
    colour = alt.Color(
        "side:N", scale=alt.Scale(domain=list(SIDES), range=[colour for _, colour in SIDES.values()]), legend=None
    )
    areas = base.mark_area(orient="horizontal", opacity=0.6).encode(
        x=alt.X("from:Q", axis=axis, title=None, scale=scale), x2="to:Q", y=y, color=colour, detail=["readout:N"]
    )
    medians = (
        base.transform_filter("datum.is_median")
        .mark_rule(strokeWidth=2, color="black")
        .encode(
            x="from:Q",
            x2="to:Q",
            y=y,
            tooltip=[alt.Tooltip("readout:N"), alt.Tooltip("side:N"), alt.Tooltip("value:Q", format=".2f")],
        )
    )
    told = "; ".join(
        f"{words(name)}: read {own.iloc[0]['median']:.2f}, planted {own.iloc[1]['median']:.2f}"
        for name, own in frame.groupby("readout", sort=False)
    )
    return Figure(
        name="figure_violin",
        title="Uptake of organs at the first scan",
        caption="Left halves: as read; right: as planted; lines are medians. Gaussian kernel density, Scott's rule.",
        alt=f"Violin plot by organ. Medians (g/ml): {told}.",
        spec=finished(drawn, areas, medians),
        frame=frame,
        legends=(Legend("Uptake", tuple((side, colour) for side, (_, colour) in SIDES.items())),),
    )


def _values(result: TrialResult) -> dict[str, dict[str, list[float]]]:
    """What was read and planted at the first visit, by readout of an organ's mean or maximum."""
    days = planned_days(result)
    first = next(iter(days), "")
    wanted = {
        str(part.get("name") or f"{part['organ']}_{'sul' if part.get('lean_mass') else 'suv'}")
        for part in result.protocol.get("readouts", ())
        if part.get("kind") in ("organ_suv_mean", "organ_suv_max")
    }
    found: dict[str, dict[str, list[float]]] = {}
    for item in result.readings:
        if (
            item.visit == first
            and item.readout.startswith(tuple(wanted))
            and item.value is not None
            and item.truth is not None
        ):
            own = found.setdefault(item.readout, {side: [] for side in SIDES})
            own["read"].append(item.value)
            own["planted"].append(item.truth)
    return {name: own for name, own in found.items() if len(own["read"]) >= LEAST_PATIENTS and _spread(own)}


def _spread(own: dict[str, list[float]]) -> bool:
    return all(np.ptp(values) > 1e-9 for values in own.values())


def _half(own: Any, name: str, side: str, index: int, sign: float) -> pd.DataFrame:
    import pandas as pd
    from scipy.stats import gaussian_kde

    density = gaussian_kde(own)
    reach = 2.0 * float(np.sqrt(density.covariance[0, 0]))
    at = np.append(np.linspace(own.min() - reach, own.max() + reach, POINTS), np.median(own))
    width = density(at)
    edge = index + sign * HALF_WIDTH * width / width.max()
    return pd.DataFrame(
        {
            "readout": name,
            "side": side,
            "value": at,
            "from": np.full(at.size, float(index)),
            "to": edge,
            "middle": float(index),
            "is_median": [False] * POINTS + [True],
        }
    )
