"""A DICOM series as one image: which files belong together, whether their geometry holds, and their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vct.errors import InputError
from vct.formats.placed import LPS_TO_RAS, Placed
from vct.formats.tags import complain, number, numbers, read_header, read_whole, text
from vct.niftifile import MAX_VOXELS

if TYPE_CHECKING:
    from pydicom import Dataset

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
PET_IMAGE = "1.2.840.10008.5.1.4.1.1.128"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
REFUSED = {
    "1.2.840.10008.5.1.4.1.1.2.1": "Enhanced CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "Legacy Converted Enhanced CT",
    "1.2.840.10008.5.1.4.1.1.130": "Enhanced PET",
    "1.2.840.10008.5.1.4.1.1.128.1": "Legacy Converted Enhanced PET",
}
MAX_FILES = 200_000
EVEN = 0.01
"""Slices may be this much, relative to their distance, away from where even spacing would put them."""
ORTHOGONAL = 1e-3
ALIKE = ("PatientID", "FrameOfReferenceUID", "Units", "DecayCorrection")
"""Tags that are one for a whole series."""
MAX_SIDE = 4096
"""Of a slice, in pixels; the largest detectors make 2048."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """The files of one series, each with its header, in the order in which they were found."""

    uid: str
    study: str
    sop_class: str
    files: tuple[tuple[Path, Dataset], ...]

    @property
    def header(self) -> Dataset:
        """Of the first file."""
        return self.files[0][1]

    @property
    def path(self) -> Path:
        """The first file."""
        return self.files[0][0]


def find_series(paths: Iterable[Path]) -> list[Series]:
    """The PET, CT and segmentation series among files; other files are passed over.

    The same instance found twice counts once. Raises InputError for damaged DICOM files, for multi-frame PET or CT
    (whose per-frame tags other readers get wrong too), and beyond 200,000 files.
    """
    found: dict[tuple[str, str], dict[str, tuple[Path, Dataset]]] = {}
    for count, path in enumerate(paths):
        if count >= MAX_FILES:
            raise InputError(f"{path.parent}: more than {MAX_FILES} files")
        header = read_header(path)
        if header is None:
            continue
        kind = text(header, "SOPClassUID") or text(header.file_meta, "MediaStorageSOPClassUID")
        if not kind:
            raise InputError(f"{path}: is a truncated DICOM file: it has no (0008,0016) SOPClassUID")
        if kind in REFUSED:
            raise complain(path, "SOPClassUID", f"is {REFUSED[kind]}; export the series as classic single-frame images")
        if kind in (CT_IMAGE, PET_IMAGE, SEGMENTATION):
            instance = text(header, "SOPInstanceUID")
            if not instance or not text(header, "SeriesInstanceUID"):
                raise InputError(f"{path}: is a truncated DICOM file, or lacks SOPInstanceUID and SeriesInstanceUID")
            found.setdefault((text(header, "SeriesInstanceUID"), kind), {}).setdefault(instance, (path, header))
    return [
        Series(
            uid=uid,
            study=text(next(iter(files.values()))[1], "StudyInstanceUID"),
            sop_class=kind,
            files=tuple(files.values()),
        )
        for (uid, kind), files in found.items()
    ]


def ordered(series: Series) -> tuple[list[tuple[Path, Dataset]], NDArray[np.float64]]:
    """The slices along the patient, and the affine (4, 4) from (column, row, slice) to RAS+ mm.

    A gantry tilt gives a sheared affine, which is right. Raises TagError, which names the file, for slices of different
    orientation, spacing or size, for two slices in one place, and for gaps.
    """
    path, header = series.files[0]
    rows, columns = int(number(path, header, "Rows")), int(number(path, header, "Columns"))
    down, across = numbers(path, header, "PixelSpacing", 2)
    cosines = np.array(numbers(path, header, "ImageOrientationPatient", 6)).reshape(2, 3)
    if not np.allclose(cosines @ cosines.T, np.eye(2), atol=ORTHOGONAL) or min(down, across) <= 0.0:
        raise complain(path, "ImageOrientationPatient", "must be two orthogonal unit vectors, PixelSpacing positive")
    normal = np.cross(cosines[0], cosines[1])
    placed = []
    for each, item in series.files:
        _alike(each, item, header, cosines, (rows, columns), (down, across))
        placed.append((np.array(numbers(each, item, "ImagePositionPatient", 3)), each, item))
    placed.sort(key=lambda entry: float(entry[0] @ normal))
    at = np.array([entry[0] for entry in placed])
    step = _even_step(at, normal, placed, number(path, header, "SliceThickness") if len(placed) == 1 else 0.0)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = cosines[0] * across, cosines[1] * down, step
    affine[:3, 3] = at[0]
    return [(each, item) for _, each, item in placed], LPS_TO_RAS @ affine


def _alike(path: Path, header: Dataset, first: Dataset, cosines: NDArray[Any], size: Any, spacing: Any) -> None:
    if (header.get("Rows"), header.get("Columns")) != size:
        raise complain(path, "Rows", f"and Columns must be {size} as in the series' first file")
    if not np.allclose(numbers(path, header, "PixelSpacing", 2), spacing, rtol=1e-3):
        raise complain(path, "PixelSpacing", f"must be {spacing} as in the series' first file")
    own = np.array(numbers(path, header, "ImageOrientationPatient", 6)).reshape(2, 3)
    if not np.allclose(own, cosines, atol=ORTHOGONAL):
        raise complain(path, "ImageOrientationPatient", "differs from the series' first file: this is a mixed series")
    for keyword in ALIKE:
        if text(header, keyword) != text(first, keyword):
            raise complain(path, keyword, "differs from the series' first file: this is a mixed series")
    if int(header.get("NumberOfFrames") or 1) != 1 or int(header.get("SamplesPerPixel") or 1) != 1:
        raise complain(path, "NumberOfFrames", "must be 1, and one sample a pixel")


def _even_step(at: NDArray[Any], normal: NDArray[Any], placed: Sequence[Any], thickness: float) -> NDArray[np.float64]:
    """From one slice's position to the next. A single slice steps by its thickness."""
    if len(at) == 1:
        return np.asarray(normal * thickness)
    height = at @ normal
    gaps = np.diff(height)
    step = (at[-1] - at[0]) / (len(at) - 1)
    size = float(np.median(gaps))
    for index, gap in enumerate(gaps):
        path = placed[index + 1][1]
        if gap < 1e-3:
            raise complain(path, "ImagePositionPatient", "is that of another slice too", beside=placed[index][1])
        if gap > 1.5 * size:
            raise complain(path, "ImagePositionPatient", f"leaves a gap of {gap:.2f} mm", beside=placed[index][1])
    away = np.abs(at - (at[0] + np.arange(len(at))[:, None] * step)).max(axis=1)
    worst = int(away.argmax())
    if away[worst] > max(EVEN * size, 0.02):
        raise complain(placed[worst][1], "ImagePositionPatient", f"lies {away[worst]:.2f} mm off even spacing")
    return np.asarray(step)


def read_series(series: Series, factor: float = 1.0) -> Placed:
    """The whole series times `factor`: each slice with its own slope and intercept, float32 (columns, rows, slices).

    One slice's file is open at a time. Raises InputError where geometry or a slice's pixels are bad.
    """
    slices, affine = ordered(series)
    rows, columns = int(slices[0][1].Rows), int(slices[0][1].Columns)
    if not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE and rows * columns * len(slices) <= MAX_VOXELS):
        raise InputError(
            f"{series.path}: {columns} x {rows} x {len(slices)} voxels; at most {MAX_VOXELS}, {MAX_SIDE} a side"
        )
    data = np.empty((columns, rows, len(slices)), dtype=np.float32, order="F")
    for index, (path, _) in enumerate(slices):
        data[:, :, index] = _values(path, (rows, columns)).T * np.float32(factor)
    return Placed(data=data, affine=affine, source=str(series.path))


def _values(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    header = read_whole(path)
    slope, intercept = (number(path, header, name) for name in ("RescaleSlope", "RescaleIntercept"))
    if slope == 0.0:
        raise complain(path, "RescaleSlope", "must not be 0")
    if text(header, "LossyImageCompression") == "01":
        raise complain(path, "LossyImageCompression", "is 01: values were changed by lossy compression")
    try:
        pixels = header.pixel_array
    except Exception as error:  # decoders raise anything at all on damaged or unsupported pixels
        raise complain(path, "PixelData", "cannot be decoded", f"{type(error).__name__}: {error}") from None
    if pixels.shape != size:
        raise complain(path, "PixelData", f"must have {size} pixels", pixels.shape)
    return np.asarray(pixels * np.float64(slope) + intercept, dtype=np.float32)
