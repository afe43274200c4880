"""Do readers agree as published? Fledelius (PERCIST, 8 readers) and Kluge 2016 (Deauville, 5).

No images: lesions' true peaks come from a shipped course, each visit's measured peak gets its noise; readers pick,
grade and are judged by the rules of `vct.readout.reader` and `vct.endpoint`. The numbers of `Reader` were fitted here.

python benchmarks/readers.py [PATIENTS]
"""

from __future__ import annotations

import math
import sys

import numpy as np
from hardware import hardware

from vct import load, stream
from vct.endpoint.deauville import deauville
from vct.endpoint.response import Findings, percist
from vct.records import Visit
from vct.stats.readers import all_agree, fleiss, icc

NOISE_CV = 0.03
LIVER, LIVER_SD, BLOOD = 2.2, 0.25, 1.6
SEED = 5
CHOICE_SD, GRADE_BIAS_SD, GRADE_SD = 0.17, 0.1, 0.27
RESIDUAL, RESIDUAL_LOG_SD = 1.1, 0.75
"""Median and log-SD of the hottest residual uptake, fitted too: a fifth of the scans above the liver."""


def fledelius(patients: int, choice_sd: float, n_readers: int = 8) -> dict[str, float]:
    """Percent change of the hottest lesion's peak and PERCIST, as each reader picks the hottest lesion of each scan."""
    protocol = load("nsclc_metabolic_response")
    changes, verdicts = [], []
    for patient in protocol.enrol(SEED).patients[:patients]:
        scans = []
        for visit in protocol.visits[:2]:
            snapshot = protocol.course.at(patient, Visit(name=visit.name, day=visit.day), SEED)
            noise = stream(SEED, patient.id, visit.name, "noise")
            scans.append({x.id: x.suv * math.exp(NOISE_CV * noise.standard_normal()) for x in snapshot.lesions})
        row_change, row_verdict = [], []
        for reader in range(n_readers):
            appeal = {
                name: math.exp(choice_sd * stream(SEED, patient.id, f"R{reader}", name).standard_normal())
                for scan in scans
                for name in scan
            }
            before, after = (scan[max(scan, key=lambda name, s=scan: s[name] * appeal[name])] for scan in scans)
            background = {"liver_mean": LIVER, "liver_sd": LIVER_SD, "blood_pool_mean": BLOOD, "blood_pool_sd": 0.2}
            verdict = percist(Findings(sul_peak=before, **background), Findings(sul_peak=after, **background))
            row_change.append(100.0 * (after / before - 1.0))
            row_verdict.append(verdict.category)
        changes.append(row_change)
        verdicts.append(row_verdict)
    return {
        "ICC": icc(np.array(changes))["ICC2"],
        "kappa": fleiss(verdicts),
        "all agree": all_agree(verdicts),
    }


def kluge(patients: int, bias_sd: float, grade_sd: float, n_readers: int = 5) -> dict[str, float]:
    """Deauville scores of residual uptake spread log-normally about the liver's, as each reader's eye sees it."""
    rng = stream(SEED, "kluge")
    bias = bias_sd * rng.standard_normal(n_readers)
    uptake = RESIDUAL * np.exp(RESIDUAL_LOG_SD * rng.standard_normal(patients))
    slips = grade_sd * rng.standard_normal((patients, n_readers))
    scores = [
        [deauville(max(0.0, float(u) + (b + s) * LIVER), BLOOD, LIVER).category for b, s in zip(bias, row, strict=True)]
        for u, row in zip(uptake, slips, strict=True)
    ]
    sides = [["high" if score in ("4", "5") else "low" for score in row] for row in scores]
    pairs = [(a, b) for a in range(n_readers) for b in range(a)]
    return {
        "five-point kappa": fleiss(scores),
        "five-point agreement": float(np.mean([row[a] == row[b] for row in scores for a, b in pairs])),
        "1-3 against 4-5 kappa": fleiss(sides),
        "1-3 against 4-5 agreement": float(np.mean([row[a] == row[b] for row in sides for a, b in pairs])),
    }


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"seed {SEED}; {hardware()}")
    for choice in (0.0, CHOICE_SD):
        print(f"choice_sd {choice:g}:", {k: round(v, 3) for k, v in fledelius(60, choice).items()})
    result = kluge(number, GRADE_BIAS_SD, GRADE_SD)
    print(f"grading {GRADE_BIAS_SD:g}, {GRADE_SD:g}:", {k: round(v, 3) for k, v in result.items()})
