"""Names and numbers of labelled structures: TotalSegmentator v2's, so that its masks and ours mean the same.

Numbers 1 to 117 are those of TotalSegmentator's `total` task (Wasserthal et al. 2023, doi 10.1148/ryai.230024). The
names from 130 on come from its `heartchambers_highres`, `tissue_types` and `breasts` tasks and from its body mask;
their numbers here are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TOTAL = """
spleen kidney_right kidney_left gallbladder liver stomach pancreas adrenal_gland_right adrenal_gland_left
lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right lung_middle_lobe_right lung_lower_lobe_right
esophagus trachea thyroid_gland small_bowel duodenum colon urinary_bladder prostate kidney_cyst_left
kidney_cyst_right sacrum vertebrae_S1 vertebrae_L5 vertebrae_L4 vertebrae_L3 vertebrae_L2 vertebrae_L1 vertebrae_T12
vertebrae_T11 vertebrae_T10 vertebrae_T9 vertebrae_T8 vertebrae_T7 vertebrae_T6 vertebrae_T5 vertebrae_T4
vertebrae_T3 vertebrae_T2 vertebrae_T1 vertebrae_C7 vertebrae_C6 vertebrae_C5 vertebrae_C4 vertebrae_C3 vertebrae_C2
vertebrae_C1 heart aorta pulmonary_vein brachiocephalic_trunk subclavian_artery_right subclavian_artery_left
common_carotid_artery_right common_carotid_artery_left brachiocephalic_vein_left brachiocephalic_vein_right
atrial_appendage_left superior_vena_cava inferior_vena_cava portal_vein_and_splenic_vein iliac_artery_left
iliac_artery_right iliac_vena_left iliac_vena_right humerus_left humerus_right scapula_left scapula_right
clavicula_left clavicula_right femur_left femur_right hip_left hip_right spinal_cord gluteus_maximus_left
gluteus_maximus_right gluteus_medius_left gluteus_medius_right gluteus_minimus_left gluteus_minimus_right
autochthon_left autochthon_right iliopsoas_left iliopsoas_right brain skull rib_left_1 rib_left_2 rib_left_3
rib_left_4 rib_left_5 rib_left_6 rib_left_7 rib_left_8 rib_left_9 rib_left_10 rib_left_11 rib_left_12 rib_right_1
rib_right_2 rib_right_3 rib_right_4 rib_right_5 rib_right_6 rib_right_7 rib_right_8 rib_right_9 rib_right_10
rib_right_11 rib_right_12 sternum costal_cartilages
"""

STRUCTURES: dict[str, int] = {
    **{name: number for number, name in enumerate(_TOTAL.split(), start=1)},
    "heart_myocardium": 130,
    "heart_atrium_left": 131,
    "heart_ventricle_left": 132,
    "heart_atrium_right": 133,
    "heart_ventricle_right": 134,
    "pulmonary_artery": 135,
    "skeletal_muscle": 140,
    "subcutaneous_fat": 141,
    "torso_fat": 142,
    "skin": 143,
    "breast": 144,
    "uterus": 145,
    "renal_pelvis": 146,
    "lymph_node": 147,
    "body": 150,
}

GROUPS: dict[str, tuple[str, ...]] = {
    "lungs": tuple(name for name in STRUCTURES if name.startswith("lung_")),
    "kidneys": ("kidney_right", "kidney_left"),
    "heart": tuple(name for name in STRUCTURES if name == "heart" or name.startswith("heart_")),
    "heart_blood_pool": ("heart_atrium_left", "heart_ventricle_left", "heart_atrium_right", "heart_ventricle_right"),
    "vertebrae": tuple(name for name in STRUCTURES if name.startswith("vertebrae_")),
    "vertebrae_lumbar": tuple(f"vertebrae_L{number}" for number in range(1, 6)),
    "ribs": tuple(name for name in STRUCTURES if name.startswith("rib_")),
    "hips": ("hip_left", "hip_right"),
    "bone": tuple(
        name
        for name in STRUCTURES
        if name.startswith(("vertebrae_", "rib_", "hip_", "femur_", "humerus_", "scapula_", "clavicula_"))
        or name in ("sacrum", "sternum")
    ),
}


def labels_of(structure: str) -> tuple[int, ...]:
    """Label numbers of a structure or of a group of them ("kidneys"). Raises KeyError for a name that is neither."""
    return tuple(STRUCTURES[name] for name in GROUPS.get(structure, (structure,)))


def voxels_of(labels: NDArray[np.uint8], *structures: str) -> NDArray[np.bool_]:
    """Which voxels of a label map carry one of these structures or groups. Raises KeyError for an unknown name."""
    import numpy as np

    wanted = np.zeros(256, dtype=np.bool_)
    wanted[[number for name in structures for number in labels_of(name)]] = True
    return np.asarray(wanted[labels])


LESION_SITES: tuple[str, ...] = (
    "lung",
    "mediastinum",
    "axilla",
    "supraclavicular",
    "liver",
    "spleen",
    "adrenal",
    "retroperitoneum",
    "pelvis_node",
    "bone",
    "soft_tissue",
    "subcutaneous",
)
"""Where a lesion may sit: organs, node stations in fat, bone, muscle and subcutaneous fat. Engines place them there."""
