"""Which of a study's series are read where there are several, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vct.engine.cascade.grid import SIDE_MM
from vct.errors import InputError
from vct.formats.series import CT_IMAGE, PET_IMAGE, Series, ordered
from vct.formats.suv import suv_rule
from vct.formats.tags import number, numbers, text
from vct.training.demographics import Refused

NO_IMAGES = {"LOCALIZER", "MIP"}
SHARP_SIEMENS = 50
"""Siemens's kernels are letters and a number (B30f, Br59, I70f); from 50 on they are sharp (assumed)."""
SHARP = ("LUNG", "BONE", "EDGE", "DETAIL", "SHARP", "FC5", "FC8", "YC", "YD")
"""Parts of other makers' names of sharp kernels (GE, Canon, Philips; assumed)."""
Rule = tuple[str, Callable[[Series], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A series, and what spoke for it: numbers and rules only, nothing from its tags. "" where there was no choice."""

    series: Series
    why: str


def choose_pet(found: Sequence[Series], weight_kg: float | None) -> Choice:
    """The PET to read: corrected, with a SUV, in one piece, the longest, the one with most slices.

    Raises Refused where there is none.
    """

    def corrected(series: Series) -> float:
        value = series.header.get("CorrectedImage") or ()
        return float({"ATTN", "DECY"} <= {str(item).upper() for item in ([value] if isinstance(value, str) else value)})

    def has_suv(series: Series) -> float:
        try:
            suv_rule(series.files, weight_kg)
        except InputError:
            return 0.0
        return 1.0

    rules = (
        ("attenuation and decay are corrected", corrected),
        ("its tags give SUVbw", has_suv),
        ("one evenly spaced stack", _even),
        ("longest", lambda series: round(_reach(series)[1] - _reach(series)[0], -1)),
        ("most slices", lambda series: len(series.files)),
    )
    return _best([item for item in found if item.sop_class == PET_IMAGE and _is_image(item)], rules, "PET")


def choose_ct(found: Sequence[Series], pet: Series) -> Choice:
    """The CT to read, of those in the PET's frame of reference: one that covers the PET, wide, soft, of thin slices.

    Raises Refused where there is none.
    """
    low, high = _reach(pet)
    frame = text(pet.header, "FrameOfReferenceUID")

    def covered(series: Series) -> float:
        own = _reach(series)
        return round(min(own[1], high) - max(own[0], low), -1)

    rules = (
        ("one evenly spaced stack", _even),
        ("axial", lambda series: float(abs(_normal(series)[2]) > 0.8)),
        ("covers more of the PET", covered),
        (f"nearer to {SIDE_MM:g} mm wide", lambda series: min(SIDE_MM, round(_width(series), -1))),
        ("original images", lambda series: float("SECONDARY" not in _kinds(series))),
        ("softer kernel", lambda series: -float(is_sharp(text(series.header, "ConvolutionKernel")))),
        ("most slices", lambda series: len(series.files)),
    )
    own = [
        item
        for item in found
        if item.sop_class == CT_IMAGE and _is_image(item) and text(item.header, "FrameOfReferenceUID") == frame
    ]
    return _best(own, rules, "CT")


def is_sharp(kernel: str) -> bool:
    """Whether a reconstruction kernel is one for lungs or bones, whose noise and edges are no good as HU."""
    import re

    name = kernel.upper().replace("'", "").strip("[] ")
    siemens = re.match(r"[A-Z]{1,2}(\d\d)", name)
    return int(siemens[1]) >= SHARP_SIEMENS if siemens else any(part in name for part in SHARP)


def _best(found: Sequence[Series], rules: Sequence[Rule], what: str) -> Choice:
    """Rules one after the other, each among those that are equal so far; of equals the first by name."""
    if not found:
        raise Refused(f"no {what}", "no series of that kind, or none in the PET's frame of reference")
    left, why = sorted(found, key=lambda series: series.uid), []
    for reason, rule in rules:
        if len(left) > 1:
            scores = [rule(series) for series in left]
            kept = [series for series, score in zip(left, scores, strict=True) if score == max(scores)]
            why += [reason] * (len(kept) < len(left))
            left = kept
    if len(left) > 1:
        why.append("the first of equals")
    return Choice(series=left[0], why=f"{what}: one of {len(found)} ({', '.join(why)})" if len(found) > 1 else "")


def _is_image(series: Series) -> bool:
    return len(series.files) > 1 and not _kinds(series) & NO_IMAGES


def _kinds(series: Series) -> set[str]:
    return {str(item).upper() for item in series.header.get("ImageType") or ()}


def _even(series: Series) -> float:
    try:
        ordered(series)
    except InputError:
        return 0.0
    return 1.0


def _normal(series: Series) -> NDArray[np.float64]:
    cosines = np.array(numbers(series.path, series.header, "ImageOrientationPatient", 6)).reshape(2, 3)
    return np.cross(cosines[0], cosines[1])


def _reach(series: Series) -> tuple[float, float]:
    """From the lowest to the highest slice along z, in mm."""
    heights = [numbers(path, header, "ImagePositionPatient", 3)[2] for path, header in series.files]
    return min(heights), max(heights)


def _width(series: Series) -> float:
    """Of the image, along a row, in mm."""
    return numbers(series.path, series.header, "PixelSpacing", 2)[1] * number(series.path, series.header, "Columns")
