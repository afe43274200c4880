"""Fit cohorts/us_adults.yaml to NHANES and write the file.

    python scripts/fit_nhanes.py nhanes_adults.csv.gz cohorts/us_adults.yaml

The CSV holds one adult a row, in columns `sex` (F, M), `age` (completed years, 80 means 80 and over), `height_cm`,
`weight_kg`, `bmi` and `mec_weight`. Make it from the public files of the National Health and Nutrition Examination
Survey (https://wwwn.cdc.gov/nchs/nhanes/), cycles 2017-2018 and August 2021-August 2023: DEMO_J.xpt and DEMO_L.xpt
(RIAGENDR, RIDAGEYR, WTMEC2YR) joined by SEQN to BMX_J.xpt and BMX_L.xpt (BMXHT, BMXWT, BMXBMI); adults of 18 years and
over with all three measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

BAND_STARTS = (18, 30, 40, 50, 60, 70, 80)
BODY_PROBABILITIES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
AGE_PROBABILITIES = tuple(round(0.05 * step, 2) for step in range(1, 20))
TARGET_PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP_CODE, OLDEST = 80, 90
COLUMNS = {"age_years": "age", "height_cm": "height_cm", "weight_kg": "weight_kg", "bmi_kg_m2": "bmi"}

HEAD = """\
# yaml-language-server: $schema=../schemas/cohort.schema.json
# Written by scripts/fit_nhanes.py; change the script, not the numbers.
title: US adults
description: >-
  Civilian adults of the United States outside institutions. Height and weight are quantiles by sex and age band, joined
  by their rank correlation.
source:
  - >-
    CDC/NCHS, National Health and Nutrition Examination Survey 2017-2018 and August 2021-August 2023 (public domain),
    files DEMO and BMX, {n} adults, MEC examination weights as published, https://wwwn.cdc.gov/nchs/nhanes/
  - >-
    Ages of 80 and over are one class in NHANES; taken as 80 to 90 years evenly (assumed)
"""


def quantile(values: np.ndarray, weights: np.ndarray, probability: float) -> float:
    """Weighted quantile, with each value in the middle of its own weight."""
    order = np.argsort(values, kind="stable")
    middle = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(probability, middle / weights.sum(), values[order]))


def age_quantiles(ages: np.ndarray, weights: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Weighted quantiles of exact age: each year of age is filled evenly, and so is the open class at the top."""
    years = np.arange(ages.min(), TOP_CODE + 1)
    share = np.array([weights[ages == year].sum() for year in years]) / weights.sum()
    return np.interp(probabilities, np.append(0.0, np.cumsum(share)), np.append(years, OLDEST))


def rank_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Weighted Spearman correlation: Pearson's of the weighted mid-ranks."""
    ranks = []
    for values in (x, y):
        unique, place = np.unique(values, return_inverse=True)
        mass = np.bincount(place, weights, unique.size)
        ranks.append((np.cumsum(mass) - mass / 2)[place])
    covariance = np.cov(*ranks, aweights=weights)
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def numbers(values: list[float] | tuple[float, ...], digits: int) -> str:
    """A YAML list; 0 digits means as many as the numbers have."""
    return "[" + ", ".join(f"{value:.{digits}f}" if digits else f"{value:g}" for value in values) + "]"


def distribution(values: list[float], probabilities: tuple[float, ...], digits: int) -> str:
    """A quantile distribution in YAML."""
    return f"{{kind: quantiles, probabilities: {numbers(probabilities, 0)}, values: {numbers(values, digits)}}}"


def age_lines(data: pd.DataFrame) -> list[str]:
    """Age by sex."""
    lines = ["age_years:"]
    for sex, group in data.groupby("sex"):
        ages, weights = group.age.to_numpy(), group.mec_weight.to_numpy()
        below_top = float(weights[ages < TOP_CODE].sum() / weights.sum())
        inner = (*(p for p in AGE_PROBABILITIES if p < below_top - 0.002), round(below_top, 4))
        inside = age_quantiles(ages, weights, np.array(inner))
        lines.append(f"  {sex}: {distribution([18.0, *inside, float(OLDEST)], (0.0, *inner, 1.0), 1)}")
    return lines


def body_lines(data: pd.DataFrame) -> list[str]:
    """Height, weight and their rank correlation by sex and age band."""
    lines = ["body_size:"]
    for sex, of_sex in data.groupby("sex"):
        lines.append(f"  {sex}:")
        for start, end in zip(BAND_STARTS, (*BAND_STARTS[1:], 200), strict=True):
            group = of_sex[(of_sex.age >= start) & (of_sex.age < end)]
            weights = group.mec_weight.to_numpy()
            lines.append(f"    - from_age_years: {start}  # {len(group)} people")
            for name in ("height_cm", "weight_kg"):
                found = [quantile(group[name].to_numpy(), weights, p) for p in BODY_PROBABILITIES]
                lines.append(f"      {name}: {distribution(found, BODY_PROBABILITIES, 1)}")
            rank = rank_correlation(group.height_cm.to_numpy(), group.weight_kg.to_numpy(), weights)
            lines.append(f"      rank_correlation: {rank:.3f}")
    return lines


def target_lines(data: pd.DataFrame) -> list[str]:
    """What the survey says of each variable in each sex, straight from the data and not by way of the fit."""
    lines = ["targets:"]
    for name, column in COLUMNS.items():
        for sex, group in data.groupby("sex"):
            values, weights = group[column].to_numpy(), group.mec_weight.to_numpy()
            if column == "age":
                even = (np.arange(10_000) + 0.5) / 10_000
                values = age_quantiles(values, weights, even)
                weights = np.ones(even.size)
            mean = np.average(values, weights=weights)
            sd = np.sqrt(np.average((values - mean) ** 2, weights=weights))
            points = {f"p{round(100 * p)}": quantile(values, weights, p) for p in TARGET_PROBABILITIES}
            shown = ", ".join(f"{key}: {value:.2f}" for key, value in {"mean": mean, "sd": sd, **points}.items())
            lines.append(f"  - {{variable: {name}, sex: {sex}, {shown}}}")
    return lines


def main(table: str, out: str) -> None:
    """Read the survey, write the cohort."""
    data = pd.read_csv(table)
    female = data.mec_weight[data.sex == "F"].sum() / data.mec_weight.sum()
    lines = [f"female_fraction: {female:.4f}", *age_lines(data), *body_lines(data), *target_lines(data)]
    Path(out).write_text(HEAD.format(n=len(data)) + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
