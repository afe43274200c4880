"""Shared by all tests: a small trial that runs in a second, and hypothesis without a clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings

from vct.engine import make
from vct.engine.base import Engine
from vct.protocol import Protocol, load

settings.register_profile("vct", deadline=None, max_examples=40)
settings.load_profile("vct")

SHIPPED = (
    "counterfactual_twins",
    "nsclc_metabolic_response",
    "null_trial",
    "scanner_comparison",
    "single_arm_phase2",
    "test_retest",
)


@pytest.fixture(scope="session")
def coarse() -> Engine:
    """The phantom at 8 mm, the quickest engine that still shows every organ."""
    return make("phantom", 8.0)


@pytest.fixture(scope="session")
def small_trial() -> Callable[..., Protocol]:
    """A shipped protocol with few patients."""

    def make_small(name: str = "nsclc_metabolic_response", sample_size: int = 4) -> Protocol:
        return load(name).model_copy(update={"sample_size": sample_size})

    return make_small
