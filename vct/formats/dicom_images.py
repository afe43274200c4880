"""A PET and a CT as classic DICOM series (PS3.3 A.21 and A.3), one file a slice.

Marked as synthetic in the patient's name, study and series descriptions and the de-identification method. PET in
BQML, decay corrected to START, with SeriesTime = AcquisitionTime, which other readers take for the reference time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vct.formats.exam import HALF_LIFE_S, POSITRON_FRACTION, Exam
from vct.formats.series import CT_IMAGE, PET_IMAGE
from vct.volume import Grid

if TYPE_CHECKING:
    from pydicom import Dataset

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
MARK = "SYNTHETIC"


def pet_slices(exam: Exam) -> Iterator[Dataset]:
    """The PET's instances from feet to head; int16, one slope for the series: SUV exact to half of it."""
    peak = float(np.abs(exam.pet.data).max()) * exam.bqml_per_suv
    slope = float(f"{max(peak, 1.0) / 32767.0:.8g}")
    for index, header in enumerate(_slices(exam, "PT", exam.pet.grid)):
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = PET_IMAGE
        header.ImageType = ["ORIGINAL", "PRIMARY"]
        header.Units, header.CountsSource = "BQML", "EMISSION"
        header.SeriesType, header.NumberOfSlices = ["WHOLE BODY", "IMAGE"], exam.pet.grid.shape[2]
        header.ImageIndex = index + 1
        header.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"]
        header.DecayCorrection, header.DecayFactor = "START", 1.0
        header.AttenuationCorrectionMethod = f"{MARK}: uptake painted, nothing attenuated"
        header.ScatterCorrectionMethod = f"{MARK}: nothing scattered"
        header.RandomsCorrectionMethod = "NONE"
        header.ReconstructionMethod = f"{MARK}: {exam.made_by}"[:64]
        header.CollimatorType = "NONE"
        header.FrameReferenceTime = 0.0
        header.ActualFrameDuration = round(60_000.0 * exam.bed_minutes)
        header.RadiopharmaceuticalInformationSequence = [_tracer(exam)]
        _stored(header, exam.pet.grid, exam.pet.data[:, :, index].astype(np.float64) * exam.bqml_per_suv, slope)
        yield header


def ct_slices(exam: Exam) -> Iterator[Dataset]:
    """The CT's instances from feet to head, in whole HU."""
    for index, header in enumerate(_slices(exam, "CT", exam.ct.grid)):
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = CT_IMAGE
        header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        header.KVP, header.AcquisitionNumber = None, 1
        header.RescaleType = "HU"
        header.WindowCenter, header.WindowWidth = 40, 400
        _stored(header, exam.ct.grid, exam.ct.data[:, :, index], 1.0)
        yield header


def _slices(exam: Exam, modality: str, grid: Grid) -> Iterator[Dataset]:
    """One header a slice, without pixels."""
    import pydicom
    from pydicom.dataset import FileMetaDataset

    (nx, ny, nz), (sx, sy, sz), (ox, oy, oz) = grid.shape, grid.spacing_mm, grid.origin_mm
    for index in range(nz):
        header = pydicom.Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE
        header.SOPInstanceUID = exam.uid(*exam.own, modality, str(index))
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        describe(header, exam)
        header.Modality, header.SeriesInstanceUID = modality, exam.uid(*exam.own, modality)
        header.SeriesNumber, header.InstanceNumber = (2 if modality == "PT" else 1), index + 1
        header.SeriesDescription = f"{MARK} {'PET' if modality == 'PT' else 'CT'} torso"
        header.BodyPartExamined = "CHESTABDPELVIS"
        header.FrameOfReferenceUID, header.PositionReferenceIndicator = exam.uid(*exam.own, "frame"), None
        header.SeriesDate = header.AcquisitionDate = header.ContentDate = f"{exam.scan_start:%Y%m%d}"
        header.SeriesTime = header.AcquisitionTime = header.ContentTime = f"{exam.scan_start:%H%M%S}"
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        x, y, z = -(ox + (nx - 1) * sx), -(oy + (ny - 1) * sy), oz + index * sz
        header.ImagePositionPatient = [_ds(x), _ds(y), _ds(z)]
        header.SliceLocation = _ds(z)
        header.PixelSpacing, header.SliceThickness = [_ds(sy), _ds(sx)], _ds(sz)
        _oriented(header, modality)
        yield header


def describe(header: Dataset, exam: Exam) -> None:
    """Patient, study, equipment and clinical trial: the same in every object of the exam."""
    patient, visit = exam.patient, exam.visit
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientName, header.PatientID = f"{MARK}^{exam.key}", exam.key
    header.PatientBirthDate, header.PatientSex = None, patient.sex
    header.PatientAge = f"{min(999, int(patient.age_years)):03d}Y"
    header.PatientSize, header.PatientWeight = _ds(patient.height_cm / 100.0), _ds(exam.weight_kg)
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = f"{MARK}: no real person, made by vct"
    header.ReferringPhysicianName, header.AccessionNumber = None, None
    header.StudyInstanceUID, header.StudyID = exam.uid(*exam.own), visit.name[:16]
    header.StudyDate, header.StudyTime = f"{exam.scan_start:%Y%m%d}", f"{exam.injected_at:%H%M%S}"
    header.StudyDescription = f"{MARK} FDG PET/CT, {visit.name}"[:64]
    header.Manufacturer, header.ManufacturerModelName = "vct (virtual)", exam.scanner[:64]
    header.InstitutionName, header.DeviceSerialNumber = f"virtual site {patient.site}".strip()[:64], "0"
    header.SoftwareVersions = exam.made_by[:64]
    header.ClinicalTrialSponsorName = "vct (virtual trial)"
    header.ClinicalTrialProtocolID, header.ClinicalTrialProtocolName = exam.trial[:64], exam.trial[:64]
    header.ClinicalTrialSiteID, header.ClinicalTrialSiteName = patient.site[:64], patient.site[:64]
    header.ClinicalTrialSubjectID = exam.key[:64]
    header.ClinicalTrialTimePointID = visit.name[:64]
    header.ClinicalTrialTimePointDescription = f"day {visit.day:g} after randomisation"
    header.LongitudinalTemporalOffsetFromEvent = float(visit.day)
    header.LongitudinalTemporalEventType = "ENROLLMENT"
    header.ClinicalTrialCoordinatingCenterName = "vct (virtual)"


def _tracer(exam: Exam) -> Dataset:
    import pydicom

    tracer = pydicom.Dataset()
    tracer.Radiopharmaceutical = "Fluorodeoxyglucose"
    tracer.RadiopharmaceuticalStartTime = f"{exam.injected_at:%H%M%S}"
    tracer.RadiopharmaceuticalStartDateTime = f"{exam.injected_at:%Y%m%d%H%M%S}"
    tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = exam.dose_bq, HALF_LIFE_S
    tracer.RadionuclidePositronFraction = POSITRON_FRACTION
    tracer.RadiopharmaceuticalRoute = "Intravenous"
    tracer.RadionuclideCodeSequence = [code("77004003", "SCT", "^18^Fluorine")]
    tracer.RadiopharmaceuticalCodeSequence = [code("35321007", "SCT", "Fluorodeoxyglucose F^18^")]
    tracer.AdministrationRouteCodeSequence = [code("47625008", "SCT", "Intravenous route")]
    return tracer


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """One item of a code sequence."""
    import pydicom

    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _oriented(header: Dataset, modality: str) -> None:
    """Head first, supine: as codes in PET, where PatientPosition must then be absent (PS3.3 C.8.9.5), as HFS in CT."""
    if modality == "CT":
        header.PatientPosition = "HFS"
        return
    lying = code("102538003", "SCT", "recumbent")
    lying.PatientOrientationModifierCodeSequence = [code("40199007", "SCT", "supine")]
    header.PatientOrientationCodeSequence = [lying]
    header.PatientGantryRelationshipCodeSequence = [code("102540001", "SCT", "headfirst")]


def _stored(header: Dataset, grid: Grid, plane: NDArray[Any], slope: float) -> None:
    """Pixels (rows to the back, columns to the left) of one plane (X, Y), as int16 with `slope`."""
    header.Rows, header.Columns, header.SamplesPerPixel = grid.shape[1], grid.shape[0], 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
    header.RescaleSlope, header.RescaleIntercept = _ds(slope), "0"
    pixels = np.clip(np.rint(plane[::-1, ::-1].T / slope), -32768, 32767)
    header.PixelData = np.ascontiguousarray(pixels, dtype="<i2").tobytes()
    header["PixelData"].VR = "OW"


def _ds(value: float) -> str:
    """A number in the at most 16 characters of a DICOM decimal string."""
    return f"{value:.10g}"
