"""A drawn cohort as a table, and beside what its sources report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vct.cohort.candidates import DEMOGRAPHICS
from vct.cohort.population import Population, Target
from vct.records import Sex

if TYPE_CHECKING:
    import pandas as pd

STATISTICS = ("mean", "sd", "p5", "p25", "p50", "p75", "p95")
BLOCK = 4096
_PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
_EVEN = (np.arange(4096) + 0.5) / 4096


def draw(population: Population, n: int, seed: int) -> pd.DataFrame:
    """`n` candidates, a row each: id, sex, age_years, height_cm, weight_kg, bmi_kg_m2 and the biomarkers."""
    import pandas as pd

    blocks = [population.candidates(first, min(BLOCK, n + 1 - first), seed) for first in range(1, n + 1, BLOCK)]
    tables = [
        pd.DataFrame({"id": block.ids, "sex": np.where(block.female, "F", "M"), **block.columns}) for block in blocks
    ]
    return pd.concat(tables, ignore_index=True)


def against_target(population: Population, table: pd.DataFrame) -> pd.DataFrame:
    """A drawn `table` beside the population's targets: three rows for each variable and sex.

    Rows are the sample, its target and the deviation in per cent; columns are variable, sex, row, n, mean, sd, p5, p25,
    p50, p75, p95. Where the cohort states no target, age is held against its own distribution and a body measure
    stands alone.
    """
    import pandas as pd

    stated = {(target.variable, target.sex): target for target in population.targets}
    rows = []
    for variable in DEMOGRAPHICS:
        for sex in ("F", "M"):
            values = table.loc[table["sex"] == sex, variable].to_numpy(dtype=float)
            if not values.size:
                continue
            sample = _described(values)
            rows.append([variable, sex, "sample", values.size, *sample])
            target = _target(population, variable, sex, stated.get((variable, sex)))
            if target is not None:
                rows.append([variable, sex, "target", None, *target])
                rows.append([variable, sex, "deviation %", None, *(100.0 * (sample - target) / np.abs(target))])
    frame = pd.DataFrame(rows, columns=["variable", "sex", "row", "n", *STATISTICS])
    return frame.astype({"n": "Int64"})


def _target(population: Population, variable: str, sex: Sex, stated: Target | None) -> np.ndarray | None:
    if stated is not None:
        return np.array([getattr(stated, name) for name in STATISTICS])
    return _described(population.age_of(sex).ppf(_EVEN)) if variable == "age_years" else None


def _described(values: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and quantiles, in the order of STATISTICS."""
    spread = values.std(ddof=1) if values.size > 1 else np.nan
    return np.array([values.mean(), spread, *np.quantile(values, _PROBABILITIES)])
