"""Swimmer plot: how long every patient was followed, when scanned, and how it ended."""

from __future__ import annotations

from collections import defaultdict

from vct.records import TrialResult
from vct.report.charts.base import Figure, Legend, arm_colour, arm_legend, base_chart, evenly, finished
from vct.report.charts.select import survival
from vct.report.tables import arms_of

MOST_LANES, LANE = 40, 11
MARKS = {"scan": ("circle", "#ffffff"), "event": ("triangle-right", "#000000"), "dropped out": ("cross", "#767676")}
"""Shape and fill of what is marked in a lane."""


def swimmer(result: TrialResult) -> Figure | None:
    """A lane a patient, for at most `MOST_LANES`; None without a third scan or a time to an event."""
    import altair as alt
    import pandas as pd

    ends = {(item.patient, item.arm): item for item in survival(result)}
    planned = {item.visit.name for item in result.enrolment.attendance}
    if not result.readings or (not ends and len(planned) < 3):
        return None
    rows, scans = [], defaultdict(list)
    for seen in result.enrolment.attendance:
        if seen.status == "done":
            scans[seen.patient, seen.arm].append(seen.visit.day)
    for patient in result.enrolment.patients:
        marks = [(day, "scan") for day in scans[patient.id, patient.arm]]
        end = ends.get((patient.id, patient.arm))
        if end is not None and end.event and end.time_days is not None:
            marks.append((end.time_days, "event"))
        elif patient.dropout_day is not None:
            marks.append((patient.dropout_day, "dropped out"))
        last = max([day for day, _ in marks] + ([end.time_days or 0.0] if end else []), default=0.0)
        rows += [(patient.id, patient.arm, last, day, mark) for day, mark in marks or [(0.0, "")]]
    frame = pd.DataFrame(rows, columns=["patient", "arm", "followed_days", "day", "mark"])
    lanes = frame.drop_duplicates(["patient", "arm"])
    arms = arms_of(result)
    rank = {arm: index for index, arm in enumerate(arms)}
    order = sorted(
        lanes[["patient", "arm", "followed_days"]].itertuples(index=False, name=None),
        key=lambda lane: (rank[lane[1]], -lane[2], lane[0]),
    )
    chosen = evenly(order, MOST_LANES)
    place = {(patient, arm): index for index, (patient, arm, _) in enumerate(chosen, start=1)}
    lane = pd.Series([place.get(pair, 0) for pair in zip(frame["patient"], frame["arm"], strict=True)])
    drawn = frame.assign(lane=lane)[lane > 0]
    drawn = drawn.assign(first=~drawn.duplicated("lane"))
    base = base_chart().encode(y=alt.Y("lane:O", axis=None))
    hints = [alt.Tooltip("patient:N"), alt.Tooltip("arm:N"), alt.Tooltip("followed_days:Q", format=".0f")]
    x = alt.X("day:Q", title="Days from randomisation", axis=alt.Axis(tickCount=8))
    bars = base.transform_filter("datum.first").mark_bar(height=LANE - 3, opacity=0.75)
    layers = [
        bars.encode(x=alt.X("followed_days:Q", title="Days from randomisation"), color=arm_colour(arms), tooltip=hints)
    ]
    for mark, (shape, fill) in MARKS.items():
        points = base.transform_filter(f"datum.mark === '{mark}'").mark_point(
            shape=shape, size=32, fill=fill, stroke="#000000", strokeWidth=0.7, opacity=1
        )
        layers.append(points.encode(x=x, tooltip=[*hints[:2], alt.Tooltip("day:Q", format=".0f")]))
    there = [mark for mark in MARKS if (frame["mark"] == mark).any()]
    counts = "; ".join(f"{mark}: {int((frame['mark'] == mark).sum())}" for mark in there)
    some = f"{len(chosen)} of {len(order)}" if len(chosen) < len(order) else f"All {len(order)}"
    return Figure(
        name="figure_swimmer",
        title="Every patient's course",
        caption=f"{some} patients, by arm and follow-up. Circles are scans, triangles events, crosses dropouts.",
        alt=f"Swimmer plot of {some.lower()} patients. Marks among all patients: {counts}.",
        spec=finished(drawn, *layers, height=LANE * len(chosen) + 40),
        frame=frame,
        legends=arm_legend(arms) or (Legend("Arm", ((arms[0], "#0072b2"),)),) if arms else (),
    )
