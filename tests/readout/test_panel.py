from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from vct.readout.intensity import SuvMax, SuvPeak, VisualUptake
from vct.readout.panel import Panel
from vct.readout.reader import Reader
from vct.records import Lesion, Scan

Make = Callable[..., Scan]
MakeLesion = Callable[..., Lesion]


def two_lesions(make_scan: Make, make_lesion: MakeLesion) -> Scan:
    return make_scan([make_lesion(28.0, 6.0, (-60.0, 40.0, 0.0)), make_lesion(28.0, 5.8, (-60.0, -40.0, 0.0), id="L2")])


def test_one_reader_reads_for_the_record(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = two_lesions(make_scan, make_lesion)
    readings = Panel().desk(1)(scan, [SuvPeak(), SuvMax()])
    assert [(item.readout, item.reader) for item in readings] == [("suv_peak", ""), ("suv_max", "")]
    assert readings[0].value == pytest.approx(6.0, rel=0.01)


def test_several_readers_are_kept_beside_their_median(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = two_lesions(make_scan, make_lesion)
    panel = Panel(readers=tuple(Reader(name=f"R{number}", placement_sd_mm=6.0) for number in range(3)))
    readings = panel.desk(1)(scan, [SuvPeak()])
    own = [item.value for item in readings if item.reader]
    assert len(set(own)) == 3
    assert readings[0].reader == ""
    assert readings[0].value == pytest.approx(float(np.median(own)))
    assert panel.desk(1)(scan, [SuvPeak()]) == readings


def test_taste_decides_which_lesion_is_the_hottest(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = two_lesions(make_scan, make_lesion)
    panel = Panel(readers=tuple(Reader(name=f"R{number}", choice_sd=0.3) for number in range(6)))
    values = {round(item.value or 0.0, 1) for item in panel.desk(1)(scan, [SuvPeak()]) if item.reader}
    assert values == {6.0, 5.8}


def test_small_lesions_are_overlooked(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = two_lesions(make_scan, make_lesion)
    assert len(Reader().look(scan, None, 1).marks) == 2
    blind = Reader(overlooks_1_ml=1.0)
    few = sum(len(blind.look(make_scan([make_lesion(8.0, 9.0)]), None, seed).marks) for seed in range(10))
    assert few < 10


def test_the_eye_errs_in_units_of_the_liver(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = make_scan([make_lesion(30.0, 8.0)])
    seen = [replace(scan, study=Reader(grade_sd=0.3).look(scan, None, seed)) for seed in range(8)]
    values = [VisualUptake().measure(item).value for item in seen]
    shifts = [item.study.grade_shift for item in seen if item.study]
    assert values == pytest.approx([8.0 + 2.0 * shift for shift in shifts], rel=5e-3)
    assert VisualUptake().measure(make_scan()).value == 0.0
    assert VisualUptake().measure(make_scan([make_lesion()], labels=None)).value is None


@pytest.mark.parametrize(
    ("values", "settled"),
    [((10.0, 10.4, 3.0), 10.2), ((10.0, 14.0, 13.0), 13.0), ((None, 14.0, 13.0), 13.0), ((None, None, None), None)],
)
def test_the_adjudicator_decides_where_two_differ(values: tuple[float | None, ...], settled: float | None) -> None:
    panel = Panel(readers=tuple(Reader(name=name) for name in "ABC"), adjudication="adjudicator")
    assert panel._settled(values) == (None if settled is None else pytest.approx(settled))


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"readers": ({"name": "A"}, {"name": "A"})}, "distinct names"),
        ({"readers": ({"name": "A"}, {})}, "a name each"),
        ({"readers": ({"name": "A"}, {"name": "B"}), "adjudication": "adjudicator"}, "three readers"),
    ],
)
def test_nonsense_is_refused(fields: dict[str, object], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        Panel.model_validate(fields)
