"""MkDocs hook of the documentation site: the pages that are made at build, links that leave docs/, equations as MathML.

Made from what they describe: the commands from the command line itself, the parts of a protocol from the families'
tuples, examples from their files, the validation page from `vct verify`, the tests and benchmarks/.
"""

from __future__ import annotations

import html
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
HOMES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples": "examples.md",
    "docs/decisions": "decisions/index.md",
}
"""Where files and folders of the repository stand on the site; what lies in docs/ keeps its place below it."""
FAMILIES = {
    "Distributions": "vct.distributions.DISTRIBUTIONS",
    "Randomisations": "vct.cohort.RANDOMISATIONS",
    "Criteria": "vct.cohort.CRITERIA",
    "Courses": "vct.course.COURSES",
    "Scanners": "vct.acquisition.SCANNERS",
    "Readouts": "vct.readout.READOUTS",
    "Endpoints": "vct.endpoint.ENDPOINTS",
    "Analyses": "vct.stats.ANALYSES",
}
SHARED = (
    "vct.protocol.Protocol",
    "vct.cohort.population.Population",
    "vct.cohort.bodysize.Restrict",
    "vct.cohort.criteria.Eligibility",
    "vct.cohort.plan.Arm",
    "vct.cohort.plan.PlannedVisit",
    "vct.cohort.conduct.Conduct",
    "vct.course.disease.Disease",
    "vct.course.shape.Shape",
    "vct.course.shape.Necrosis",
    "vct.course.history.History",
    "vct.course.treatment.Treatment",
    "vct.course.treatment.Effect",
    "vct.acquisition.acquisition.Acquisition",
    "vct.acquisition.scanners.NoiseReference",
    "vct.readout.panel.Panel",
    "vct.stats.design.monitoring.Monitoring",
)
"""Parts without a `kind:`."""
WITNESSES = {
    "golden": "checked against a published value",
    "second_implementation": "checked against a second implementation",
    "unvalidated": "not validated",
}
PART_OPTIONS = (
    "    options:",
    "      members: false",
    "      show_signature: false",
)
MOST_LETTERS, MOST_CHOICES = 40, 4
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
EQUATION = re.compile(r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>', re.DOTALL)


def on_config(config: Any) -> Any:
    """Put benchmarks, decisions and families, found now, into the navigation."""
    found = {
        "benchmarks": [{_title(path): f"benchmarks/{path.name}"} for path in _benchmarks()],
        "decisions": [{_title(path): f"decisions/{path.name}"} for path in _decided()],
        "parts": [{name: f"reference/{name.lower()}.md"} for name in FAMILIES],
    }
    config.nav = _filled(config.nav, found)
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made and the files of the repository that pages link to."""
    for origin, place in HOMES.items():
        if (ROOT / origin).is_file():
            files.append(File.generated(config, place, content=(ROOT / origin).read_text(encoding="utf-8")))
    for path in _benchmarks():
        files.append(File.generated(config, f"benchmarks/{path.name}", content=path.read_text(encoding="utf-8")))
    made = {
        "decisions/index.md": _decisions(),
        "examples.md": _examples(),
        "reference/commands.md": _commands(),
        "reference/protocol.md": _protocol(),
        "validation.md": _validation(),
        **{f"reference/{name.lower()}.md": _family(name, place) for name, place in FAMILIES.items()},
    }
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    for page in list(files.documentation_pages()):
        for target in _linked(page.src_uri, page.content_string):
            place = _place(target)
            if target.is_file() and files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, content=target.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links within the repository into links within the site."""
    here = posixpath.dirname(page.file.src_uri)

    def turned(found: re.Match[str]) -> str:
        target = _target(page.file.src_uri, found[2])
        return found[0] if target is None else f"{found[1]}{posixpath.relpath(_place(target), here or '.')}{found[3]}"

    return LINK.sub(turned, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Set the equations as MathML, which browsers draw without a script or a font from elsewhere."""
    from latex2mathml.converter import convert

    def drawn(found: re.Match[str]) -> str:
        display = "block" if found[1] == "div" else "inline"
        return str(convert(html.unescape(found[2]).strip(), display=display))

    return EQUATION.sub(drawn, content)


def _filled(nav: Any, found: dict[str, list[Any]]) -> Any:
    if isinstance(nav, dict):
        return {name: _filled(item, found) for name, item in nav.items()}
    if isinstance(nav, list):
        return [made for item in nav for made in (found.get(str(item)) or [_filled(item, found)])]
    return nav


def _origin(place: str) -> str:
    """The repository's path of a page of the site."""
    homes = {place: origin for origin, place in HOMES.items()}
    return homes.get(place) or (place if place.startswith("benchmarks/") else f"docs/{place}")


def _target(place: str, link: str) -> Path | None:
    """The file or folder of the repository that a link on a page leads to; None for any other link."""
    target = (ROOT / _origin(place)).parent / link
    return target.resolve() if ":" not in link and target.exists() else None


def _linked(place: str, text: str) -> Iterator[Path]:
    return (target for found in LINK.finditer(text) if (target := _target(place, found[2])) is not None)


def _place(target: Path) -> str:
    """Where a file of the repository stands on the site."""
    path = target.relative_to(ROOT).as_posix()
    return HOMES.get(path) or path.removeprefix("docs/")


def _benchmarks() -> list[Path]:
    return sorted((ROOT / "benchmarks").glob("*.md"))


def _decided() -> list[Path]:
    return sorted((ROOT / "docs/decisions").glob("0*.md"))


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def _decisions() -> str:
    return "\n".join(["# Decisions", "", *(f"- [{_title(path)}]({path.name})" for path in _decided())])


def _examples() -> str:
    shown = [
        f"## {path.stem}\n\n```python\n{path.read_text(encoding='utf-8')}```\n"
        for path in sorted((ROOT / "examples").glob("*.py"))
    ]
    return "\n".join(["# Examples", "", "One question a script; the tests run each of them.", "", *shown])


def _commands() -> str:
    import click
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from vct.cli import app

    command = get_command(app)
    return get_docs_for_click(obj=command, ctx=click.Context(command, info_name="vct"), name="vct", title="Commands")


def _protocol() -> str:
    lead = "Keys of a protocol and of the parts that have no `kind:`. Families with a `kind:` have a page each."
    return "\n".join(["# Protocol", "", lead, "", *(_part(_named(place)) for place in SHARED)])


def _family(name: str, place: str) -> str:
    lead = f"What `kind:` may be in a protocol, from `{place}`."
    own = [kind for kind in _named(place) if kind.__module__.startswith("vct.")]
    return "\n".join([f"# {name}", "", lead, "", *map(_part, own)])


def _named(place: str) -> Any:
    module, _, attribute = place.rpartition(".")
    return getattr(import_module(module), attribute)


def _part(part: Any) -> str:
    """A part's docstring and a table of its keys, from the JSON Schema that editors use."""
    schema = part.model_json_schema()
    lines = [f"::: {part.__module__}.{part.__qualname__}", *PART_OPTIONS, ""]
    lines += ["| key | value | default | |", "|---|---|---|---|"]
    for key, told in schema.get("properties", {}).items():
        default = f"`{json.dumps(told['default'], ensure_ascii=False)}`" if _is_short(told) else ""
        needed = "required" if key in schema.get("required", ()) else default
        lines.append(f"| `{key}` | {_value(told)} | {needed} | {_cell(told.get('description', ''))} |")
    return "\n".join([*lines, ""])


def _is_short(told: Any) -> bool:
    return told.get("default") is not None and len(json.dumps(told["default"])) < MOST_LETTERS


def _value(told: Any) -> str:
    """What a key may hold, in words."""
    if "const" in told or "enum" in told:
        return ", ".join(f"`{item}`" for item in told.get("enum", [told.get("const")]))
    if "$ref" in told:
        return f"`{told['$ref'].rpartition('/')[2]}`"
    choices = [item for item in told.get("anyOf", told.get("oneOf", ())) if item.get("type") != "null"]
    if choices:
        words = list(dict.fromkeys(map(_value, choices)))
        return " or ".join(words) if len(words) <= MOST_CHOICES else f"one of {len(words)} kinds"
    if told.get("type") == "array":
        return f"list of {_value(told['items'])}" if "items" in told else "list"
    bounds = [f"{sign} {told[name]:g}" for name, sign in BOUNDS.items() if name in told]
    return " ".join([told.get("type", "anything"), *([f"({', '.join(bounds)})"] if bounds else [])])


def _validation() -> str:
    from vct.stats.verify import verify

    checks = verify()
    lines = [
        "# Validation",
        "",
        "Made at every build of this site: what `vct verify` recomputes, what the tests say of each statistic, and the",
        "benchmarks of the repository. Fidelity to real patients is measured for the atlas and the cascade only.",
        "",
        "## Published and witnessed numbers",
        "",
        f"{len(checks)} numbers, {sum(not check.ok for check in checks)} off.",
        "",
        "| source | how it was checked | numbers | off | worst, of its tolerance |",
        "|---|---|---:|---:|---:|",
    ]
    for (source, checked), group in groupby(checks, key=lambda check: (check.source, check.checked)):
        found = list(group)
        worst = max(abs(check.deviation) / check.tolerance if check.tolerance else 0.0 for check in found)
        off = sum(not check.ok for check in found)
        lines.append(f"| {_cell(source)} | {_cell(checked)} | {len(found)} | {off} | {worst:.2f} |")
    lines += ["", "## Tests of the statistics", ""]
    names = [
        (kind, found[1])
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for found in re.finditer(rf"def test_(({'|'.join(WITNESSES)})_\w+)", path.read_text(encoding="utf-8"))
        for kind in (found[2],)
    ]
    counts = Counter(kind for kind, _ in names)
    for kind, meaning in WITNESSES.items():
        lines += [f"### {meaning.capitalize()}: {counts[kind]}", ""]
        lines += [f"- {name.removeprefix(f'{kind}_').replace('_', ' ')}" for of, name in names if of == kind] + [""]
    lines += ["## Benchmarks", ""]
    lines += [f"- [{_title(path)}](benchmarks/{path.name})" for path in _benchmarks()]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return html.escape(text).replace("|", "\\|")
