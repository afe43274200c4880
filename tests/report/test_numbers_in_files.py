"""Every number of a real run's report stands in a CSV of the run folder that is named beside it."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vct.report import write
from vct.trial import run

NUMBER = re.compile(r"(?<![\w.])([-−]?\d+(?:\.\d+)?(?:e[-+]\d+)?)(?![\w]|\.\d)( %)?")
SAID = re.compile(
    r"95 % (?:CI|limits|interval|Monte Carlo)|includes [01]:|excludes [01]:|SUV 0 to 7|width 400, level 40|± 1\.96 SD"
    r"|0 % and 1 are perfect|dashed line is 80 %|\(95 %\)|\d+ of (?=\d+ (?:patients|readings))"
)
"""Conventions that the page states in words, and how many of those in a file are drawn; no result is among them."""
FILES = {"header": ("design",), "footer": ("provenance",), "aside": ("provenance",)}
VOID = {"meta", "link", "img", "br", "rect", "polyline", "path"}
Rows = list[list[str]]


@dataclass
class Node:
    """An element of the page: what it holds, in order."""

    tag: str
    attributes: dict[str, str]
    parent: Node | None
    inside: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(item if isinstance(item, str) else item.text for item in self.inside)

    def nodes(self) -> Iterator[Node]:
        yield self
        for item in self.inside:
            if isinstance(item, Node):
                yield from item.nodes()

    @property
    def files(self) -> tuple[str, ...]:
        """The tables that this element links to."""
        links = (node.attributes.get("href", "") for node in self.nodes() if node.tag == "a")
        return tuple(link[len("tables/") : -len(".csv")] for link in links if link.startswith("tables/"))


class Tree(HTMLParser):
    """The page as a tree of nodes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = self.at = Node("", {}, None)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Node(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.inside.append(made)
        if tag not in VOID:
            self.at = made

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.at.inside.append(Node(tag, {}, self.at))

    def handle_endtag(self, tag: str) -> None:
        assert self.at.tag == tag, (self.at.tag, tag)
        self.at = self.at.parent or self.root

    def handle_data(self, data: str) -> None:
        self.at.inside.append(data)


def numbers_of(row: list[str]) -> list[float]:
    return [float(found[1].replace("−", "-")) for cell in row for found in NUMBER.finditer(cell)]


def stands_in(shown: re.Match[str], values: list[float], less: bool) -> bool:
    """Whether one of the values, or for a percentage a hundredth of it, reads as the number that is shown."""
    text = shown[1].replace("−", "-")
    decimals = len(text.partition(".")[2])
    if less:
        return any(0.0 <= value < float(text) for value in values)
    wanted, slack = abs(float(text)), 0.5000001 * 10.0**-decimals
    scales = (1.0, 100.0) if shown[2] else (1.0,)
    return any(abs(abs(value) * scale - wanted) <= slack for value in values for scale in scales)


def counts_of(rows: Rows) -> list[float]:
    """How many rows a file has, different values a column has, rows share a value or lack one."""
    columns = list(zip(*rows, strict=True))
    found = [len(rows), *(len(set(column)) for column in columns)]
    found += [count for column in columns for count in {"": 0, **Counter(column)}.values()]
    return [float(count) for count in found]


def rows_of(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def strays(folder: Path) -> list[str]:
    """Numbers of the report that no file named beside them holds, each with what stands about it."""
    tables = {path.stem: rows_of(path) for path in (folder / "tables").glob("*.csv")}
    root, lost = Tree((folder / "report.html").read_text(encoding="utf-8")).root, []
    for node in root.nodes():
        if node.tag in ("script", "style", "title", "head", "a"):
            continue
        own = node.text if node.tag == "td" else "".join(item for item in node.inside if isinstance(item, str))
        inside_cell = any(at.tag == "td" for at in ancestors(node) if at is not node)
        text = SAID.sub("", own)
        shown = list(NUMBER.finditer(text))
        if not shown or inside_cell or any(at.tag in ("script", "style", "head") for at in ancestors(node)):
            continue
        files = files_beside(node)
        rows = [numbers_of(row) for name in files for row in tables[name]]
        flat = [value for row in rows for value in row] + [c for name in files for c in counts_of(tables[name])]
        less = [text[: found.start()].endswith("<") for found in shown]
        joint = node.tag == "td" and "design" not in files
        held = any(all(map(stands_in, shown, [row] * len(shown), less)) for row in rows) if joint else False
        if not held and not (not joint and all(map(stands_in, shown, [flat] * len(shown), less))):
            lost.append(f"{' '.join(text.split())!r} is not in {', '.join(files) or 'any file beside it'}")
    return lost


def unheard(folder: Path) -> list[str]:
    """Numbers in the texts that stand for charts (`aria-label`) that no file named beside the chart holds."""
    tables = {path.stem: rows_of(path) for path in (folder / "tables").glob("*.csv")}
    lost = []
    for node in Tree((folder / "report.html").read_text(encoding="utf-8")).root.nodes():
        said = SAID.sub("", node.attributes.get("aria-label", ""))
        files = files_beside(node)
        values = [value for name in files for row in tables[name] for value in numbers_of(row)]
        values += [count for name in files for count in counts_of(tables[name])]
        lost += [f"{found[0]!r} of {said!r}" for found in NUMBER.finditer(said) if not stands_in(found, values, False)]
    return lost


def ancestors(node: Node) -> Iterator[Node]:
    at: Node | None = node
    while at is not None:
        yield at
        at = at.parent


def files_beside(node: Node) -> tuple[str, ...]:
    """The files named by the nearest element about a number: its table, figure, paragraph, list or folded part."""
    for at in ancestors(node):
        if at.tag in FILES:
            return FILES[at.tag]
        if at.files and at.tag != "main":
            return at.files if at.tag != "section" or at.attributes.get("id") in ("answer", "provenance") else ()
    return ()


@pytest.fixture(scope="module")
def folder(coarse, small_trial, tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("numbers")
    write(run(small_trial(sample_size=6), coarse, out=made), made)
    return made


def test_every_number_stands_in_the_file_named_beside_it(folder) -> None:
    assert strays(folder) == []
    assert unheard(folder) == []


def test_every_number_of_every_kind_of_chart_stands_in_a_file(written) -> None:
    assert strays(written) == []
    assert unheard(written) == []


def test_a_number_that_no_file_holds_is_noticed(folder, tmp_path) -> None:
    text = (folder / "report.html").read_text()
    (tmp_path / "tables").mkdir()
    for path in (folder / "tables").glob("*.csv"):
        (tmp_path / "tables" / path.name).write_bytes(path.read_bytes())
    cell = re.search(r'<td class="n">[^<]*\d\.\d[^<]*</td>', text)
    assert cell
    (tmp_path / "report.html").write_text(text.replace(cell[0], '<td class="n">98.7654</td>', 1))
    assert len(strays(tmp_path)) == 1


def test_what_the_charts_draw_stands_in_their_files(folder) -> None:
    root = Tree((folder / "report.html").read_text()).root
    (specs,) = (node.text for node in root.nodes() if node.attributes.get("id") == "specs")
    drawn = json.loads(specs)
    assert len(drawn) >= 8
    for name, spec in drawn.items():
        with (folder / f"tables/{name}.csv").open(encoding="utf-8") as file:
            known = list(csv.DictReader(file))
        for row in spec["datasets"]["rows"]:
            assert any(all(same(row[key], item[key]) for key in row.keys() & item.keys()) for item in known), (
                name,
                row,
            )


def same(value: object, cell: str) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return cell != "" and float(cell) == pytest.approx(value, rel=1e-5, abs=1e-9)
    return cell == ("" if value is None else str(value))
