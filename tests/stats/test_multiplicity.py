"""Adjusted p-values against closed tests, published examples and laws."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from statsmodels.stats.multitest import multipletests

from vct import yamlfile
from vct.errors import InputError
from vct.part import Part, references
from vct.stats.multiplicity import (
    AnyMultiplicity,
    Bonferroni,
    CoPrimary,
    FixedSequence,
    Graphical,
    Hochberg,
    Holm,
    interaction,
)


class Holder(Part):
    multiplicity: AnyMultiplicity


def graph(weights, edges, alpha=0.025):
    """From weights (J,) and a transition matrix (J, J)."""
    names = [f"H{j + 1}" for j in range(len(weights))]
    nodes = [
        {
            "endpoint": name,
            "weight": weight,
            "passes": [{"to": to, "share": share} for to, share in zip(names, row, strict=True) if share > 0],
        }
        for name, weight, row in zip(names, weights, edges, strict=True)
    ]
    return Graphical.model_validate({"alpha": alpha, "hypotheses": nodes})


def closed_test(weights, edges, p):
    """Adjusted p-values by weighted Bonferroni tests of every intersection (Bretz et al. 2009, section 3)."""
    size = len(p)
    adjusted = np.zeros(size)
    for kept in itertools.product([True, False], repeat=size):
        if not any(kept):
            continue
        w, g = np.array(weights, float), np.array(edges, float)
        for gone in (j for j in range(size) if not kept[j]):
            w = w + w[gone] * g[gone]
            w[gone] = 0
            new = np.zeros_like(g)
            for a, b in itertools.permutations(range(size), 2):
                loop = g[a, gone] * g[gone, a]
                if gone not in (a, b) and loop < 1:
                    new[a, b] = (g[a, b] + g[a, gone] * g[gone, b]) / (1 - loop)
            g = new
        ratios = [p[j] / w[j] for j in range(size) if kept[j] and w[j] > 1e-12]
        local = min([1.0, *ratios])
        adjusted[[j for j in range(size) if kept[j]]] = np.maximum(adjusted[[j for j in range(size) if kept[j]]], local)
    return adjusted


pvalues = st.lists(st.floats(0.0005, 0.5), min_size=3, max_size=5)
shares = st.lists(st.integers(0, 4), min_size=20, max_size=20)


@given(pvalues, shares)
def test_second_implementation_graph_is_the_closed_test(p, numbers):
    size = len(p)
    weights = np.array(numbers[:size], float) + 0.1
    weights /= weights.sum()
    edges = np.resize(np.array(numbers, float) + 0.5, (size, size))
    np.fill_diagonal(edges, 0)
    edges /= edges.sum(axis=1, keepdims=True)
    found = graph(weights.tolist(), edges.tolist()).adjust({f"H{j + 1}": v for j, v in enumerate(p)})
    assert list(found.values()) == pytest.approx(closed_test(weights, edges, p), abs=1e-9)


def test_golden_lrstat_fadjpbon():
    """lrstat's documented example on the graph of Bretz et al. 2009 (doi:10.1002/sim.3495)."""
    successive = graph([0.5, 0.5, 0, 0], [[0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]])
    p = {"H1": 0.01, "H2": 0.005, "H3": 0.015, "H4": 0.022}
    assert list(successive.adjust(p).values()) == pytest.approx([0.02, 0.01, 0.03, 0.03])
    assert successive.rejected(p) == ("H1", "H2")


@given(pvalues)
def test_a_graph_of_equal_shares_is_holm(p):
    size = len(p)
    edges = (np.ones((size, size)) - np.eye(size)) / (size - 1)
    named = {f"H{j + 1}": v for j, v in enumerate(p)}
    assert graph([1 / size] * size, edges.tolist()).adjust(named) == pytest.approx(Holm().adjust(named), abs=1e-9)


@given(pvalues)
def test_a_chain_is_the_fixed_sequence(p):
    size = len(p)
    edges = np.eye(size, k=1).tolist()
    named = {f"H{j + 1}": v for j, v in enumerate(p)}
    chain = graph([1.0] + [0.0] * (size - 1), edges)
    assert chain.adjust(named) == pytest.approx(FixedSequence(order=tuple(named)).adjust(named))


@pytest.mark.parametrize(
    ("part", "method"), [(Bonferroni(), "bonferroni"), (Holm(), "holm"), (Hochberg(), "simes-hochberg")]
)
def test_second_implementation_statsmodels(part, method):
    rng = np.random.default_rng(6)
    for size in (1, 2, 5, 9):
        p = rng.random(size) * 0.2
        found = part.adjust({f"H{j}": v for j, v in enumerate(p)})
        assert list(found.values()) == pytest.approx(multipletests(p, method=method)[1], abs=1e-14)


@given(pvalues)
def test_procedures_are_ordered_by_power(p):
    named = {f"H{j}": v for j, v in enumerate(p)}
    plain, holm, hochberg = (part.adjust(named) for part in (Bonferroni(), Holm(), Hochberg()))
    for name, raw in named.items():
        assert raw <= hochberg[name] + 1e-12 <= holm[name] + 2e-12 <= plain[name] + 3e-12


def test_golden_hochberg_1988_rejects_all_when_all_are_small():
    p = {"a": 0.04, "b": 0.049}
    assert Hochberg().rejected(p) == ("a", "b")
    assert Holm().rejected(p) == ()


def test_fixed_sequence_stops_at_the_first_failure():
    rule = FixedSequence(order=("PFS", "OS", "QoL"))
    assert rule.rejected({"QoL": 0.001, "PFS": 0.01, "OS": 0.2}) == ("PFS",)


def test_co_primary_needs_all():
    assert CoPrimary().rejected({"a": 0.01, "b": 0.04}) == ("a", "b")
    assert CoPrimary().rejected({"a": 0.01, "b": 0.06}) == ()


def test_family_wise_error_under_the_global_null():
    rng = np.random.default_rng(11)
    n = 4000
    successive = graph([0.5, 0.5, 0, 0], [[0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]], alpha=0.2)
    wrong = sum(
        bool(successive.rejected(dict(zip(("H1", "H2", "H3", "H4"), rng.random(4), strict=True)))) for _ in range(n)
    )
    assert wrong / n <= 0.2 + 4 * np.sqrt(0.16 / n)


def test_names_are_checked_centrally():
    rule = FixedSequence(order=("PFS", "OS"))
    assert [(family, name) for _, family, name in references(rule)] == [("endpoints", "PFS"), ("endpoints", "OS")]
    named = [name for _, _, name in references(graph([0.5, 0.5], [[0, 1], [1, 0]]))]
    assert named == ["H1", "H2", "H2", "H1"]


def test_yaml(tmp_path):
    file = tmp_path / "trial.yaml"
    file.write_text("multiplicity: {kind: fixed_sequence, alpha: 0.025, order: [PFS, OS]}\n")
    assert yamlfile.check(Holder, yamlfile.read(file), tmp_path).multiplicity == FixedSequence(
        alpha=0.025, order=("PFS", "OS")
    )


@pytest.mark.parametrize(
    ("weights", "edges", "reason"),
    [
        ([0.7, 0.7], [[0, 1], [1, 0]], "at most 1"),
        ([0.5, 0.5], [[1, 0], [1, 0]], "passes alpha to other endpoints"),
        ([0.4, 0.3, 0.3], [[0, 0.7, 0.7], [1, 0, 0], [1, 0, 0]], "at most 1"),
    ],
)
def test_impossible_graphs_are_refused(weights, edges, reason):
    with pytest.raises(ValidationError, match=reason):
        graph(weights, edges)


def test_refusals():
    with pytest.raises(ValidationError, match="once in the order"):
        FixedSequence(order=("a", "a"))
    with pytest.raises(InputError, match="p-values are needed for a, b"):
        FixedSequence(order=("a", "b")).adjust({"a": 0.1})
    with pytest.raises(InputError, match="between 0 and 1"):
        Holm().adjust({"a": 1.2})
    with pytest.raises(InputError, match="needed"):
        Holm().adjust({})
    with pytest.raises(InputError, match="two or more"):
        interaction([1.0], [0.1])


def test_golden_interaction_altman_bland_2003():
    """doi:10.1136/bmj.326.7382.219: log relative risks that differ by -0.2726 with standard error 0.2206."""
    found = interaction([-0.2726, 0.0], [0.2206, 1e-9])
    assert np.sqrt(found.statistic) == pytest.approx(1.24, abs=0.005)
    assert found.p_value == pytest.approx(0.2, abs=0.02)
    assert found.df == 1
