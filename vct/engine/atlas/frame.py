"""The frame template made ready: its cage, its landmarks and its organs' places, computed once for an engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.cage import Cage, template_cage
from vct.engine.atlas.case import Organ
from vct.engine.atlas.template import SHOULDER_MM, Template
from vct.engine.atlas.tissues import HEART, Tissue
from vct.structures import STRUCTURES

ORGAN_TISSUES = {
    Organ.LIVER: (Tissue.LIVER,),
    Organ.SPLEEN: (Tissue.SPLEEN,),
    Organ.STOMACH: (Tissue.STOMACH_WALL, Tissue.STOMACH_LUMEN),
    Organ.BLADDER: (Tissue.BLADDER,),
    Organ.HEART: HEART,
    Organ.KIDNEY: (Tissue.KIDNEY, Tissue.KIDNEY_CORE),
}
TUBES = (
    Tissue.ARTERY,
    Tissue.VEIN,
    Tissue.OESOPHAGUS,
    Tissue.AIRWAY,
    Tissue.PANCREAS,
    Tissue.ADRENAL,
    Tissue.GALLBLADDER,
    Tissue.THYMUS,
    Tissue.LUNG_VESSEL,
    Tissue.LIVER_VESSEL,
    Tissue.URETER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inset:
    """A box cut from the template: labels extended to fill it, its first voxel's place, and the shape's moments."""

    labels: NDArray[np.uint8]
    origin_mm: NDArray[np.float64]
    center_mm: NDArray[np.float64]
    covariance: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A template, its cage and landmarks (mm); `tubes` holds the inner layer's tissues that real maps lack."""

    template: Template
    cage: Cage
    apex_z_mm: float
    base_z_mm: float
    pelvis_z_mm: float
    low_z_mm: float
    back_y_mm: NDArray[np.float64]
    centers_mm: dict[tuple[Organ, int], NDArray[np.float64]]
    tubes: NDArray[np.uint8]
    heart: Inset


def prepare(template: Template) -> Frame:
    """Everything about a template that does not depend on the patient."""
    template = _refined(template)
    x, y, z = template.box()
    cavity = template.frame == Tissue.CAVITY
    cage = template_cage(cavity, (x, y, z))
    lungs = cavity & (template.organs == Tissue.LUNG)
    lung_z = np.nonzero(lungs.sum(axis=(0, 1)) > 4)[0]
    bladder_z = np.nonzero((cavity & (template.organs == Tissue.BLADDER)).any(axis=(0, 1)))[0]
    held = np.nonzero(cavity.any(axis=(0, 1)))[0]
    back = np.full(len(z), np.nan)
    rows = cavity.any(axis=0)
    back[held] = y[rows.argmax(axis=0)[held]]
    return Frame(
        template=template,
        cage=cage,
        apex_z_mm=float(z[lung_z[-1]]),
        base_z_mm=float(z[lung_z[0]]),
        pelvis_z_mm=float(z[bladder_z[0]]),
        low_z_mm=float(z[held[0]]),
        back_y_mm=np.interp(z, z[held], back[held]),
        centers_mm=_centers(template, (x, y, z)),
        tubes=_with_trunk(template, np.where(np.isin(template.organs, TUBES), template.organs, 0).astype(np.uint8)),
        heart=_inset(template, HEART, margin_mm=30.0),
    )


def _refined(template: Template) -> Template:
    """Fatty marrow in the limbs apart, no external genitals, great vessels above the heart apart from its chambers."""
    frame = np.ascontiguousarray(template.frame).copy()
    limbs = [STRUCTURES[f"{bone}_{side}"] for bone in ("femur", "humerus") for side in ("left", "right")]
    frame[np.isin(frame, (Tissue.MARROW, Tissue.RED_MARROW)) & np.isin(template.frame_name, limbs)] = (
        Tissue.YELLOW_MARROW
    )
    frame[frame == Tissue.GENITALS] = Tissue.OUTSIDE
    arms = _without_sheets(template)
    arms[arms == Tissue.MARROW] = Tissue.YELLOW_MARROW
    return replace(template, frame=frame, arms=arms)


def _without_sheets(template: Template) -> NDArray[np.uint8]:
    """The arms without the thin muscle sheets that hang on them where they were cut from the trunk."""
    from scipy import ndimage

    arms = template.arms.copy()
    low = int((SHOULDER_MM[2] - 420.0 - template.origin_mm[2]) / template.spacing_mm)
    part = arms[:, :, max(low, 0) :]
    reach = max(1, round(6.0 / template.spacing_mm))
    kept = ndimage.binary_opening(part > 0, iterations=reach)
    pieces, _ = ndimage.label(kept)
    sizes = np.bincount(pieces.ravel())
    big = np.concatenate([[False], sizes[1:] > 0.1 * sizes[1:].max(initial=0)])
    part[~big[pieces]] = 0
    return arms


def _with_trunk(template: Template, tubes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pulmonary trunk, drawn as blood pool above the heart's middle, joins the tubes."""
    blood = np.isin(template.organs, HEART)
    if blood.any():
        height = np.argwhere(blood)[:, 2]
        level = int(height.mean() + 0.55 * (height.max() - height.mean()))
        above = blood.copy()
        above[:, :, :level] = False
        tubes[above] = Tissue.ARTERY
    return tubes


def _left_heart(labels: NDArray[np.uint8], spacing_mm: float) -> NDArray[np.uint8]:
    """Thin ventricular wall (right ventricle, below about 7 mm) told from the thick wall of the left."""
    from scipy import ndimage

    muscle = labels == Tissue.MYOCARDIUM
    thick = ndimage.distance_transform_edt(muscle) * spacing_mm >= 3.6
    core = ndimage.distance_transform_edt(~thick) * spacing_mm <= 5.0
    out = labels.copy()
    out[muscle & ~core] = Tissue.RIGHT_MYOCARDIUM
    return out


def _centers(
    template: Template, axes: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
) -> dict[tuple[Organ, int], NDArray[np.float64]]:
    """Centroids by organ and side (+1 right, -1 left, 0 for single organs)."""
    found = {}
    for organ, tissues in ORGAN_TISSUES.items():
        i, j, k = np.nonzero(np.isin(template.organs, tissues) & (template.frame == Tissue.CAVITY))
        points = np.stack([axes[0][i], axes[1][j], axes[2][k]], axis=1)
        for side in (1, -1) if organ == Organ.KIDNEY else (0,):
            part = points[np.sign(points[:, 0]) == side] if side else points
            if len(part):
                found[(organ, side)] = part.mean(axis=0)
    return found


def _inset(template: Template, tissues: tuple[Tissue, ...], margin_mm: float) -> Inset:
    """The tissues and a margin round them, filled by the nearest of them."""
    from scipy import ndimage

    step = template.spacing_mm
    mask = np.isin(template.organs, tissues)
    index = np.argwhere(mask)
    pad = round(margin_mm / step)
    low = np.maximum(index.min(axis=0) - pad, 0)
    box = tuple(slice(a, b + pad + 1) for a, b in zip(low, index.max(axis=0), strict=True))
    labels = _left_heart(template.organs[box], step)
    nearest = ndimage.distance_transform_edt(~mask[box], return_distances=False, return_indices=True)
    points = np.array(template.origin_mm) + step * index
    return Inset(
        labels=np.ascontiguousarray(labels[tuple(nearest)]),
        origin_mm=np.array(template.origin_mm) + step * low,
        center_mm=points.mean(axis=0),
        covariance=np.cov(points.T),
    )


def nearest(labels: NDArray[np.uint8], origin_mm: Any, spacing_mm: float, points: Any) -> NDArray[np.uint8]:
    """Labels at points by nearest neighbour, 0 outside."""
    flat: Any = None
    outside: Any = False
    for value, o, n in zip(points, origin_mm, labels.shape, strict=True):
        at = np.multiply(value, np.float32(1.0 / spacing_mm), dtype=np.float32)
        at += np.float32(0.5 - o / spacing_mm)
        outside = outside | (at < 0) | (at >= n)
        index = at.astype(np.int32)
        flat = index if flat is None else flat * np.int32(n) + index
    found: NDArray[np.uint8] = labels.ravel().take(flat, mode="clip")
    found[np.broadcast_to(outside, found.shape)] = 0
    return found


def read_frame(frame: Frame, points: Any, layer: str = "frame") -> NDArray[np.uint8]:
    """Codes of a layer ("frame", "arms", "tubes") at points in its mm."""
    template = frame.template
    labels = frame.tubes if layer == "tubes" else getattr(template, layer)
    return nearest(labels, template.origin_mm, template.spacing_mm, points)
