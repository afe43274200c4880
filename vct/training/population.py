"""Virtual populations: many patients from an engine, scanned, measured and written, resumable one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vct.cluster import Local
from vct.cohort import draw, load_population
from vct.engine.atlas.build import read_index
from vct.engine.atlas.demographics import size_at
from vct.engine.base import Engine
from vct.errors import PatientError
from vct.fanout import map_patients
from vct.records import Patient, Scan, Snapshot, Visit
from vct.rng import stream
from vct.training.folder import refuse_others, write_imaging, write_scan, write_table
from vct.training.organs import measure, read_numbers, write_numbers

DAY0 = Visit(name="baseline", day=0.0)
ABOUT = """Virtual patients painted by vct's atlas engine: nobody's scans. Organ shapes from TotalSegmentator masks of
FDG-PET-CT-Lesions (TCIA, doi 10.7937/gkr0-xv29, CC BY 4.0; maps of MIC-DKFZ/autopet-3-submission, Apache-2.0); body
frame from BodyParts3D, (c) The Database Center for Life Science licensed under CC Attribution 4.0 International; uptake
from published values (hedyPET, AutoPET as in arXiv 2505.22489); body sizes from NHANES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What makes the scans, under which seed, into which folder; scans kept, or organ numbers only.

    `about` says what the scans are and whose licence they carry.
    """

    engine: Engine
    out: Path
    seed: int
    about: str = ABOUT
    keep_scans: bool = True

    def __call__(self, patient: Patient) -> str:
        """Scan one patient, write what is to be kept, return the name."""
        self.keep(self.engine.generate(_at_baseline(patient), self.seed))
        return patient.id

    def keep(self, scan: Scan) -> None:
        """Write a scan and, last, its organ numbers: they say that the patient is done."""
        patient = scan.snapshot.patient
        write_imaging(self.out, scan, self.seed)
        if self.keep_scans:
            write_scan(self.out, scan)
        numbers = [] if scan.labels is None else measure(patient.id, patient, scan.pet, scan.labels)
        write_numbers(self.numbers_file(patient), numbers)

    def numbers_file(self, patient: Patient) -> Path:
        """Where the organ numbers of one patient lie."""
        return self.out / "numbers" / f"{patient.id}.csv"


def draw_patients(atlas: Path, n: int, seed: int) -> list[Patient]:
    """`n` patients with the sex and age of the atlas's cases and the height and weight of US adults given these.

    Sex and age, height and BMI follow a scrambled Halton sequence (Owen 2017, arXiv 1706.02808): the first patients are
    the same whatever `n`, and means vary less between seeds than those of independent draws (`benchmarks/atlas.md`).
    """
    from scipy.stats import norm, qmc

    rows = sorted(read_index(atlas), key=lambda row: (row.sex, row.age_years, row.name))
    patients = []
    for k, point in enumerate(qmc.Halton(3, rng=stream(seed, "demographics")).random(n)):
        row = rows[int(point[0] * len(rows))]
        height, weight = size_at(row.sex, row.age_years, norm.ppf(point[1:2]), norm.ppf(point[2:3]))
        patients.append(
            Patient(
                id=f"V{k:05d}",
                sex=row.sex,
                age_years=row.age_years,
                height_cm=round(float(height[0]), 1),
                weight_kg=round(float(weight[0]), 1),
            )
        )
    return patients


def cohort_patients(cohort: str, n: int, seed: int) -> list[Patient]:
    """`n` patients of a cohort: a file, or the name of a shipped one. Raises SpecError when it cannot be read."""
    rows: list[dict[str, Any]] = draw(load_population(cohort), n, seed).to_dict("records")  # type: ignore[assignment]
    sizes = ("age_years", "height_cm", "weight_kg")
    return [Patient(id=row["id"], sex=row["sex"], **{name: round(row[name], 1) for name in sizes}) for row in rows]


def named_patients(n: int, **known: Any) -> list[Patient]:
    """`n` patients of the same sex, age, height and weight; each has a body of its own."""
    return [Patient(id=f"V{k:05d}", **known) for k in range(n)]


def sample(order: Order, patients: Sequence[Patient], workers: int = 1, batch: int = 1) -> Iterator[str]:
    """Make every patient's scan that is not there yet; yields names as they finish, then writes `organs.csv`.

    Each patient's numbers stand in `numbers/NAME.csv`, written aside and renamed, so that a killed run goes on where it
    stopped and the result does not depend on `workers`. With a `batch` an engine that has `generate_many` scans so many
    at once, in this process: what a GPU wants.

    Raises InputError when the folder holds scans of another engine or seed.
    """
    engine: Any = order.engine
    refuse_others(order.out, engine.name, order.seed)
    write_table(order.out, patients, order.about)
    missing = [patient for patient in patients if not order.numbers_file(patient).exists()]
    if batch > 1 and hasattr(engine, "generate_many"):
        for first in range(0, len(missing), batch):
            some = missing[first : first + batch]
            for scan in engine.generate_many([_at_baseline(patient) for patient in some], order.seed):
                order.keep(scan)
                yield scan.snapshot.patient.id
    else:
        for patient, name in map_patients(order, missing, Local(workers) if workers > 1 else None):
            if name is None:
                raise PatientError(f"{patient.id}: every process that tried it died (out of memory?)")
            yield name
    found = [number for patient in patients for number in read_numbers(order.numbers_file(patient))]
    write_numbers(order.out / "organs.csv", found)


def _at_baseline(patient: Patient) -> Snapshot:
    return Snapshot(patient=patient, visit=DAY0)
