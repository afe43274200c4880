"""What preparing one real-sized study costs: CPU seconds of one core and peak memory, from NIfTI and from DICOM.

    python benchmarks/prepare.py [--out benchmarks/prepare.md]

The study is a phantom on the grid of AutoPET's PET (400 x 400 x 326 voxels, 2.04 x 2.04 x 3 mm). NIfTI has the CT on
that grid, as CTres.nii.gz, or as CT.nii.gz of 512 x 512 x 326; DICOM has a file a slice and the larger CT. Each is
prepared to 2 mm in a process of its own, whose peak memory is given; without labels, and with finished ones, where
muscle and fat are filled in. Last, the search for studies: opening files of a DICOM folder for their names.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from hardware import hardware

from vct.engine.phantom import Phantom
from vct.formats.dicom_export import write_dicom
from vct.formats.exam import Exam
from vct.records import Patient, Snapshot, Visit
from vct.training.prepare import prepare
from vct.training.studies import find_studies
from vct.volume import Grid, Volume

PATIENT = Patient(id="P0001", sex="F", age_years=61.0, height_cm=170.0, weight_kg=80.0)
TABLE = "patient,sex,age,height,weight\nA,F,61,170,80\n"
T = TypeVar("T")
LARGEST_GB, LONGEST_S = 3.0, 60.0
"""What a study may cost at most, segmentation aside."""


def grid(across: int, around: Grid) -> Grid:
    """326 slices of 3 mm, 814 mm across, with a body's grid in the middle."""
    shape, spacing = (across, across, 326), (814.6 / across, 814.6 / across, 3.0)
    middle = [o + s * (n - 1) / 2 for o, s, n in zip(around.origin_mm, around.spacing_mm, around.shape, strict=True)]
    x, y, z = (m - s * (n - 1) / 2 for m, s, n in zip(middle, spacing, shape, strict=True))
    return Grid(shape=shape, spacing_mm=spacing, origin_mm=(x, y, z))


def write_studies(folder: Path) -> None:
    """The phantom in every layout."""
    scan = Phantom(spacing_mm=4.0).generate(Snapshot(patient=PATIENT, visit=Visit(name="scan", day=0.0), lesions=()), 3)
    labels = scan.labels
    if labels is None:
        raise SystemExit("the phantom has no labels")
    pet = scan.pet.resampled(grid(400, scan.pet.grid))
    fine = scan.ct.resampled(grid(512, scan.pet.grid))
    for name, ct in (("CTres", scan.ct.resampled(pet.grid)), ("CT", fine)):
        own = folder / name / "A" / "one"
        own.mkdir(parents=True)
        (folder / name / "metadata.csv").write_text(TABLE)
        ct.save(own / f"{name}.nii.gz")
        pet.save(own / "SUV.nii.gz")
    total = Volume(data=np.where(labels.data > 117, 0, labels.data).astype(np.uint8), grid=labels.grid, unit="label")
    (folder / "labels").mkdir()
    total.resampled(pet.grid).save(folder / "labels" / "one.nii.gz")
    exam = Exam(
        key="A", origin="benchmark", trial="benchmark", patient=PATIENT, visit=Visit(name="one", day=0.0), pet=pet,
        ct=fine, labels=None, lesions=(), dose_mbq=300.0, uptake_minutes=60.0, bed_minutes=2.0, scanner="phantom",
        made_by="phantom", fwhm_mm=0.0,
    )  # fmt: skip
    write_dicom(exam, folder / "DICOM")


def cost(source: Path, out: Path, labels: Path | None) -> tuple[float, float]:
    """CPU seconds and peak GB of a fresh process that prepares the one study."""
    begin = time.process_time()
    found = prepare(source, out, segmentations=labels, segmenter="none")
    if found.prepared != 1:
        raise SystemExit(f"not prepared: {found.refused}")
    seconds = time.process_time() - begin
    return seconds, peak_gb()


def peak_gb() -> float:
    """The most memory that this process has held; Linux only (ru_maxrss would count that of the process before it)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024 / 1e9


def apart(work: Callable[..., T], *arguments: object) -> T:
    """What it returns in a fresh process. This one must stay small: some systems let a child start at its peak."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def rows(folder: Path) -> Iterator[str]:
    """All lines, as they are measured."""
    yield "| study | CPU s | peak GB |"
    yield "|---|---|---|"
    cases = {
        "NIfTI, CT on the PET's grid": ("CTres", None),
        "NIfTI, CT on the PET's grid, labels given": ("CTres", folder / "labels"),
        "NIfTI, CT of 512 x 512 x 326": ("CT", None),
        "DICOM, CT of 512 x 512 x 326": ("DICOM", None),
    }
    for number, (name, (source, labels)) in enumerate(cases.items()):
        seconds, peak = apart(cost, folder / source, folder / f"out{number}", labels)
        missed = " (missed)" * (seconds > LONGEST_S or peak > LARGEST_GB)
        yield f"| {name} | {seconds:.1f} | {peak:.2f}{missed} |"
    files = sum(path.is_file() for path in (folder / "DICOM").rglob("*"))
    begin = time.process_time()
    find_studies(folder / "DICOM")
    yield f"| finding studies, 1,000 DICOM files | {(time.process_time() - begin) / files * 1000:.2f} | |"


def main() -> None:
    """Print the table, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    about = (__doc__ or "").split("\n\n", 2)[2].strip()
    with TemporaryDirectory() as folder:
        apart(write_studies, Path(folder))
        allowed = f"Allowed: {LARGEST_GB:g} GB, {LONGEST_S:g} s."
        text = f"# What preparing a study costs\n\n{hardware()}. {about}\n\n{allowed}\n\n"
        text += "\n".join(rows(Path(folder))) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
