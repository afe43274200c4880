import gc
from dataclasses import replace
from weakref import ref

import numpy as np

from vct.readout.memo import once_per_scan
from vct.records import Patient, Scan, Snapshot, Visit
from vct.volume import Grid, Volume


def scan() -> Scan:
    grid = Grid(shape=(2, 2, 2), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(0.0, 0.0, 0.0))
    patient = Patient(id="P1", sex="F", age_years=50, height_cm=165, weight_kg=66)
    pet = Volume(data=np.zeros(grid.shape, np.float32), grid=grid, unit="SUVbw")
    snapshot = Snapshot(patient=patient, visit=Visit(name="v", day=0))
    return Scan(snapshot=snapshot, ct=pet, pet=pet, labels=None, made_by="test")


def test_each_question_is_worked_out_once_a_scan_and_forgotten_with_it() -> None:
    asked = []

    @once_per_scan
    def answer(of: Scan, organ: str, *, deep: bool = False) -> int:
        asked.append((organ, deep))
        return len(asked)

    first, second = scan(), scan()
    assert [answer(first, "liver"), answer(first, "liver"), answer(first, "liver", deep=True)] == [1, 1, 2]
    assert answer(second, "liver") == 3
    assert answer(replace(first, fwhm_mm=5.0), "liver") == 4
    gone = ref(first)
    del first
    gc.collect()
    assert gone() is None
