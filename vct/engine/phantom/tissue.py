"""Which uptake, attenuation and density each structure is painted with: keys into `tables`."""

from __future__ import annotations

from collections.abc import Mapping

from vct.structures import GROUPS, STRUCTURES

Keys = tuple[str, str, str]
_LEAST_ML = 0.01

_BLOOD = ("aorta", "blood", "soft")
_VEIN = ("inferior_vena_cava", "blood", "soft")
_UPPER_VEIN = ("superior_vena_cava", "blood", "soft")
_NAMED: dict[str, Keys] = {
    "spleen": ("spleen", "spleen", "soft"),
    "kidney_right": ("kidneys", "kidney", "soft"),
    "kidney_left": ("kidneys", "kidney", "soft"),
    "gallbladder": ("gallbladder", "bile", "soft"),
    "liver": ("liver", "liver", "soft"),
    "stomach": ("stomach", "gut", "soft"),
    "pancreas": ("pancreas", "pancreas", "soft"),
    "adrenal_gland_right": ("adrenals", "soft", "soft"),
    "adrenal_gland_left": ("adrenals", "soft", "soft"),
    "esophagus": ("esophagus", "gut", "soft"),
    "trachea": ("trachea", "air", "air"),
    "thyroid_gland": ("thyroid", "thyroid", "soft"),
    "small_bowel": ("small_bowel", "gut", "soft"),
    "duodenum": ("duodenum", "gut", "soft"),
    "colon": ("colon", "gut", "soft"),
    "urinary_bladder": ("urinary_bladder", "urine", "soft"),
    "prostate": ("prostate", "soft", "soft"),
    "uterus": ("uterus", "soft", "soft"),
    "renal_pelvis": ("renal_pelvis", "urine", "soft"),
    "heart": _BLOOD,
    "heart_myocardium": ("myocardium", "myocardium", "soft"),
    "aorta": _BLOOD,
    "pulmonary_artery": _VEIN,
    "pulmonary_vein": _BLOOD,
    "brachiocephalic_vein_left": _UPPER_VEIN,
    "brachiocephalic_vein_right": _UPPER_VEIN,
    "superior_vena_cava": _UPPER_VEIN,
    "inferior_vena_cava": _VEIN,
    "portal_vein_and_splenic_vein": ("portal_splenic_vein", "blood", "soft"),
    "spinal_cord": ("spinal_cord", "cord", "soft"),
    "brain": ("brain", "brain", "soft"),
    "skull": ("skull", "bone", "bone"),
    "sacrum": ("sacrum", "bone", "bone"),
    "sternum": ("sternum", "bone", "bone"),
    "costal_cartilages": ("cartilage", "cartilage", "soft"),
    "body": ("cartilage", "soft", "soft"),
    "autochthon_left": ("autochthon_muscle", "muscle", "muscle"),
    "autochthon_right": ("autochthon_muscle", "muscle", "muscle"),
    "iliopsoas_left": ("iliopsoas_muscle", "muscle", "muscle"),
    "iliopsoas_right": ("iliopsoas_muscle", "muscle", "muscle"),
    "skeletal_muscle": ("skeletal_muscle_all", "muscle", "muscle"),
    "subcutaneous_fat": ("subcutaneous_fat", "fat", "fat"),
    "torso_fat": ("visceral_fat", "fat", "fat"),
    "skin": ("skin", "skin", "skin"),
    "breast": ("breast", "gland", "soft"),
}
_PREFIXES: dict[str, Keys] = {
    "lung_": ("lungs", "lung", "lung"),
    "heart_": _BLOOD,
    "vertebrae_C": ("vertebrae_cervical", "bone", "bone"),
    "vertebrae_T": ("vertebrae_thoracic", "bone", "bone"),
    "vertebrae_L": ("vertebrae_lumbar", "bone", "bone"),
    "rib_": ("ribs", "bone", "bone"),
    "hip_": ("hips", "bone", "bone"),
    "femur_": ("femurs", "bone", "bone"),
    "humerus_": ("humeri", "bone", "bone"),
    "scapula_": ("scapulae", "bone", "bone"),
    "clavicula_": ("scapulae", "bone", "bone"),
    "iliac_artery_": _BLOOD,
    "iliac_vena_": _VEIN,
    "common_carotid_artery_": _BLOOD,
    "subclavian_artery_": _BLOOD,
    "brachiocephalic_trunk": _BLOOD,
}


def _keys(structure: str) -> Keys | None:
    for prefix, keys in _PREFIXES.items():
        if structure.startswith(prefix):
            return _NAMED.get(structure, keys)
    return _NAMED.get(structure)


TISSUES: dict[str, Keys] = {name: keys for name in STRUCTURES if (keys := _keys(name)) is not None}
"""Structure to its names in `tables.UPTAKE`, `tables.HOUNSFIELD` and `tables.DENSITY`."""


def planted_suv(volume_ml: Mapping[str, float], activity_g: Mapping[str, float]) -> dict[str, float]:
    """Mean uptake that was painted, by structure and by group of `vct.structures`, from volume and SUV times volume."""
    members = {name: (name,) for name in volume_ml} | GROUPS
    planted = {}
    for name, parts in members.items():
        volume = sum(volume_ml.get(part, 0.0) for part in parts)
        if volume > _LEAST_ML:
            planted[name] = sum(activity_g.get(part, 0.0) for part in parts) / volume
    return planted
