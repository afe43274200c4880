"""Who was scanned: sex, age, height and weight from DICOM tags or from a table."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vct.errors import InputError
from vct.formats.suv import height_of, weight_of
from vct.formats.tags import complain, moment, parsed_moment, text

if TYPE_CHECKING:
    from pydicom import Dataset

MAX_TABLE_BYTES = 50_000_000
DIAGNOSES = ("NEGATIVE", "MELANOMA", "LUNG_CANCER", "LYMPHOMA")
ADULT_YEARS = 18.0
COLUMNS = {
    "patient": ("subjectid", "patientid", "participantid", "subject", "patient", "id"),
    "study": ("studyuid", "studyinstanceuid", "study", "sessionid", "case", "filename"),
    "sex": ("sex", "patientsex", "gender"),
    "age_years": ("age", "ageyears", "patientage"),
    "height_cm": ("heightcm", "height", "patientsize", "patientheight"),
    "weight_kg": ("weightkg", "weight", "patientweight"),
    "diagnosis": ("diagnosis",),
}
"""Names of a table's columns, lower case and without anything but letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is known of one scanned person; None where it is not."""

    sex: str | None = None
    age_years: float | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    diagnosis: str = ""

    def over(self, other: Person) -> Person:
        """This person, with `other`'s values where this one has none."""
        names = ("sex", "age_years", "height_cm", "weight_kg")
        known = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(other, **known, diagnosis=self.diagnosis or other.diagnosis)


Row = dict[str, str]


def read_people(path: Path | None) -> dict[str, list[Row]]:
    """Rows of a CSV or TSV by patient, columns under our names.

    Raises InputError when the table is missing, too large, not UTF-8, or has no column for the patient.
    """
    if path is None:
        return {}
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise InputError(f"{path}: is larger than {MAX_TABLE_BYTES} bytes")
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not a readable table ({error})") from None
    head = content.split("\n", 1)[0]
    delimiter = max("\t;,", key=head.count)
    rows = csv.DictReader(io.StringIO(content), delimiter=delimiter, restkey="")
    plain = {re.sub(r"[^a-z]", "", name.lower()): name for name in rows.fieldnames or ()}
    named = {key: next((plain[name] for name in names if name in plain), None) for key, names in COLUMNS.items()}
    if named["patient"] is None:
        raise InputError(f"{path}: needs a column with the patient, one of {', '.join(COLUMNS['patient'])}")
    found: dict[str, list[Row]] = {}
    try:
        for row in rows:
            own = {key: str(row.get(name) or "").strip() for key, name in named.items() if name}
            found.setdefault(_same(own["patient"]), []).append(own)
    except csv.Error as error:
        raise InputError(f"{path}: is not a readable table ({error})") from None
    return found


def _same(name: str) -> str:
    """A patient's name as it is compared: AutoPET's PETCT_ and BIDS's sub- left out."""
    return re.sub(r"^(petct_|sub-|fdg_)", "", name.strip().lower())


def person_in(people: dict[str, list[Row]], patient: str, study: str) -> Person:
    """The person of a study: its own row, or the patient's rows where they agree. An unknown one has no values.

    Raises Refused where rows contradict each other, or a number is none or in a wrong unit.
    """
    rows = people.get(_same(patient), [])
    own = [
        row for row in rows if row.get("study") and row["study"].lower() in (study.lower(), *study.lower().split("/"))
    ]
    rows = own or rows
    values: dict[str, str] = {}
    for key in ("sex", "age_years", "height_cm", "weight_kg", "diagnosis"):
        said = {row[key] for row in rows if row.get(key) and row[key].lower() not in ("n/a", "nan", "unknown", "none")}
        if len(said) > 1:
            raise Refused("wrong table", f"its rows give one study several values of {key}")
        values[key] = said.pop() if said else ""
    diagnosis = values["diagnosis"].upper().replace(" ", "_")
    return Person(
        sex=_sex(values["sex"]),
        age_years=_table_age(values["age_years"]) if values["age_years"] else None,
        height_cm=_number(values["height_cm"], "height_cm", 100.0, 250.0),
        weight_kg=_number(values["weight_kg"], "weight_kg", 20.0, 300.0),
        diagnosis=diagnosis if diagnosis in DIAGNOSES else "",
    )


def person_of(path: Path, header: Dataset) -> Person:
    """The person in a DICOM header. Missing tags give None; wrong ones raise TagError."""
    said = text(header, "PatientAge")
    age = _age(said) if said else None
    if said and age is None:
        raise complain(path, "PatientAge", "is no age from 0 to 120 years like 061Y", said)
    if age is None and text(header, "PatientBirthDate"):
        born = parsed_moment(path, "PatientBirthDate", text(header, "PatientBirthDate")[:8])
        age = round((moment(path, header, "Study") - born).days / 365.25, 1)
    return Person(
        sex=_sex(text(header, "PatientSex")),
        age_years=age,
        height_cm=height_of(path, header) if _given(header, "PatientSize") else None,
        weight_kg=weight_of(path, header) if _given(header, "PatientWeight") else None,
    )


def _given(header: Dataset, keyword: str) -> bool:
    try:
        return float(text(header, keyword) or 0.0) != 0.0
    except ValueError:
        return True


def complete(person: Person) -> Person:
    """The person, when all that training needs is known and possible. Raises Refused, which says what is not."""
    for name, reason in (
        ("weight_kg", "missing weight"),
        ("height_cm", "no height"),
        ("age_years", "missing age"),
        ("sex", "missing sex"),
    ):
        if getattr(person, name) is None:
            raise Refused(reason)
    assert person.height_cm is not None  # noqa: S101
    assert person.weight_kg is not None  # noqa: S101
    bmi = person.weight_kg / (person.height_cm / 100.0) ** 2
    if not 12.0 <= bmi <= 70.0:
        raise Refused("wrong units", f"a BMI of {bmi:.1f} kg/m2 is not possible: wrong unit of weight or height?")
    if (person.age_years or 0.0) < ADULT_YEARS:
        raise Refused("under 18")
    return person


class Refused(InputError):  # noqa: N818
    """A study that the quality screen leaves out; `reason` is from a short list, `detail` says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


def _sex(value: str) -> str | None:
    return {"f": "F", "female": "F", "m": "M", "male": "M"}.get(value.strip().lower())


def _age(value: str) -> float | None:
    """Years, from a number of them or an age like 061Y, 014M, 003W, 020D; None where it is no possible age."""
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*([YMWD]?)", value.strip(), re.IGNORECASE)
    if not found:
        return None
    years = float(found[1]) / {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}[found[2].upper()]
    return round(years, 2) if years <= 120.0 else None


def _table_age(value: str) -> float:
    age = _age(value)
    if age is None:
        raise Refused("wrong units", f"the table's age {value[:20]!r} is no age in years, nor one like 061Y")
    return age


def _number(value: str, name: str, low: float, high: float) -> float | None:
    if not value:
        return None
    try:
        found = float(value)
    except ValueError:
        found = float("nan")
    if found == 0.0:
        return None
    if not low <= found <= high:
        raise Refused("wrong units", f"the table's {name} must be from {low:g} to {high:g} (got {value[:20]!r})")
    return found
