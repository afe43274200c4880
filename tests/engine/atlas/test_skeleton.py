"""The man's frame made a woman's, and shoulder blades that follow raised arms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vct.engine.atlas.build import TEMPLATES
from vct.engine.atlas.skeleton import RISE_MM, feminine, raised, warped
from vct.engine.atlas.template import SHOULDER_MM, Template
from vct.engine.atlas.tissues import Tissue
from vct.structures import STRUCTURES


@pytest.fixture(scope="module")
def man(atlas_folder: Path) -> Template:
    return Template.load(atlas_folder / TEMPLATES["M"])


def points_mm(template: Template, mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask) * template.spacing_mm + np.array(template.origin_mm)


def breadth_mm(template: Template, structure: str) -> float:
    mask = template.frame_name == STRUCTURES[structure]
    return float(np.abs(points_mm(template, mask)[:, 0]).max())


def test_warping_by_nothing_changes_nothing(man: Template) -> None:
    same = warped(man, lambda x, y, z: (x, y, z))
    assert np.array_equal(same.frame, man.frame)
    assert np.array_equal(same.organs_name, man.organs_name)


def test_a_womans_pelvis_is_wider(man: Template) -> None:
    woman = feminine(man)
    assert 1.01 < breadth_mm(woman, "hip_right") / breadth_mm(man, "hip_right") < 1.15


def test_the_ribs_slope_more_in_a_woman(man: Template) -> None:
    """From back to front her ribs fall 4 degrees more: a flat slab of bone in the man's chest lies tilted in hers."""
    flat = np.zeros_like(man.frame)
    level = round((1200.0 - man.origin_mm[2]) / man.spacing_mm)
    flat[:, :, level] = 1
    x, y, _ = man.box()
    side = int(np.argmin(np.abs(x - 120.0)))
    rows = feminine(replace(man, frame=flat)).frame[side]
    heights = np.array([np.nonzero(row)[0].mean() * man.spacing_mm if row.any() else np.nan for row in rows])
    held = np.isfinite(heights)
    slope = np.polyfit(y[held], heights[held], 1)[0]
    assert np.degrees(np.arctan(slope)) == pytest.approx(-4.0, abs=0.7)


def test_both_sides_of_a_woman_are_alike(man: Template) -> None:
    woman = feminine(man)
    sides = [breadth_mm(woman, f"hip_{side}") for side in ("left", "right")]
    assert sides[0] == pytest.approx(sides[1], abs=woman.spacing_mm)


def with_blades(man: Template) -> Template:
    """The frame with a plate of bone behind each side of the chest, as arms that hang leave it."""
    x, y, z = np.ix_(*man.box())
    frame, names = man.frame.copy(), man.frame_name.copy()
    for side, sign in (("right", 1.0), ("left", -1.0)):
        plate = (np.abs(sign * x - 120.0) < 30.0) & (np.abs(y - 8.0) < 6.0) & (np.abs(z - 1235.0) < 70.0)
        frame[plate], names[plate] = Tissue.CORTICAL, STRUCTURES[f"scapula_{side}"]
    return replace(man, frame=frame, frame_name=names)


def test_blades_turn_up_and_the_cavity_stays(man: Template) -> None:
    hanging = with_blades(man)
    up = raised(hanging)
    assert np.array_equal(up.frame == Tissue.CAVITY, hanging.frame == Tissue.CAVITY)
    assert up.shoulder_mm == pytest.approx(tuple(np.array(SHOULDER_MM) + RISE_MM))
    for side, sign in (("right", 1.0), ("left", -1.0)):
        before, after = (points_mm(item, item.frame_name == STRUCTURES[f"scapula_{side}"]) for item in (hanging, up))
        assert 0.4 < len(after) / len(before) < 1.6
        tips = [item[item[:, 2] <= np.quantile(item[:, 2], 0.1)].mean(axis=0) for item in (before, after)]
        assert sign * (tips[1][0] - tips[0][0]) > 10.0
        assert tips[1][2] > tips[0][2]


def test_a_frame_without_blades_only_moves_its_joint(man: Template) -> None:
    assert not np.isin(man.frame_name, [STRUCTURES["scapula_left"], STRUCTURES["scapula_right"]]).any()
    assert np.array_equal(raised(man).frame, man.frame)
