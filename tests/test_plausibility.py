"""Phantoms pass; every planted fault is caught; bodies are drawn anew where the protocol says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vct.bodies import Bodies
from vct.engine.phantom import Phantom
from vct.plausibility import Learned, Plausibility, alike, findings, look
from vct.records import Lesion, Patient, Scan, Snapshot, Visit
from vct.structures import labels_of
from vct.volume import Volume

BASELINE, WEEK8 = Visit(name="baseline", day=0.0), Visit(name="week8", day=56.0)


def snapshot(name="P0001", visit=BASELINE, lesions=(), **given):
    person = {"sex": "F", "age_years": 61.0, "height_cm": 165.0, "weight_kg": 68.0} | given
    return Snapshot(patient=Patient(id=name, **person), visit=visit, lesions=lesions)


@pytest.fixture(scope="module")
def scan() -> Scan:
    return Phantom(spacing_mm=8.0).generate(snapshot(), 3)


def with_data(volume: Volume, data) -> Volume:
    return replace(volume, data=np.ascontiguousarray(data, dtype=volume.data.dtype))


def rules(scan, learned=None):
    return {item.rule for item in findings(scan, learned)}


def test_phantoms_pass_with_and_without_lesions() -> None:
    hot = tuple(Lesion(id=f"L{number}", organ="liver", diameter_mm=45.0, suv=14.0, room_mm=45.0) for number in range(4))
    engine = Phantom(spacing_mm=8.0)
    for number, (sex, height, weight) in enumerate((("F", 150.0, 42.0), ("M", 190.0, 130.0), ("M", 175.0, 75.0))):
        item = snapshot(f"P{number}", sex=sex, height_cm=height, weight_kg=weight, lesions=hot if number else ())
        assert findings(engine.generate(item, 3)) == []


def test_a_missing_liver(scan) -> None:
    labels = scan.labels.data.copy()
    labels[np.isin(labels, labels_of("liver"))] = labels_of("skeletal_muscle")[0]
    broken = replace(scan, labels=with_data(scan.labels, labels))
    assert "organ missing" in rules(broken)
    assert [item.said for item in findings(broken) if item.rule == "organ missing"] == ["liver"]


def test_shifted_hu(scan) -> None:
    for shift in (-60.0, 60.0):
        assert "density" in rules(replace(scan, ct=with_data(scan.ct, scan.ct.data + shift)))


def test_doubled_and_halved_suv(scan) -> None:
    for factor in (2.0, 0.5):
        assert rules(replace(scan, pet=with_data(scan.pet, scan.pet.data * factor))) == {"uptake"}
    hurt = scan.pet.data.copy()
    hurt[5, 5, 5] = np.nan
    assert "uptake" in rules(replace(scan, pet=with_data(scan.pet, hurt)))


def test_a_mirrored_body(scan) -> None:
    flipped = {name: with_data(getattr(scan, name), getattr(scan, name).data[::-1]) for name in ("ct", "pet", "labels")}
    assert rules(replace(scan, **flipped)) == {"mirrored"}


def test_swollen_and_shrunken_organs(scan) -> None:
    labels = scan.labels.data.copy()
    liver = np.flatnonzero(np.isin(labels, labels_of("liver")))
    labels.ravel()[liver[::5]] = labels_of("spleen")[0]
    assert rules(replace(scan, labels=with_data(scan.labels, labels))) == set()
    labels.ravel()[liver[len(liver) // 10 :]] = labels_of("stomach")[0]
    broken = findings(replace(scan, labels=with_data(scan.labels, labels)))
    assert any(item.rule == "volume" and item.said.startswith("liver") for item in broken)


def test_a_copied_training_body_and_a_stranger_to_the_weights(scan) -> None:
    covered = {"F": {"age_years": (18.0, 90.0), "weight_kg": (40.0, 130.0)}}
    others = np.array([look(Phantom(spacing_mm=8.0).generate(snapshot("P7"), 3).labels)])
    assert rules(scan, Learned(covered=covered, looks=others)) == set()
    own = np.concatenate((others, [look(scan.labels)]))
    assert rules(scan, Learned(covered=covered, looks=own)) == {"copied"}
    broken = findings(scan, Learned(covered={"F": {"weight_kg": (70.0, 130.0)}}))
    assert [item.said for item in broken] == ["weight_kg 68.0, trained on 70.0 to 130.0"]


def test_twins_and_a_narrow_population_are_told() -> None:
    engine = Phantom(spacing_mm=8.0)
    rng = np.random.default_rng(0)
    sizes = [(rng.normal(168.0, 9.0), rng.normal(75.0, 15.0)) for _ in range(12)]
    looks = {
        f"P{n}": look(engine.generate(snapshot(f"P{n}", height_cm=h, weight_kg=w), 3).labels)
        for n, (h, w) in enumerate(sizes)
    }
    assert alike(looks) == []
    assert alike(looks | {"P99": looks["P4"], "P100": ()}) == ["P4 and P99 have the same body"]
    first = np.array(looks["P0"])
    narrow = {name: tuple(first + 0.1 * (np.array(item) - first) + 0.03 * rng.normal()) for name, item in looks.items()}
    assert any("volumes vary by" in text for text in alike(narrow))
    assert alike({}) == []


class Faulty:
    """Doubles the uptake of every body that a seed below `good_from` draws for P0001."""

    name = "faulty"

    def __init__(self, good_attempt: int, seed: int) -> None:
        self.inner, self.good_attempt, self.seed, self.seeds = Phantom(spacing_mm=16.0), good_attempt, seed, []

    def generate(self, item, seed):
        made = self.inner.generate(item, seed)
        if item.patient.id != "P0001":
            return made
        if seed not in self.seeds:
            self.seeds.append(seed)
        good = self.seeds.index(seed) >= self.good_attempt
        return made if good else replace(made, pet=with_data(made.pet, made.pet.data * 3.0))


def test_a_body_that_fails_is_drawn_anew_and_kept_at_later_visits() -> None:
    visits = [snapshot(name, visit) for name in ("P0001", "P0002") for visit in (BASELINE, WEEK8)]
    bodies = Bodies(engine=Faulty(2, 5), rule=Plausibility(redraw=3), seed=5)
    made = list(bodies.scans(visits))
    seen = bodies.screened
    assert (seen["P0001"].redrawn, seen["P0002"].redrawn) == (2, 0)
    assert seen["P0001"].findings == seen["P0002"].findings == ()
    assert look(made[0].labels)[0::4] == pytest.approx(look(made[1].labels)[0::4], abs=0.02)
    assert look(made[0].labels) == seen["P0001"].look != look(Phantom(spacing_mm=16.0).generate(visits[0], 5).labels)
    again = Bodies(engine=Faulty(2, 5), rule=Plausibility(redraw=3), seed=5, together=4)
    for one, other in zip(made, again.scans(visits), strict=True):
        assert np.array_equal(one.pet.data, other.pet.data)


def test_without_redraws_the_fault_is_marked_at_every_visit() -> None:
    visits = [snapshot("P0001", visit) for visit in (BASELINE, WEEK8)]
    bodies = Bodies(engine=Faulty(9, 5), rule=Plausibility(), seed=5)
    list(bodies.scans(visits))
    assert [(item.visit, item.rule) for item in bodies.screened["P0001"].findings] == [
        ("baseline", "uptake"),
        ("week8", "uptake"),
    ]
    patient = Bodies(engine=Faulty(9, 5), rule=Plausibility(redraw=2), seed=5)
    list(patient.scans(visits))
    assert {item.redrawn for item in patient.screened["P0001"].findings} == {2}
