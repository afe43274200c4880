"""Charts draw the records, stay small, and are absent when they have nothing to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from vct.report import charts
from vct.report.charts.base import evenly, ordered_categories
from vct.stats import survival_curve

ALL = charts.OF_A_TRIAL


def values(spec: Any) -> Iterator[str]:
    if isinstance(spec, dict):
        for item in spec.values():
            yield from values(item)
    elif isinstance(spec, list):
        for item in spec:
            yield from values(item)
    elif isinstance(spec, str):
        yield spec


def test_waterfall_falls(result) -> None:
    frame = charts.waterfall(result).frame
    kept = [
        item
        for item in result.outcomes
        if (item.endpoint, item.visit, item.source) == ("SULpeak change", "week16", "measured")
        and item.value is not None
    ]
    assert sorted(frame["change_percent"]) == sorted(item.value for item in kept)
    assert frame["change_percent"].is_monotonic_decreasing
    assert set(frame["category"]) <= {"CMR", "PMR", "SMD", "PMD"}


def test_spaghetti_draws_some_but_averages_all(make_result) -> None:
    result = make_result(size=400)
    frame = charts.spaghetti(result).frame
    assert frame.loc[frame["patient"] != "mean", ["patient", "arm"]].drop_duplicates().shape[0] == 120
    mean = frame[(frame["patient"] == "mean") & (frame["arm"] == "standard") & (frame["visit"] == "week8")].iloc[0]
    own = [
        item.value
        for item in result.readings
        if (item.readout, item.arm, item.visit) == ("SULpeak", "standard", "week8")
    ]
    assert mean["n"] == len(own)
    assert mean["value"] == pytest.approx(sum(own) / len(own))


def test_survival_is_the_curve_of_the_statistics(result) -> None:
    figure = charts.survival(result)
    own = [
        item for item in result.outcomes if (item.endpoint, item.arm, item.source) == ("PFS", "new drug", "measured")
    ]
    drawn = figure.frame[figure.frame["arm"] == "new drug"]
    assert drawn["survival"].tolist() == survival_curve(own).survival.tolist()
    assert figure.table.rows[1].cells[:2] == ("new drug", str(len(own)))


def test_response_counts_every_patient(result) -> None:
    frame = charts.response(result).frame
    assert frame["count"].sum() == len(result.enrolment.patients)
    assert frame.groupby("arm")["percent"].sum().tolist() == pytest.approx([100.0, 100.0])


def test_forest_opens_with_everybody(result) -> None:
    frame = charts.forest(result).frame
    assert frame["subgroup"].iloc[0] == "Everybody"
    assert len(frame) == 6
    whole = next(item for item in result.comparisons if item.subgroup == "all" and item.source == "measured")
    assert frame["estimate"].iloc[0] == whole.estimate


def test_forest_of_ratios_is_logarithmic(result) -> None:
    ratios = tuple(
        replace(item, quantity="hazard ratio", unit="1", estimate=0.7, ci_low=0.5, ci_high=0.9)
        for item in result.comparisons
    )
    assert "log" in set(values(charts.forest(replace(result, comparisons=ratios)).spec))
    assert "log" not in set(values(charts.forest(result).spec))


def test_truth_panels_are_few_and_thin(make_result) -> None:
    panels = charts.truth_panels(make_result(size=400))
    assert [panel.title for panel in panels] == ["SULpeak", "SUVmax", "MTV SUV>=4", "TLG", "liver SUVmean"]
    assert all(len(panel.spec["datasets"]["rows"]) <= 240 < len(panel.frame) for panel in panels)


@pytest.mark.parametrize("chart", ALL)
def test_a_chart_of_nothing_is_none(chart, result) -> None:
    assert chart(replace(result, readings=(), outcomes=(), comparisons=())) is None


@pytest.mark.parametrize("chart", ALL)
def test_the_specification_holds_the_table_and_nothing_remote(chart, result) -> None:
    if (figure := chart(result)) is None:
        pytest.skip("this trial has nothing for it; test_studies.py draws it")
    rows = max(figure.spec["datasets"].values(), key=len)
    drawn = figure.frame[figure.frame["count"] > 0] if chart is charts.response else figure.frame
    assert len(rows) == len(drawn) or (chart is charts.swimmer and len(rows) < len(drawn))
    assert not any("http" in text for text in values(figure.spec))


def test_categories_go_from_best_to_worst() -> None:
    assert ordered_categories(["NE", "other", "PMD", "CMR", "CMR"]) == ["CMR", "PMD", "NE", "other"]


def test_thinning_keeps_order_and_reach() -> None:
    assert evenly(list(range(10)), 4) == [0, 3, 6, 9]
    assert evenly([1, 2], 4) == [1, 2]
