"""What bodies look like on one canonical body."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.spline import lattice_shape  # noqa: E402
from vct.structures import STRUCTURES  # noqa: E402
from vct.training.align import _depth, patterns, tissue_means  # noqa: E402
from vct.training.data import Bodies  # noqa: E402

SIDE = 28


def livers(*widths):
    """Livers of SUV 2 with a rim of 1, so wide, about one middle; none is displaced."""
    shape = (len(widths), SIDE, SIDE, SIDE)
    labels, pet = np.zeros(shape, np.uint8), np.zeros(shape)
    for row, width in enumerate(widths):
        for edge, suv in ((0, 1.0), (1, 2.0)):
            box = (slice(SIDE // 2 - width + edge, SIDE // 2 + width - edge),) * 3
            labels[(row, *box)], pet[(row, *box)] = STRUCTURES["liver"], suv
    return Bodies(patients=(), lengths_mm=(), ct=np.zeros(shape), pet=pet, labels=labels, spacing_mm=4.0, about="")


def pattern_of(bodies):
    rows = list(range(len(bodies.labels)))
    still = torch.zeros(len(rows), 3, *lattice_shape((4, 4, 7)))
    return patterns(bodies, rows, 0, still, tissue_means(bodies, rows))[0]


def test_rims_of_smaller_organs_do_not_darken_the_inside() -> None:
    found = pattern_of(livers(8, 6, 6, 6, 6, 6))
    middle = SIDE // 2
    line = found[middle, middle, middle : middle + 8]
    assert line[:6] == pytest.approx(line[0], rel=0.1)
    assert line[7] < 0.6 * line[0]


def test_a_pattern_keeps_its_tissues_mean() -> None:
    bodies = livers(8, 6, 7)
    assert pattern_of(bodies)[bodies.labels[0] > 0].mean() == pytest.approx(1.0, abs=1e-5)


def test_depth_counts_voxels_of_the_same_tissue() -> None:
    tissue = np.zeros((9, 9, 9), int)
    tissue[1:8, 1:8, 1:8] = 1
    depth = _depth(tissue)
    assert depth[4, 4].tolist() == [0, 0, 1, 2, 2, 2, 1, 0, 0]
    tissue[4, 4, 4] = 2
    assert _depth(tissue)[4, 4, 3:6].tolist() == [0, 0, 0]
