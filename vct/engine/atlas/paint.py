"""Painting: tissues become HU and SUVbw, with texture, the scanner's blur and a little noise.

The PET is painted so that organs *measure* as drawn: after the blur every calibrated organ's mean is compared with its
target and its tissue repainted by the difference over its own recovery, twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vct.engine.atlas.density import Density
from vct.engine.atlas.lattice import Field
from vct.engine.atlas.render import Anatomy
from vct.engine.atlas.texture import Texture, draw_texture, lattice_over
from vct.engine.atlas.tissues import N_TISSUES, Tissue
from vct.engine.atlas.uptake import Uptake
from vct.shapes import FWHM_PER_SIGMA
from vct.structures import GROUPS, STRUCTURES
from vct.volume import Grid

PET_FWHM_MM = 5.5
CT_FWHM_MM = 2.2
BEAT_FWHM_MM = 9.0
MARGIN_MM = 16.0
RIGHT_SHARE = 0.35
CALIBRATION_MM = 4.0
BASE: dict[Tissue, tuple[str, float]] = {
    Tissue.FAT: ("subcutaneous_fat", 1.15),
    Tissue.MUSCLE: ("skeletal_muscle_all", 0.95),
    Tissue.CORTICAL: ("ribs", 0.75),
    Tissue.CARTILAGE: ("ribs", 0.65),
    Tissue.LUNG: ("lungs", 0.75),
    Tissue.VISCERAL_FAT: ("subcutaneous_fat", 1.35),
    Tissue.MEDIASTINUM: ("subcutaneous_fat", 1.5),
    Tissue.MYOCARDIUM: ("heart", 1.6),
    Tissue.BLOOD_POOL: ("aorta", 1.0),
    Tissue.LIVER: ("liver", 1.0),
    Tissue.SPLEEN: ("spleen", 1.05),
    Tissue.KIDNEY: ("kidneys", 0.95),
    Tissue.STOMACH_WALL: ("stomach", 1.45),
    Tissue.SMALL_BOWEL: ("small_bowel", 0.65),
    Tissue.DUODENUM: ("duodenum", 1.2),
    Tissue.COLON_WALL: ("colon", 1.2),
    Tissue.BLADDER: ("urinary_bladder", 0.8),
    Tissue.PANCREAS: ("pancreas", 1.0),
    Tissue.ADRENAL: ("adrenals", 1.1),
    Tissue.GALLBLADDER: ("gallbladder", 0.8),
    Tissue.OESOPHAGUS: ("esophagus", 1.1),
    Tissue.AIRWAY: ("trachea", 0.25),
    Tissue.ARTERY: ("aorta", 1.08),
    Tissue.VEIN: ("inferior_vena_cava", 1.05),
    Tissue.LUNG_VESSEL: ("aorta", 0.9),
    Tissue.LIVER_VESSEL: ("liver", 0.85),
    Tissue.GENITALS: ("skeletal_muscle_all", 1.5),
    Tissue.SPINAL_CANAL: ("spinal_cord", 1.2),
    Tissue.THYMUS: ("subcutaneous_fat", 2.0),
    Tissue.RECTUM_WALL: ("colon", 1.3),
    Tissue.DIAPHRAGM: ("skeletal_muscle_all", 1.5),
    Tissue.ATRIAL_WALL: ("aorta", 1.05),
    Tissue.MARROW: ("hips", 0.95),
    Tissue.YELLOW_MARROW: ("femurs", 0.75),
    Tissue.SOFT_TISSUE: ("aorta", 0.55),
    Tissue.RIGHT_MYOCARDIUM: ("aorta", 1.25),
    Tissue.RED_MARROW: ("vertebrae_lumbar", 1.15),
    Tissue.KIDNEY_CORE: ("kidneys", 0.9),
    Tissue.STOMACH_LUMEN: ("stomach", 0.55),
    Tissue.COLON_LUMEN: ("colon", 0.55),
    Tissue.UTERUS: ("pancreas", 1.1),
    Tissue.BREAST_GLAND: ("subcutaneous_fat", 2.2),
    Tissue.SKIN: ("subcutaneous_fat", 1.5),
    Tissue.SUBCUTANEOUS_FAT: ("subcutaneous_fat", 0.72),
    Tissue.BOWEL_LUMEN: ("small_bowel", 0.4),
    Tissue.THYROID: ("thyroid", 1.15),
}
# organ of hedyPET: (structures that it is measured in, tissues repainted, own recovery)
CALIBRATED: dict[str, tuple[tuple[str, ...], tuple[Tissue, ...], float]] = {
    "liver": (("liver",), (Tissue.LIVER,), 0.95),
    "spleen": (("spleen",), (Tissue.SPLEEN,), 0.88),
    "kidneys": (("kidneys",), (Tissue.KIDNEY, Tissue.KIDNEY_CORE), 0.80),
    "aorta": (("aorta",), (Tissue.ARTERY,), 0.75),
    "lungs": (("lungs",), (Tissue.LUNG,), 0.93),
    "skeletal_muscle_all": (("skeletal_muscle",), (Tissue.MUSCLE,), 0.80),
    "vertebrae_lumbar": (("vertebrae_lumbar",), (Tissue.RED_MARROW,), 0.55),
    "subcutaneous_fat": (("subcutaneous_fat",), (Tissue.SUBCUTANEOUS_FAT,), 0.9),
}


def numbers_of(structures: tuple[str, ...]) -> tuple[int, ...]:
    """Label numbers of structures and groups."""
    return tuple(STRUCTURES[name] for item in structures for name in GROUPS.get(item, (item,)))


HEART_NUMBERS = numbers_of(("heart",))


def paint_ct(
    anatomy: Anatomy, density: Density, rng: Generator, noise_hu: float, bmi: float, skin_mm: Field
) -> NDArray[np.float32]:
    """CT in HU: tissue values, texture, the couch under the back, blur, noise that grows with the body.

    `skin_mm` is the depth below the skin at every voxel: border voxels hold their share of air.
    """
    from scipy import ndimage

    grid, tissue = anatomy.grid, anatomy.tissue
    ct = density.hu[tissue]
    share = np.clip(skin_mm / np.float32(grid.spacing_mm[0]) + np.float32(0.5), 0.0, 1.0)
    edge = (share > 0) & (share < 1)
    fat = density.hu[Tissue.SUBCUTANEOUS_FAT]
    ct[edge] = -1000.0 + share[edge] * (fat + 1040.0)
    rows = np.nonzero((skin_mm > 0).any(axis=(0, 2)))[0]
    back = float(grid.axes_mm()[1].ravel()[rows[0]]) if rows.size else 0.0
    couch = _couch(grid, back)
    ct[couch[..., None] & (share == 0)] = density.hu[Tissue.COUCH]
    part, held = _cropped(anatomy)
    coarse = lattice_over(part.grid)
    fine = coarse.read(coarse.noise(rng, 9.0), tuple(axis.ravel() for axis in part.grid.axes_mm()))
    amount = np.zeros(N_TISSUES, np.float32)
    for code, spread in (
        (Tissue.MUSCLE, 9.0),
        (Tissue.FAT, 12.0),
        (Tissue.VISCERAL_FAT, 6.0),
        (Tissue.SUBCUTANEOUS_FAT, 4.0),
        (Tissue.LUNG, 16.0),
        (Tissue.RED_MARROW, 22.0),
        (Tissue.MARROW, 25.0),
        (Tissue.COLON_LUMEN, 45.0),
        (Tissue.STOMACH_LUMEN, 22.0),
        (Tissue.BOWEL_LUMEN, 14.0),
        (Tissue.LIVER, 3.0),
    ):
        amount[code] = spread
    fine *= amount[part.tissue]
    ct[held] += fine
    sigma = [CT_FWHM_MM / FWHM_PER_SIGMA / step for step in grid.spacing_mm]
    sigma = [max(value, 0.45) for value in sigma]
    ct = ndimage.gaussian_filter(ct, sigma, truncate=2.5)
    voxel = float(np.prod(grid.spacing_mm)) ** (1 / 3)
    level = noise_hu * (bmi / 25.0) ** 0.7 * min(1.0, 2.2 / voxel)
    grain = rng.standard_normal(grid.shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(grain, 0.55, truncate=2.0)
    ct += grain * (level / max(float(grain.std()), 1e-6))
    return np.clip(ct, -1024.0, 3000.0)


def _couch(grid: Grid, back_y_mm: float) -> NDArray[np.bool_]:
    """Cross-section (X, Y) of a curved couch top 4 mm thick and its flat underside, as wide as usual (assumed)."""
    x, y, _ = grid.axes_mm()
    x, y = x[..., 0], y[..., 0]
    top = back_y_mm - 5.0 + 32.0 * (x / 200.0) ** 2
    shell = (y <= top) & (y > top - max(4.0, grid.spacing_mm[1])) & (np.abs(x) < 205.0)
    under = (np.abs(y - (back_y_mm - 62.0)) < max(2.0, grid.spacing_mm[1] / 2)) & (np.abs(x) < 190.0)
    found: NDArray[np.bool_] = shell | under
    return found


def paint_pet(
    anatomy: Anatomy, uptake: Uptake, rng: Generator, noise_cov: float, mismatch_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """PET in SUVbw, and the uptake by tissue code that was painted before the blur.

    `mismatch_mm` (Z,) is how far the PET's organs lie above the CT's at each height: the PET is taken breathing freely.
    """
    from scipy import ndimage

    part, held = _cropped(anatomy)
    grid = part.grid
    texture = draw_texture(grid, rng, uptake.myocardial_swing)
    table = calibrated(part, starting_uptake(uptake), uptake, texture, mismatch_mm)
    pet = _seen(part.tissue, table, texture, grid, mismatch_mm)
    if noise_cov > 0:
        grain = rng.standard_normal(grid.shape, dtype=np.float32)
        sigma = [max(0.8 * PET_FWHM_MM / FWHM_PER_SIGMA / step, 0.3) for step in grid.spacing_mm]
        grain = ndimage.gaussian_filter(grain, sigma, truncate=3.0)
        scale = noise_cov / max(float(grain.std()), 1e-6)
        grain *= scale * np.sqrt(np.maximum(pet, 0.0) * max(uptake.suv["liver"], 0.1))
        pet += grain
    whole = np.zeros(anatomy.grid.shape, np.float32)
    whole[held] = np.maximum(pet, 0.0)
    return whole, table


def _cropped(anatomy: Anatomy) -> tuple[Anatomy, tuple[slice, slice]]:
    """The columns and rows that hold the body and a margin for the blur, and where they lie."""
    grid = anatomy.grid
    held: list[slice] = []
    for axis in (0, 1):
        along = np.nonzero(anatomy.tissue.any(axis=(1 - axis, 2)))[0]
        margin = round(MARGIN_MM / grid.spacing_mm[axis])
        first, last = (int(along[0]), int(along[-1])) if along.size else (0, 0)
        held.append(slice(max(first - margin, 0), last + margin + 1))
    box = (held[0], held[1])
    tissue, label = (np.ascontiguousarray(values[box]) for values in (anatomy.tissue, anatomy.label))
    return Anatomy(tissue=tissue, label=label, grid=grid.part((*box, slice(None)))), box


def starting_uptake(uptake: Uptake) -> NDArray[np.float32]:
    """Uptake by tissue code before calibration."""
    table = np.zeros(N_TISSUES, np.float32)
    for code, (organ, factor) in BASE.items():
        table[code] = uptake.suv[organ] * factor
    table[Tissue.RENAL_PELVIS] = uptake.renal_pelvis
    table[Tissue.URETER] = uptake.ureter
    table[Tissue.PROSTATE] = uptake.prostate
    table[Tissue.GAS] = 0.15
    table[Tissue.BROWN_FAT] = max(uptake.brown_fat, table[Tissue.FAT])
    table[Tissue.BLADDER] = min(table[Tissue.BLADDER], 60.0)
    return table


def _seen(
    tissue: NDArray[np.uint8],
    table: NDArray[np.float32],
    texture: Texture,
    grid: Grid,
    mismatch_mm: NDArray[np.float64],
) -> NDArray[np.float32]:
    """What the scanner sees without noise: activity, moved by breathing, blurred."""
    activity = table[tissue] * texture.factor(tissue, grid)
    at = np.clip(np.arange(grid.shape[2]) - mismatch_mm / grid.spacing_mm[2], 0, grid.shape[2] - 1)
    low = np.minimum(at.astype(int), grid.shape[2] - 2)
    share = (at - low).astype(np.float32)
    moved = np.nonzero(np.abs(mismatch_mm) > 0.2)[0]
    activity[:, :, moved] = (
        activity[:, :, low[moved]] * (1 - share[moved]) + activity[:, :, low[moved] + 1] * share[moved]
    )
    _beat(activity, tissue, grid)
    return _blur(activity, grid)


def _beat(activity: NDArray[np.float32], tissue: NDArray[np.uint8], grid: Grid) -> None:
    """Blur the heart, in place: it beats and breathes while it is scanned; fades out over the margin round it."""
    from scipy import ndimage

    wall = tissue == Tissue.MYOCARDIUM
    box = []
    for axis, step in enumerate(grid.spacing_mm):
        along = np.nonzero(wall.any(axis=tuple({0, 1, 2} - {axis})))[0]
        if not along.size:
            return
        margin = round(3.0 * BEAT_FWHM_MM / step)
        box.append(slice(max(int(along[0]) - margin, 0), int(along[-1]) + margin + 1))
    part = activity[tuple(box)]
    sigma = [BEAT_FWHM_MM / FWHM_PER_SIGMA / step for step in grid.spacing_mm]
    width = [max(1, round(24.0 / step)) for step in grid.spacing_mm]
    near = np.clip(12.0 * ndimage.uniform_filter(wall[tuple(box)].astype(np.float32), width), 0.0, 1.0)
    part += near * (ndimage.gaussian_filter(part, sigma, truncate=2.5) - part)


def _blur(activity: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    from scipy import ndimage

    sigma = [PET_FWHM_MM / FWHM_PER_SIGMA / step for step in grid.spacing_mm]
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(activity, sigma, truncate=3.0)
    return blurred


def calibrated(
    anatomy: Anatomy,
    table: NDArray[np.float32],
    uptake: Uptake,
    texture: Texture,
    mismatch_mm: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The table at which the organs measure as drawn, found on a grid of about 4 mm."""
    step = [max(1, round(CALIBRATION_MM / s)) for s in anatomy.grid.spacing_mm]
    pick = tuple(slice(k // 2, None, k) for k in step)
    tissue, label = anatomy.tissue[pick], anatomy.label[pick]
    grid = _picked(anatomy.grid, step, tissue.shape)
    where = {organ: np.isin(label, numbers_of(names)) for organ, (names, _, _) in CALIBRATED.items()}
    heart = np.isin(label, HEART_NUMBERS)
    table = table.copy()
    seen: list[tuple[float, float]] = []
    for _ in range(2):
        pet = _seen(tissue, table, texture, grid, mismatch_mm[pick[2]])
        for organ, (_, codes, recovery) in CALIBRATED.items():
            mask = where[organ]
            if mask.any():
                gap = uptake.suv[organ] - float(pet[mask].mean())
                table[list(codes)] = np.maximum(table[list(codes)] + gap / recovery, 0.1 * uptake.suv[organ])
        if heart.any():
            seen.append((float(table[Tissue.MYOCARDIUM]), float(pet[heart].mean())))
            _calibrate_heart(table, tissue[heart], seen, uptake)
    return table


def _calibrate_heart(
    table: NDArray[Any], tissue: NDArray[np.uint8], seen: list[tuple[float, float]], uptake: Uptake
) -> None:
    """Repaint the myocardium; where it would fall below two fifths of the blood, the blood gives way.

    `seen` holds (uptake painted, mean measured) of the passes so far: two of them give the response, before that it is
    the myocardium's share of the heart times a recovery of 0.7; the right ventricle's wall takes a third of the left's.
    """
    share = max(float((tissue == Tissue.MYOCARDIUM).mean()), 0.05)
    right = float((tissue == Tissue.RIGHT_MYOCARDIUM).mean())
    response = 0.70 * (share + RIGHT_SHARE * right)
    if len(seen) > 1 and abs(seen[-1][0] - seen[-2][0]) > 0.05 * seen[-1][0]:
        measured = (seen[-1][1] - seen[-2][1]) / (seen[-1][0] - seen[-2][0])
        response = float(np.clip(measured, 0.4 * share, 2.0 * share))
    floor = 0.4 * uptake.suv["aorta"]
    wanted = seen[-1][0] + (uptake.suv["heart"] - seen[-1][1]) / response
    table[Tissue.MYOCARDIUM] = max(wanted, floor)
    table[Tissue.RIGHT_MYOCARDIUM] = max(RIGHT_SHARE * wanted, 1.1 * uptake.suv["aorta"])
    short = min(wanted - floor, 0.0) * response
    blood = [Tissue.BLOOD_POOL, Tissue.ATRIAL_WALL]
    table[blood] = np.maximum(table[blood] + short / (0.9 * (1.0 - share)), 0.4 * uptake.suv["aorta"])


def _picked(grid: Grid, step: list[int], shape: tuple[int, ...]) -> Grid:
    spacing = tuple(s * k for s, k in zip(grid.spacing_mm, step, strict=True))
    origin = tuple(o + s * (k // 2) for o, s, k in zip(grid.origin_mm, grid.spacing_mm, step, strict=True))
    return Grid(
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        origin_mm=(origin[0], origin[1], origin[2]),
    )
