"""Naming an engine on the command line."""

from __future__ import annotations

import pytest

from vct.engine import ENGINES, make
from vct.engine.base import Engine
from vct.errors import InputError


def test_every_engine_keeps_the_contract():
    assert "phantom" in ENGINES
    assert isinstance(make("phantom"), Engine)


def test_the_voxel_size_is_the_engines_own_or_the_one_asked_for():
    assert make("phantom").name == "phantom 4 mm"
    assert make("phantom", 8.0).name == "phantom 8 mm"


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(InputError, match="'phantum' is not known; did you mean 'phantom'"):
        make("phantum")


def test_a_name_unlike_any_lists_them():
    with pytest.raises(InputError, match="known: atlas, cascade, phantom"):
        make("zzz")


def test_an_argument_that_means_nothing_is_refused():
    with pytest.raises(InputError, match=r"takes no argument \(got 'best'\)"):
        make("phantom:best")


@pytest.mark.parametrize("resolution_mm", [0.2, 40.0])
def test_a_voxel_size_out_of_range_is_refused(resolution_mm):
    with pytest.raises(InputError, match="1 to 16 mm"):
        make("phantom", resolution_mm)
