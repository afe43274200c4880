"""The nouns: frozen records that know nothing. The unit is the last part of a field's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vct.shapes import Region
from vct.volume import Triple, Volume

Sex = Literal["F", "M"]
Attended = Literal["done", "missed", "failed_scan", "after_dropout", "after_death"]
Source = Literal["measured", "truth"]
Decision = Literal["efficacy", "futility", "continue", "not significant"]
Scale = Literal["z", "responders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """An enrolled virtual patient. (`id`, `arm`) is unique: a counterfactual twin shares the `id` and differs in `arm`.

    Random streams are named after `id` and never after `arm`, so twins share body, disease and luck.
    """

    id: str
    sex: Sex
    age_years: float
    height_cm: float
    weight_kg: float
    arm: str = ""
    stratum: str = "all"
    site: str = ""
    enrolled_day: float = 0.0
    dropout_day: float | None = None
    new_therapy_day: float | None = None
    death_day: float | None = None

    @property
    def bmi_kg_m2(self) -> float:
        """Weight over height squared."""
        return self.weight_kg / (self.height_cm / 100.0) ** 2

    @property
    def key(self) -> str:
        """What the files of this patient are called: id and arm, since counterfactual twins share the id."""
        return f"{self.id}-{self.arm.replace(' ', '.')}" if self.arm else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit of the protocol; `day` counts from randomisation and is the actual day once a patient attends it."""

    name: str
    day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """What became of one planned visit of one patient; `visit.day` is the actual day."""

    patient: str
    arm: str
    visit: Visit
    planned_day: float
    status: Attended


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """A planted lesion as it truly is on one day, before any blur: a body of uniform uptake, or one with a dead core.

    `diameter_mm` is that of the sphere of equal volume; `axis_ratios` (x, y, z) multiply it and have product 1. Its
    surface departs from that ellipsoid by `irregularity`, the root mean square of the logarithm of the radius, in the
    way that the number `form` stands for (`vct.forms`). `suv` is the uptake of its living tissue; a necrotic core of
    the same form, with `core_share` of the volume, takes up `core_uptake` of that. All four are the same at every
    visit.
    `center_mm` is None until an engine has placed the lesion in `organ`; `room_mm` is the diameter for which the engine
    finds room, the same at every visit, so that the lesion does not wander. `is_new` marks a lesion that was absent at
    the first visit.
    """

    id: str
    organ: str
    diameter_mm: float
    suv: float
    room_mm: float
    axis_ratios: Triple = (1.0, 1.0, 1.0)
    center_mm: Triple | None = None
    is_new: bool = False
    irregularity: float = 0.0
    form: int = 0
    core_share: float = 0.0
    core_uptake: float = 1.0

    @property
    def volume_ml(self) -> float:
        """Volume, core included."""
        return 3.141592653589793 / 6.0 * self.diameter_mm**3 / 1000.0

    @property
    def core_ml(self) -> float:
        """Volume of the necrotic core."""
        return self.core_share * self.volume_ml

    @property
    def core_suv(self) -> float:
        """Uptake of the necrotic core."""
        return self.core_uptake * self.suv

    @property
    def mean_suv(self) -> float:
        """Mean uptake over the whole volume."""
        return self.core_share * self.core_suv + (1.0 - self.core_share) * self.suv

    @property
    def semi_axes_mm(self) -> Triple:
        """Semi-axes x, y, z of the ellipsoid."""
        x, y, z = (self.diameter_mm / 2.0 * ratio for ratio in self.axis_ratios)
        return x, y, z


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A patient on the day of a visit, with the lesions that are truly there: the planted truth."""

    patient: Patient
    visit: Visit
    lesions: tuple[Lesion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mark:
    """A lesion as one reader marked it on one scan: the voxels of `region`, hottest at `at_mm`, in `organ`.

    A mark that is not `seen` is known from an earlier scan and read at its place, though nothing stands out there.
    `offset_mm` is by how much the reader's peak sphere misses its best place, `appeal` a factor on how hot the lesion
    seems when targets are chosen.
    """

    id: str
    region: Region
    at_mm: Triple
    volume_ml: float
    organ: str
    seen: bool = True
    is_new: bool = False
    offset_mm: Triple = (0.0, 0.0, 0.0)
    appeal: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """What one reader made of one scan: the marks, and the ids of the targets chosen on the first scan, hottest first.

    `contour_factor` multiplies the threshold of contours; `grade_shift` is added to the uptake that the eye
    perceives, in units of the liver's. `true_targets` are the planted lesions that a perfect reader follows; they serve
    the truth column only.
    """

    reader: str
    marks: tuple[Mark, ...]
    targets: tuple[str, ...]
    contour_factor: float = 1.0
    grade_shift: float = 0.0
    true_targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Scan:
    """A PET/CT of a snapshot. `snapshot.lesions` have their `center_mm` once an engine made the scan.

    `labels` (uint8, numbers of `vct.structures`) lie on the PET's grid and tell the organ under a lesion, not the
    lesion. `planted_suv` maps structure names to the uptake that was painted, before blur and noise: what a perfect
    reader would report; empty when the engine does not know. `fwhm_mm` and `noise_cov` say what blur and what noise
    (coefficient of variation in the liver) the PET already carries. `background_suv` maps a lesion's id to the uptake
    around it. `study` is what its reader made of it; None until somebody has looked.
    """

    snapshot: Snapshot
    ct: Volume
    pet: Volume
    labels: Volume | None
    made_by: str
    fwhm_mm: float = 0.0
    noise_cov: float = 0.0
    planted_suv: Mapping[str, float] = field(default_factory=dict)
    background_suv: Mapping[str, float] = field(default_factory=dict)
    study: Study | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A number that a readout took from one scan, beside what a perfect reader reports of the planted truth.

    `value` is None when the image does not allow the reading; `truth` is None when nobody knows it. `reader` names who
    read it; "" is the reading of record, which endpoints use.
    """

    patient: str
    arm: str
    visit: str
    day: float
    readout: str
    value: float | None
    unit: str
    truth: float | None = None
    reader: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A patient that could not be simulated, and why."""

    patient: str
    arm: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an endpoint makes of one patient's readings: one number or verdict (`category`) at one `visit`.

    `value` is None when the outcome is missing; `rule` says which rule fired with its numbers, or why it is missing. A
    responder endpoint has value 0 or 1. Survival endpoints fill `event` and `time_days`. `baseline` is the covariate
    for ANCOVA. `unchanged` is what `value` would be had nothing changed since baseline (0 for a change), for
    baseline-observation-carried-forward. `source` tells whether measured readings or planted truths went in, `reader`
    whose readings ("": those of record).
    """

    patient: str
    arm: str
    endpoint: str
    visit: str
    value: float | None
    unit: str
    category: str = ""
    event: bool | None = None
    time_days: float | None = None
    baseline: float | None = None
    unchanged: float | None = None
    rule: str = ""
    source: Source = "measured"
    reader: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One statement about the arms, with the same columns for every method.

    `quantity` names the estimate ("mean difference", "hazard ratio", "response rate", ...). A statement about one arm
    has `reference` "". `checked` is how the method's implementation was validated: "golden" (a published value),
    "second implementation" or "unvalidated". `p_adjusted` is p after the protocol's multiplicity procedure, where
    that takes the comparison in.
    """

    endpoint: str
    method: str
    quantity: str
    estimate: float | None
    unit: str
    ci_low: float | None
    ci_high: float | None
    confidence: float
    statistic: float | None
    p_value: float | None
    n: int
    n_missing: int
    arm: str
    reference: str = ""
    n_reference: int = 0
    visit: str = ""
    subgroup: str = "all"
    analysis_set: str = "ITT"
    source: Source = "measured"
    note: str = ""
    checked: str = "unvalidated"
    p_adjusted: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One analysis of a trial that may stop before its end, the last one included.

    `day` is the trial day of the data cut; `information` the values (or events) so far over the planned maximum,
    which they may overrun; `n` the patients of both arms with a value. `statistic` is on `scale`: z, positive in the
    direction of benefit, or responders of `arm`. The trial stops for efficacy at or above `upper` (in a two-sided
    design also at or below `reverse`), for futility at or below `lower`; None: no such stop here. The powers, at
    interim looks of group sequential designs, are those of the looks to come: under the planned effect, under the
    trend so far, and averaged over what is believed of the effect under a flat prior.
    """

    endpoint: str
    method: str
    arm: str
    reference: str
    number: int
    day: float
    information: float
    n: int
    scale: Scale
    statistic: float | None
    lower: float | None
    upper: float | None
    decision: Decision
    reverse: float | None = None
    n_events: int | None = None
    estimate: float | None = None
    p_value: float | None = None
    conditional_power: float | None = None
    conditional_power_trend: float | None = None
    predictive_power: float | None = None
    source: Source = "measured"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """Who was screened and who came in: the CONSORT numbers and every enrolled patient with the visits' fate.

    `excluded` counts screened candidates by the first criterion that they failed. `per_protocol` holds the
    (patient, arm) pairs without a major deviation (a missed or failed visit, dropout).
    """

    patients: tuple[Patient, ...]
    attendance: tuple[Attendance, ...]
    n_screened: int
    excluded: Mapping[str, int]

    @property
    def per_protocol(self) -> frozenset[tuple[str, str]]:
        """Patients, as (id, arm), who attended every planned visit with a usable scan."""
        failed = {(item.patient, item.arm) for item in self.attendance if item.status != "done"}
        return frozenset((patient.id, patient.arm) for patient in self.patients) - failed


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """All that a trial produced, as the report prints it. `protocol` is the resolved protocol as plain data.

    `readings` are those of record; where several readers looked, `readings_by_reader` are each one's own.
    """

    protocol: Mapping[str, Any]
    enrolment: Enrolment
    readings: tuple[Reading, ...]
    outcomes: tuple[Outcome, ...]
    comparisons: tuple[Comparison, ...]
    provenance: Mapping[str, Any]
    readings_by_reader: tuple[Reading, ...] = ()
    looks: tuple[Look, ...] = ()
