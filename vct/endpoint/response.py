"""Response criteria as pure functions: numbers in, a verdict out with the rule that fired and its numbers.

Every cut-off is compared with `TOLERANCE`, so that a change which equals the cut-off on paper counts as reaching it:
in doubles 2.7 -> 1.89 is a fall of a little more or a little less than 30 %, depending on how it is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NOT_EVALUABLE = "NE"

TOLERANCE = 1e-6
"""Slack at a cut-off, in SUL and as a fraction of the baseline (1e-4 percentage points): wider than the rounding of
float32 images (6e-8 relative), far narrower than any repeatability. Assumed."""

LEAST_FRACTION, LEAST_SUL = 0.30, 0.8
LEAST_TLG_RISE = 0.75
LIVER_FACTOR, BLOOD_POOL_FACTOR, N_SD = 1.5, 2.0, 2.0
STABLE_FRACTION, STABLE_SUL = 0.20, 0.3


def at_least(value: float, cut_off: float) -> bool:
    """Whether `value` reaches `cut_off`, within `TOLERANCE`."""
    return value >= cut_off - TOLERANCE


def above(value: float, cut_off: float) -> bool:
    """Whether `value` exceeds `cut_off` by more than `TOLERANCE`."""
    return value > cut_off + TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A category, the rule that fired, and the numbers that it was judged by."""

    category: str
    rule: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """All of it on one readable line."""
        shown = ", ".join(f"{name} {value:.4g}" for name, value in self.numbers.items())
        return f"{self.category}: {self.rule}" + (f" ({shown})" if shown else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What PERCIST reads from one scan: SUL in g/ml, TLG in g, a count of new lesions; None is not read.

    `sul_peak` is the hottest lesion's, `sum_of_targets` the sum over up to five targets chosen at baseline.
    """

    sul_peak: float | None
    sum_of_targets: float | None = None
    liver_mean: float | None = None
    liver_sd: float | None = None
    blood_pool_mean: float | None = None
    blood_pool_sd: float | None = None
    tlg: float | None = None
    new_lesions: float | None = None


def threshold(scan: Findings) -> tuple[float, str] | None:
    """The least SULpeak of measurable disease and its rule: 1.5 x liver mean + 2 SD; where the liver cannot be read
    (diseased), 2.0 x blood pool mean + 2 SD; None when neither can. Wahl 2009, doi 10.2967/jnumed.108.057307.
    """
    if scan.liver_mean is not None and scan.liver_sd is not None:
        return LIVER_FACTOR * scan.liver_mean + N_SD * scan.liver_sd, "1.5 x liver mean + 2 SD"
    if scan.blood_pool_mean is not None and scan.blood_pool_sd is not None:
        return BLOOD_POOL_FACTOR * scan.blood_pool_mean + N_SD * scan.blood_pool_sd, "2.0 x blood pool mean + 2 SD"
    return None


def percist(baseline: Findings, follow_up: Findings, *, stable_background: bool = False) -> Verdict:
    """PERCIST 1.0 (Wahl 2009, doi 10.2967/jnumed.108.057307), for the hottest lesion of each scan or, where both
    scans have `sum_of_targets`, for the change of that sum; the hottest lesion then still decides on measurability and
    on a complete response (as in O 2016, doi 10.1148/radiol.2016142043).

    In this order:

    NE   baseline not read, or not measurable (`threshold`)
    PMD  a new lesion
    NE   follow-up not read; with `stable_background`, the liver (or the blood pool in its place) changed by more than
         20 % or by 0.3 SUL or more
    PMD  SULpeak rose by more than 30 % and by at least 0.8 SUL; or TLG rose by more than 75 % without a fall of SULpeak
    CMR  SULpeak below the liver's *mean* and at the level of the blood pool
    PMR  SULpeak fell by at least 30 % and by at least 0.8 SUL
    SMD  otherwise

    "Indistinguishable from blood pool" is taken as at most its mean + 2 SD, or its mean where no SD was read (assumed:
    the paper gives no number). Background that was not read at follow-up is left out of the CMR rule; with none, CMR
    cannot be given. An unread count of new lesions counts as none.
    """
    before, after = baseline.sul_peak, follow_up.sul_peak
    if before is None:
        return Verdict(category=NOT_EVALUABLE, rule="SULpeak was not read at baseline")
    limit = threshold(baseline)
    if limit is None:
        return Verdict(category=NOT_EVALUABLE, rule="neither liver nor blood pool was read at baseline")
    numbers = {"baseline": before, "measurable_from": limit[0]}
    if before <= 0 or not at_least(before, limit[0]):
        return Verdict(
            category=NOT_EVALUABLE, rule=f"no measurable disease at baseline: SULpeak < {limit[1]}", numbers=numbers
        )
    if follow_up.new_lesions is not None and follow_up.new_lesions > 0:
        new = {"new_lesions": follow_up.new_lesions}
        return Verdict(category="PMD", rule="new lesion", numbers=numbers | new)
    if after is None:
        return Verdict(category=NOT_EVALUABLE, rule="SULpeak was not read at follow-up", numbers=numbers)
    numbers |= {"follow_up": after}
    if baseline.sum_of_targets is not None and follow_up.sum_of_targets is not None:
        before, now = baseline.sum_of_targets, follow_up.sum_of_targets
        numbers |= {"sum_baseline": before, "sum_follow_up": now}
    else:
        now = after
    numbers |= {"change": now - before, "change_percent": 100.0 * (now - before) / before}
    unstable = _unstable(baseline, follow_up) if stable_background else None
    return unstable or _progression(baseline, follow_up, numbers) or _response(after, follow_up, numbers)


def _unstable(baseline: Findings, follow_up: Findings) -> Verdict | None:
    """The paper's condition for comparing two scans at all."""
    for name in ("liver_mean", "blood_pool_mean"):
        before, after = getattr(baseline, name), getattr(follow_up, name)
        if before is None or after is None:
            continue
        change = abs(after - before)
        if above(change, STABLE_FRACTION * before) or at_least(change, STABLE_SUL):
            numbers = {f"{name}_baseline": before, f"{name}_follow_up": after}
            rule = "scans not comparable: background changed by more than 20 % or by 0.3 SUL or more"
            return Verdict(category=NOT_EVALUABLE, rule=rule, numbers=numbers)
        return None
    return Verdict(category=NOT_EVALUABLE, rule="scans not comparable: no background was read on both")


def _progression(baseline: Findings, follow_up: Findings, numbers: Mapping[str, float]) -> Verdict | None:
    change, fraction = numbers["change"], numbers["change_percent"] / 100.0
    if above(fraction, LEAST_FRACTION) and at_least(change, LEAST_SUL):
        return Verdict(category="PMD", rule="SULpeak rose by more than 30 % and by at least 0.8", numbers=numbers)
    before, after = baseline.tlg, follow_up.tlg
    if before is None or after is None or before <= 0:
        return None
    if above(after / before - 1.0, LEAST_TLG_RISE) and at_least(change, 0.0):
        numbers = {**numbers, "tlg_baseline": before, "tlg_follow_up": after}
        return Verdict(category="PMD", rule="TLG rose by more than 75 %, SULpeak did not fall", numbers=numbers)
    return None


def _response(after: float, follow_up: Findings, numbers: Mapping[str, float]) -> Verdict:
    liver, blood = follow_up.liver_mean, follow_up.blood_pool_mean
    blood_limit = None if blood is None else blood + N_SD * (follow_up.blood_pool_sd or 0.0)
    limits = {"liver_mean": liver, "blood_pool_limit": blood_limit}
    backgrounds = {name: value for name, value in limits.items() if value is not None}
    below_liver = liver is None or above(liver, after)
    like_blood = blood_limit is None or at_least(blood_limit, after)
    if backgrounds and below_liver and like_blood:
        rule = "SULpeak below " + " and not above ".join(name.replace("_", " ") for name in backgrounds)
        return Verdict(category="CMR", rule=rule, numbers={**numbers, **backgrounds})
    fell = at_least(-numbers["change_percent"] / 100.0, LEAST_FRACTION)
    if fell and at_least(-numbers["change"], LEAST_SUL):
        return Verdict(category="PMR", rule="SULpeak fell by at least 30 % and 0.8", numbers=numbers)
    if fell:
        return Verdict(category="SMD", rule="SULpeak fell by at least 30 %, but by less than 0.8", numbers=numbers)
    return Verdict(category="SMD", rule="neither response nor progression", numbers=numbers)
