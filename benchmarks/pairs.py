"""How well does the uptake of one lesion repeat on whole bodies, and how much of that was planted?

python benchmarks/pairs.py [PATIENTS] [RESOLUTION_MM]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from hardware import hardware

from vct import load, make_engine
from vct.protocol import Protocol
from vct.readout.detection import detection
from vct.readout.heat import lesion_max, lesion_peak
from vct.readout.reader import Reader
from vct.records import Patient, Visit


@dataclass(frozen=True)
class Pair:
    """Natural logarithms of retest over test: planted uptake, SUVmax and SUVpeak of one lesion found on both scans."""

    patient: str
    planted: float
    highest: float
    peak: float


def scanned(protocol: Protocol, patients: int) -> Iterator[tuple[Patient, list[Visit]]]:
    """Patients who came to both scans."""
    enrolment = protocol.enrol(protocol.seed)
    for patient in enrolment.patients[:patients]:
        visits = [item.visit for item in enrolment.attendance if item.patient == patient.id and item.status == "done"]
        if len(visits) == 2:
            yield patient, visits


def pairs(patients: int, resolution_mm: float) -> tuple[list[Pair], int]:
    """Every planted lesion of `test_retest` that a machine found twice, and how many it did not."""
    protocol, engine = load("test_retest"), make_engine("phantom", resolution_mm)
    found, lost = [], 0
    for patient, visits in scanned(protocol, patients):
        study, readings = None, []
        for visit in visits:
            snapshot = protocol.course.at(patient, visit, protocol.seed)
            scan = protocol.acquisition.acquire(engine.generate(snapshot, protocol.seed), protocol.seed)
            study = Reader().look(scan, study, protocol.seed)
            scan = replace(scan, study=study)
            readings.append({x.id: (x.suv, lesion_max(scan, m), lesion_peak(scan, m)) for x, m in detection(scan).hits})
            lost += len(detection(scan).missed)
        found += [
            Pair(patient.id, *np.log(np.divide(readings[1][name], readings[0][name])).tolist())
            for name in readings[0].keys() & readings[1].keys()
        ]
    return found, lost


def within(patients: list[str], changes: np.ndarray) -> tuple[float, float]:
    """Within-patient CV in %, and its standard error by leaving out one patient at a time."""
    names = sorted(set(patients))
    of = np.array(patients)
    left_out = [_cv(changes[of != name]) for name in names]
    n = len(names)
    return _cv(changes), math.sqrt((n - 1) / n * float(((np.array(left_out) - np.mean(left_out)) ** 2).sum()))


def _cv(changes: np.ndarray) -> float:
    return 100.0 * math.sqrt(float((changes**2).mean()) / 2.0)


def main(patients: int, resolution_mm: float) -> None:
    """Print the table."""
    found, lost = pairs(patients, resolution_mm)
    of = [pair.patient for pair in found]
    planted, highest, peak = np.array([(pair.planted, pair.highest, pair.peak) for pair in found]).T
    print(f"{len(found)} lesions of {len(set(of))} patients, {lost} missed; phantom {resolution_mm:g} mm; {hardware()}")
    print("| | within-patient CV, % | SE |\n|---|---|---|")
    for name, changes in (
        ("planted, day to day", planted),
        ("SUVmax over planted: scanner, session, noise", highest - planted),
        ("SUVpeak over planted: scanner, session, noise", peak - planted),
        ("SUVmax", highest),
        ("SUVpeak", peak),
    ):
        print("| {} | {:.1f} | {:.1f} |".format(name, *within(of, changes)))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 20, float(given[1]) if len(given) > 1 else 4.0)
