"""Violin plots of organ-wise numbers of two populations side by side, as in Yoon 2025 (arXiv 2505.22489)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vct.errors import InputError
from vct.training.organs import OrganNumber
from vct.training.paper import OLD_YEARS

SHOWN = ("liver", "heart", "kidneys", "spleen", "lungs", "aorta")


def save_violins(
    path: Path,
    quantity: str,
    populations: Mapping[str, Sequence[OrganNumber]],
    organs: Sequence[str] = SHOWN,
    by_age: bool = False,
) -> None:
    """Write one PNG, SVG or HTML: a violin an organ, sex (or age, below and from 65) and population.

    Raises InputError when no number is there.
    """
    import altair as alt
    import pandas as pd

    rows = [
        {"organ": item.organ, "group": _group(item, by_age), "population": name, "value": item.value}
        for name, numbers in populations.items()
        for item in numbers
        if item.quantity == quantity and item.organ in organs
    ]
    if not rows:
        raise InputError(f"no {quantity} of {', '.join(organs)} to draw")
    data = pd.DataFrame(rows)
    shown = [organ for organ in organs if (data["organ"] == organ).any()]
    charts = []
    for organ in shown:
        part = data[data["organ"] == organ]
        low, high = float(part["value"].min()), float(part["value"].max())
        violin = (
            alt.Chart(part)
            .transform_density("value", as_=["value", "density"], groupby=["group", "population"], extent=[low, high])
            .mark_area(orient="horizontal", opacity=0.75)
            .encode(
                x=alt.X("density:Q", stack="center", axis=None, impute=None),
                y=alt.Y("value:Q", title=f"{organ} {quantity}"),
                color=alt.Color("population:N", title=None),
                column=alt.Column("group_population:N", title=None, spacing=2),
            )
            .transform_calculate(group_population="datum.group + ' ' + datum.population")
            .properties(width=60, height=200)
        )
        charts.append(violin)
    alt.hconcat(*charts).save(str(path))


def _group(item: OrganNumber, by_age: bool) -> str:
    if not by_age:
        return item.sex
    return "< 65" if item.age_years < OLD_YEARS else ">= 65"
