"""Distributions that are data: weighted values, quantiles, a column of a user's CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationInfo, model_validator

from vct.distributions.base import Array, Distribution, Number, Weights
from vct.distributions.csvfile import read_columns

MAX_ROWS = 20_000


class Steps(Distribution):
    """Weighted single values; draws are these values and nothing between them."""

    kind: str
    values: tuple[Number, ...] = Field(default=(), max_length=MAX_ROWS)
    weights: Weights = Field(default=(), max_length=MAX_ROWS, description="one for each value; all alike when left out")

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        if not self.values:
            raise ValueError("'values' must hold at least one number")
        if self.weights and len(self.weights) != len(self.values):
            raise ValueError(f"'weights' ({len(self.weights)}) must be as many as 'values' ({len(self.values)})")
        if self.weights and not sum(self.weights) > 0:
            raise ValueError("'weights' must not all be 0")
        return self

    @property
    def _steps(self) -> tuple[Array, Array]:
        """Sorted values of positive weight and the probability up to each."""
        values = np.asarray(self.values, dtype=np.float64)
        weights = np.asarray(self.weights, dtype=np.float64) if self.weights else np.ones(values.size)
        order = np.argsort(values[weights > 0], kind="stable")
        cumulative = np.cumsum(weights[weights > 0][order])
        return values[weights > 0][order], cumulative / cumulative[-1]

    def ppf(self, u: Any) -> Array:
        """Smallest value whose cumulative weight reaches `u`."""
        values, upto = self._steps
        return np.asarray(values[np.searchsorted(upto, u, side="left")])

    def cdf(self, x: Any) -> Array:
        """Share of the weight up to `x`."""
        values, upto = self._steps
        return np.asarray(np.concatenate(([0.0], upto))[np.searchsorted(values, x, side="right")])

    def below(self, x: Any) -> Array:
        """Share of the weight under `x`."""
        values, upto = self._steps
        return np.asarray(np.concatenate(([0.0], upto))[np.searchsorted(values, x, side="left")])


class Discrete(Steps):
    """Single values, each with its weight (any positive numbers; they need not add up to 1)."""

    kind: Literal["discrete"] = "discrete"


class Table(Steps):
    """The values in a column of a CSV file beside the YAML file, each as likely as its `weight` column says.

    The file is read once, when the YAML file is checked; from then on the part carries the values itself.
    Where `values` are given, `file` is a mere note.
    """

    kind: Literal["table"] = "table"
    file: str = Field(default="", max_length=255, description="CSV file in the YAML file's folder or below")
    column: str = Field(default="", max_length=100, description="header of the column with the values")
    weight: str | None = Field(default=None, max_length=100, description="header of the column with the weights")

    @model_validator(mode="before")
    @classmethod
    def _embed(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        if "values" in data:
            return {key: tuple(item) if isinstance(item, list) else item for key, item in data.items()}
        file, column, weight = data.get("file"), data.get("column"), data.get("weight")
        if not isinstance(file, str) or not isinstance(column, str) or not isinstance(weight, str | None):
            raise ValueError("a table needs the names of a 'file' and a 'column' (or 'values')")
        folder = (info.context or {}).get("folder")
        if folder is None:
            raise ValueError("a table's file is looked up beside a YAML file; from Python give 'values'")
        columns = [column] if weight is None else [column, weight]
        values, *weights = read_columns(Path(folder), file, columns, MAX_ROWS)
        return {**data, "values": values, **({"weights": weights[0]} if weights else {})}


class Quantiles(Distribution):
    """A distribution known by some of its quantiles: straight lines between them on the scale of normal scores.

    Beyond the outermost probabilities the outermost line goes on, which gives normal tails. Probabilities 0 and 1 are
    the ends of the range: up to them the line is straight in probability.
    """

    kind: Literal["quantiles"] = "quantiles"
    probabilities: tuple[float, ...] = Field(min_length=2, max_length=200, description="rising, from 0 to 1")
    values: tuple[Number, ...] = Field(min_length=2, max_length=200, description="rising, one for each probability")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        p, x = np.asarray(self.probabilities), np.asarray(self.values)
        if p.size != x.size:
            raise ValueError(f"'values' ({x.size}) must be as many as 'probabilities' ({p.size})")
        if p.min() < 0 or p.max() > 1 or (np.diff(p) <= 0).any():
            raise ValueError("'probabilities' must rise from 0 to 1")
        if (np.diff(x) <= 0).any():
            raise ValueError("'values' must rise; for values that repeat use kind 'discrete'")
        if ((p > 0) & (p < 1)).sum() < 2 and not (p[0] == 0 and p[-1] == 1):
            raise ValueError("'probabilities' need two between 0 and 1, or both 0 and 1")
        return self

    def ppf(self, u: Any) -> Array:
        """Interpolated quantiles."""
        from scipy.special import ndtri

        wanted = np.asarray(u, dtype=np.float64)
        p, x = np.asarray(self.probabilities), np.asarray(self.values)
        inner = (p > 0) & (p < 1)
        found = np.asarray(np.interp(wanted, p, x))
        if inner.sum() < 2:
            return found
        scored = _line(ndtri(wanted), ndtri(p[inner]), x[inner])
        return np.where(self._straight(wanted, p[inner]), found, scored)

    def cdf(self, x: Any) -> Array:
        """Inverse of `ppf`."""
        from scipy.special import ndtr, ndtri

        value = np.asarray(x, dtype=np.float64)
        p, known = np.asarray(self.probabilities), np.asarray(self.values)
        inner = (p > 0) & (p < 1)
        found = np.asarray(np.interp(value, known, p))
        if inner.sum() < 2:
            return found
        scored = ndtr(_line(value, known[inner], ndtri(p[inner])))
        return np.where(self._straight(value, known[inner]), found, scored)

    def _straight(self, at: Array, inner: Array) -> Array:
        """Where the line is straight in probability: between an end of the range and the first quantile inside."""
        low, high = self.probabilities[0] == 0, self.probabilities[-1] == 1
        return np.asarray((low & (at < inner[0])) | (high & (at > inner[-1])))


def _line(at: Array, x: Array, y: Array) -> Array:
    """Piecewise straight line through (x, y), whose first and last pieces go on beyond the ends."""
    piece = np.clip(np.searchsorted(x, at) - 1, 0, x.size - 2)
    slope = (np.diff(y) / np.diff(x))[piece]
    return np.asarray(y[piece] + slope * (at - x[piece]))
