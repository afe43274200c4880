"""The CONSORT drawing: boxes do not overlap and hold their text."""

from __future__ import annotations

import itertools

import pytest

from vct.report.consort import ArmFlow, Flow
from vct.report.flowchart import COLUMN, LETTERS, Box, draw


def flow_of(arms: int) -> Flow:
    lines = tuple(
        ArmFlow(
            arm=f"arm {index} with a rather long name",
            allocated=30,
            dropped_out=1,
            missed_visit=2,
            failed_scan=0,
            analysed=28,
            per_protocol=27,
            per_protocol_analysed=27,
        )
        for index in range(arms)
    )
    excluded = {"age_years 18-85": 12, "a reason without measure " * 9: 3, "nobody": 0}
    return Flow(screened=99, excluded=excluded, enrolled=84, randomised=True, twins=False, endpoint="SUL", arms=lines)


def overlap(one: Box, two: Box) -> bool:
    return abs(one.x - two.x) < COLUMN and one.y < two.bottom and two.y < one.bottom


@pytest.mark.parametrize("arms", [1, 2, 3, 8])
def test_boxes_lie_apart_and_inside(arms: int) -> None:
    drawing = draw(flow_of(arms))
    assert len(drawing.boxes) == 3 + 3 * arms
    assert len(drawing.arrows) == 2 + 3 * arms
    assert not any(overlap(*pair) for pair in itertools.combinations(drawing.boxes, 2))
    for box in drawing.boxes:
        assert box.x >= 0
        assert box.x + COLUMN <= drawing.width
        assert box.bottom <= drawing.height
        assert all(len(line) <= LETTERS for line in box.head + box.lines)


def test_a_reason_that_turned_nobody_away_is_not_drawn() -> None:
    text = " ".join(line for box in draw(flow_of(2)).boxes for line in box.lines)
    assert "nobody" not in text
    assert "12" in text
