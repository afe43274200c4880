"""Shared by all tests: a small trial that runs in a second, and hypothesis without a clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from vct.engine import make
from vct.engine.base import Engine
from vct.protocol import Protocol, find, load

settings.register_profile("vct", deadline=None, max_examples=40)
settings.load_profile("vct")


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


@pytest.fixture
def small_yaml(tmp_path: Path) -> Path:
    """The demo's protocol as a file of one's own, with few patients."""
    text = find("nsclc_metabolic_response").read_text()
    file = tmp_path / "small.yaml"
    file.write_text(re.sub(r"(?m)^sample_size: \d+", "sample_size: 6", text))
    assert load(file).sample_size == 6
    return file
