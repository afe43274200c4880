from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import kstest

from vct.cohort import Conduct, Dropout, PlannedVisit, Rate, Site
from vct.cohort.conduct import DAYS_PER_MONTH
from vct.records import Patient

VISITS = (PlannedVisit(name="baseline", day=0, window_days=7), PlannedVisit(name="week8", day=56, window_days=7))


def patient(number: int = 1, arm: str = "A") -> Patient:
    return Patient(id=f"P{number:04d}", sex="F", age_years=50, height_cm=160, weight_kg=60, arm=arm)


def statuses(conduct: Conduct, n: int, visit: int, arm: str = "A") -> Counter[str]:
    return Counter(conduct.follow(patient(number, arm), VISITS, 1)[1][visit].status for number in range(n))


def test_accrual_is_a_poisson_process_with_steps() -> None:
    site = Site(name="x", accrual=(Rate(patients_per_month=6), Rate(from_day=100, patients_per_month=30)))
    before, after = [], []
    for seed in range(400):
        days = np.array([day for day, _ in Conduct(sites=(site,)).arrivals(150, seed)])
        assert (np.diff(days) > 0).all()
        assert days[-1] > 130
        before.append((days < 100).sum())
        after.append(((days >= 100) & (days < 130)).sum())
    for counts, rate, length in ((before, 6, 100), (after, 30, 30)):
        expected = rate * length / DAYS_PER_MONTH
        assert np.mean(counts) == pytest.approx(expected, abs=4 * np.sqrt(expected / 400))
        assert np.var(counts) / expected == pytest.approx(1, abs=0.3)


def test_gaps_are_exponential() -> None:
    days = [day for day, _ in Conduct().arrivals(3000, 1)]
    gaps = np.diff([0.0, *days])
    assert kstest(gaps, "expon", args=(0, DAYS_PER_MONTH / 10)).pvalue > 1e-3


def test_sites_open_late_pause_and_close() -> None:
    late = Site(name="late", accrual=(Rate(from_day=90, patients_per_month=20),))
    paused = Site(
        name="paused",
        accrual=(
            Rate(patients_per_month=20),
            Rate(from_day=30, patients_per_month=0),
            Rate(from_day=60, patients_per_month=20),
            Rate(from_day=90, patients_per_month=0),
        ),
    )
    found = Conduct(sites=(late, paused)).arrivals(300, 3)
    assert min(day for day, site in found if site == "late") >= 90
    stopped = np.array([day for day, site in found if site == "paused"])
    assert ((stopped < 30) | ((stopped > 60) & (stopped < 90))).all()
    assert len(stopped) == pytest.approx(40, abs=20)
    assert found == sorted(found)


def test_a_site_arrives_the_same_way_whoever_else_recruits() -> None:
    one, two = Site(name="one"), Site(name="two")
    alone = Conduct(sites=(one,)).arrivals(20, 1)
    assert [item for item in Conduct(sites=(two, one)).arrivals(60, 1) if item[1] == "one"][:20] == alone
    assert Conduct(sites=(two, one)).arrivals(20, 1) == Conduct(sites=(two, one)).arrivals(60, 1)[:20]


@pytest.mark.parametrize(
    "dropout",
    [Dropout(percent=30, by_day=56), Dropout(annual_hazard=-np.log(0.7) / 56 * 365.25)],
    ids=["percent", "hazard"],
)
def test_dropout_comes_at_its_rate_and_exponentially(dropout: Dropout) -> None:
    days = np.array([dropout.day(patient(number), 1) for number in range(4000)])
    assert (days < 56).mean() == pytest.approx(0.3, abs=0.03)
    assert kstest(days, "expon", args=(0, 56 / -np.log(0.7))).pvalue > 1e-3


def test_hazard_ratio_stretches_the_same_luck() -> None:
    dropout = Dropout(percent=30, by_day=56, hazard_ratio={"B": 2.0, "C": 0.0})
    for number in range(20):
        assert dropout.day(patient(number, "A"), 1) == pytest.approx(2 * dropout.day(patient(number, "B"), 1))
    assert dropout.day(patient(1, "C"), 1) == np.inf


def test_whoever_left_is_gone() -> None:
    conduct = Conduct(dropout=Dropout(percent=50, by_day=56), failed_scan_probability=0.5)
    for number in range(200):
        followed, (baseline, week8) = conduct.follow(patient(number), VISITS, 1)
        assert baseline.status in ("done", "failed_scan")
        gone = followed.dropout_day is not None and followed.dropout_day <= week8.visit.day
        assert (week8.status == "after_dropout") == gone
        assert followed.dropout_day is None or followed.dropout_day <= 63
        assert replace(followed, dropout_day=None) == patient(number)


def test_missed_visits_and_failed_scans_come_at_their_rates() -> None:
    conduct = Conduct(missed_visit_probability=0.2, failed_scan_probability=0.1)
    later = statuses(conduct, 4000, 1)
    assert later["missed"] / 4000 == pytest.approx(0.2, abs=0.025)
    assert later["failed_scan"] / 4000 == pytest.approx(0.08, abs=0.02)
    assert set(statuses(conduct, 500, 0)) == {"done", "failed_scan"}
    assert statuses(conduct, 4000, 1, arm="B") == later


def test_actual_days_follow_the_cut_normal_that_is_documented() -> None:
    days = np.array([Conduct().follow(patient(number), VISITS, 1)[1][1].visit.day for number in range(3000)])
    assert kstest((days - 56) / 3.5, "truncnorm", args=(-2, 2)).pvalue > 1e-3
    before = np.array([Conduct().follow(patient(number), VISITS, 1)[1][0].visit.day for number in range(500)])
    assert before.min() >= -7
    assert before.max() <= 0


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 60)), min_size=1, max_size=6), st.integers(0, 500))
def test_visits_keep_their_order_and_their_windows(steps: list[tuple[int, int]], seed: int) -> None:
    day, visits = -30, []
    for index, (gap, window) in enumerate(steps):
        day += gap
        visits.append(PlannedVisit(name=f"v{index}", day=day, window_days=window))
    _, fates = Conduct().follow(patient(), visits, seed)
    for earlier, later in pairwise(fates):
        assert earlier.visit.day <= later.visit.day
    for fate, visit in zip(fates, visits, strict=True):
        assert fate.planned_day == visit.day
        assert abs(fate.visit.day - visit.day) <= visit.window_days


def test_a_visit_without_a_window_is_on_its_day() -> None:
    _, fates = Conduct().follow(patient(), [PlannedVisit(name="week8", day=56)], 1)
    assert fates[0].visit.day == 56


@pytest.mark.parametrize(
    ("part", "keys", "message"),
    [
        (Dropout, {}, "needs either 'annual_hazard'"),
        (Dropout, {"percent": 10.0}, "needs either 'annual_hazard'"),
        (Dropout, {"annual_hazard": 1.0, "percent": 10.0, "by_day": 9.0}, "needs either 'annual_hazard'"),
        (Dropout, {"annual_hazard": 1.0, "by_day": 9.0}, "needs either 'annual_hazard'"),
        (Dropout, {"annual_hazard": 1.0, "hazard_ratio": {"A": -1.0}}, "hazard ratio of 'A'"),
        (Site, {"name": "x", "accrual": [{"from_day": 9, "patients_per_month": 1}] * 2}, "rising 'from_day'"),
        (Conduct, {"sites": [{"name": "x", "accrual": [{"patients_per_month": 0}]}]}, "may never be full"),
        (Conduct, {"missed_visit_probability": 1.5}, "less than or equal"),
    ],
)
def test_bad_conduct_is_refused(part: type[Dropout], keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        part(**keys)  # type: ignore[arg-type]
