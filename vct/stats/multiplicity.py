"""Several hypotheses in one trial: the family-wise error rate kept at alpha.

A p-value stands for an endpoint; an adjusted p-value at or below alpha is significant. The step-wise procedures are
written out because statsmodels' `multipletests` collects garbage at every call (0.2 s), too slow for replicates.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from vct.errors import InputError
from vct.part import EndpointName, Part, one_of

ROUNDING = 1e-12


class Multiplicity(Part):
    """Turns the p-values of the endpoints into adjusted ones."""

    alpha: float = Field(default=0.05, gt=0.0, lt=0.5, description="family-wise error rate")

    @abstractmethod
    def adjust(self, p: Mapping[str, float]) -> dict[str, float]:
        """Adjusted p-value of every hypothesis in `p`. Raises InputError when p-values are missing or no p-values."""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Endpoints that the procedure names; none when it takes whatever is tested."""
        return ()

    def rejected(self, p: Mapping[str, float]) -> tuple[str, ...]:
        """Names of the hypotheses that are rejected, in the order of `p`."""
        adjusted = self.adjust(p)
        return tuple(name for name in p if adjusted[name] <= self.alpha + ROUNDING)


class Bonferroni(Multiplicity):
    """Every p-value times their number."""

    kind: Literal["bonferroni"] = "bonferroni"

    def adjust(self, p: Mapping[str, float]) -> dict[str, float]:
        """Adjusted p-values."""
        return {name: min(1.0, len(p) * value) for name, value in zip(p, _values(p, tuple(p)).tolist(), strict=True)}


class Holm(Multiplicity):
    """Holm's step-down Bonferroni (Scand J Statist 1979;6:65-70): holds under any dependence."""

    kind: Literal["holm"] = "holm"

    def adjust(self, p: Mapping[str, float]) -> dict[str, float]:
        """The largest of p times those left, up to and including each hypothesis in rising order of p."""
        names = sorted(p, key=p.__getitem__)
        steps = _values(p, names) * np.arange(len(names), 0, -1)
        return _in_order(p, names, np.maximum.accumulate(steps))


class Hochberg(Multiplicity):
    """Hochberg's step-up (doi:10.1093/biomet/75.4.800): holds for independent or positively dependent tests."""

    kind: Literal["hochberg"] = "hochberg"

    def adjust(self, p: Mapping[str, float]) -> dict[str, float]:
        """The smallest of p times its rank from the top, from the largest p down to each hypothesis."""
        names = sorted(p, key=p.__getitem__, reverse=True)
        steps = _values(p, names) * np.arange(1, len(names) + 1)
        return _in_order(p, names, np.minimum.accumulate(steps))


class FixedSequence(Multiplicity):
    """Each at full alpha in `order` until one fails (hierarchical testing; doi:10.1177/009286150103500418)."""

    kind: Literal["fixed_sequence"] = "fixed_sequence"
    order: tuple[EndpointName, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> FixedSequence:
        if len(set(self.order)) != len(self.order):
            raise ValueError("each endpoint stands once in the order")
        return self

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints in their order."""
        return self.order

    def adjust(self, p: Mapping[str, float]) -> dict[str, float]:
        """The largest p-value up to and including each hypothesis."""
        values = _values(p, self.order)
        return dict(zip(self.order, np.maximum.accumulate(values).tolist(), strict=True))


class CoPrimary(Multiplicity):
    """All must be significant for the trial to succeed (intersection-union test): each at full alpha."""

    kind: Literal["co_primary"] = "co_primary"

    def adjust(self, p: Mapping[str, float]) -> dict[str, float]:
        """The largest p-value for every hypothesis."""
        values = _values(p, tuple(p))
        return dict.fromkeys(p, float(values.max()))


class Share(Part):
    """What part of its alpha a rejected hypothesis hands to another."""

    to: EndpointName
    share: float = Field(gt=0.0, le=1.0)


class Node(Part):
    """A hypothesis of the graph: its first share of alpha, and who inherits when it is rejected."""

    endpoint: EndpointName
    weight: float = Field(ge=0.0, le=1.0)
    passes: tuple[Share, ...] = ()


class Graphical(Multiplicity):
    """The graphical approach of Bretz, Maurer, Brannath and Posch (doi:10.1002/sim.3495) with Bonferroni weights."""

    kind: Literal["graphical"] = "graphical"
    hypotheses: tuple[Node, ...] = Field(min_length=2, max_length=50)

    @model_validator(mode="after")
    def _sound(self) -> Graphical:
        names = [node.endpoint for node in self.hypotheses]
        if len(set(names)) != len(names):
            raise ValueError("each endpoint stands once in the graph")
        if sum(node.weight for node in self.hypotheses) > 1.0 + ROUNDING:
            raise ValueError("weights must sum to at most 1")
        for node in self.hypotheses:
            heirs = [edge.to for edge in node.passes]
            if node.endpoint in heirs or not set(heirs) <= set(names) or len(set(heirs)) != len(heirs):
                raise ValueError(f"{node.endpoint!r} passes alpha to other endpoints of the graph, to each once")
            if sum(edge.share for edge in node.passes) > 1.0 + ROUNDING:
                raise ValueError(f"the shares that {node.endpoint!r} passes on must sum to at most 1")
        return self

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints of the graph."""
        return tuple(node.endpoint for node in self.hypotheses)

    def adjust(self, p: Mapping[str, float]) -> dict[str, float]:
        """Adjusted p-values: reject the hypothesis with the smallest p / weight, pass its weight on, repeat."""
        names = [node.endpoint for node in self.hypotheses]
        values = _values(p, names)
        weights, edges = self._graph(names)
        left, floor = set(range(len(names))), 0.0
        adjusted = np.ones(len(names))
        while left:
            ratios = {j: values[j] / weights[j] if weights[j] > ROUNDING else np.inf for j in left}
            next_out = min(ratios, key=ratios.__getitem__)
            if not np.isfinite(ratios[next_out]):
                break
            floor = max(floor, min(1.0, ratios[next_out]))
            adjusted[next_out] = floor
            left.remove(next_out)
            weights, edges = _without(next_out, left, weights, edges)
        return dict(zip(names, adjusted.tolist(), strict=True))

    def _graph(self, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        weights = np.array([node.weight for node in self.hypotheses])
        edges = np.zeros((len(names), len(names)))
        for j, node in enumerate(self.hypotheses):
            for edge in node.passes:
                edges[j, names.index(edge.to)] = edge.share
        return weights, edges


def _without(gone: int, left: set[int], weights: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (J,) and transition matrix (J, J) after hypothesis `gone` is rejected: algorithm 1 of Bretz et al."""
    heirs = weights + weights[gone] * edges[gone]
    heirs[gone] = 0.0
    passed = np.zeros_like(edges)
    for j in left:
        loop = edges[j, gone] * edges[gone, j]
        if loop < 1.0 - ROUNDING:
            passed[j] = (edges[j] + edges[j, gone] * edges[gone]) / (1.0 - loop)
        passed[j, [j, gone]] = 0.0
    return heirs, passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Whether an effect differs between subgroups: chi-squared `statistic` on `df` degrees of freedom."""

    statistic: float
    df: int
    p_value: float


def interaction(estimates: Sequence[float], standard_errors: Sequence[float]) -> Interaction:
    """Test that independent subgroups share one effect (Cochran's Q; two of them: Altman and Bland,
    doi:10.1136/bmj.326.7382.219). Give ratios as logs. Raises InputError for fewer than two, or errors not positive.
    """
    from scipy.special import chdtrc

    effect, error = np.asarray(estimates, dtype=float), np.asarray(standard_errors, dtype=float)
    if effect.size != error.size or effect.size < 2 or not (error > 0).all():
        raise InputError("an interaction test needs two or more estimates, each with a positive standard error")
    precision = error**-2.0
    mean = float(precision @ effect / precision.sum())
    statistic = float(precision @ (effect - mean) ** 2)
    return Interaction(statistic=statistic, df=effect.size - 1, p_value=float(chdtrc(effect.size - 1, statistic)))


def _values(p: Mapping[str, float], names: Sequence[str]) -> np.ndarray:
    if not p or set(p) != set(names):
        raise InputError(
            f"p-values are needed for {', '.join(names) or 'at least one hypothesis'} (got {', '.join(p)})"
        )
    values = np.array([p[name] for name in names], dtype=float)
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise InputError("p-values must lie between 0 and 1")
    return values


def _in_order(p: Mapping[str, float], names: Sequence[str], adjusted: np.ndarray) -> dict[str, float]:
    found = dict(zip(names, np.minimum(adjusted, 1.0).tolist(), strict=True))
    return {name: found[name] for name in p}


MULTIPLICITIES = (Bonferroni, Holm, Hochberg, FixedSequence, CoPrimary, Graphical)

if TYPE_CHECKING:
    AnyMultiplicity = Multiplicity
else:
    AnyMultiplicity = one_of(MULTIPLICITIES)
