"""The published protocol for judging a generator: subjects held out by patient, generated anew, compared unpaired.

Yoon 2025 (arXiv 2505.22489): 200 test subjects' demographics go in; volume, SUVmean and SUVmax of each organ come out,
by sex and by age below and from 65 years. Tests here are Welch's t and Mann-Whitney's U, unpaired.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vct.errors import InputError
from vct.files import write_aside
from vct.rng import stream
from vct.training.folder import TABLE, read_about, read_table
from vct.training.organs import OrganNumber

OLD_YEARS = 65.0
SMALLEST = 3
"""A group below this has no test."""
ROUNDING = 1e-9
"""Groups whose standard deviations are this small beside their means do not vary, and have no t test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRow:
    """One organ, quantity and group: means and SDs of both populations, their difference in percent, and tests."""

    organ: str
    quantity: str
    group: str
    n: int
    n_reference: int
    mean: float
    sd: float
    mean_reference: float
    sd_reference: float
    percent: float
    t_p: float
    u_p: float


def paper_table(numbers: Sequence[OrganNumber], reference: Sequence[OrganNumber]) -> list[PaperRow]:
    """Every organ and quantity that both populations show, for all, by sex and by age. Empty where none is shared."""
    found: list[PaperRow] = []
    theirs = dict(groups(reference))
    for name, group in groups(numbers):
        mine, other = _values(group), _values(theirs[name])
        shared = [key for key in sorted(mine.keys() & other.keys()) if min(mine[key].size, other[key].size) >= SMALLEST]
        found += [_row(key, name, mine[key], other[key]) for key in shared]
    return found


def groups(numbers: Sequence[OrganNumber]) -> Iterator[tuple[str, list[OrganNumber]]]:
    """All, women, men, below 65 years, from 65 years."""
    yield "all", list(numbers)
    for sex in ("F", "M"):
        yield f"sex {sex}", [item for item in numbers if item.sex == sex]
    yield "age < 65", [item for item in numbers if item.age_years < OLD_YEARS]
    yield "age >= 65", [item for item in numbers if item.age_years >= OLD_YEARS]


def _values(numbers: Sequence[OrganNumber]) -> dict[tuple[str, str], NDArray[np.float64]]:
    held: dict[tuple[str, str], list[float]] = {}
    for item in numbers:
        held.setdefault((item.organ, item.quantity), []).append(item.value)
    return {key: np.array(values) for key, values in held.items()}


def _row(key: tuple[str, str], group: str, mine: NDArray[np.float64], other: NDArray[np.float64]) -> PaperRow:
    from scipy import stats

    means, sds = (mine.mean(), other.mean()), (mine.std(ddof=1), other.std(ddof=1))
    constant = max(sds) <= ROUNDING * max(abs(mean) for mean in means)
    return PaperRow(
        organ=key[0],
        quantity=key[1],
        group=group,
        n=mine.size,
        n_reference=other.size,
        mean=float(means[0]),
        sd=float(sds[0]),
        mean_reference=float(means[1]),
        sd_reference=float(sds[1]),
        percent=float(100.0 * (means[0] / means[1] - 1.0)) if means[1] else float("nan"),
        t_p=float("nan")
        if constant
        else float(
            stats.ttest_ind_from_stats(
                means[0], sds[0], mine.size, means[1], sds[1], other.size, equal_var=False
            ).pvalue
        ),
        u_p=float(stats.mannwhitneyu(mine, other, alternative="two-sided").pvalue),
    )


def split_by_patient(folder: Path, test: int, seed: int = 0) -> tuple[int, int]:
    """Write `train/` and `test/` into a prepared folder: tables of their own, links to the scans; their sizes.

    All scans of a patient (column `patient`, else `id`) go to one side; patients are drawn, in an order that depends on
    `seed` and their names only, until the test side has at least `test` scans. Raises InputError when nothing is left
    to train on.
    """
    ids = {patient.id for patient in read_table(folder)}
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names, rows = list(reader.fieldnames or ()), [row for row in reader if row["id"] in ids]
    owners = sorted({row.get("patient") or row["id"] for row in rows})
    order = sorted(owners, key=lambda owner: float(stream(seed, "split", owner).random()))
    held: set[str] = set()
    for owner in order:
        if sum((row.get("patient") or row["id"]) in held for row in rows) >= test:
            break
        held.add(owner)
    sides = {
        side: [row for row in rows if ((row.get("patient") or row["id"]) in held) == (side == "test")]
        for side in ("train", "test")
    }
    if not sides["train"]:
        raise InputError(f"{folder}: {len(rows)} scans are too few to keep {test} for testing")
    for side, own in sides.items():
        _write_side(folder, side, names, own)
    return len(sides["train"]), len(sides["test"])


def _write_side(folder: Path, side: str, names: list[str], rows: list[dict[str, str]]) -> None:
    import io

    target = folder / side
    target.mkdir(exist_ok=True)
    for old in target.iterdir():
        if old.is_symlink():
            old.unlink()
    for row in rows:
        (target / row["id"]).symlink_to(Path("..") / row["id"], target_is_directory=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_aside(target / TABLE, text.getvalue().encode())
    write_aside(target / "about.txt", f"{read_about(folder)}\n{side} part, split by patient\n".encode())
