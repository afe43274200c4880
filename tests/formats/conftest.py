"""A scan as an exam, its DICOM, small series of another's writer, and the programs that check what we write."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vct.engine.phantom import Phantom
from vct.formats.dicom_export import write_dicom
from vct.formats.exam import Exam
from vct.records import Lesion, Patient, Scan, Snapshot, Visit
from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

sys.path.insert(0, str(Path(__file__).parents[1] / "doubles"))
from dicom_writer import WEIGHT_KG, Recipe, write_series


@pytest.fixture(scope="session")
def recipe() -> type[Recipe]:
    return Recipe


@pytest.fixture(scope="session", name="write_series")
def _write_series() -> Callable[[Path, Volume, Recipe], list[Path]]:
    return write_series


@pytest.fixture(scope="session")
def blocks() -> Volume:
    """A small uneven image with a value of its own in every corner: any flip shows."""
    rng = np.random.default_rng(1)
    grid = Grid(shape=(7, 6, 9), spacing_mm=(4.0, 5.0, 3.0), origin_mm=(-12.0, 20.0, -700.0))
    return Volume(data=rng.uniform(0.0, 20.0, grid.shape).astype(np.float32), grid=grid, unit="SUVbw")


@pytest.fixture(scope="session")
def somebody() -> Patient:
    return Patient(id="P0001", sex="F", age_years=61.0, height_cm=170.0, weight_kg=WEIGHT_KG, arm="drug A", site="S1")


@pytest.fixture(scope="session")
def scan(somebody: Patient) -> Scan:
    """A phantom at 8 mm with two lesions."""
    lesions = tuple(
        Lesion(id=name, organ=organ, diameter_mm=28.0, suv=9.0, room_mm=30.0)
        for name, organ in (("L01", "liver"), ("L02", "lung"))
    )
    visit = Visit(name="week_8", day=56.0)
    return Phantom(spacing_mm=8.0).generate(Snapshot(patient=somebody, visit=visit, lesions=lesions), 3)


REPOSITORY = Path(__file__).resolve().parents[2]
REQUIRED = os.environ.get("VCT_WITNESSES") == "required" or os.environ.get("CI") == "true"


@pytest.fixture(scope="session")
def witness() -> Callable[[str], str]:
    """The path of a witness's program; the test skips where it is not installed, or fails where it is required."""

    def find(program: str) -> str:
        own = REPOSITORY / ".witnesses" / "bin" / program
        path = str(own) if own.exists() else shutil.which(program) or shutil.which(program, path="/usr/sbin")
        if path is None:
            said = f"{program} is not installed: run scripts/install-witnesses.sh"
            if REQUIRED:
                pytest.fail(said)
            pytest.skip(said)
        return path

    return find


@pytest.fixture(scope="session")
def exam(scan: Scan) -> Exam:
    """The phantom as an exam, its labels thinned to a few organs and cut to their slices, to be written quickly."""
    kept = [STRUCTURES[name] for name in ("liver", "spleen", "kidney_left", "kidney_right", "rib_left_8")]
    thinned = np.where(np.isin(scan.labels.data, kept), scan.labels.data, 0).astype(np.uint8)
    seen = np.flatnonzero(thinned.any(axis=(0, 1)))
    lung = next(lesion for lesion in scan.snapshot.lesions if lesion.organ == "lung")
    grid = scan.pet.grid
    top = int((lung.center_mm[2] + 20.0 - grid.origin_mm[2]) / grid.spacing_mm[2])
    low, high = int(seen[0]), max(int(seen[-1]), top) + 1
    bottom_mm = grid.origin_mm[2] + low * grid.spacing_mm[2]
    own = replace(grid, shape=(*grid.shape[:2], high - low), origin_mm=(*grid.origin_mm[:2], bottom_mm))
    pet, ct, labels = (
        Volume(data=np.ascontiguousarray(data[:, :, low:high]), grid=own, unit=unit)
        for data, unit in ((scan.pet.data, "SUVbw"), (scan.ct.data, "HU"), (thinned, "label"))
    )
    return Exam(
        key="P0001-drug_A",
        origin="a trial/1/phantom",
        trial="A trial",
        patient=scan.snapshot.patient,
        visit=scan.snapshot.visit,
        pet=pet,
        ct=ct,
        labels=labels,
        lesions=scan.snapshot.lesions,
        dose_mbq=352.123456789,
        uptake_minutes=61.37,
        bed_minutes=2.0,
        scanner="biograph_mct",
        made_by="phantom + biograph_mct",
        fwhm_mm=5.7,
    )


@pytest.fixture(scope="session")
def dicom_folder(exam: Exam, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dicom")
    write_dicom(exam, folder)
    return folder
