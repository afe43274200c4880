"""Exact single-arm designs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import comb
from scipy.stats import binom

from vct.errors import InputError
from vct.stats.design import ExactSingleStage, SimonTwoStage


def promising(r1, n1, r, n, p):
    """By enumeration of both stages."""
    first, second = np.arange(r1 + 1, n1 + 1)[:, None], np.arange(n - n1 + 1)[None, :]
    both = pmf(first, n1, p) * pmf(second, n - n1, p)
    return both[first + second > r].sum()


def pmf(x, n, p):
    return comb(n, x) * p**x * (1 - p) ** (n - x)


@pytest.mark.parametrize(("p0", "p1", "alpha", "power"), [(0.2, 0.6, 0.1, 0.8), (0.1, 0.5, 0.05, 0.7)])
def test_second_implementation_exhaustive_search(p0, p1, alpha, power):
    designs = []
    for n in range(2, 15):
        for n1 in range(1, n):
            for r1 in range(n1):
                for r in range(r1, n):
                    if promising(r1, n1, r, n, p0) <= alpha and promising(r1, n1, r, n, p1) >= power:
                        expected = n1 + (1 - binom.cdf(r1, n1, p0)) * (n - n1)
                        designs.append((expected, n))
                        break
    optimal = SimonTwoStage(p0=p0, p1=p1, alpha=alpha, power=power, max_patients=14).stages()
    minimax = SimonTwoStage(p0=p0, p1=p1, alpha=alpha, power=power, criterion="minimax", max_patients=14).stages()
    assert optimal.expected_n == pytest.approx(min(designs)[0])
    least = min(n for _, n in designs)
    assert minimax.n == least
    assert minimax.expected_n == pytest.approx(min(e for e, n in designs if n == least))


@settings(deadline=None, max_examples=25)
@given(st.floats(0.05, 0.5), st.floats(0.2, 0.4), st.sampled_from([0.05, 0.1]), st.sampled_from(["optimal", "minimax"]))
def test_what_is_promised_is_kept(p0, gap, alpha, criterion):
    design = SimonTwoStage(p0=p0, p1=p0 + gap, alpha=alpha, power=0.8, criterion=criterion)
    found = design.stages()
    assert promising(found.r1, found.n1, found.r, found.n, p0) == pytest.approx(found.alpha)
    assert found.alpha <= alpha + 1e-9
    assert promising(found.r1, found.n1, found.r, found.n, p0 + gap) == pytest.approx(found.power)
    assert found.power >= 0.8 - 1e-9
    under = design.operating(p0)
    assert sum(under.efficacy) + sum(under.futility) == pytest.approx(1.0)
    assert under.expected * found.n == pytest.approx(found.expected_n)
    assert under.power == pytest.approx(found.alpha)


def test_golden_simon_1989_as_tabulated_by_qin_2020():
    """doi:10.1186/s12874-020-01017-8, table 1."""
    found = SimonTwoStage(p0=0.1, p1=0.3).stages()
    assert (found.r1, found.n1, found.r, found.n) == (1, 10, 5, 29)
    assert found.expected_n == pytest.approx(15.0, abs=0.05)


def test_verdict_counts_responders():
    design = SimonTwoStage(p0=0.1, p1=0.3)
    assert design.statistic == "responders"
    assert [design.verdict(1, 1), design.verdict(1, 2)] == ["futility", "continue"]
    assert [design.verdict(2, 5), design.verdict(2, 6)] == ["futility", "efficacy"]
    assert design.inflation() == pytest.approx(29 / 25)


def test_p_values_order_by_stage():
    found = SimonTwoStage(p0=0.1, p1=0.3).stages()
    at_the_edge = found.p_value(found.r + 1, found.n, 0.1)
    assert at_the_edge == pytest.approx(found.alpha)
    assert found.p_value(found.r + 2, found.n, 0.1) < at_the_edge < found.p_value(1, found.n1, 0.1)
    assert found.p_value(0, found.n1, 0.1) == pytest.approx(1.0)
    with pytest.raises(InputError, match="cannot end this design"):
        found.p_value(3, found.n1, 0.1)


def test_single_stage_is_the_smallest():
    design = ExactSingleStage(p0=0.2, p1=0.4)
    r, n = design.size()
    assert binom.sf(r, n, 0.2) <= 0.05
    assert binom.sf(r, n, 0.4) >= 0.8
    for smaller in range(2, n):
        q = int(binom.isf(0.05, smaller, 0.2))
        assert binom.sf(q, smaller, 0.4) < 0.8
    assert design.operating(0.4).power == pytest.approx(binom.sf(r, n, 0.4))
    assert design.verdict(1, r + 1) == "efficacy"


def test_impossible_designs_are_refused_with_the_reason():
    with pytest.raises(ValidationError, match=r"p1 0.2 must be above p0 0.3"):
        SimonTwoStage(p0=0.3, p1=0.2)
    with pytest.raises(ValidationError, match="must be above alpha"):
        ExactSingleStage(p0=0.3, p1=0.5, alpha=0.4, power=0.3)
    with pytest.raises(InputError, match="within 20 patients"):
        SimonTwoStage(p0=0.3, p1=0.5, max_patients=20).stages()
    with pytest.raises(InputError, match="within 20 patients"):
        ExactSingleStage(p0=0.3, p1=0.5, max_patients=20).size()
