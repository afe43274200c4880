"""The drawing of a CONSORT flow: where its boxes and arrows lie; the template turns them into SVG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vct.report.consort import ArmFlow, Flow

COLUMN, GAP, LINE, PAD = 236, 20, 19, 10
LETTERS, MOST_LINES = 29, 4

Text = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its left top corner, height (all are `COLUMN` wide, in pixels), bold first lines and further lines."""

    x: float
    y: float
    height: float
    head: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def middle(self) -> float:
        """x of its middle."""
        return self.x + COLUMN / 2

    @property
    def bottom(self) -> float:
        """y of its lower edge."""
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes, arrows (the points of polylines that end in a head) and the size of the whole."""

    boxes: tuple[Box, ...]
    arrows: tuple[str, ...]
    width: float
    height: float


def draw(found: Flow) -> Drawing:
    """Screening on top, exclusions to its right, one column an arm below."""
    inner = len(found.arms) * (COLUMN + GAP) - GAP
    middle = 1 + inner / 2
    screened = _box(middle - COLUMN / 2, 1, (f"Screened (n = {found.screened})",))
    reasons = tuple(f"{reason} (n = {count})" for reason, count in found.excluded.items() if count)
    total = sum(found.excluded.values())
    excluded = _box(middle + GAP, screened.bottom + GAP, (f"Excluded (n = {total})",), reasons)
    note = ("each on every arm, as counterfactual twins",) if found.twins else ()
    word = "Randomised" if found.randomised else "Enrolled"
    enrolled = _box(screened.x, excluded.bottom + GAP, (f"{word} (n = {found.enrolled})",), note)
    level = excluded.y + excluded.height / 2
    arrows = [_path((middle, screened.bottom), (middle, enrolled.y)), _path((middle, level), (excluded.x, level))]
    boxes = [screened, excluded, enrolled]
    above = [enrolled] * len(found.arms)
    for row in zip(*(_stages(found, arm) for arm in found.arms), strict=True):
        top = max(box.bottom for box in above) + 2 * GAP
        placed = [_box(1 + index * (COLUMN + GAP), top, *text) for index, text in enumerate(row)]
        height = max(box.height for box in placed)
        placed = [replace(box, height=height) for box in placed]
        arrows += [_arrow(old, new) for old, new in zip(above, placed, strict=True)]
        boxes += placed
        above = placed
    width = max(box.x for box in boxes) + COLUMN + 1
    return Drawing(tuple(boxes), tuple(arrows), width, max(box.bottom for box in boxes) + 1)


def _stages(found: Flow, arm: ArmFlow) -> list[Text]:
    word = "Allocated" if len(found.arms) > 1 else "Arm"
    lost = (
        f"Dropped out (n = {arm.dropped_out})",
        f"Missed a visit (n = {arm.missed_visit})",
        f"A scan failed (n = {arm.failed_scan})",
    )
    analysed: tuple[str, ...] = (f"Per protocol (n = {arm.per_protocol})",)
    if found.endpoint:
        analysed = (
            f"{found.endpoint}:",
            f"ITT, with a value (n = {arm.analysed})",
            f"PP, with a value (n = {arm.per_protocol_analysed})",
        )
    return [((f"{word}: {arm.arm} (n = {arm.allocated})",), ()), (("Follow-up",), lost), (("Analysed",), analysed)]


def _box(x: float, y: float, head: Sequence[str], lines: Sequence[str] = ()) -> Box:
    bold = tuple(part for text in head for part in _wrapped(text, LETTERS - 3))
    plain = tuple(part for text in lines for part in _wrapped(text, LETTERS))
    return Box(x, y, 2 * PAD + LINE * (len(bold) + len(plain)) - 4, bold, plain)


def _wrapped(text: str, letters: int) -> list[str]:
    """The text in at most `MOST_LINES` lines, "(n = 5)" never split."""
    whole = text.replace(" = ", "\u00a0=\u00a0")
    return textwrap.wrap(whole, letters, subsequent_indent="\u2002", max_lines=MOST_LINES, placeholder=" …")


def _arrow(old: Box, new: Box) -> str:
    if old.middle == new.middle:
        return _path((old.middle, old.bottom), (new.middle, new.y))
    fork = old.bottom + GAP
    return _path((old.middle, old.bottom), (old.middle, fork), (new.middle, fork), (new.middle, new.y))


def _path(*points: tuple[float, float]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
