"""Two days of one body: what may change changes by as much as was asked for, and nothing else."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.anatomy import raised  # noqa: E402
from vct.engine.cascade.day import DOME_MM, PLATEAU_MM, Day, DayToDay  # noqa: E402
from vct.engine.cascade.door import weights_folder  # noqa: E402
from vct.engine.cascade.engine import Cascade  # noqa: E402
from vct.engine.cascade.grid import NOMINAL_Z_MM, shape_at  # noqa: E402
from vct.engine.cascade.spline import field, warped  # noqa: E402
from vct.engine.cascade.tissues import tissue_table  # noqa: E402
from vct.engine.cascade.visit import base_of, carried  # noqa: E402
from vct.records import Lesion, Patient, Snapshot, Visit  # noqa: E402
from vct.structures import STRUCTURES, labels_of  # noqa: E402

SPANS = (16, 16, 28)
STILL = {"position_mm": (0.0, 0.0, 0.0), "breath_mm": 0.0}


@pytest.mark.parametrize(("common", "own"), [(0.06, 0.05), (0.15, 0.02), (0.0, 0.1)])
def test_uptake_varies_as_asked_and_does_not_drift(common, own) -> None:
    daily = DayToDay(common_sd=common, own_sd=own)
    names = tissue_table()[1]
    days = np.array([[daily.draw(f"P{n}", visit, 7).factors for visit in ("one", "two")] for n in range(400)])
    logs = np.log(days[:, :, names.index("liver")])
    within = np.sqrt((np.diff(logs, axis=1) ** 2).mean() / 2.0)
    assert np.sqrt(np.expm1(within**2)) == pytest.approx(daily.wcv, rel=0.1)
    assert abs(np.diff(logs, axis=1).mean()) < 4.0 * within * np.sqrt(2.0 / 400)
    pairs = np.log(days[:, 0, [names.index("liver"), names.index("spleen")]])
    shared = common**2 / (common**2 + own**2)
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(shared, abs=0.12)
    assert (days[:, :, 0] == 1.0).all()


def test_the_diaphragm_stands_elsewhere_on_the_pet() -> None:
    lags = np.array([DayToDay().draw(f"P{number}", "one", 7).mismatch_mm for number in range(400)])
    assert lags.mean() == pytest.approx(-1.0, abs=1.2)
    assert lags.std() == pytest.approx(7.0, abs=0.8)
    alike = DayToDay(mismatch_mm=0.0).draw("P1", "one", 7)
    assert alike.mismatch_mm == 0.0
    assert alike.lag_mm(300.0) is None
    day = Day(factors=np.ones(1), shift_mm=(0.0, 0.0, 0.0), breath_mm=0.0, mismatch_mm=8.0)
    lag = day.lag_mm(300.0)
    assert lag is not None
    assert float(lag.max()) == pytest.approx(8.0, abs=0.1)
    assert float(lag[0]) < 0.1
    image = torch.zeros(2, 2, 192)
    image[..., 83] = image[..., 5] = 1.0
    found = raised(image, lag)
    assert found[0, 0, 81:88].tolist() == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], abs=0.05)
    assert float(found[0, 0, 5]) == pytest.approx(1.0, abs=0.02)


def moved(day: Day, base: float, spacing_mm: float = 8.0):
    """Where a ball in the model's grid goes, nominal mm."""
    shape = shape_at(spacing_mm)
    lines = [(torch.arange(n) + 0.5) * spacing_mm for n in shape]
    at = torch.stack(torch.meshgrid(*lines, indexing="ij"))
    middle = torch.tensor([200.0, 230.0, base - 20.0])
    ball = (((at - middle[:, None, None, None]) ** 2).sum(dim=0) < 30.0**2).float()
    seen = warped(ball[None, None], field(day.displacement(SPANS, base)[None], shape))[0, 0]
    before, after = ((at * one).sum(dim=(1, 2, 3)) / one.sum() for one in (ball, seen))
    return (after - before).tolist()


def test_a_body_moves_with_its_place_and_its_breath() -> None:
    ones = np.ones(len(tissue_table()[1]), np.float32)
    assert moved(Day(factors=ones, shift_mm=(5.0, -3.0, 2.0), breath_mm=0.0), 300.0) == pytest.approx(
        [5.0, -3.0, 2.0], abs=0.2
    )
    breath = Day(factors=ones, shift_mm=(0.0, 0.0, 0.0), breath_mm=10.0)
    assert moved(breath, 300.0) == pytest.approx([0.0, 0.0, 9.9], abs=0.6)
    heights = torch.tensor([300.0 + DOME_MM, 300.0 + DOME_MM - PLATEAU_MM, 0.0, NOMINAL_Z_MM])
    assert breath.up_mm(heights, 300.0).tolist() == pytest.approx([10.0, 10.0, 0.0, 0.0], abs=0.6)
    assert carried((1.0, 2.0, 270.0), breath, 300.0, 0.9 * NOMINAL_Z_MM) == pytest.approx((1.0, 2.0, 279.0))


@pytest.fixture(scope="module")
def scans():
    """A man on three days: two of them still, with a lesion in the liver and one in the lung."""
    lesions = tuple(
        Lesion(id=organ, organ=organ, diameter_mm=30.0, suv=9.0, room_mm=30.0) for organ in ("liver", "lung")
    )
    patient = Patient(id="P1", sex="M", age_years=60.0, height_cm=178.0, weight_kg=82.0)
    still, usual = (Cascade.load(weights_folder(None), 8.0, daily=daily) for daily in (DayToDay(**STILL), DayToDay()))
    return [
        engine.generate(Snapshot(patient=patient, visit=Visit(name=name, day=0.0), lesions=lesions), 3)
        for engine, name in ((still, "one"), (still, "week8"), (usual, "week8"))
    ]


def masks(scan, organ):
    return np.isin(scan.labels.data, labels_of(organ))


def test_a_still_body_keeps_its_organs_and_changes_its_fillings(scans) -> None:
    for organ in ("liver", "spleen", "kidneys", "heart", "lungs", "skeletal_muscle"):
        one, two = (masks(scan, organ) for scan in scans[:2])
        assert 2.0 * (one & two).sum() / (one.sum() + two.sum()) > 0.95, organ
    one, two = (masks(scan, "urinary_bladder").sum() for scan in scans[:2])
    assert abs(np.log(one / two)) > 0.05


def test_lesions_go_with_the_body(scans) -> None:
    for scan in scans:
        grid = scan.labels.grid
        for lesion in scan.snapshot.lesions:
            at = tuple(
                round((c - o) / s) for c, o, s in zip(lesion.center_mm, grid.origin_mm, grid.spacing_mm, strict=True)
            )
            assert scan.labels.data[at] in labels_of({"lung": "lungs"}.get(lesion.organ, lesion.organ))
            assert scan.pet.data[at] > 6.0
    still, usual = (scan.snapshot.lesions[0].center_mm for scan in scans[1:])
    assert still != usual
    assert np.linalg.norm(np.subtract(still, usual)) < 30.0


def test_a_body_without_lungs_has_its_base_in_the_middle() -> None:
    labels = torch.zeros(shape_at(8.0), dtype=torch.uint8)
    assert base_of(labels) == NOMINAL_Z_MM / 2.0
    labels[20:30, 20:30, 40:60] = STRUCTURES["lung_upper_lobe_left"]
    assert base_of(labels) == 40 * 8.0
