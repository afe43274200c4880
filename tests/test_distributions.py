from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vct.distributions import (
    DISTRIBUTIONS,
    AnyDistribution,
    Beta,
    Constant,
    Discrete,
    Distribution,
    LogNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    Quantiles,
    Table,
    Truncated,
    Uniform,
    uniforms,
    within,
)
from vct.errors import SpecError
from vct.part import Part
from vct.yamlfile import Tree, check, read

U = (np.arange(2000) + 0.5) / 2000
CONTINUOUS = [
    Uniform(low=-2, high=5),
    Normal(mean=3, sd=2),
    LogNormal(median=8, geometric_sd=1.7),
    Beta(alpha=2, beta=5, low=10, high=20),
    Quantiles(probabilities=(0, 0.05, 0.5, 0.95, 1), values=(18, 25, 60, 80, 95)),
    Quantiles(probabilities=(0.01, 0.25, 0.5, 0.99), values=(140, 155, 160, 180)),
    Quantiles(probabilities=(0, 0.3, 1), values=(0, 1, 9)),
    Truncated(of=Normal(mean=3, sd=2), low=0, high=4),
    Truncated(of=LogNormal(median=8, geometric_sd=1.7), high=20),
]
STEPWISE = [
    Constant(value=3),
    Discrete(values=(5, 1, 2, 2), weights=(1, 2, 0, 3)),
    Table(values=(3.5, 1, 1, 9)),
    Poisson(mean=3.3),
    NegativeBinomial(mean=6, dispersion=0.4),
    Truncated(of=NegativeBinomial(mean=6, dispersion=0.4), low=1, high=50),
    Truncated(of=Discrete(values=(1, 2, 3)), low=2),
]


class Holder(Part):
    value: AnyDistribution


def shown(distribution: Distribution) -> str:
    return repr(distribution)[:60]


def held(data: dict[str, object], folder: Path) -> Distribution:
    return check(Holder, Tree({"value": data}, "some.yaml"), folder).value


def test_every_kind_is_tried_here() -> None:
    assert {type(item) for item in CONTINUOUS + STEPWISE} == set(DISTRIBUTIONS)


@pytest.mark.parametrize("distribution", CONTINUOUS, ids=shown)
def test_cdf_is_the_inverse_of_ppf(distribution: Distribution) -> None:
    x = distribution.ppf(U)
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(distribution.cdf(x), U, atol=1e-9)
    np.testing.assert_array_equal(distribution.below(x), distribution.cdf(x))


@pytest.mark.parametrize("distribution", STEPWISE, ids=shown)
def test_stepwise_quantile_is_the_smallest_value_that_reaches_u(distribution: Distribution) -> None:
    x = distribution.ppf(U)
    assert (distribution.cdf(x) >= U - 1e-12).all()
    assert (distribution.below(x) < U).all()


@pytest.mark.parametrize("distribution", CONTINUOUS + STEPWISE, ids=shown)
def test_shape_sampling_and_round_trip(distribution: Distribution) -> None:
    assert distribution.ppf(0.3).shape == ()
    assert distribution.ppf(U.reshape(20, 100)).shape == (20, 100)
    first = distribution.sample(np.random.default_rng(1), 50)
    np.testing.assert_array_equal(first, distribution.sample(np.random.default_rng(1), 60)[:50])
    again = held(json.loads(distribution.model_dump_json()), Path())
    assert again == distribution
    assert hash(again) == hash(distribution)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Normal(mean=3, sd=2), stats.norm(3, 2)),
        (LogNormal(median=8, geometric_sd=1.7), stats.lognorm(np.log(1.7), scale=8)),
        (Beta(alpha=2, beta=5, low=10, high=20), stats.beta(2, 5, 10, 10)),
        (Uniform(low=-2, high=5), stats.uniform(-2, 7)),
        (Truncated(of=Normal(mean=3, sd=2), low=0, high=4), stats.truncnorm(-1.5, 0.5, 3, 2)),
        (Poisson(mean=3.3), stats.poisson(3.3)),
        (NegativeBinomial(mean=6, dispersion=0.4), stats.nbinom(0.4, 0.4 / 6.4)),
    ],
    ids=lambda item: type(item).__name__,
)
def test_second_implementation_scipy_stats(ours: Distribution, theirs: object) -> None:
    np.testing.assert_allclose(ours.ppf(U), theirs.ppf(U), rtol=1e-9, atol=1e-9)  # type: ignore[attr-defined]


def test_negative_binomial_has_the_stated_mean_and_variance() -> None:
    drawn = NegativeBinomial(mean=6, dispersion=0.8).ppf((np.arange(40_000) + 0.5) / 40_000)
    assert drawn.mean() == pytest.approx(6, rel=2e-3)
    assert drawn.var() == pytest.approx(6 + 36 / 0.8, rel=1e-2)


def test_lognormal_from_mean_and_variation_as_documented() -> None:
    mean, variation = 5.0, 0.6
    distribution = LogNormal(
        median=mean / np.sqrt(1 + variation**2), geometric_sd=float(np.exp(np.sqrt(np.log(1 + variation**2))))
    )
    drawn = distribution.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert drawn.mean() == pytest.approx(mean, rel=1e-3)
    assert drawn.std() / drawn.mean() == pytest.approx(variation, rel=1e-2)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=12, unique=True))
def test_quantiles_are_hit_exactly(values: list[float]) -> None:
    p = (np.arange(len(values)) + 0.5) / len(values)
    distribution = Quantiles(probabilities=tuple(p.tolist()), values=tuple(sorted(values)))
    np.testing.assert_allclose(
        distribution.ppf(p), sorted(values), rtol=1e-9, atol=1e-9 * max(map(abs, values)) + 1e-30
    )


def test_quantiles_of_a_normal_give_the_normal_back_tails_included() -> None:
    normal, p = stats.norm(50, 10), (0.05, 0.5, 0.95)
    distribution = Quantiles(probabilities=p, values=tuple(normal.ppf(p).tolist()))
    np.testing.assert_allclose(distribution.ppf(U), normal.ppf(U), atol=1e-9)


@given(st.floats(-3, 3), st.floats(0.01, 3), st.floats(1e-12, 1 - 1e-12))
def test_truncation_keeps_to_its_window(low: float, width: float, u: float) -> None:
    cut = Truncated(of=Normal(mean=0, sd=1), low=low, high=low + width)
    assert low <= float(cut.ppf(u)) <= low + width


def test_within_cuts_what_is_cut_already() -> None:
    cut = within(Truncated(of=Normal(mean=0, sd=1), low=-1), -3, 2)
    assert (cut.low, cut.high) == (-1, 2)
    assert within(cut, 0, 1).ppf(1e-9) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="must not be over"):
        within(cut, 3, 4)


def test_uniforms_stay_inside() -> None:
    class Zero(np.random.Generator):
        def random(self, *_: object, **__: object) -> np.ndarray:  # type: ignore[override]
            return np.zeros(3)

    assert np.isfinite(Normal(mean=0, sd=1).ppf(uniforms(Zero(np.random.PCG64(0)), 3))).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "uniform", "low": 2, "high": 2}, "'low' (2) must be under 'high' (2)"),
        ({"kind": "normal", "mean": 0, "sd": 0}, "must be greater than 0"),
        ({"kind": "normal", "mean": "3", "sd": 1}, "must be a valid number"),
        ({"kind": "discrete", "values": []}, "at least one number"),
        ({"kind": "discrete", "values": [1, 2], "weights": [1]}, "'weights' (1) must be as many as 'values' (2)"),
        ({"kind": "discrete", "values": [1, 2], "weights": [0, 0]}, "must not all be 0"),
        ({"kind": "quantiles", "probabilities": [0.1, 0.5], "values": [2, 2]}, "use kind 'discrete'"),
        ({"kind": "quantiles", "probabilities": [0.5, 0.1], "values": [2, 3]}, "'probabilities' must rise"),
        ({"kind": "quantiles", "probabilities": [0.5, 1], "values": [2, 3]}, "two between 0 and 1"),
        ({"kind": "truncated", "of": {"kind": "normal", "mean": 0, "sd": 1}}, "needs 'low' or 'high'"),
        ({"kind": "truncated", "of": {"kind": "normal", "mean": 0, "sd": 1}, "low": 9}, "no value of the distribution"),
        ({"kind": "truncated", "of": {"kind": "truncated", "of": {}}}, "must be one of constant"),
        ({"kind": "table", "column": "x"}, "needs the names of a 'file' and a 'column'"),
        ({"kind": "negative_binomial", "mean": 1e9, "dispersion": 1}, "less than or equal to 1000"),
    ],
    ids=lambda item: item["kind"] if isinstance(item, dict) else "",
)
def test_bad_input_is_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        held(data, Path())
    assert message in str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "ages.csv").write_text("id,age,n\na,50,1\nb,60,3\n\nc,70,0\n", encoding="utf-8-sig")
    (tmp_path / "outside.csv").write_text("age\n1\n")
    return inside


def test_a_table_carries_its_values(folder: Path) -> None:
    table = held({"kind": "table", "file": "ages.csv", "column": "age", "weight": "n"}, folder)
    assert isinstance(table, Table)
    assert table.values == (50, 60, 70)
    assert table.weights == (1, 3, 0)
    np.testing.assert_array_equal(table.ppf([0.2, 0.3, 0.99]), [50, 60, 60])
    (folder / "ages.csv").unlink()
    assert held(json.loads(table.model_dump_json()), folder) == table


def test_a_table_inside_a_truncation_finds_its_file(folder: Path) -> None:
    (folder / "some.yaml").write_text(
        "value: {kind: truncated, low: 55, of: {kind: table, file: ages.csv, column: age}}\n"
    )
    cut = check(Holder, read(folder / "some.yaml"), folder).value
    assert set(cut.ppf(U)) == {60.0, 70.0}


@pytest.mark.parametrize(
    "name", ["../outside.csv", "a/../../outside.csv", "{tmp}/outside.csv", "link.csv", "up/outside.csv"]
)
def test_a_table_stays_in_its_folder(folder: Path, name: str) -> None:
    (folder / "link.csv").symlink_to(folder.parent / "outside.csv")
    (folder / "up").symlink_to(folder.parent)
    with pytest.raises(SpecError, match="YAML file's folder"):
        held({"kind": "table", "file": name.format(tmp=folder.parent), "column": "age"}, folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"age\n1\nx\n3\n,\n", "line 3: age must be a finite number (got 'x'); line 5: age"),
        (b"age\nnan\n", "line 2"),
        (b"age\n1e400\n", "line 2"),
        (b"agee\n1\n", "no column 'age'; did you mean 'agee'?"),
        (b"age\n", "has no rows"),
        (b"", "no column 'age'"),
        (b"age\n\xff\n", "must be UTF-8"),
        (b"age\n" + b"1\n" * 20_001, "at most 20000 rows"),
        (b"age\n" + b"1 \n" * 400_000, "at most 1000000 bytes"),
        (b"age\n1e300\n", "must be less than or equal to"),
        (b"id,age\nonly\n", "line 2"),
        (b'age\n"' + b"1" * 140_000 + b'"\n', "is not valid CSV"),
        (None, "cannot be read"),
    ],
    ids=lambda item: item[:30] if isinstance(item, str) else "",
)
def test_bad_tables_are_named(folder: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (folder / "bad.csv").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        held({"kind": "table", "file": "bad.csv", "column": "age"}, folder)
    assert message in str(caught.value)


def test_a_pipe_is_not_a_table(folder: Path) -> None:
    (folder / "age.csv").mkdir()
    with pytest.raises(SpecError, match="is not a file"):
        held({"kind": "table", "file": "age.csv", "column": "age"}, folder)


def test_from_python_a_table_takes_values() -> None:
    with pytest.raises(ValueError, match="from Python give 'values'"):
        Table(file="ages.csv", column="age")
