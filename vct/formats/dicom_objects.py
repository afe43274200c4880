"""Segmentations (DICOM SEG) of organs and lesions, and their measurements as a structured report (TID 1500)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vct import __version__
from vct.formats.codes import LESION, SIDES, code_of
from vct.formats.dicom_images import MARK, describe
from vct.formats.exam import Exam

if TYPE_CHECKING:
    from pydicom import Dataset

SUV_UNIT = ("{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight")


def organ_segmentation(exam: Exam, pet: Sequence[Dataset]) -> Dataset | None:
    """A SEG with one segment a labelled structure, on the PET's slices; None where the scan has no labels."""
    if exam.labels is None or not exam.organ_names:
        return None
    numbers = {label: number for number, label in enumerate(exam.organ_names, start=1)}
    lookup = np.zeros(256, dtype=np.uint8)
    for label, number in numbers.items():
        lookup[label] = number
    segments = [_segment(number, exam, exam.organ_names[label]) for label, number in numbers.items()]
    return _segmentation(exam, pet, lookup[exam.labels.data], segments, "organs", 3)


def lesion_segmentation(exam: Exam, pet: Sequence[Dataset]) -> Dataset | None:
    """A SEG with one segment a planted lesion, on the PET's slices; None where there is none in view."""
    if not exam.lesion_numbers:
        return None
    lookup = np.zeros(256, dtype=np.uint8)
    segments = []
    for number, (name, label) in enumerate(exam.lesion_numbers.items(), start=1):
        lookup[label] = number
        segments.append(_segment(number, exam, name, lesion=True))
    return _segmentation(exam, pet, lookup[exam.lesion_labels], segments, "lesions", 4)


def measurements(exam: Exam, pet: Sequence[Dataset], segmentations: Mapping[str, Dataset]) -> Dataset | None:
    """A TID 1500 report: SUVmean, SUVmax and volume of every segment, and TLG of every lesion; None without segments.

    Numbers are those of the exported PET in the segment's voxels; TLG is SUVmean times volume.
    """
    import highdicom as hd
    from highdicom.sr import VolumetricROIMeasurementsAndQualitativeEvaluations as Measured

    source = hd.sr.SourceSeriesForSegmentation(pet[0].SeriesInstanceUID)
    groups: list[Any] = []
    for kind, segmentation in segmentations.items():
        segments = {item.SegmentLabel: item for item in segmentation.SegmentSequence}
        for name, label in _labels(exam, kind):
            values = exam.pet.data[_label_map(exam, kind) == label].astype(np.float64)
            groups.append(
                Measured(
                    tracking_identifier=hd.sr.TrackingIdentifier(segments[name].TrackingUID, name),
                    referenced_segment=hd.sr.ReferencedSegment(
                        sop_class_uid=segmentation.SOPClassUID,
                        sop_instance_uid=segmentation.SOPInstanceUID,
                        segment_number=segments[name].SegmentNumber,
                        source_series=source,
                    ),
                    finding_type=hd.sr.CodedConcept(*_type_code(name, kind)),
                    measurements=_numbers(values, exam.pet.grid.voxel_ml, kind == "lesions"),
                )
            )
    if not groups:
        return None
    observer = hd.sr.ObserverContext(
        observer_type=hd.sr.CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(uid=exam.uid("vct"), name="vct"),
    )
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=hd.sr.CodedConcept("44139-4", "LN", "PET whole body"),
        imaging_measurements=groups,
        title=hd.sr.CodedConcept("126000", "DCM", "Imaging Measurement Report"),
    )
    found = hd.sr.Comprehensive3DSR(
        evidence=[*pet, *segmentations.values()],
        content=report,
        series_instance_uid=exam.uid(*exam.own, "SR"),
        series_number=5,
        sop_instance_uid=exam.uid(*exam.own, "SR", "1"),
        instance_number=1,
        manufacturer="vct (virtual)",
        is_complete=True,
        is_verified=False,
        series_description=f"{MARK} measurements",
    )
    return _finished(found, exam)


def _numbers(values: NDArray[np.float64], voxel_ml: float, lesion: bool) -> list[Any]:
    import highdicom as hd
    from pydicom.sr.coding import Code

    suv, mean, top = Code("126401", "DCM", "SUVbw"), ("373098007", "SCT", "Mean"), ("56851009", "SCT", "Maximum")
    volume = values.size * voxel_ml

    def one(name: Code, value: float, unit: Code, derivation: tuple[str, str, str] | None = None) -> Any:
        return hd.sr.Measurement(
            name=name, value=float(f"{value:.6g}"), unit=unit, derivation=Code(*derivation) if derivation else None
        )

    found = [
        one(suv, float(values.mean()), Code(*SUV_UNIT), mean),
        one(suv, float(values.max()), Code(*SUV_UNIT), top),
        one(Code("118565006", "SCT", "Volume"), volume, Code("ml", "UCUM", "milliliter")),
    ]
    if lesion:
        glycolysis = Code("126033", "DCM", "Total Lesion Glycolysis")
        found.append(one(glycolysis, float(values.mean()) * volume, Code("g", "UCUM", "gram")))
    return found


def _labels(exam: Exam, kind: str) -> list[tuple[str, int]]:
    if kind == "lesions":
        return list(exam.lesion_numbers.items())
    return [(name, number) for number, name in exam.organ_names.items()]


def _label_map(exam: Exam, kind: str) -> NDArray[np.uint8]:
    return exam.lesion_labels if kind == "lesions" or exam.labels is None else exam.labels.data


def _type_code(name: str, kind: str) -> tuple[str, str, str]:
    if kind == "lesions":
        return LESION[0], "SCT", LESION[1]
    coded = code_of(name)
    return coded.value, "SCT", coded.meaning


def _segment(number: int, exam: Exam, name: str, *, lesion: bool = False) -> Any:
    import highdicom as hd
    from pydicom.sr.coding import Code

    category = ("49755003", "SCT", "Morphologically Altered Structure")
    segment = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=Code(*(category if lesion else ("123037004", "SCT", "Anatomical Structure"))),
        segmented_property_type=Code(*_type_code(name, "lesions" if lesion else "organs")),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="vct planted truth", family=Code("123110", "DCM", "Artificial Intelligence"), version=__version__
        ),
        tracking_uid=exam.uid(exam.key, "lesion" if lesion else "organ", name),
        tracking_id=name,
    )
    side = "" if lesion else code_of(name).side
    if side:
        value, meaning = SIDES[side]
        modifier = hd.sr.CodedConcept(value, "SCT", meaning)
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return segment


def _segmentation(
    exam: Exam, pet: Sequence[Dataset], numbers: NDArray[np.uint8], segments: list[Any], what: str, series: int
) -> Dataset:
    """`numbers` (X, Y, Z) in RAS+ as frames, rows, columns of the PET's slices, which run from feet to head."""
    import highdicom as hd

    found = hd.seg.Segmentation(
        source_images=list(pet),
        pixel_array=np.ascontiguousarray(numbers[::-1, ::-1].transpose(2, 1, 0)),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=exam.uid(*exam.own, "SEG", what),
        series_number=series,
        sop_instance_uid=exam.uid(*exam.own, "SEG", what, "1"),
        instance_number=1,
        manufacturer="vct (virtual)",
        manufacturer_model_name=exam.scanner,
        software_versions=exam.made_by[:64],
        device_serial_number="0",
        content_label=what.upper(),
        content_description=f"{MARK} {what}",
        series_description=f"{MARK} {what}",
        dimension_organization_type=None,
    )
    return _finished(found, exam)


def _finished(found: Dataset, exam: Exam) -> Dataset:
    """The exam's own patient and trial on an object; its clock and identifiers in place of this computer's."""
    series_description = found.SeriesDescription
    describe(found, exam)
    found.SeriesDescription = series_description
    day, clock = f"{exam.scan_start:%Y%m%d}", f"{exam.scan_start:%H%M%S}"
    for keyword in ("SeriesDate", "ContentDate", "InstanceCreationDate"):
        setattr(found, keyword, day)
    for keyword in ("SeriesTime", "ContentTime", "InstanceCreationTime"):
        setattr(found, keyword, clock)
    for item in found.get("ContributingEquipmentSequence", ()):
        item.ContributionDateTime = day + clock
    for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in found.get(sequence, ()):
            item.DimensionOrganizationUID = exam.uid(*exam.own, "dimensions", str(found.SOPInstanceUID))
    return found
