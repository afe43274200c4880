"""Meshes to label volumes: the step that turns BodyParts3D's surfaces into the layers of a frame template.

A ray through every voxel centre along each axis counts the surface's oriented crossings. A point is inside where the
winding number is not zero (Jacobson et al. 2013, doi 10.1145/2461912.2461916), so self-crossing surfaces fill as their
union. A ray that does not come back to zero has met a hole in an open surface and does not vote; the other axes decide.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.errors import InputError
from vct.volume import Grid

Points = NDArray[np.float64]
Faces = NDArray[np.int64]
_PAIRS_AT_ONCE = 4_000_000
_SHIFT = (1.2345e-5, 2.7183e-5)


def read_obj(path: Path) -> tuple[Points, Faces]:
    """Vertices (N, 3) and triangles (M, 3) of a Wavefront OBJ file; polygons become fans.

    Raises InputError when the file is missing, has no triangle, or names a vertex that is not there.
    """
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                parts = line.split()
                if parts[:1] == ["v"]:
                    vertices.append([float(value) for value in parts[1:4]])
                elif parts[:1] == ["f"]:
                    corner = [int(item.split("/")[0]) for item in parts[1:]]
                    corner = [c - 1 if c > 0 else len(vertices) + c for c in corner]
                    faces += [(corner[0], b, c) for b, c in pairwise(corner[1:])]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable OBJ mesh ({error})") from error
    found = np.array(faces, dtype=np.int64).reshape(-1, 3)
    if not found.size or found.min() < 0 or found.max() >= len(vertices):
        raise InputError(f"{path}: holds no triangles, or triangles of vertices that it does not hold")
    return np.array(vertices, dtype=np.float64), found


def inside(vertices: Points, faces: Faces, grid: Grid) -> NDArray[np.bool_]:
    """Voxels of `grid` whose centres a mesh encloses, by the majority of the axes' closed rays; ties are outside."""
    votes = np.zeros(grid.shape, np.int8)
    voters = np.zeros(grid.shape, np.int8)
    scaled = (vertices - np.array(grid.origin_mm)) / np.array(grid.spacing_mm)
    for axis in range(3):
        order = [*(k for k in range(3) if k != axis), axis]
        shape = tuple(grid.shape[k] for k in order)
        winding, closed = _winding(scaled[:, order], faces, (shape[0], shape[1], shape[2]))
        back = np.argsort(order)
        votes += np.transpose((winding != 0) & closed, back)
        voters += np.transpose(np.broadcast_to(closed, winding.shape), back)
    return 2 * votes > voters


def _winding(
    vertices: Points, faces: Faces, shape: tuple[int, int, int]
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Winding numbers along the last axis, and (X, Y, 1) whether each ray comes back to zero beyond the mesh."""
    crossings = np.zeros((shape[0], shape[1], shape[2] + 1), np.int16)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    stack = np.stack([a, b, c])
    low = np.ceil(stack[..., :2].min(axis=0) - np.array(_SHIFT)).astype(int).clip(0)
    high = np.floor(stack[..., :2].max(axis=0) - np.array(_SHIFT)).astype(int)
    high = np.minimum(high, np.array(shape[:2]) - 1)
    size = np.maximum(high - low + 1, 0)
    counts = size[:, 0] * size[:, 1]
    ends = np.cumsum(counts)
    start = 0
    while start < len(faces):
        base = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, base + _PAIRS_AT_ONCE, side="right")), start + 1)
        _cross(crossings, (a, b, c), low, size, counts, slice(start, stop), shape)
        start = stop
    total = np.cumsum(crossings, axis=2, dtype=np.int16)
    return total[:, :, :-1], total[:, :, -1:] == 0


def _cross(
    crossings: NDArray[np.int16],
    corners: tuple[Points, Points, Points],
    low: NDArray[Any],
    size: NDArray[Any],
    counts: NDArray[Any],
    part: slice,
    shape: tuple[int, int, int],
) -> None:
    """Add +1 or -1 above every crossing of the rays with some of the triangles."""
    which = np.repeat(np.arange(part.start, part.stop), counts[part])
    if not which.size:
        return
    first = np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
    local = np.arange(which.size) - first
    x = low[which, 0] + local // size[which, 1]
    y = low[which, 1] + local % size[which, 1]
    a, b, c = (corner[which] for corner in corners)
    px, py = x + _SHIFT[0], y + _SHIFT[1]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        u = ((b[:, 0] - px) * (c[:, 1] - py) - (c[:, 0] - px) * (b[:, 1] - py)) / area
        v = ((c[:, 0] - px) * (a[:, 1] - py) - (a[:, 0] - px) * (c[:, 1] - py)) / area
        w = 1.0 - u - v
        height = u * a[:, 2] + v * b[:, 2] + w * c[:, 2]
    hit = (area != 0) & (u >= 0) & (v >= 0) & (w >= 0)
    level = np.ceil(height[hit]).astype(int).clip(0, shape[2])
    np.add.at(crossings, (x[hit], y[hit], level), np.where(area[hit] > 0, 1, -1).astype(np.int16))


def sheet(vertices: Points, faces: Faces, grid: Grid) -> NDArray[np.bool_]:
    """Voxels of `grid` that a surface passes through: its triangles, quartered until they are smaller than a voxel."""
    corners = (vertices[faces] - np.array(grid.origin_mm)) / np.array(grid.spacing_mm)
    mask = np.zeros(grid.shape, np.bool_)
    while len(corners):
        index = np.rint(corners.reshape(-1, 3)).astype(int)
        x, y, z = index[((index >= 0) & (index < grid.shape)).all(axis=1)].T
        mask[x, y, z] = True
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        a, b, c = np.moveaxis(corners[edges > 0.9], 1, 0)
        ab, bc, ca = (a + b) / 2.0, (b + c) / 2.0, (c + a) / 2.0
        quarters = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        corners = np.concatenate([np.stack(part, axis=1) for part in quarters])
    return mask
