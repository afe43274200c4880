"""Virtual populations: many patients of an atlas, painted, measured and written, resumable one by one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vct.engine.atlas import Atlas
from vct.engine.atlas.build import read_index
from vct.engine.atlas.demographics import body_size
from vct.engine.atlas.engine import NOISE_COV
from vct.records import Patient, Snapshot, Visit
from vct.rng import stream
from vct.training.folder import write_scan, write_table
from vct.training.organs import measure, read_numbers, write_numbers

DAY0 = Visit(name="baseline", day=0.0)
ABOUT = """Virtual patients painted by vct's atlas engine: nobody's scans. Organ shapes from TotalSegmentator masks of
FDG-PET-CT-Lesions (TCIA, doi 10.7937/gkr0-xv29, CC BY 4.0; maps of MIC-DKFZ/autopet-3-submission, Apache-2.0); body
frame from BodyParts3D, (c) The Database Center for Life Science licensed under CC Attribution 4.0 International; uptake
from published values (hedyPET, AutoPET as in arXiv 2505.22489); body sizes from NHANES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make: from which atlas, at which voxel size, under which seed, into which folder, scans kept or not.

    `noise_cov` is the PET's coefficient of variation in the liver; 0 leaves counting noise to a trial's scanners.
    """

    atlas: Path
    out: Path
    spacing_mm: float
    seed: int
    keep_scans: bool
    noise_cov: float = NOISE_COV


def draw_patients(atlas: Path, n: int, seed: int) -> list[Patient]:
    """`n` patients with the sex and age of the atlas's cases and the height and weight of US adults given these."""
    rows = sorted(read_index(atlas), key=lambda row: row.name)
    patients = []
    for k in range(n):
        name = f"V{k:05d}"
        rng = stream(seed, name, "demographics")
        row = rows[int(rng.integers(len(rows)))]
        height, weight = body_size(rng, row.sex, row.age_years)
        patients.append(
            Patient(
                id=name,
                sex=row.sex,
                age_years=row.age_years,
                height_cm=round(float(height[0]), 1),
                weight_kg=round(float(weight[0]), 1),
            )
        )
    return patients


def sample(order: Order, patients: list[Patient], workers: int = 1) -> Iterator[str]:
    """Make every patient's scan that is not there yet; yields names as they finish, then writes `organs.csv`.

    Each patient's numbers stand in `numbers/NAME.csv`, written aside and renamed, so that a killed run goes on where it
    stopped and the result does not depend on `workers`.
    """
    (order.out / "numbers").mkdir(parents=True, exist_ok=True)
    write_table(order.out, patients, ABOUT)
    missing = [patient for patient in patients if not _numbers_path(order, patient).exists()]
    if workers <= 1:
        yield from (_one(order, patient) for patient in missing)
    else:
        with ProcessPoolExecutor(workers) as pool:
            yield from pool.map(_one, [order] * len(missing), missing)
    found = [number for patient in patients for number in read_numbers(_numbers_path(order, patient))]
    write_numbers(order.out / "organs.csv", found)


_ENGINES: dict[tuple[Path, float, float], Atlas] = {}


def _one(order: Order, patient: Patient) -> str:
    key = (order.atlas, order.spacing_mm, order.noise_cov)
    if key not in _ENGINES:
        _ENGINES[key] = Atlas(folder=order.atlas, spacing_mm=order.spacing_mm, noise_cov=order.noise_cov)
    scan = _ENGINES[key].generate(Snapshot(patient=patient, visit=DAY0), order.seed)
    if order.keep_scans:
        write_scan(order.out, scan)
    if scan.labels is not None:
        write_numbers(_numbers_path(order, patient), measure(patient.id, patient, scan.pet, scan.labels))
    return patient.id


def _numbers_path(order: Order, patient: Patient) -> Path:
    return order.out / "numbers" / f"{patient.id}.csv"
