"""Small PET/CT series in DICOM, written with pydicom alone, so that our reader is held against another's writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vct.volume import Volume

WEIGHT_KG, DOSE_BQ, HALF_LIFE_S, UPTAKE_S = 80.0, 350e6, 6586.2, 3600.0
FACTOR = WEIGHT_KG * 1000.0 / (DOSE_BQ * 2.0 ** (-UPTAKE_S / HALF_LIFE_S))
"""SUVbw of one Bq/ml in the studies below."""


JPEG_LOSSLESS, JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"


@dataclass
class Recipe:
    """One series: `tags` go on every slice, `drug` on its tracer, `per_slice(header, index)` changes one slice."""

    modality: str = "PT"
    tags: dict[str, Any] = field(default_factory=dict)
    drug: dict[str, Any] = field(default_factory=dict)
    per_slice: Callable[[Any, int], None] = lambda header, index: None
    slopes: Callable[[int], float] = lambda index: 2.0
    syntax: str = "1.2.840.10008.1.2.1"
    uid: str = "1.2.3.4.1"
    study: str = "1.2.3.4"
    affine_lps: np.ndarray | None = None


def write_series(folder: Path, volume: Volume, recipe: Recipe) -> list[Path]:
    """One file a slice. Values are Bq/ml (PT: SUV / FACTOR) or HU (CT)."""
    from pydicom.dataset import Dataset, FileMetaDataset

    folder.mkdir(parents=True, exist_ok=True)
    pet = recipe.modality == "PT"
    data = volume.data / FACTOR if pet else volume.data
    nx, ny, nz = data.shape
    sx, sy, sz = volume.grid.spacing_mm
    far = np.array(volume.grid.origin_mm) + np.array([(nx - 1) * sx, (ny - 1) * sy, 0.0])
    affine = np.diag([sx, sy, sz, 1.0])
    affine[:3, 3] = (-far[0], -far[1], far[2])
    affine = recipe.affine_lps if recipe.affine_lps is not None else affine
    paths = []
    for index in range(nz):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        header.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.{'128' if pet else '2'}"
        header.SOPInstanceUID = f"{recipe.uid}.{index + 1}"
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.SeriesInstanceUID, header.StudyInstanceUID = recipe.uid, recipe.study
        header.FrameOfReferenceUID, header.Modality = "1.2.3.5", recipe.modality
        header.PatientID, header.PatientName, header.PatientSex = "MRN-77123", "Doe^Jane", "F"
        header.PatientAge, header.PatientWeight, header.PatientSize = "061Y", WEIGHT_KG, 1.7
        header.StudyDate = header.SeriesDate = header.AcquisitionDate = "20200314"
        header.StudyTime = "095000"
        header.SeriesTime = header.AcquisitionTime = "110000.000"
        cosines = affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0)
        header.ImageOrientationPatient = [*map(float, cosines[:, 0]), *map(float, cosines[:, 1])]
        header.ImagePositionPatient = [round(float(v), 5) for v in affine[:3, 3] + index * affine[:3, 2]]
        header.PixelSpacing = [float(np.linalg.norm(affine[:3, 1])), float(np.linalg.norm(affine[:3, 0]))]
        header.SliceThickness = float(sz)
        header.Rows, header.Columns, header.SamplesPerPixel = ny, nx, 1
        header.PhotometricInterpretation = "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
        plane = data[::-1, ::-1, index].T
        slope = recipe.slopes(index) if pet else 1.0
        header.RescaleSlope, header.RescaleIntercept = slope, 0.0 if pet else -24.0
        pixels = np.rint((plane - float(header.RescaleIntercept)) / slope).astype(np.int16)
        if pet:
            header.Units, header.DecayCorrection = "BQML", "START"
            header.CorrectedImage = ["NORM", "ATTN", "SCAT", "DECY"]
            header.FrameReferenceTime, header.ActualFrameDuration = 59_800.0, 120_000
            drug = Dataset()
            drug.RadiopharmaceuticalStartTime = "100000.000"
            drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = DOSE_BQ, HALF_LIFE_S
            for key, value in recipe.drug.items():
                _set(drug, key, value)
            header.RadiopharmaceuticalInformationSequence = [drug]
        for key, value in recipe.tags.items():
            _set(header, key, value)
        recipe.per_slice(header, index)
        header.PixelData = np.ascontiguousarray(pixels).tobytes()
        header["PixelData"].VR = "OW"
        paths.append(_save(folder / f"{recipe.modality}{index:03d}.dcm", header, pixels, recipe.syntax))
    return paths


def _save(path: Path, header: Any, pixels: np.ndarray, syntax: str) -> Path:
    from pydicom.uid import UID

    uid = UID(syntax)
    if syntax == JPEG_LOSSLESS:
        return _by_gdcm(path, header)
    if syntax == JPEG_2000_LOSSLESS:
        _by_pillow(header, pixels)
        uid = UID("1.2.840.10008.1.2.1")
    elif uid.is_encapsulated:
        header.compress(uid)
    elif not uid.is_little_endian:
        header.PixelData = pixels.astype(">i2").tobytes()
        header.file_meta.TransferSyntaxUID = uid
    else:
        header.file_meta.TransferSyntaxUID = uid
    header.save_as(path, enforce_file_format=True, little_endian=uid.is_little_endian, implicit_vr=uid.is_implicit_VR)
    return path


def _by_pillow(header: Any, pixels: np.ndarray) -> None:
    import io

    from PIL import Image
    from pydicom.encaps import encapsulate

    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint16)).save(stream, format="JPEG2000", irreversible=False, no_jp2=True)
    header.PixelData, header.PixelRepresentation = encapsulate([stream.getvalue()]), 0
    header["PixelData"].is_undefined_length = True
    header.file_meta.TransferSyntaxUID = JPEG_2000_LOSSLESS


def _by_gdcm(path: Path, header: Any) -> Path:
    import gdcm

    header.save_as(path, enforce_file_format=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return path


def _set(header: Any, keyword: str, value: Any) -> None:
    if value is None:
        del header[keyword]
    else:
        setattr(header, keyword, value)
