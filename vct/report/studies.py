"""Views of what was found beside the trial itself: operating characteristics, lost power, the engine's fidelity."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import pandas as pd

from vct.plausibility import Finding
from vct.records import TrialResult
from vct.report.cells import Row, Table
from vct.report.numbers import NONE, number
from vct.report.wording import method_name, words

MOST_ROWS = 60
MOST_FINDINGS = 30
QUANTITIES = {"type_i_error": "Type I error", "expected_n": "Expected n", "duration_days": "Duration (days)"}
FIDELITY = ("organ", "quantity", "sex", "deviation_percent", "spread_ratio", "n")


def operating(frame: pd.DataFrame) -> Table:
    """Operating characteristics: a row a figure, under the design point that it is about."""
    rows: list[Row] = []
    for (n, effect), group in frame.head(MOST_ROWS).groupby(["n", "effect"], sort=False):
        rows.append(Row((f"{n:g} patients, effect × {effect:g}",), group=True))
        rows += [Row(_figure(item)) for item in group.to_dict("records")]
    head = ("Figure", "Of", "Value", "Monte Carlo SE", "Replicates")
    shown = f"; the first {MOST_ROWS} of {len(frame)} rows" if len(frame) > MOST_ROWS else ""
    caption = f"Operating characteristics{shown}"
    return Table(caption=caption, csv="power", head=head, rows=tuple(rows), left=2)


def lost_power(frame: pd.DataFrame) -> Table:
    """Where the power went: each source's share of the endpoint's variance and its cost in patients."""
    rows: list[Row] = []
    for endpoint, group in frame.groupby("endpoint", sort=False):
        rows.append(Row((str(endpoint),), group=True))
        for item in group.to_dict("records"):
            share = f"{number(100 * item['share'], 1)} %"
            variance = f"{number(item['variance'])} ± {number(item['mc_se'])}"
            rows.append(Row((words(item["source"]), variance, share, number(item["patients_cost"], 1))))
    head = ("Source", "Variance ± Monte Carlo SE", "Share", "Cost in patients")
    return Table(caption="Where the power went", csv="decompose", head=head, rows=tuple(rows))


def fidelity_frame(result: TrialResult) -> pd.DataFrame:
    """The fidelity that the run's engine states of itself, a row a figure; empty when it states none."""
    stated = result.provenance.get("fidelity") or {}
    return pd.DataFrame(
        [{name: row.get(name) for name in FIDELITY} for row in stated.get("rows", ())], columns=FIDELITY
    )


def fidelity(frame: pd.DataFrame) -> Table:
    """Deviation and spread of the engine's organs against the data it was held against."""
    rows = tuple(
        Row(
            (
                words(item["organ"]),
                words(item["quantity"]),
                str(item["sex"] or NONE),
                number(item["deviation_percent"], 1),
                number(item["spread_ratio"], 2),
                NONE if pd.isna(item["n"]) else f"{item['n']:g}",
            )
        )
        for item in frame.to_dict("records")
    )
    head = ("Organ", "Quantity", "Sex", "Deviation (%)", "Spread ratio", "n")
    return Table(caption="The engine against the data it was measured on", csv="fidelity", head=head, rows=rows, left=3)


def warnings(result: TrialResult) -> list[str]:
    """What the engine warns of, and what of this run did not go well, in sentences."""
    stated = result.provenance.get("fidelity") or {}
    told = [str(text) for text in stated.get("warnings", ())]
    failed = [item["patient"] for item in result.provenance.get("failed") or ()]
    if failed:
        told.append(f"{len(failed)} patients could not be simulated and are missing from every table: {_some(failed)}.")
    redrawn = result.provenance.get("redrawn") or {}
    if redrawn:
        told.append(
            f"{len(redrawn)} bodies were implausible and drawn anew, as the protocol asks: {_some(list(redrawn))}."
        )
    return told + [f"{text[0].upper()}{text[1:]}." for text in result.provenance.get("alike") or ()]


def findings_frame(result: TrialResult) -> pd.DataFrame:
    """Scans that broke a rule of plausibility, a row a rule; the body that stayed, where it was drawn anew."""
    columns = [item.name for item in fields(Finding)]
    return pd.DataFrame(list(result.provenance.get("findings") or ()), columns=columns)


def findings(frame: pd.DataFrame) -> Table:
    """Which scans broke which rule, and with what number."""
    rows = tuple(
        Row((str(item["patient"]), str(item["arm"] or NONE), str(item["visit"]), str(item["rule"]), str(item["said"])))
        for item in frame.head(MOST_FINDINGS).to_dict("records")
    )
    shown = f", the first {MOST_FINDINGS} of {len(frame)}" if len(frame) > MOST_FINDINGS else ""
    head = ("Patient", "Arm", "Visit", "Rule", "Found")
    return Table(caption=f"Implausible scans{shown}", csv="findings", head=head, rows=rows, left=5)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (" and others" if len(names) > 10 else "")


def _figure(item: Mapping[Hashable, Any]) -> tuple[str, ...]:
    of = [item.get(name) for name in ("endpoint", "analysis", "arm")]
    about = ", ".join(method_name(part) for part in of if isinstance(part, str) and part)
    return (
        QUANTITIES.get(str(item["quantity"]), words(item["quantity"]).capitalize()),
        about or "the trial",
        number(item["value"]),
        number(item["mc_se"]),
        f"{item['replicates']:g}",
    )
