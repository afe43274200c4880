"""SNOMED CT codes of the structures of `vct.structures`, for DICOM segmentations and reports.

As in TotalSegmentator's mapping (its `totalsegmentator_snomed_mapping.csv`, version 2.18, Apache-2.0); skin, breast,
uterus, renal pelvis, lymph node and the whole body as in DICOM PS3.16.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TABLE = """
spleen 78961009 Spleen
kidney 64033007 Kidney
gallbladder 28231008 Gallbladder
liver 10200004 Liver
stomach 69695003 Stomach
pancreas 15776009 Pancreas
adrenal_gland 23451007 Adrenal gland
lung_upper_lobe 45653009 Upper lobe of lung
lung_lower_lobe 90572001 Lower lobe of lung
lung_middle_lobe 72481006 Middle lobe of right lung
esophagus 32849002 Esophagus
trachea 44567001 Trachea
thyroid_gland 69748006 Thyroid gland
small_bowel 30315005 Small intestine
duodenum 38848004 Duodenum
colon 71854001 Colon
urinary_bladder 89837001 Urinary bladder
prostate 41216001 Prostate
kidney_cyst 367643001 Cyst
sacrum 54735007 Sacrum
vertebrae_S1 65985001 S1 vertebra
vertebrae_L5 49668003 L5 vertebra
vertebrae_L4 11994002 L4 vertebra
vertebrae_L3 36470004 L3 vertebra
vertebrae_L2 14293000 L2 vertebra
vertebrae_L1 66794005 L1 vertebra
vertebrae_T12 23215003 T12 vertebra
vertebrae_T11 12989004 T11 vertebra
vertebrae_T10 7610001 T10 vertebra
vertebrae_T9 82687006 T9 vertebra
vertebrae_T8 11068009 T8 vertebra
vertebrae_T7 62487009 T7 vertebra
vertebrae_T6 45296009 T6 vertebra
vertebrae_T5 56401006 T5 vertebra
vertebrae_T4 73071006 T4 vertebra
vertebrae_T3 1626008 T3 vertebra
vertebrae_T2 53733008 T2 vertebra
vertebrae_T1 64864005 T1 vertebra
vertebrae_C7 87391001 C7 vertebra
vertebrae_C6 36054005 C6 vertebra
vertebrae_C5 36978003 C5 vertebra
vertebrae_C4 5329002 C4 vertebra
vertebrae_C3 113205007 C3 vertebra
vertebrae_C2 39976000 C2 vertebra
vertebrae_C1 14806007 C1 vertebra
heart 80891009 Heart
aorta 15825003 Aorta
pulmonary_vein 122972007 Pulmonary vein
brachiocephalic_trunk 12691009 Brachiocephalic artery
subclavian_artery 29700009 Subclavian artery
common_carotid_artery 32062004 Common carotid artery
brachiocephalic_vein 8887007 Brachiocephalic vein
atrial_appendage 68786006 Auricular appendage
superior_vena_cava 48345005 Superior vena cava
inferior_vena_cava 64131007 Inferior vena cava
portal_vein_and_splenic_vein 110765007 Portal vein and splenic vein
iliac_artery 73634005 Common iliac artery
iliac_vena 46027005 Common iliac vein
humerus 85050009 Humerus
scapula 79601000 Scapula
clavicula 51299004 Clavicle
femur 71341001 Femur
hip 29836001 Hip
spinal_cord 2748008 Spinal cord
gluteus_maximus 181674001 Gluteus maximus muscle
gluteus_medius 78333006 Gluteus medius muscle
gluteus_minimus 75297007 Gluteus minimus muscle
autochthon 244849004 Deep muscle of back
iliopsoas 68455001 Iliopsoas muscle
brain 12738006 Brain
skull 89546000 Skull
rib_1 48535007 First rib
rib_2 78247007 Second rib
rib_3 25888004 Third rib
rib_4 25523003 Fourth rib
rib_5 15339008 Fifth rib
rib_6 59558009 Sixth rib
rib_7 24915002 Seventh rib
rib_8 5953002 Eighth rib
rib_9 22565002 Ninth rib
rib_10 77644006 Tenth rib
rib_11 58830002 Eleventh rib
rib_12 43993008 Twelfth rib
sternum 56873002 Sternum
costal_cartilages 50016007 Costal cartilage
heart_myocardium 74281007 Myocardium
heart_atrium_left 82471001 Left atrium
heart_ventricle_left 87878005 Left ventricle of heart
heart_atrium_right 73829009 Right atrium
heart_ventricle_right 53085002 Right ventricle of heart
pulmonary_artery 81040000 Pulmonary artery
skeletal_muscle 127954009 Skeletal muscle
subcutaneous_fat 67769002 Subcutaneous fatty tissue
torso_fat 55603005 Fat
skin 39937001 Skin
breast 76752008 Breast
uterus 35039007 Uterus
renal_pelvis 25990002 Renal pelvis
lymph_node 59441001 Lymph node
body 38266002 Entire body
"""


class Coded(NamedTuple):
    """A SNOMED CT concept and its side, "" where it has none."""

    value: str
    meaning: str
    side: str


_CODES = {
    stem: (value, meaning) for stem, value, meaning in (line.split(" ", 2) for line in _TABLE.strip().splitlines())
}
SIDES = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}
LESION = ("52988006", "Lesion")
_ORGANS = [code for stem, code in _CODES.items() if stem not in ("lymph_node", "kidney_cyst")]
_VALUES = {value for value, _ in _ORGANS}
_MEANINGS = re.compile(rf"\b({'|'.join(meaning.lower() for _, meaning in _ORGANS)}|lungs?|ribs?|vertebrae?|bones?)\b")


def code_of(structure: str) -> Coded:
    """The code of a structure; rib_left_3 is the third rib with the side "left". Raises KeyError for another name."""
    if structure in _CODES:
        return Coded(*_CODES[structure], "")
    side = re.search(r"_(left|right)(?=_|$)", structure)
    if side is None:
        raise KeyError(structure)
    return Coded(*_CODES[structure.replace(side.group(), "", 1)], side.group(1))


def names_structure(value: str, meaning: str) -> bool:
    """Whether a code is that of a structure, or its meaning names one, as "Left kidney" does.

    Lymph nodes and cysts do not count: lesions are named so.
    """
    return value in _VALUES or bool(_MEANINGS.search(meaning.lower()))
