"""The numbers of the CONSORT flow: who was screened, excluded, allocated, lost and analysed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vct.records import TrialResult
from vct.report.answer import primary
from vct.report.tables import arms_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFlow:
    """What became of the patients of one arm. `analysed` counts those with a value of the primary endpoint."""

    arm: str
    allocated: int
    dropped_out: int
    missed_visit: int
    failed_scan: int
    analysed: int
    per_protocol: int
    per_protocol_analysed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The numbers of a CONSORT diagram. `endpoint` is the primary one, or "" when nothing is analysed."""

    screened: int
    excluded: Mapping[str, int]
    enrolled: int
    randomised: bool
    twins: bool
    endpoint: str
    arms: tuple[ArmFlow, ...]

    @property
    def words(self) -> str:
        """The flow in a sentence, for those who cannot see its drawing."""
        told = [f"{arm.arm}: {arm.allocated} allocated, {arm.per_protocol} with every scan" for arm in self.arms]
        return (
            f"CONSORT flow: {self.screened} screened, {sum(self.excluded.values())} excluded, {self.enrolled} "
            f"{'randomised' if self.randomised else 'enrolled'}. {'; '.join(told)}."
        )


def flow(result: TrialResult) -> Flow:
    """Count who was screened, excluded, allocated, lost and analysed."""
    enrolment = result.enrolment
    pairs = primary(result.comparisons)
    endpoint, visit = (pairs[0][0].endpoint, pairs[0][0].visit) if pairs else ("", "")
    valued = {
        (item.patient, item.arm)
        for item in result.outcomes
        if (item.endpoint, item.source) == (endpoint, "measured")
        and item.value is not None
        and (not visit or item.visit == visit)
    }
    statuses: dict[str, set[tuple[str, str]]] = {}
    for seen in enrolment.attendance:
        statuses.setdefault(seen.status, set()).add((seen.patient, seen.arm))
    arms = []
    for arm in arms_of(result):
        members = {(item.id, item.arm) for item in enrolment.patients if item.arm == arm}
        kept = members & enrolment.per_protocol
        counts = {status: len(members & found) for status, found in statuses.items()}
        arms.append(
            ArmFlow(
                arm=arm,
                allocated=len(members),
                dropped_out=counts.get("after_dropout", 0),
                missed_visit=counts.get("missed", 0),
                failed_scan=counts.get("failed_scan", 0),
                analysed=len(members & valued),
                per_protocol=len(kept),
                per_protocol_analysed=len(kept & valued),
            )
        )
    enrolled = len({item.id for item in enrolment.patients})
    return Flow(
        screened=enrolment.n_screened,
        excluded=enrolment.excluded,
        enrolled=enrolled,
        randomised=len(arms) > 1 and enrolled == len(enrolment.patients),
        twins=enrolled < len(enrolment.patients),
        endpoint=endpoint,
        arms=tuple(arms),
    )


def table(found: Flow) -> pd.DataFrame:
    """The flow as rows of stage, arm, reason and count."""
    import pandas as pd

    rows = [("screened", "", "", found.screened)]
    rows += [("excluded", "", reason, count) for reason, count in found.excluded.items()]
    rows.append(("excluded", "", "in all", sum(found.excluded.values())))
    rows.append(("enrolled", "", "", found.enrolled))
    for arm in found.arms:
        rows += [
            ("allocated", arm.arm, "", arm.allocated),
            ("follow-up", arm.arm, "dropped out before a planned visit", arm.dropped_out),
            ("follow-up", arm.arm, "missed a visit", arm.missed_visit),
            ("follow-up", arm.arm, "a scan failed", arm.failed_scan),
            ("per protocol", arm.arm, "every planned scan done", arm.per_protocol),
        ]
        if found.endpoint:
            rows += [
                ("analysed", arm.arm, f"ITT: {found.endpoint}", arm.analysed),
                ("analysed", arm.arm, f"PP: {found.endpoint}", arm.per_protocol_analysed),
            ]
    return pd.DataFrame(rows, columns=["stage", "arm", "reason", "count"])
