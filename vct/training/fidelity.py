"""How like two populations are, organ by organ: means, medians, spread, shape, by sex, age and BMI.

Deviations are percent of the reference; intervals are percentile bootstraps (Efron and Tibshirani 1993) over scans. The
Wasserstein-1 distance is in the quantity's unit; the Kolmogorov-Smirnov test is the asymptotic two-sample one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vct.errors import InputError
from vct.rng import stream
from vct.training.organs import OrganNumber
from vct.training.paper import PaperRow

if TYPE_CHECKING:
    import pandas as pd

N_BOOT = 1000
SMALLEST_GROUP = 8
AGE_BANDS = ((0.0, 50.0), (50.0, 65.0), (65.0, 200.0))
BMI_BANDS = ((0.0, 25.0), (25.0, 30.0), (30.0, 100.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One organ, quantity and subgroup: `mean`, `median` and p5, p95 deviate from the reference by so many percent."""

    organ: str
    quantity: str
    subgroup: str
    n: int
    n_reference: int
    mean: float
    mean_reference: float
    mean_percent: float
    mean_low: float
    mean_high: float
    median_percent: float
    median_low: float
    median_high: float
    p5_percent: float
    p95_percent: float
    spread_ratio: float
    wasserstein: float
    ks: float
    ks_p: float


def subgroups(numbers: Sequence[OrganNumber]) -> Iterator[tuple[str, list[OrganNumber]]]:
    """All, then by sex, age band and BMI band; each with its name."""
    yield "all", list(numbers)
    for sex in ("F", "M"):
        yield f"sex {sex}", [item for item in numbers if item.sex == sex]
    for low, high in AGE_BANDS:
        yield _band("age", low, high), [item for item in numbers if low <= item.age_years < high]
    for low, high in BMI_BANDS:
        yield _band("BMI", low, high), [item for item in numbers if low <= item.bmi_kg_m2 < high]


def _band(name: str, low: float, high: float) -> str:
    if low == 0.0:
        return f"{name} < {high:g}"
    return f"{name} >= {low:g}" if high >= 100.0 else f"{name} {low:g}-{high:g}"


def compare(numbers: Sequence[OrganNumber], reference: Sequence[OrganNumber], seed: int = 0) -> list[Deviation]:
    """Every organ, quantity and subgroup that both populations hold at least eight times.

    A reference whose body sizes are unknown (NaN) is compared by sex and age only. Raises InputError when nothing can
    be compared.
    """
    theirs = dict(subgroups(reference))
    found = []
    for name, group in subgroups(numbers):
        mine_by, their_by = _series(group), _series(theirs[name])
        for key in sorted(mine_by.keys() & their_by.keys()):
            mine, other = mine_by[key], their_by[key]
            if min(mine.size, other.size) >= SMALLEST_GROUP:
                rng = stream(seed, "fidelity", name, *key)
                found.append(_deviation(key, name, mine, other, rng))
    if not found:
        raise InputError("the two populations share no organ with at least eight scans each")
    return found


def _series(numbers: Sequence[OrganNumber]) -> dict[tuple[str, str], NDArray[np.float64]]:
    held: dict[tuple[str, str], list[float]] = {}
    for item in numbers:
        held.setdefault((item.organ, item.quantity), []).append(item.value)
    return {key: np.array(values) for key, values in held.items()}


def _deviation(
    key: tuple[str, str],
    subgroup: str,
    mine: NDArray[np.float64],
    other: NDArray[np.float64],
    rng: np.random.Generator,
) -> Deviation:
    from scipy import stats

    boot_mine = mine[rng.integers(mine.size, size=(N_BOOT, mine.size))]
    boot_other = other[rng.integers(other.size, size=(N_BOOT, other.size))]
    means = np.percentile(_percent(boot_mine.mean(axis=1), boot_other.mean(axis=1)), [2.5, 97.5])
    medians = np.percentile(_percent(np.median(boot_mine, axis=1), np.median(boot_other, axis=1)), [2.5, 97.5])
    ks = stats.ks_2samp(mine, other, method="asymp")
    quantiles = [_percent(np.percentile(mine, q), np.percentile(other, q)) for q in (5, 95)]
    return Deviation(
        organ=key[0],
        quantity=key[1],
        subgroup=subgroup,
        n=mine.size,
        n_reference=other.size,
        mean=float(mine.mean()),
        mean_reference=float(other.mean()),
        mean_percent=float(_percent(mine.mean(), other.mean())),
        mean_low=float(means[0]),
        mean_high=float(means[1]),
        median_percent=float(_percent(np.median(mine), np.median(other))),
        median_low=float(medians[0]),
        median_high=float(medians[1]),
        p5_percent=float(quantiles[0]),
        p95_percent=float(quantiles[1]),
        spread_ratio=float(mine.std(ddof=1) / other.std(ddof=1)) if other.std() > 0 else float("nan"),
        wasserstein=float(stats.wasserstein_distance(mine, other)),
        ks=float(ks.statistic),
        ks_p=float(ks.pvalue),
    )


def _percent(
    value: NDArray[np.float64] | np.floating, reference: NDArray[np.float64] | np.floating
) -> NDArray[np.float64]:
    return np.asarray(100.0 * (value / reference - 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published distribution: a mean and, where known, a standard deviation and 5th and 95th percentiles."""

    organ: str
    quantity: str
    sex: str
    mean: float
    sd: float | None = None
    p5: float | None = None
    p95: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstPublished:
    """A population's organ against a published distribution; percents are of the published value."""

    organ: str
    quantity: str
    sex: str
    n: int
    mean: float
    mean_published: float
    mean_percent: float
    mean_low: float
    mean_high: float
    spread_ratio: float | None
    p5_percent: float | None
    p95_percent: float | None
    source: str


def read_published(path: Path) -> list[Published]:
    """A table of published values: columns organ, quantity, sex (F, M or all), mean, perhaps sd, p5, p95, source.

    Raises InputError when the table is missing or broken.
    """
    import csv

    def number(text: str | None) -> float | None:
        return float(text) if text else None

    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Published(
                    organ=row["organ"],
                    quantity=row["quantity"],
                    sex=row["sex"],
                    mean=float(row["mean"]),
                    sd=number(row.get("sd")),
                    p5=number(row.get("p5")),
                    p95=number(row.get("p95")),
                    source=row.get("source") or "",
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: needs the columns organ, quantity, sex, mean ({error})") from error


def compare_published(
    numbers: Sequence[OrganNumber], published: Sequence[Published], seed: int = 0
) -> list[AgainstPublished]:
    """Every published row that the population has at least eight scans for."""
    found = []
    for row in published:
        values = np.array(
            [
                item.value
                for item in numbers
                if item.organ == row.organ and item.quantity == row.quantity and row.sex in ("all", item.sex)
            ]
        )
        if values.size < SMALLEST_GROUP:
            continue
        rng = stream(seed, "published", row.organ, row.quantity, row.sex)
        boot = values[rng.integers(values.size, size=(N_BOOT, values.size))].mean(axis=1)
        low, high = np.percentile(100.0 * (boot / row.mean - 1.0), [2.5, 97.5])
        quantiles = [
            float(100.0 * (np.percentile(values, q) / known - 1.0)) if known else None
            for q, known in ((5, row.p5), (95, row.p95))
        ]
        found.append(
            AgainstPublished(
                organ=row.organ,
                quantity=row.quantity,
                sex=row.sex,
                n=values.size,
                mean=float(values.mean()),
                mean_published=row.mean,
                mean_percent=float(100.0 * (values.mean() / row.mean - 1.0)),
                mean_low=float(low),
                mean_high=float(high),
                spread_ratio=float(values.std(ddof=1) / row.sd) if row.sd else None,
                p5_percent=quantiles[0],
                p95_percent=quantiles[1],
                source=row.source,
            )
        )
    if not found:
        raise InputError("no published value matches an organ and quantity of the population")
    return found


def as_table(rows: Sequence[Deviation] | Sequence[AgainstPublished] | Sequence[PaperRow]) -> pd.DataFrame:
    """The rows as a data frame, columns in their order."""
    from dataclasses import asdict

    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows])
