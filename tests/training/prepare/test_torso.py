"""The torso is found from labels and from the CT alone, or the scan is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vct.structures import STRUCTURES
from vct.training.demographics import Refused
from vct.training.torso import find_torso
from vct.volume import Volume


def test_from_labels(body, ends_mm) -> None:
    found = find_torso(body.ct, body.labels)
    assert (found.bottom_mm, found.top_mm) == pytest.approx(ends_mm, abs=body.ct.grid.spacing_mm[2])
    assert found.center_mm == pytest.approx((0.0, 0.0), abs=10.0)


def test_a_stray_voxel_is_no_clavicle(body, ends_mm) -> None:
    labels = replace(body.labels, data=body.labels.data.copy())
    labels.data[40, 40, -3] = STRUCTURES["clavicula_left"]
    labels.data[40, 40, 2] = STRUCTURES["hip_right"]
    found = find_torso(body.ct, labels)
    assert (found.bottom_mm, found.top_mm) == pytest.approx(ends_mm, abs=body.ct.grid.spacing_mm[2])


def test_a_hip_of_a_few_voxels_is_none(body) -> None:
    labels = replace(body.labels, data=body.labels.data.copy())
    for name in ("hip_left", "hip_right"):
        places = np.argwhere(labels.data == STRUCTURES[name])[20:]
        labels.data[tuple(places.T)] = 0
    with pytest.raises(Refused, match="the labels show no hip_left or hip_right"):
        find_torso(body.ct, labels)


@pytest.mark.parametrize("spacing", [(4.1, 4.1, 5.0), (2.6, 2.6, 3.0)])
def test_from_the_ct_alone(make_body, ends_mm, spacing) -> None:
    """Arms, a windpipe, a table and thighs that touch do not mislead it by more than 12 mm."""
    found = find_torso(make_body(spacing=spacing).ct, None)
    assert (found.bottom_mm, found.top_mm) == pytest.approx(ends_mm, abs=12.0)
    assert found.center_mm == pytest.approx((0.0, 0.0), abs=10.0)


@pytest.mark.parametrize(
    ("z_mm", "said"),
    [
        ((-100.0, 600.0), "apex is cut"),
        ((80.0, 760.0), "end of the pelvis is not in view"),
        ((-100.0, 370.0), "lungs are not in view"),
    ],
)
def test_a_truncated_view(make_body, z_mm, said) -> None:
    with pytest.raises(Refused, match=said) as caught:
        find_torso(make_body(z_mm=z_mm).ct, None)
    assert caught.value.reason == "truncated field of view"


@pytest.mark.parametrize(
    ("z_mm", "said"), [((-100.0, 630.0), "clavicula_left is cut"), ((90.0, 760.0), "hip_left is cut")]
)
def test_a_truncated_view_with_labels(make_body, z_mm, said) -> None:
    body = make_body(z_mm=z_mm)
    with pytest.raises(Refused, match=said):
        find_torso(body.ct, body.labels)


def test_a_body_cut_at_the_sides(make_body) -> None:
    body = make_body(half_mm=170.0, width=1.2)
    with pytest.raises(Refused, match="cut by the CT's sides"):
        find_torso(body.ct, body.labels)


def test_no_body(body) -> None:
    air = Volume(data=np.full_like(body.ct.data, -1000.0), grid=body.ct.grid, unit="HU")
    with pytest.raises(Refused, match="no body"):
        find_torso(replace(body, ct=air).ct, None)
