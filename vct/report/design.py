"""The protocol in readable words; `tables/design.csv` holds every value of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vct.records import TrialResult
from vct.report.cells import Table
from vct.report.views import listed
from vct.report.wording import method_name, words

LONG_LINE, MOST_LETTERS = 200, 500
FACTS = {
    "cohort": "Cohort",
    "eligibility": "Eligibility",
    "randomisation": "Randomisation",
    "course": "Disease and treatment",
    "acquisition": "Scanner",
    "conduct": "Conduct",
    "source": "Source of the numbers",
}


def facts(result: TrialResult) -> list[tuple[str, list[str]]]:
    """Terms and what the protocol says about them, in lines."""
    protocol = result.protocol
    size = f"{len({item.id for item in result.enrolment.patients})} enrolled"
    if "sample_size" in protocol:
        size = f"{protocol['sample_size']} planned, {size}"
    told = [(title, lines(_main(key, protocol[key]))) for key, title in FACTS.items() if key in protocol]
    return [("Patients", [size]), *((title, text) for title, text in told if text)]


def lines(value: Any, heading: str = "") -> list[str]:
    """Nested plain data in lines: what is longer than `LONG_LINE` letters is taken apart where it is nested.

    >>> lines({"kind": "simple", "seed": 1})
    ['simple; seed: 1']
    """
    text = brief(value)
    if isinstance(value, (list, tuple)) and len(text) > LONG_LINE:
        return [line for item in value for line in lines(item, heading)]
    if not isinstance(value, Mapping) or len(text) <= LONG_LINE:
        return [_cut(f"{heading}: {text}" if heading else text)] if text else []
    nested = {key: item for key, item in value.items() if _is_nested(item)}
    plain = {key: item for key, item in value.items() if key not in nested}
    if not nested:
        return [_cut(f"{heading}: {text}" if heading else text)]
    inner = [line for key, item in nested.items() for line in lines(item, f"{heading}, {words(key)}".lstrip(", "))]
    return lines(plain, heading) + inner


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, (list, tuple)) and any(map(_is_nested, value)))


def arms(result: TrialResult) -> Table:
    """The arms; the first is the reference."""
    rows = [(arm["name"], arm.get("ratio", 1), arm.get("description", "")) for arm in result.protocol.get("arms", ())]
    caption = "Arms; the first is the reference" if len(rows) > 1 else "Arm"
    return listed(caption, ("Arm", "Ratio", "Description"), rows)


def visits(result: TrialResult) -> Table:
    """The planned scans."""
    planned = result.protocol.get("visits", ())
    rows = [(item["name"], brief(item["day"]), f"± {brief(item.get('window_days', 0))}") for item in planned]
    return listed("Planned scans", ("Visit", "Day", "Window (days)"), rows)


def parts(result: TrialResult, family: str) -> Table:
    """Readouts, endpoints or analyses: name, kind and settings."""
    rows = []
    for part in result.protocol.get(family, ()):
        rest = {name: value for name, value in part.items() if name not in ("kind", "name")}
        kind = (method_name if family == "analyses" else words)(part.get("kind", ""))
        rows.append((f"{part['name']}\n{kind}" if part.get("name") else kind, _cut(brief(rest))))
    return listed(words(family).capitalize(), ("Name", "Settings"), rows)


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


def _main(key: str, value: Any) -> Any:
    """Of a cohort, what describes it; its tables are for `design.csv`."""
    if key != "cohort" or not isinstance(value, Mapping):
        return value
    told = [brief(value[name]).rstrip(".") for name in ("title", "description") if value.get(name)]
    return [". ".join(told)]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS].rsplit(" ", 1)[0] + " …"
