"""The protocol in readable words; `tables/design.csv` holds every value of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vct.records import TrialResult
from vct.report.cells import Table
from vct.report.views import listed
from vct.report.wording import words

MOST_LETTERS = 260
FACTS = {
    "cohort": "Cohort",
    "eligibility": "Eligibility",
    "randomisation": "Randomisation",
    "course": "Disease and treatment",
    "acquisition": "Scanner",
    "conduct": "Conduct",
    "source": "Source of the numbers",
}
PARTS = {"readouts": "Readouts", "endpoints": "Endpoints", "analyses": "Analyses"}


def facts(result: TrialResult) -> list[tuple[str, str]]:
    """Terms and what the protocol says about them."""
    protocol = result.protocol
    sizes = [("Patients", f"{len({item.id for item in result.enrolment.patients})} enrolled")]
    if "sample_size" in protocol:
        sizes = [("Patients", f"{protocol['sample_size']} planned, {sizes[0][1]}")]
    told = [
        (title, _cohort(protocol[key]) if key == "cohort" else brief(protocol[key]))
        for key, title in FACTS.items()
        if key in protocol
    ]
    return [(title, _cut(text)) for title, text in [*sizes, *told] if text]


def arms(result: TrialResult) -> Table:
    """The arms; the first is the reference."""
    rows = [(arm["name"], arm.get("ratio", 1), arm.get("description", "")) for arm in result.protocol.get("arms", ())]
    return listed("Arms; the first is the reference", ("Arm", "Ratio", "Description"), rows)


def visits(result: TrialResult) -> Table:
    """The planned scans."""
    planned = result.protocol.get("visits", ())
    rows = [(item["name"], brief(item["day"]), f"± {brief(item.get('window_days', 0))}") for item in planned]
    return listed("Planned scans", ("Visit", "Day", "Window (days)"), rows)


def parts(result: TrialResult) -> list[Table]:
    """Readouts, endpoints and analyses: name, kind and settings."""
    found = []
    for key, title in PARTS.items():
        rows = []
        for part in result.protocol.get(key, ()):
            rest = {name: value for name, value in part.items() if name not in ("kind", "name")}
            kind = words(part.get("kind", ""))
            name = f"{part['name']}\n{kind}" if part.get("name") else kind
            rows.append((name, _cut(brief(rest))))
        if rows:
            found.append(listed(title, ("Name", "Settings"), rows))
    return found


def brief(value: Any) -> str:
    """Nested plain data on one line; what is empty or None is left out.

    >>> brief({"kind": "permuted_blocks", "block_sizes": [4, 6], "by": [], "rate_per_day": 0.5})
    'permuted blocks; block sizes: 4, 6; rate per day: 0.5'
    """
    if isinstance(value, Mapping):
        kind = [words(value["kind"])] if "kind" in value else []
        told = [(key, _nested(item)) for key, item in value.items() if key != "kind"]
        return "; ".join(kind + [f"{words(key)}: {text}" for key, text in told if text])
    if isinstance(value, (list, tuple)):
        return ", ".join(text for text in map(_nested, value) if text)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:.10g}"
    return str(value or "")


def _nested(value: Any) -> str:
    text = brief(value)
    return f"({text})" if isinstance(value, Mapping) and "; " in text else text


def _cohort(cohort: Any) -> str:
    if not isinstance(cohort, Mapping):
        return str(cohort)
    return ". ".join(brief(cohort[key]).rstrip(".") for key in ("title", "description", "source") if cohort.get(key))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS].rsplit(" ", 1)[0] + " …"
