"""Copies, twins and collapse are planted; honest scans are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from vct.errors import InputError
from vct.training.memorisation import judge, look

SIZE = 400


def people(count, seed, spread=1.0):
    """Looks of people that share a body: a mean, twelve ways to differ, and a little of their own."""
    mean, ways = np.random.default_rng(0).normal(size=SIZE), np.random.default_rng(1).normal(size=(12, SIZE))
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(count, SIZE))
    return (mean + spread * (rng.normal(size=(count, 12)) @ ways + 0.3 * own)).astype(np.float32)


def told(generated):
    names = [f"G{row}" for row in range(len(generated))]
    return judge(names, generated, [f"T{row}" for row in range(200)], people(200, 2), people(60, 3))


def test_honest_scans_pass() -> None:
    found = told(people(60, 4))
    assert found.warnings == ()
    assert found.nearer_p > 0.01
    assert found.diversity == pytest.approx(1.0, abs=0.1)


def test_a_planted_copy_is_flagged() -> None:
    generated = people(60, 4)
    generated[7] = people(200, 2)[31] + 0.1 * np.random.default_rng(5).normal(size=SIZE).astype(np.float32)
    found = told(generated)
    assert [item.scan for item in found.neighbours if item.copy] == ["G7"]
    assert "G7 copies the training scan T31" in found.warnings[0]


def test_planted_twins_and_a_collapse_are_flagged() -> None:
    generated = people(60, 4)
    generated[3] = generated[9] + 0.01
    found = told(generated)
    assert {item.scan for item in found.neighbours if item.twin} == {"G3", "G9"}
    assert found.diversity > 0.9
    narrow = told(people(60, 4, spread=0.4))
    assert narrow.diversity < 0.6
    assert "diversity has collapsed" in narrow.warnings[-1]


def test_a_generator_that_leans_on_its_training_is_seen_without_a_copy() -> None:
    generated = 0.5 * people(60, 4) + 0.5 * people(200, 2)[:60]
    assert told(generated).nearer_p < 1e-6


def test_too_few_scans_are_refused() -> None:
    with pytest.raises(InputError, match="at least 8"):
        told(people(5, 4))


def test_a_look_is_the_same_after_noise_and_differs_between_people(bodies_folder) -> None:
    names, looks = look(bodies_folder)
    assert len(names) == len(looks) == 16
    between = np.sqrt(((looks[0] - looks[1]) ** 2).mean())
    assert between > 0.01
