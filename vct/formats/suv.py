"""From the numbers in a PET series to SUVbw, by its tags.

SUVbw [g/ml] = C [Bq/ml] x weight [g] / dose decayed to the image's reference time. The rules are those of
QIBA's vendor-neutral pseudo-code (qibawiki.rsna.org, "Standardized Uptake Value"; arXiv 2410.13348 measures what
ignoring them costs: up to 32 %). Tags as in DICOM PS3.3 C.8.9.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vct.formats.tags import TagError, complain, moment, number, parsed_moment, private, text

if TYPE_CHECKING:
    from pydicom import Dataset

F18_HALF_LIFE_S = 6586.2
"""109.77 minutes (ICRP 107)."""
HALF_LIFE_RANGE_S = (6400.0, 6800.0)
WEIGHT_KG = (2.0, 300.0)
HEIGHT_M = (0.4, 2.5)
LEAST_DOSE_BQ = 1e6
MOST_DOSE_BQ = 5e9
LONGEST_UPTAKE_S = 6 * 3600.0
PHILIPS = "Philips PET Private Group"
GE = "GEMS_PETD_01"
CLOCKS_AGREE_S = 60.0

Slice = tuple[Path, "Dataset"]
ALIKE = ("PatientWeight", "SeriesDate", "SeriesTime")
ALIKE_DRUG = ("RadionuclideTotalDose", "RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime")
"""What SUV is computed from, and must be one for a whole series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuvRule:
    """What turns rescaled pixel values into SUVbw: one factor, and how it was found."""

    factor: float
    how: str


def suv_rule(slices: Sequence[Slice], weight_kg: float | None = None) -> SuvRule:
    """The rule for a PET series, from every slice's header; `weight_kg` from elsewhere goes before the tag.

    Raises TagError, which names file and tag, where a tag is missing, contradicts itself, or is in a wrong unit.
    """
    path, header = slices[0]
    units = text(header, "Units").upper()
    if units == "GML":
        kind = text(header, "SUVType").upper() or "BW"
        if kind != "BW":
            raise complain(path, "SUVType", "must be BW; lean-body SUV cannot be undone without its formula", kind)
        return SuvRule(factor=1.0, how="GML, SUVType BW")
    _corrected(path, header)
    if units == "CNTS":
        return _philips(slices, weight_kg)
    if units != "BQML":
        raise complain(path, "Units", "must be BQML, GML, or CNTS with Philips's private factors", units or None)
    return _from_activity(slices, 1.0, weight_kg, "BQML")


def weight_of(path: Path, header: Dataset) -> float:
    """The weight in kg. Raises TagError where it is missing, zero, or evidently in grams."""
    weight = number(path, header, "PatientWeight")
    if not WEIGHT_KG[0] <= weight <= WEIGHT_KG[1]:
        hint = "; grams?" if 2000.0 <= weight <= 300_000.0 else ""
        raise complain(path, "PatientWeight", f"must be from 2 to 300 kg{hint}", weight)
    return weight


def height_of(path: Path, header: Dataset) -> float:
    """The height in cm, from a tag in metres. Raises TagError where it is missing, zero, or evidently not in metres."""
    height = number(path, header, "PatientSize")
    if not HEIGHT_M[0] <= height <= HEIGHT_M[1]:
        hint = "; centimetres?" if 40.0 <= height <= 250.0 else ""
        raise complain(path, "PatientSize", f"must be from 0.4 to 2.5 m{hint}", height)
    return round(100.0 * height, 2)


def _corrected(path: Path, header: Dataset) -> None:
    value = header.get("CorrectedImage") or ()
    done = {str(item).upper() for item in ([value] if isinstance(value, str) else value)}
    for need in ("ATTN", "DECY"):
        if need not in done:
            raise complain(
                path, "CorrectedImage", f"lacks {need}: SUV needs attenuation and decay corrected", sorted(done)
            )


def _philips(slices: Sequence[Slice], weight_kg: float | None) -> SuvRule:
    """(7053,1000) is SUVbw per count, (7053,1009) Bq/ml per count; some series have one of them, or the other as 0."""
    path, header = slices[0]
    found = {element: [_factor(each, item, element) for each, item in slices] for element in (0x00, 0x09)}
    for values in found.values():
        if len(set(values)) > 1:
            raise TagError(f"{path}: Philips's private factors (7053,1000), (7053,1009) differ between slices")
    per_count, activity = found[0x00][0], found[0x09][0]
    if per_count > 0.0:
        if weight_kg is not None and abs(weight_of(path, header) / weight_kg - 1.0) > 1e-3:
            raise complain(
                path, "PatientWeight", f"differs from the table's {weight_kg:g} kg, and is part of (7053,1000)"
            )
        return SuvRule(factor=per_count, how="Philips (7053,1000)")
    if activity > 0.0:
        return _from_activity(slices, activity, weight_kg, "Philips (7053,1009)")
    raise complain(path, "Units", "is CNTS, and neither (7053,1000) nor (7053,1009) of Philips holds a factor")


def _from_activity(slices: Sequence[Slice], per_unit: float, weight_kg: float | None, how: str) -> SuvRule:
    path, header = slices[0]
    _alike(slices)
    weight = weight_kg if weight_kg is not None else weight_of(path, header)
    drug = _drug(path, header)
    dose = number(path, drug, "RadionuclideTotalDose")
    if not LEAST_DOSE_BQ <= dose <= MOST_DOSE_BQ:
        hint = "; MBq?" if 1.0 <= dose <= 5000.0 else ""
        raise complain(path, "RadionuclideTotalDose", f"must be from 1e6 to 5e9 Bq{hint}", dose)
    half_life = number(path, drug, "RadionuclideHalfLife")
    if not HALF_LIFE_RANGE_S[0] <= half_life <= HALF_LIFE_RANGE_S[1]:
        raise complain(path, "RadionuclideHalfLife", f"is not that of F-18 ({F18_HALF_LIFE_S} s)", half_life)
    correction = text(header, "DecayCorrection").upper()
    if correction == "ADMIN":
        return SuvRule(factor=per_unit * weight * 1000.0 / dose, how=f"{how}, decay corrected to ADMIN")
    if correction != "START":
        raise complain(path, "DecayCorrection", "must be START or ADMIN", correction or None)
    reference, clock = _reference(slices, half_life)
    waited = (reference - _injection(path, header, drug, reference)).total_seconds()
    if not 0.0 <= waited <= LONGEST_UPTAKE_S:
        tag = "RadiopharmaceuticalStart" + ("DateTime" if text(drug, "RadiopharmaceuticalStartDateTime") else "Time")
        raise complain(path, tag, f"lies {waited / 60.0:.0f} minutes before the scan")
    left = dose * 2.0 ** (-waited / half_life)
    return SuvRule(factor=per_unit * weight * 1000.0 / left, how=f"{how}, decay corrected to START, {clock}")


def _alike(slices: Sequence[Slice]) -> None:
    (path, header), *others = slices
    drug = _drug(path, header)
    for other, item in others:
        for keywords, mine, first in ((ALIKE, item, header), (ALIKE_DRUG, _drug(other, item), drug)):
            for keyword in keywords:
                if text(mine, keyword) != text(first, keyword):
                    raise complain(other, keyword, "differs within the series: this is a mixed series", beside=path)


def _drug(path: Path, header: Dataset) -> Dataset:
    found: Any = header.get("RadiopharmaceuticalInformationSequence") or ()
    if len(found) != 1:
        raise complain(path, "RadiopharmaceuticalInformationSequence", "must have one item", len(found) or None)
    drug: Dataset = found[0]
    return drug


def _reference(slices: Sequence[Slice], half_life: float) -> tuple[dt.datetime, str]:
    """The moment to which START corrected, and where it was read.

    It is the series' time, unless that lies after an acquisition (the series was made anew later): then GE's private
    scan time, else each bed's acquisition time less its frame reference time, plus the frame's moment of average
    activity.
    """
    path, header = slices[0][0], slices[0][1]
    acquired = [moment(p, h, "Acquisition") for p, h in slices]
    series = moment(path, header, "Series")
    if series <= min(acquired):
        return series, "SeriesTime"
    scan = private(header, 0x0009, GE, 0x0D)
    if scan:
        return parsed_moment(path, "GE private (0009,100d)", str(scan)), "GE (0009,100d)"
    if any(h.get("FrameReferenceTime") is None or not h.get("ActualFrameDuration") for _, h in slices):
        raise complain(
            path,
            "SeriesTime",
            "lies after the acquisition, and FrameReferenceTime with ActualFrameDuration is not there to go back from",
        )
    starts = [
        at - dt.timedelta(seconds=number(p, h, "FrameReferenceTime") / 1000.0 - _average_moment(p, h, half_life))
        for at, (p, h) in zip(acquired, slices, strict=True)
    ]
    if (max(starts) - min(starts)).total_seconds() > CLOCKS_AGREE_S:
        raise complain(path, "FrameReferenceTime", "gives beds of this series different reference times")
    return min(starts), "FrameReferenceTime"


def _average_moment(path: Path, header: Dataset, half_life: float) -> float:
    """Seconds into a frame until the activity is the frame's average: ln(a / (1 - e^-a)) / lambda, a = lambda T."""
    decay = math.log(2.0) / half_life
    during = decay * number(path, header, "ActualFrameDuration") / 1000.0
    return math.log(during / -math.expm1(-during)) / decay if during > 0.0 else 0.0


def _injection(path: Path, header: Dataset, drug: Dataset, reference: dt.datetime) -> dt.datetime:
    """When the tracer went in. A time without date belongs to the scan's day, or to the day before it."""
    whole = text(drug, "RadiopharmaceuticalStartDateTime")
    zone, clock_zone = _zone(whole), text(header, "TimezoneOffsetFromUTC")
    if zone and clock_zone and zone != clock_zone:
        raise complain(
            path, "RadiopharmaceuticalStartDateTime", f"is in another time zone than the scan ({clock_zone})", whole
        )
    if len(whole) >= 12:
        return parsed_moment(path, "RadiopharmaceuticalStartDateTime", whole)
    clock = text(drug, "RadiopharmaceuticalStartTime")
    if not clock:
        raise complain(path, "RadiopharmaceuticalStartTime", "is missing")
    at = parsed_moment(path, "RadiopharmaceuticalStartTime", f"{reference:%Y%m%d}{clock}")
    return at - dt.timedelta(days=1) if at > reference else at


def _zone(value: str) -> str:
    return value[-5:] if len(value) > 5 and value[-5] in "+-" else ""


def _factor(path: Path, header: Dataset, element: int) -> float:
    """A private factor of Philips; 0 where it is not there."""
    value = private(header, 0x7053, PHILIPS, element)
    try:
        return float(str(value)) if value is not None else 0.0
    except ValueError:
        raise TagError(f"{path}: (7053,10{element:02x}) of Philips is no number (got {str(value)[:40]!r})") from None
