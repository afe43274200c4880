"""Every table of the report as a data frame; what is written as CSV is what the page prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from vct.records import Comparison, Look, Outcome, Reading, TrialResult

if TYPE_CHECKING:
    import pandas as pd

DEMOGRAPHICS: dict[str, str] = {
    "age_years": "Age (years)",
    "height_cm": "Height (cm)",
    "weight_kg": "Weight (kg)",
    "bmi_kg_m2": "Body mass index (kg/m²)",
}
CATEGORIES: dict[str, str] = {"sex": "Sex", "site": "Site", "stratum": "Stratum"}
EVERYONE = "All"
Z95 = 1.959964


def all_tables(result: TrialResult) -> dict[str, pd.DataFrame]:
    """The tables by name. Numbers keep their full precision; a missing number is empty."""
    looks = {"looks": _records(Look, result.looks)} if result.looks else {}
    return {
        "patients": patients(result),
        "attendance": attendance(result),
        "readings": _records(Reading, (*result.readings, *result.readings_by_reader)),
        "outcomes": _records(Outcome, result.outcomes),
        "comparisons": _records(Comparison, result.comparisons),
        **looks,
        "table_one": table_one(result),
        "measurement": measurement(result),
        "design": _leaves_table(result.protocol),
        "provenance": _leaves_table(result.provenance),
    }


def arms_of(result: TrialResult) -> list[str]:
    """The arms in the protocol's order, the reference first."""
    enrolled = dict.fromkeys(patient.arm for patient in result.enrolment.patients)
    named = dict.fromkeys(str(arm["name"]) for arm in result.protocol.get("arms", ()))
    return list({**named, **enrolled})


def patients(result: TrialResult) -> pd.DataFrame:
    """One row a patient and arm, with body mass index and whether the patient is in the per-protocol set."""
    import pandas as pd

    kept = result.enrolment.per_protocol
    names = ["id", "arm", "sex", *DEMOGRAPHICS, "stratum", "site", "enrolled_day", "dropout_day"]
    rows = [
        {**{name: getattr(item, name) for name in names}, "per_protocol": (item.id, item.arm) in kept}
        for item in result.enrolment.patients
    ]
    return pd.DataFrame(rows, columns=[*names, "per_protocol"])


def attendance(result: TrialResult) -> pd.DataFrame:
    """One row a planned visit of a patient: what became of it."""
    import pandas as pd

    rows = [
        (item.patient, item.arm, item.visit.name, item.planned_day, item.visit.day, item.status)
        for item in result.enrolment.attendance
    ]
    return pd.DataFrame(rows, columns=["patient", "arm", "visit", "planned_day", "actual_day", "status"])


def table_one(result: TrialResult) -> pd.DataFrame:
    """Demographics by arm and over all, a row a variable (or level) and arm.

    Quantities have n, mean, sd (n - 1), median, q1 and q3; categories have count and percent. A category with one level
    only, or a stratum that is the sex or the site, is left out.
    """
    import pandas as pd

    everyone = patients(result)
    arms = arms_of(result)
    groups = [(arm, everyone[everyone["arm"] == arm]) for arm in arms]
    if len(arms) > 1:
        groups.append((EVERYONE, everyone))
    rows: list[dict[str, Any]] = []
    for variable in DEMOGRAPHICS:
        rows += [{"variable": variable, "level": "", "arm": arm, **_spread(group[variable])} for arm, group in groups]
    for variable in CATEGORIES:
        levels = sorted(everyone[variable].unique())
        repeats = variable == "stratum" and any(everyone[variable].equals(everyone[name]) for name in ("sex", "site"))
        for level in levels if len(levels) > 1 and not repeats else ():
            for arm, group in groups:
                count = int((group[variable] == level).sum())
                percent = 100.0 * count / len(group) if len(group) else None
                rows.append({"variable": variable, "level": level, "arm": arm, "count": count, "percent": percent})
    columns = ["variable", "level", "arm", "n", "mean", "sd", "median", "q1", "q3", "count", "percent"]
    return pd.DataFrame(rows, columns=columns)


def measurement(result: TrialResult) -> pd.DataFrame:
    """Reading against planted truth by readout: n pairs, mean, SD and 95 % limits of the difference, and percent bias;
    how many readings lie above and below their truth.

    Limits of agreement: mean ± 1.96 SD (Bland and Altman 1986, doi 10.1016/S0140-6736(86)90837-8). The
    percent bias is of pairs whose truth is not zero (`n_percent`).
    """
    import pandas as pd

    frame = _records(Reading, result.readings)
    frame = frame[frame["value"].notna() & frame["truth"].notna()]
    rows = []
    for (readout, unit), group in frame.groupby(["readout", "unit"], sort=False):
        difference = group["value"].astype(float) - group["truth"].astype(float)
        nonzero = group["truth"] != 0
        percent = 100.0 * difference[nonzero] / group["truth"][nonzero].astype(float)
        rows.append(
            (
                readout,
                unit,
                len(group),
                difference.mean(),
                difference.std(),
                difference.mean() - Z95 * difference.std(),
                difference.mean() + Z95 * difference.std(),
                len(percent),
                percent.mean(),
                percent.std(),
                int((difference > 0).sum()),
                int((difference < 0).sum()),
            )
        )
    columns = ["readout", "unit", "n", "mean_difference", "sd_difference", "loa_low", "loa_high", "n_percent"]
    return pd.DataFrame(rows, columns=[*columns, "mean_bias_percent", "sd_bias_percent", "n_above", "n_below"])


def origin(result: TrialResult) -> list[tuple[str, str]]:
    """What made a result, key and value; what has a table or a sentence of its own left out."""
    told = ("fidelity", "findings", "redrawn", "alike")
    made = {key: value for key, value in result.provenance.items() if key not in told}
    return [(key, str(value)) for key, value in leaves(made)]


def leaves(data: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested plain data with its place, such as ("arms[0].name", "control")."""
    if isinstance(data, Mapping):
        for key, item in data.items():
            yield from leaves(item, f"{place}.{key}" if place else str(key))
    elif isinstance(data, (list, tuple)):
        for index, item in enumerate(data):
            yield from leaves(item, f"{place}[{index}]")
    else:
        yield place, data


def to_csv(frame: pd.DataFrame) -> bytes:
    """The table as UTF-8 CSV, the same bytes for the same table."""
    return frame.to_csv(index=False, lineterminator="\n", float_format="%.10g").encode()


def _spread(values: pd.Series[Any]) -> dict[str, float]:
    q1, median, q3 = values.quantile([0.25, 0.5, 0.75])
    return {"n": len(values), "mean": values.mean(), "sd": values.std(), "median": median, "q1": q1, "q3": q3}


def _records(kind: type[Any], records: Iterable[Any]) -> pd.DataFrame:
    import pandas as pd

    names = [item.name for item in fields(kind)]
    return pd.DataFrame([[getattr(record, name) for name in names] for record in records], columns=names)


def _leaves_table(data: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([(place, str(value)) for place, value in leaves(data)], columns=["key", "value"])
