"""A made-up trial result with every kind of record, and a small made-up scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vct.records import (
    Attendance,
    Comparison,
    Enrolment,
    Lesion,
    Outcome,
    Patient,
    Reading,
    Scan,
    Snapshot,
    TrialResult,
    Visit,
)
from vct.report import MipImage, mip_png, write
from vct.volume import Grid, Volume

VISITS = {"baseline": 0.0, "week8": 56.0, "week16": 112.0}
READOUTS = {
    "SULpeak": "g/ml",
    "SUVmax": "g/ml",
    "MTV SUV>=4": "ml",
    "TLG": "g",
    "liver SUVmean": "g/ml",
    "new lesions": "1",
}
EFFECT = {0: 0.98, 1: 0.72, 2: 0.6}


class Trial:
    """Makes the records of a trial; `arms` and `size` say how large it is."""

    def __init__(self, arms: Sequence[str], size: int, title: str) -> None:
        self.rng = np.random.default_rng(20261122)
        self.arms, self.title = list(arms), title
        self.patients = tuple(self._patient(index) for index in range(size))
        self.attendance = tuple(item for patient in self.patients for item in self._attendance(patient))
        self.truths: dict[tuple[str, str], float] = {}
        self.readings = tuple(self._readings())

    def _patient(self, index: int) -> Patient:
        sex = "F" if self.rng.random() < 0.4 else "M"
        return Patient(
            id=f"P{index + 1:04}",
            sex=sex,
            age_years=float(self.rng.normal(66, 9)),
            height_cm=float(self.rng.normal(163 if sex == "F" else 176, 7)),
            weight_kg=float(self.rng.normal(72 if sex == "F" else 86, 14)),
            arm=self.arms[index % len(self.arms)],
            site=f"site {1 + index // 2 % 3}",
            enrolled_day=float(index),
            dropout_day=70.0 if index % 13 == 5 else None,
        )

    def _attendance(self, patient: Patient) -> list[Attendance]:
        found = []
        for name, day in VISITS.items():
            status = "done"
            if patient.dropout_day is not None and day > patient.dropout_day:
                status = "after_dropout"
            elif day > 0 and self.rng.random() < 0.04:
                status = "missed" if self.rng.random() < 0.6 else "failed_scan"
            visit = Visit(name=name, day=day + float(self.rng.integers(-3, 4) if day else 0))
            found.append(Attendance(patient=patient.id, arm=patient.arm, visit=visit, planned_day=day, status=status))
        return found

    def _readings(self) -> list[Reading]:
        found = []
        for patient in self.patients:
            start = float(self.rng.lognormal(2.0, 0.45))
            luck = float(self.rng.normal(0, 0.22))
            for item in self.attendance:
                if (item.patient, item.arm, item.status) != (patient.id, patient.arm, "done"):
                    continue
                fall = (EFFECT[self.arms.index(patient.arm)] * np.exp(luck)) ** (item.planned_day / 56.0)
                for index, (readout, unit) in enumerate(READOUTS.items()):
                    truth = float(start * fall * (1, 1.3, 8, 30, 0, 0)[index]) or (
                        1.5 + start / 20 if index == 4 else 0.0
                    )
                    value = truth * float(np.exp(self.rng.normal((-0.12, 0.1, -0.3, -0.2, 0, 0)[index], 0.1)))
                    found.append(
                        Reading(
                            patient=patient.id,
                            arm=patient.arm,
                            visit=item.visit.name,
                            day=item.visit.day,
                            readout=readout,
                            value=None if index == 3 and value < 40 else value,
                            unit=unit,
                            truth=truth,
                        )
                    )
        return found

    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(
            item for source in ("measured", "truth") for p in self.patients for item in self._outcomes(p, source)
        )

    def _outcomes(self, patient: Patient, source: Any) -> list[Outcome]:
        own = {
            item.visit: item.value if source == "measured" else item.truth
            for item in self.readings
            if (item.patient, item.arm, item.readout) == (patient.id, patient.arm, "SULpeak")
        }
        base, found = {"patient": patient.id, "arm": patient.arm, "source": source}, []
        for visit in ("week8", "week16"):
            change = 100 * (own[visit] / own["baseline"] - 1) if visit in own else None
            found.append(Outcome(endpoint="SULpeak change", visit=visit, value=change, unit="%", rule="", **base))
            category = "NE"
            if change is not None:
                category = "CMR" if change < -65 else "PMR" if change <= -30 else "PMD" if change > 30 else "SMD"
            responded = None if category == "NE" else float(category in ("CMR", "PMR"))
            found.append(
                Outcome(endpoint="PERCIST", visit=visit, value=responded, unit="1", category=category, rule="r", **base)
            )
        luck = int(patient.id[1:]) * 37 % 101 / 101
        days = 20.0 + 260.0 * luck / EFFECT[self.arms.index(patient.arm)] ** 2
        event = days < 180.0
        time = min(days, 180.0)
        found.append(Outcome(endpoint="PFS", visit="", value=time, unit="days", event=event, time_days=time, **base))
        return found


def _comparisons(trial: Trial) -> tuple[Comparison, ...]:
    found = []
    for source, shift in (("measured", 0.0), ("truth", -3.5)):
        for offset, arm in enumerate(trial.arms[1:]):
            for subgroup in ("all", "sex: F", "sex: M", "site: site 1", "site: site 2", "site: site 3"):
                middle = -25.4321 - 5 * offset + shift - len(subgroup)
                half = 8.0 if subgroup == "all" else 16.0
                found.append(_contrast(trial, arm, "welch_t", middle, half, subgroup=subgroup, source=source))
            found.append(_contrast(trial, arm, "ancova", -24.2 + shift, 7.5, source=source))
            found.append(_contrast(trial, arm, "welch_t", -26.1 + shift, 9.0, source=source, analysis_set="PP"))
            ratio = {"endpoint": "PFS", "quantity": "hazard ratio", "unit": "1", "visit": "", "source": source}
            found.append(_contrast(trial, arm, "cox", 0.62, 0.3, **ratio))
        for arm in trial.arms:
            rate = {"endpoint": "PERCIST", "quantity": "response rate", "unit": "%", "reference": "", "source": source}
            found.append(_contrast(trial, arm, "response_rate", 41.2, 12.0, n_reference=0, p_value=None, **rate))
    return tuple(found)


def _contrast(trial: Trial, arm: str, method: str, middle: float, half: float, **other: Any) -> Comparison:
    fields: dict[str, Any] = {
        "endpoint": "SULpeak change",
        "method": method,
        "quantity": "mean difference",
        "estimate": middle,
        "unit": "%",
        "ci_low": middle - half,
        "ci_high": middle + half,
        "confidence": 0.95,
        "statistic": -3.1,
        "p_value": 0.0021,
        "n": 27,
        "n_missing": 4,
        "arm": arm,
        "reference": trial.arms[0],
        "n_reference": 25,
        "visit": "week16",
        "checked": "golden",
    }
    return Comparison(**(fields | other))


def _protocol(trial: Trial) -> dict[str, Any]:
    changes = [{"kind": "percent_change", "name": "SULpeak change", "readout": "SULpeak", "baseline": "baseline"}]
    return {
        "title": trial.title,
        "description": "Does the new drug lower FDG uptake more than the standard one after sixteen weeks?",
        "source": "modelled on doi 10.0000/made-up",
        "seed": 7,
        "cohort": {"title": "Lung cancer, AutoPET", "source": ["doi 10.7937/gkr0-xv29", "NHANES 2017-2020"]},
        "sample_size": len(trial.patients),
        "arms": [{"name": arm, "ratio": 1, "description": f"what {arm} gets"} for arm in trial.arms],
        "eligibility": {"inclusion": [{"kind": "range", "field": "age_years", "low": 18, "high": 85}]},
        "randomisation": {"kind": "stratified_blocks", "block_sizes": [4, 6], "by": ["sex", "site"]},
        "visits": [{"name": name, "day": day, "window_days": 3.0} for name, day in VISITS.items()],
        "course": {"kind": "solid_tumour", "lesions": {"count": {"kind": "poisson", "mean": 3.5}}, "new_lesions": None},
        "acquisition": {"scanner": "biograph_mct", "dose_mbq_per_kg": 3.0, "uptake_min": 60},
        "readouts": [{"kind": "sul_peak", "name": "SULpeak"}, {"kind": "suv_max", "name": ""}],
        "endpoints": [*changes, {"kind": "percist", "name": "PERCIST", "sul_peak": "SULpeak"}],
        "analyses": [{"kind": "welch_t", "endpoint": "SULpeak change", "analysis_sets": ["ITT", "PP"]}],
        "conduct": {"dropout": {"rate": 0.1}, "missed_visit": 0.03, "sites": [{"name": "site 1", "per_day": 0.2}]},
    }


@pytest.fixture(scope="session")
def make_result() -> Callable[..., TrialResult]:
    """Makes the result of a made-up trial."""

    def make(
        arms: Sequence[str] = ("standard", "new drug"), size: int = 58, title: str = "NSCLC: metabolic response"
    ) -> TrialResult:
        trial = Trial(arms, size, title)
        excluded = {"age_years outside 18 to 85": 4, "weight_kg above 150 (the scanner's table takes no more)": 2}
        return TrialResult(
            protocol=_protocol(trial),
            enrolment=Enrolment(
                patients=trial.patients, attendance=trial.attendance, n_screened=size + 6, excluded=excluded
            ),
            readings=trial.readings,
            outcomes=trial.outcomes(),
            comparisons=_comparisons(trial),
            provenance={
                "protocol_sha256": "5f" * 32,
                "seed": 7,
                "engine": "phantom, 4 mm",
                "vct": "0.1.0",
                "python": "3.11.2",
                "libraries": {"numpy": "2.4.6", "scipy": "1.17.1"},
            },
        )

    return make


@pytest.fixture(scope="session")
def result(make_result: Callable[..., TrialResult]) -> TrialResult:
    return make_result()


@pytest.fixture(scope="session")
def images(scan: Scan) -> tuple[MipImage, ...]:
    return (MipImage(patient="P0001", arm="new drug", visit="baseline", png=mip_png(scan)),)


@pytest.fixture(scope="session")
def written(result: TrialResult, images: tuple[MipImage, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a trial of two arms."""
    folder = tmp_path_factory.mktemp("report")
    write(result, folder, images)
    return folder


@pytest.fixture(scope="session")
def scan() -> Scan:
    """A box of tissue in air, with one hot voxel on the patient's right, in front and low."""
    grid = Grid(shape=(40, 30, 50), spacing_mm=(8.0, 8.0, 8.0), origin_mm=(-156.0, -116.0, 0.0))
    pet, ct = np.zeros(grid.shape, np.float32), np.full(grid.shape, -1000.0, np.float32)
    ct[6:34, 5:25, :], pet[6:34, 5:25, :] = 40.0, 0.8
    pet[30, 22, 12] = 9.0
    patient = Patient(id="P0001", sex="F", age_years=60, height_cm=165, weight_kg=70, arm="new drug")
    lesion = Lesion(id="L1", organ="lung", diameter_mm=10, suv=9, room_mm=20, center_mm=(84.0, 60.0, 96.0))
    snapshot = Snapshot(patient=patient, visit=Visit(name="baseline", day=0), lesions=(lesion,))
    return Scan(
        snapshot=snapshot,
        ct=Volume(data=ct, grid=grid, unit="HU"),
        pet=Volume(data=pet, grid=grid, unit="SUVbw"),
        labels=None,
        made_by="test",
    )
