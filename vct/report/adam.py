"""Analysis data sets in the manner of CDISC ADaM 1.3 (ADSL, ADTR, ADRS, ADTTE), and a table that defines each one.

In the manner of: names, keys and flags are ADaM's; controlled terminology of tumour results is not complete, and dates
are study days only, as virtual patients have no calendar.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vct.files import aside, write_aside
from vct.records import TrialResult
from vct.report.charts.base import planned_days
from vct.report.tables import arms_of, to_csv

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("STUDYID", "USUBJID")
VARIABLES: dict[str, tuple[str, str]] = {
    "STUDYID": ("Study Identifier", "first 12 letters of the protocol's SHA-256"),
    "USUBJID": ("Unique Subject Identifier", "STUDYID-SUBJID; of counterfactual twins with the arm's number"),
    "SUBJID": ("Subject Identifier for the Study", "patient id"),
    "SITEID": ("Study Site Identifier", "site"),
    "AGE": ("Age", "at enrolment"),
    "AGEU": ("Age Units", "constant"),
    "SEX": ("Sex", "F or M"),
    "HEIGHTBL": ("Baseline Height (cm)", "height"),
    "WEIGHTBL": ("Baseline Weight (kg)", "weight"),
    "BMIBL": ("Baseline BMI (kg/m2)", "weight over height squared"),
    "ARM": ("Description of Planned Arm", "arm"),
    "TRT01P": ("Planned Treatment for Period 01", "arm"),
    "TRT01PN": ("Planned Treatment for Period 01 (N)", "place of the arm in the protocol, from 1"),
    "STRATUM": ("Randomisation Stratum", "stratum"),
    "ITTFL": ("Intent-To-Treat Population Flag", "Y for everybody enrolled"),
    "PPROTFL": ("Per-Protocol Population Flag", "Y when every planned scan was done"),
    "DCTDY": ("Study Day of Discontinuation", "study day of dropout; empty when nobody left"),
    "PARAMCD": ("Parameter Code", "up to 8 letters of PARAM, made unique"),
    "PARAM": ("Parameter", "readout or endpoint, with its unit"),
    "AVISIT": ("Analysis Visit", "planned visit"),
    "AVISITN": ("Analysis Visit (N)", "planned day of the visit"),
    "ADY": ("Analysis Relative Day", "study day: the day of randomisation is 1, the day before is -1"),
    "AVAL": ("Analysis Value", "reading; of a response 1 or 0; of a time to an event, days"),
    "AVALC": ("Analysis Value (C)", "response category"),
    "AVALU": ("Analysis Value Unit", "unit"),
    "BASE": ("Baseline Value", "AVAL at the first planned visit"),
    "CHG": ("Change from Baseline", "AVAL - BASE, after baseline"),
    "PCHG": ("Percent Change from Baseline", "100 x CHG / BASE, after baseline"),
    "ABLFL": ("Baseline Record Flag", "Y at the first planned visit"),
    "TRUTH": ("Planted Truth of AVAL", "what a perfect reader reports; not an ADaM variable"),
    "CNSR": ("Censor", "0 event, 1 censored"),
    "RULE": ("Derivation Rule", "which rule of the endpoint fired; not an ADaM variable"),
}
"""Label and derivation of every variable, in the order of the data sets."""


def data_sets(result: TrialResult) -> dict[str, pd.DataFrame]:
    """ADSL, ADTR, ADRS and ADTTE (the latter two when there are such outcomes), and DEFINE, which describes them."""
    subjects = _subjects(result)
    found = {"ADSL": _adsl(result, subjects), "ADTR": _adtr(result, subjects)}
    measured = [item for item in result.outcomes if item.source == "measured"]
    if categorical := [item for item in measured if item.category and item.event is None]:
        found["ADRS"] = _outcomes(result, subjects, categorical, ("AVALC", "AVAL"))
    if timed := [item for item in measured if item.event is not None]:
        found["ADTTE"] = _outcomes(result, subjects, timed, ("AVAL", "AVALU", "CNSR"))
    return {**found, "DEFINE": _define(found)}


def write_data_sets(result: TrialResult, folder: Path) -> list[Path]:
    """Write each data set as CSV and Parquet; return the paths. Raises StorageError."""
    paths = []
    for name, frame in data_sets(result).items():
        path = folder / f"{name.lower()}.csv"
        write_aside(path, to_csv(frame))
        with aside(path.with_suffix(".parquet")) as unfinished:
            frame.to_parquet(unfinished, index=False)
        paths += [path, path.with_suffix(".parquet")]
    return paths


def _subjects(result: TrialResult) -> dict[tuple[str, str], str]:
    """USUBJID by patient and arm."""
    patients = result.enrolment.patients
    twins = len({item.id for item in patients}) < len(patients)
    arms = {arm: number for number, arm in enumerate(arms_of(result), start=1)}
    study = _study(result)
    return {(item.id, item.arm): f"{study}-{item.id}" + (f"-{arms[item.arm]}" if twins else "") for item in patients}


def _study(result: TrialResult) -> str:
    return str(result.provenance.get("protocol_sha256", "VCT"))[:12].upper()


def _adsl(result: TrialResult, subjects: dict[tuple[str, str], str]) -> pd.DataFrame:
    import pandas as pd

    arms, kept = arms_of(result), result.enrolment.per_protocol
    rows = [
        {
            "STUDYID": _study(result),
            "USUBJID": subjects[item.id, item.arm],
            "SUBJID": item.id,
            "SITEID": item.site,
            "AGE": item.age_years,
            "AGEU": "YEARS",
            "SEX": item.sex,
            "HEIGHTBL": item.height_cm,
            "WEIGHTBL": item.weight_kg,
            "BMIBL": item.bmi_kg_m2,
            "ARM": item.arm,
            "TRT01P": item.arm,
            "TRT01PN": arms.index(item.arm) + 1,
            "STRATUM": item.stratum,
            "ITTFL": "Y",
            "PPROTFL": "Y" if (item.id, item.arm) in kept else "N",
            "DCTDY": None if item.dropout_day is None else study_day(item.dropout_day),
        }
        for item in result.enrolment.patients
    ]
    return pd.DataFrame(rows).astype({"DCTDY": "Int64"}) if rows else pd.DataFrame(rows)


def _adtr(result: TrialResult, subjects: dict[tuple[str, str], str]) -> pd.DataFrame:
    import pandas as pd

    days = planned_days(result)
    first = next(iter(days), "")
    codes = _codes(list(dict.fromkeys(item.readout for item in result.readings)))
    base = {(item.patient, item.arm, item.readout): item.value for item in result.readings if item.visit == first}
    rows = []
    for item in result.readings:
        start = base.get((item.patient, item.arm, item.readout))
        change = None if start is None or item.value is None or item.visit == first else item.value - start
        rows.append(
            {
                "STUDYID": _study(result),
                "USUBJID": subjects[item.patient, item.arm],
                "TRT01P": item.arm,
                "PARAMCD": codes[item.readout],
                "PARAM": f"{item.readout} ({item.unit})",
                "AVISIT": item.visit,
                "AVISITN": days.get(item.visit),
                "ADY": study_day(item.day),
                "AVAL": item.value,
                "AVALU": item.unit,
                "BASE": start,
                "CHG": change,
                "PCHG": 100.0 * change / start if change is not None and start else None,
                "ABLFL": "Y" if item.visit == first else "",
                "TRUTH": item.truth,
            }
        )
    numbers = dict.fromkeys(("AVAL", "BASE", "CHG", "PCHG", "TRUTH"), "float64")
    return pd.DataFrame(rows).astype(numbers) if rows else pd.DataFrame(rows)


def _outcomes(
    result: TrialResult, subjects: dict[tuple[str, str], str], outcomes: Sequence[Any], values: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    days = planned_days(result)
    codes = _codes(list(dict.fromkeys(item.endpoint for item in outcomes)))
    rows = []
    for item in outcomes:
        known = {
            "AVAL": item.value if item.event is None else item.time_days,
            "AVALC": item.category,
            "AVALU": "DAYS",
            "CNSR": None if item.event is None else int(not item.event),
        }
        rows.append(
            {
                "STUDYID": _study(result),
                "USUBJID": subjects[item.patient, item.arm],
                "TRT01P": item.arm,
                "PARAMCD": codes[item.endpoint],
                "PARAM": item.endpoint,
                "AVISIT": item.visit,
                "AVISITN": days.get(item.visit),
                **{name: known[name] for name in values},
                "RULE": item.rule,
            }
        )
    return pd.DataFrame(rows).astype({"AVAL": "float64"})


def _define(sets: dict[str, pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (name, variable, *VARIABLES[variable], _kind(frame[variable]), "Y" if variable in KEYS else "")
        for name, frame in sets.items()
        for variable in frame.columns
    ]
    return pd.DataFrame(rows, columns=["DATASET", "VARIABLE", "LABEL", "DERIVATION", "TYPE", "KEY"])


def _kind(column: pd.Series[Any]) -> str:
    return {"i": "integer", "f": "float"}.get(column.dtype.kind, "text")


def _codes(names: Sequence[str]) -> dict[str, str]:
    """Codes of up to 8 letters and digits, unique, starting with a letter.

    >>> _codes(["suv_peak", "suv_peak change", "41 %"])
    {'suv_peak': 'SUVPEAK', 'suv_peak change': 'SUVPEAKC', '41 %': 'P41'}
    """
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Z0-9]", "", name.upper()) or "P"
        code = (plain if plain[0].isalpha() else f"P{plain}")[:8]
        number = 1
        while code in found.values():
            number += 1
            code = f"{code[: 8 - len(str(number))]}{number}"
        found[name] = code
    return found


def study_day(day: float) -> int:
    """Days from randomisation as a study day: the day of randomisation is 1, and there is no day 0."""
    whole = math.floor(day)
    return whole + 1 if whole >= 0 else whole
