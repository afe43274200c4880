"""Laws of spending functions and boundary shapes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from vct.stats.design.spending import (
    HwangShihDeCani,
    KimDeMets,
    LanDeMetsOBrienFleming,
    LanDeMetsPocock,
    OBrienFleming,
    Pocock,
    WangTsiatis,
)

rules = st.one_of(
    st.just(LanDeMetsOBrienFleming()),
    st.just(LanDeMetsPocock()),
    st.floats(-40, 40).map(lambda gamma: HwangShihDeCani(gamma=gamma)),
    st.floats(0.1, 20).map(lambda rho: KimDeMets(rho=rho)),
)


@given(rules, st.floats(1e-6, 0.49))
def test_all_is_spent_at_the_end_and_never_given_back(rule, error):
    spent = rule.spent(np.linspace(0.01, 1.0, 50), error)
    assert spent[-1] == pytest.approx(error, rel=1e-12)
    assert (np.diff(spent) >= -1e-15).all()
    assert (spent >= 0).all()


def test_golden_values():
    t = np.array([0.5])
    assert LanDeMetsOBrienFleming().spent(t, 0.025)[0] == pytest.approx(2 * norm.sf(norm.isf(0.0125) / np.sqrt(0.5)))
    assert LanDeMetsPocock().spent(t, 0.025)[0] == pytest.approx(0.025 * np.log(1 + (np.e - 1) / 2))
    assert KimDeMets(rho=3).spent(t, 0.08)[0] == pytest.approx(0.01)


def test_gamma_nought_is_the_limit():
    t = np.linspace(0.1, 1, 10)
    assert HwangShihDeCani(gamma=0).spent(t, 0.05) == pytest.approx(
        HwangShihDeCani(gamma=1e-7).spent(t, 0.05), rel=1e-6
    )


def test_wang_tsiatis_joins_the_two_shapes():
    t = np.linspace(0.1, 1, 10)
    assert WangTsiatis(delta=0).relative(t) == pytest.approx(OBrienFleming().relative(t))
    assert WangTsiatis(delta=0.5).relative(t) == pytest.approx(Pocock().relative(t))
