"""From a folder of surface meshes to the three layers of a frame template, as `vct.engine.atlas.template` reads them.

Meshes are painted in the order of a table. What anatomical mesh sets lack is derived: the shell of bones, the fat in
gaps between muscles, the cavity that the wall encloses, lungs where none is given (chest above the diaphragm beside
heart and vessels), and fat round the organs. Reaches are assumed: 12 mm to close the wall, 10 mm the narrowest room
that counts as cavity, 8 mm the thinnest lung, 3 mm of cortical bone.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.frame import ORGAN_TISSUES
from vct.engine.atlas.template import STATURE_MM
from vct.engine.atlas.tissues import MARROWS, Tissue
from vct.engine.atlas.voxelise import Faces, Points, inside, read_obj, sheet
from vct.errors import InputError, one_of
from vct.volume import Grid, Volume

LAYERS = ("frame", "organs", "arms")
AXES = {"LPS": (-1.0, -1.0, 1.0), "RAS": (1.0, 1.0, 1.0)}
PAINTABLE = tuple(tissue.name.lower() for tissue in Tissue if tissue not in (Tissue.OUTSIDE, Tissue.CAVITY))
WALL_GAP_MM, ROOM_MM, LUNG_MM, CORTEX_MM = 12.0, 10.0, 8.0, 3.0
MARGIN_MM = 16.0
MAX_EXTENT_MM = 2500.0
Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One mesh of a layer: its tissue, and vertices in RAS+ mm."""

    layer: str
    tissue: Tissue
    points: Points
    faces: Faces


def make_template(
    meshes: Path, table: Path, out: Path, axes: str = "LPS", stature_cm: float = 172.6, spacing_mm: float = 2.0
) -> dict[str, int]:
    """Paint the meshes of `table` (CSV: layer, file, tissue) and write the layers into `out`; voxels by tissue name.

    Vertices are in mm along `axes`, z the height above the floor of a donor `stature_cm` tall; they are scaled to
    172.6 cm. Raises InputError when an input cannot be read or an organ that `vct atlas build` needs has no mesh.
    """
    one_of("--axes", axes, tuple(AXES))
    scale = STATURE_MM / (10.0 * stature_cm)
    pieces = [_moved(piece, np.array(AXES[axes]) * scale) for piece in read_pieces(meshes, table)]
    grid = grid_over(pieces, spacing_mm)
    layers = {layer: _painted([piece for piece in pieces if piece.layer == layer], grid) for layer in LAYERS}
    layers["frame"], cavity = walled(layers["frame"], layers["organs"] > 0, spacing_mm)
    layers["organs"] = filled(layers["organs"], cavity, spacing_mm)
    out.mkdir(parents=True, exist_ok=True)
    for layer, labels in layers.items():
        Volume(data=labels, grid=grid, unit="label").save(out / f"{layer}.nii.gz")
    counts = np.sum([np.bincount(labels.ravel(), minlength=256) for labels in layers.values()], axis=0)
    return {tissue.name.lower(): int(counts[tissue]) for tissue in Tissue if tissue and counts[tissue]}


def read_pieces(meshes: Path, table: Path) -> list[Piece]:
    """The meshes of a table. Raises InputError, with the line, when a cell is wrong, and when needed organs lack."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: cannot be read ({error})") from error
    missing = {"layer", "file", "tissue"} - set(rows[0] if rows else ())
    if missing:
        raise InputError(f"{table}: needs the columns layer, file, tissue (missing: {', '.join(sorted(missing))})")
    pieces = []
    for line, row in enumerate(rows, start=2):
        one_of(f"{table}:{line}: layer", row["layer"], LAYERS)
        one_of(f"{table}:{line}: tissue", row["tissue"], PAINTABLE)
        path = meshes / row["file"]
        if not path.resolve().is_relative_to(meshes.resolve()):
            raise InputError(f"{table}:{line}: {row['file']!r} leaves the folder {meshes}")
        points, faces = read_obj(path)
        pieces.append(Piece(layer=row["layer"], tissue=Tissue[row["tissue"].upper()], points=points, faces=faces))
    _check(pieces, table)
    return pieces


def _check(pieces: list[Piece], table: Path) -> None:
    held = {piece.tissue for piece in pieces if piece.layer == "organs"}
    lacking = [organ.name.lower() for organ, tissues in ORGAN_TISSUES.items() if not held & set(tissues)]
    lacking += [] if held & {Tissue.LUNG, Tissue.DIAPHRAGM} else ["lung or diaphragm"]
    if lacking:
        raise InputError(f"{table}: the layer organs has no mesh of: {', '.join(lacking)}")
    if not any(piece.layer == "frame" for piece in pieces):
        raise InputError(f"{table}: the layer frame has no mesh")


def _moved(piece: Piece, factors: NDArray[np.float64]) -> Piece:
    return Piece(layer=piece.layer, tissue=piece.tissue, points=piece.points * factors, faces=piece.faces)


def grid_over(pieces: list[Piece], spacing_mm: float) -> Grid:
    """A grid round all meshes. Raises InputError when they are too large to be a body in mm."""
    low = np.min([piece.points.min(axis=0) for piece in pieces], axis=0) - MARGIN_MM
    high = np.max([piece.points.max(axis=0) for piece in pieces], axis=0) + MARGIN_MM
    if not (high - low < MAX_EXTENT_MM).all():
        raise InputError(f"the meshes reach over {np.max(high - low):.0f} mm: are their vertices in mm?")
    nx, ny, nz = (int(n) for n in np.ceil((high - low) / spacing_mm) + 1)
    x, y, z = (float(value) for value in low)
    return Grid(shape=(nx, ny, nz), spacing_mm=(spacing_mm,) * 3, origin_mm=(x, y, z))


def _painted(pieces: list[Piece], grid: Grid) -> Labels:
    """Tissues of one layer, later meshes over earlier ones; bones get a cortical shell, a mesh without inside stays a
    sheet."""
    from scipy import ndimage

    labels = np.zeros(grid.shape, np.uint8)
    for piece in pieces:
        mask = inside(piece.points, piece.faces, grid)
        if not mask.any():
            mask = sheet(piece.points, piece.faces, grid)
        labels[mask] = piece.tissue
        if piece.tissue in MARROWS:
            depth = (ndimage.distance_transform_edt(mask) - 0.5) * grid.spacing_mm[0]
            labels[mask & (depth <= CORTEX_MM)] = Tissue.CORTICAL
    return labels


def walled(frame: Labels, organs: Mask, spacing_mm: float) -> tuple[Labels, Mask]:
    """The frame with its cavity and the fat in its gaps, and the cavity.

    Inside is what a closed wall and the organs enclose in each axial slice; the room that holds organs is cavity.
    """
    from scipy import ndimage

    wall = frame > 0
    closed = _closed(wall | organs, WALL_GAP_MM / spacing_mm)
    for k in range(closed.shape[2]):
        closed[:, :, k] = ndimage.binary_fill_holes(closed[:, :, k])
    cavity = _opened(closed & ~wall, ROOM_MM / 2.0 / spacing_mm)
    pieces, _ = ndimage.label(cavity)
    share = np.bincount(pieces[organs], minlength=pieces.max() + 1)
    share[0] = 0
    if not share.any():
        raise InputError("no organ lies inside the frame: are the layers on the same axes and in mm?")
    cavity = pieces == int(share.argmax())
    out = frame.copy()
    out[closed & ~wall] = Tissue.FAT
    out[cavity] = Tissue.CAVITY
    return out, cavity


def filled(organs: Labels, cavity: Mask, spacing_mm: float) -> Labels:
    """The organs, lungs where none is drawn, and fat everywhere else: the layer has no holes anywhere."""
    from scipy import ndimage

    out = organs.copy()
    chest = cavity & _above(np.isin(organs, (Tissue.DIAPHRAGM, Tissue.LUNG)))
    free = cavity & (organs == 0)
    if not (organs == Tissue.LUNG).any():
        out[_opened(chest & free, LUNG_MM / spacing_mm)] = Tissue.LUNG
    out[free & (out == 0)] = np.where(chest, Tissue.MEDIASTINUM, Tissue.VISCERAL_FAT)[free & (out == 0)]
    background = np.isin(out, (Tissue.LUNG, Tissue.MEDIASTINUM, Tissue.VISCERAL_FAT))
    nearest: Any = ndimage.distance_transform_edt(~background, return_distances=False, return_indices=True)
    out[out == 0] = out[tuple(nearest)][out == 0]
    return out


def _above(floor: Mask) -> Mask:
    """Voxels above the lowest voxel of `floor` in their column, or in the column nearest to theirs that has one."""
    from scipy import ndimage

    held: Mask = np.asarray(floor.any(axis=2))
    lowest = np.where(held, floor.argmax(axis=2), 0)
    nearest: Any = ndimage.distance_transform_edt(~held, return_distances=False, return_indices=True)
    found: Mask = np.arange(floor.shape[2])[None, None, :] >= lowest[tuple(nearest)][:, :, None]
    return found


def _closed(mask: Mask, reach: float) -> Mask:
    return ~_grown(~_grown(mask, reach), reach)


def _opened(mask: Mask, reach: float) -> Mask:
    return _grown(~_grown(~mask, reach), reach) & mask


def _grown(mask: Mask, reach: float) -> Mask:
    """The mask and all within `reach` voxels of it."""
    from scipy import ndimage

    found: Mask = ndimage.distance_transform_edt(~mask) <= reach
    return found
