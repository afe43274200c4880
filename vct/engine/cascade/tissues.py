"""Which labels are painted alike (tissues) and which are aligned as one (structures)."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from vct.structures import STRUCTURES

_ALIKE = (
    ("vertebrae", ("vertebrae_", "sacrum", "sternum")),
    ("ribs", ("rib_", "clavicula_", "scapula_")),
    ("hips", ("hip_",)),
    ("limb_bones", ("femur_", "humerus_")),
    ("lungs", ("lung_",)),
    ("kidneys", ("kidney_right", "kidney_left")),
    ("adrenals", ("adrenal_",)),
    ("muscle", ("gluteus_", "autochthon_", "iliopsoas_", "skeletal_muscle")),
    ("myocardium", ("heart_myocardium",)),
    ("heart_chambers", ("heart_",)),
    ("blood", ("aorta", "pulmonary_", "brachiocephalic_", "subclavian_", "common_carotid_", "superior_vena",
               "inferior_vena", "portal_vein", "iliac_", "atrial_appendage")),
    ("fat", ("subcutaneous_fat", "torso_fat")),
)  # fmt: skip
_ALIGNED = (
    ("lung_right", ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right")),
    ("lung_left", ("lung_upper_lobe_left", "lung_lower_lobe_left")),
    ("heart", ("heart",)),
    ("liver", ("liver",)),
    ("spleen", ("spleen",)),
    ("kidney_right", ("kidney_right",)),
    ("kidney_left", ("kidney_left",)),
    ("stomach", ("stomach",)),
    ("bladder", ("urinary_bladder",)),
    ("aorta", ("aorta",)),
    ("brain", ("brain", "skull")),
    ("spine", ("vertebrae_", "sacrum")),
    ("ribs", ("rib_", "sternum")),
    ("shoulder_right", ("scapula_right", "clavicula_right", "humerus_right")),
    ("shoulder_left", ("scapula_left", "clavicula_left", "humerus_left")),
    ("pelvis", ("hip_",)),
    ("femora", ("femur_",)),
    ("bowel", ("colon", "small_bowel")),
)
LEAN = "lean"
CAVITY = "cavity"
BELLY = "belly"
GUT = ("colon", "small_bowel", "duodenum")
STRUCTURE_NAMES = (LEAN, CAVITY, BELLY, *(name for name, _ in _ALIGNED))
_OUTER = ("subcutaneous_fat", "skin", "breast")
_WALL = (
    "muscle",
    "ribs",
    "vertebrae",
    "hips",
    "limb_bones",
    "costal_cartilages",
    "spinal_cord",
    "brain",
    "skull",
    "body",
)


def tissue_of(structure: str) -> str:
    """The tissue that a structure is painted as: a group such as "blood", or the structure itself."""
    for tissue, starts in _ALIKE:
        if structure.startswith(starts):
            return tissue
    return structure


@cache
def tissue_table() -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """(256,) tissue number of every label, and the tissues' names by number; 0 is air."""
    names = ("air", *sorted({tissue_of(name) for name in STRUCTURES}))
    table = np.zeros(256, dtype=np.uint8)
    for structure, label in STRUCTURES.items():
        table[label] = names.index(tissue_of(structure))
    return table, names


@cache
def structure_masks() -> NDArray[np.bool_]:
    """(structures, 256): which labels make up each of `STRUCTURE_NAMES`.

    "lean" is the body without its outer fat, "cavity" what muscle and bone enclose: viscera, vessels and their fat,
    "belly" the bowel and that fat.
    """
    masks = np.zeros((len(STRUCTURE_NAMES), 256), dtype=np.bool_)
    masks[0, 1:] = True
    masks[0, [STRUCTURES[name] for name in _OUTER]] = False
    masks[1] = masks[0]
    for structure, label in STRUCTURES.items():
        masks[1, label] &= tissue_of(structure) not in _WALL
    masks[2, [STRUCTURES[name] for name in (*GUT, "torso_fat")]] = True
    for row, (_, starts) in enumerate(_ALIGNED, start=3):
        for structure, label in STRUCTURES.items():
            masks[row, label] = structure.startswith(starts)
    return masks


def lean_labels(labels: torch.Tensor) -> torch.Tensor:
    """Where labels are of the body without its outer fat, as booleans of the same shape."""
    return torch.from_numpy(structure_masks()[0]).to(labels.device)[labels.long()]
