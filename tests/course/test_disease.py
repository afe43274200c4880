from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from vct.course.disease import normal_correlation, probability
from vct.structures import LESION_SITES


def values(found, name):
    return np.array([getattr(lesion, name) for snapshot in found for lesion in snapshot.lesions])


def test_sizes_and_uptakes_follow_their_distributions(make_course, snapshots):
    course = make_course(disease={"between_lesion_correlation": 0.5, "size_uptake_correlation": 0.5})
    first = [snapshot.lesions[0] for snapshot in snapshots(course, 1500)]
    for name, median, geometric_sd in (("diameter_mm", 25.0, 1.5), ("suv", 7.0, 1.6)):
        scores = np.log([getattr(lesion, name) / median for lesion in first]) / np.log(geometric_sd)
        assert stats.kstest(scores, "norm").pvalue > 0.005


def test_counts_follow_their_distribution_and_its_bounds(make_course, snapshots):
    count = {"kind": "truncated", "of": {"kind": "poisson", "mean": 4.0}, "low": 2, "high": 9}
    counts = np.array([len(snapshot.lesions) for snapshot in snapshots(make_course(disease={"count": count}), 800)])
    assert (counts.min(), counts.max()) == (2, 9)
    k = np.arange(2, 10)
    expected = stats.poisson.pmf(k, 4.0) / stats.poisson.pmf(k, 4.0).sum() * counts.size
    assert stats.chisquare([(counts == number).sum() for number in k], expected).pvalue > 0.005


def test_sites_follow_their_weights_and_the_primary_its_site(make_course, snapshots):
    course = make_course(disease={"primary_site": "liver", "count": {"kind": "constant", "value": 6}})
    found = snapshots(course, 300)
    organs = [[lesion.organ for lesion in snapshot.lesions] for snapshot in found]
    assert {first for first, *_ in organs} == {"liver"}
    others = [organ for _, *rest in organs for organ in rest]
    assert others.count("lung") / len(others) == pytest.approx(2 / 3, abs=0.04)
    assert set(others) == {"lung", "bone"}


def test_a_site_of_weight_nought_is_never_drawn(make_course, snapshots):
    course = make_course(disease={"sites": {"spleen": 0.0, "lung": 1.0, "liver": 0.0}})
    assert {lesion.organ for found in snapshots(course, 100) for lesion in found.lesions} == {"lung"}


def test_the_correlation_of_size_and_uptake_is_recovered(make_course, snapshots):
    course = make_course(disease={"size_uptake_correlation": 0.6, "between_lesion_correlation": 0.3})
    first = [snapshot.lesions[0] for snapshot in snapshots(course, 1500)]
    rho = stats.spearmanr([lesion.diameter_mm for lesion in first], [lesion.suv for lesion in first]).statistic
    assert rho == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize("name", ["diameter_mm", "suv"])
def test_the_correlation_between_lesions_of_a_patient_is_recovered(make_course, snapshots, name):
    course = make_course(disease={"size_uptake_correlation": 0.6, "between_lesion_correlation": 0.4})
    pairs = np.array([[getattr(lesion, name) for lesion in found.lesions[:2]] for found in snapshots(course, 1500)])
    assert stats.spearmanr(pairs).statistic == pytest.approx(0.4, abs=0.07)


def test_without_correlations_lesions_are_independent(make_course, snapshots):
    found = snapshots(make_course(), 1500)
    suv, size = values(found, "suv").reshape(-1, 3), values(found, "diameter_mm").reshape(-1, 3)
    assert abs(stats.spearmanr(suv[:, 0], suv[:, 1]).statistic) < 0.08
    assert abs(stats.spearmanr(suv[:, 0], size[:, 0]).statistic) < 0.08


def test_axis_ratios_have_product_one_and_the_spread_asked_for(make_course, snapshots):
    found = snapshots(make_course(disease={"axis_ratio_sd": 0.2}), 500)
    ratios = np.array([lesion.axis_ratios for snapshot in found for lesion in snapshot.lesions])
    np.testing.assert_allclose(ratios.prod(axis=1), 1.0)
    assert np.log(ratios).std() == pytest.approx(0.2 * np.sqrt(2 / 3), rel=0.05)
    assert {lesion.axis_ratios for found in snapshots(make_course(), 5) for lesion in found.lesions} == {(1, 1, 1)}


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.95])
def test_rank_correlation_of_normal_scores(rho):
    r = normal_correlation(rho)
    x, noise = np.random.default_rng(1).standard_normal((2, 40_000))
    assert stats.spearmanr(x, r * x + np.sqrt(1 - r * r) * noise).statistic == pytest.approx(rho, abs=0.015)


def test_probabilities_stay_inside_the_open_interval():
    assert 0.0 < probability(-50.0) < probability(0.0) == 0.5 < probability(50.0) < 1.0


@pytest.mark.parametrize(
    ("disease", "said"),
    [
        ({"diameter_mm": {"kind": "normal", "mean": 10.0, "sd": 10.0}}, "must lie between 2 and 200"),
        ({"suv": {"kind": "constant", "value": 1000.0}}, "must lie between 0.1 and 100"),
        ({"count": {"kind": "constant", "value": -1}}, "must lie between 0 and 200"),
        ({"sites": {"lung": 0.0}}, "must not all be 0"),
        ({"sites": {}}, "at least 1"),
        ({"sites": {"lungs": 1.0}}, "lung"),
        ({"primary_site": "brain"}, "lung"),
        ({"size_uptake_correlation": 1.0}, "less than or equal to 0.95"),
        ({"axis_ratio_sd": 3.0}, "less than or equal to 0.3"),
    ],
)
def test_absurd_diseases_are_refused(make_course, disease, said):
    with pytest.raises(ValidationError, match=said):
        make_course(disease=disease)


def test_every_site_can_be_named(make_course, snapshots):
    found = snapshots(make_course(disease={"sites": dict.fromkeys(LESION_SITES, 1.0)}), 200)
    assert {lesion.organ for snapshot in found for lesion in snapshot.lesions} == set(LESION_SITES)
