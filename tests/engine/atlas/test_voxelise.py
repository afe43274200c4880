"""The voxeliser against shapes of known volume, open and self-crossing surfaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vct.engine.atlas.voxelise import inside, read_obj, sheet
from vct.errors import InputError
from vct.volume import Grid

GRID = Grid(shape=(40, 44, 48), spacing_mm=(2.0, 2.0, 2.0), origin_mm=(-39.0, -43.0, -47.0))


def surface(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of a closed (u, v) sheet of points (U, V, 3); u is periodic, v runs from end to end."""
    n_u, n_v = points.shape[:2]
    index = np.arange(n_u * n_v).reshape(n_u, n_v)
    a, b = index[:, :-1], np.roll(index, -1, axis=0)[:, :-1]
    c, d = index[:, 1:], np.roll(index, -1, axis=0)[:, 1:]
    faces = np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    return points.reshape(-1, 3), faces


def sphere(radius: float, center=(0.0, 0.0, 0.0), n: int = 40, top: float = np.pi) -> tuple[np.ndarray, np.ndarray]:
    u = np.linspace(0, 2 * np.pi, n, endpoint=False)[:, None]
    v = np.linspace(0, top, n)[None, :]
    ball = np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v) * np.ones_like(u)], -1)
    return surface(radius * ball + np.array(center))


def volume(mask: np.ndarray) -> float:
    return float(mask.sum()) * 8.0


@pytest.mark.parametrize("radius", [14.0, 20.0, 33.0])
def test_sphere_has_its_volume(radius: float) -> None:
    assert volume(inside(*sphere(radius), GRID)) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)


def test_inverted_sphere_is_the_same() -> None:
    points, faces = sphere(20.0)
    assert np.array_equal(inside(points, faces, GRID), inside(points, faces[:, ::-1], GRID))


def test_torus_keeps_its_hole() -> None:
    u = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    v = np.linspace(0, 2 * np.pi, 33)[None, :]
    ring = 24.0 + 8.0 * np.cos(v)
    torus = surface(np.stack([ring * np.cos(u), ring * np.sin(u), 8.0 * np.sin(v) * np.ones_like(u)], -1))
    mask = inside(*torus, GRID)
    assert volume(mask) == pytest.approx(2 * np.pi**2 * 24.0 * 8.0**2, rel=0.03)
    assert not mask[20, 22, 24]


def test_crossing_spheres_fill_as_their_union() -> None:
    (p, f), (q, g) = sphere(18.0, (-8.0, 0, 0)), sphere(18.0, (8.0, 0, 0))
    both = inside(np.concatenate([p, q]), np.concatenate([f, g + len(p)]), GRID)
    assert np.array_equal(both, inside(p, f, GRID) | inside(q, g, GRID))


def test_open_sphere_is_closed_by_the_other_axes() -> None:
    """A cap of 20 degrees is missing at one pole: rays through the hole do not vote."""
    points, faces = sphere(24.0, top=np.radians(160.0))
    mask = inside(points, faces, GRID)
    full = 4 / 3 * np.pi * 24.0**3
    assert volume(mask) == pytest.approx(full, rel=0.04)
    assert not mask[:, :, 0].any()


def test_mesh_beyond_the_grid_is_cut() -> None:
    mask = inside(*sphere(30.0, (38.0, 0, 0)), GRID)
    assert mask.any()
    assert not mask[:4].any()


def test_sheet_is_where_the_surface_runs() -> None:
    """A flat square without inside: one voxel thick, no gap, its area times a voxel."""
    points = np.array([[-30.0, -30, 1], [30, -30, 1], [30, 30, 1], [-30, 30, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    assert not inside(points, faces, GRID).any()
    mask = sheet(points, faces, GRID)
    assert mask.any(axis=2).sum() == mask.sum() == pytest.approx((60.0 / 2.0 + 1) ** 2, rel=0.02)


def test_broken_meshes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.obj").write_text("v 0 0 0\n")
    (tmp_path / "lost.obj").write_text("v 0 0 0\nf 1 2 3\n")
    for name in ("empty.obj", "lost.obj", "absent.obj"):
        with pytest.raises(InputError):
            read_obj(tmp_path / name)
