"""Tissue codes of the frame template and of the bodies painted from it: what a voxel is made of, whatever its organ.

Codes up to 45 are those of the BodyParts3D template that `vct.engine.atlas.template` reads; later ones are made here.
"""

from __future__ import annotations

from enum import IntEnum


class Tissue(IntEnum):
    """What a voxel is made of; the structure that it belongs to is kept apart."""

    OUTSIDE = 0
    FAT = 1
    MUSCLE = 2
    CORTICAL = 3
    CARTILAGE = 4
    LUNG = 5
    VISCERAL_FAT = 6
    MEDIASTINUM = 7
    MYOCARDIUM = 8
    BLOOD_POOL = 9
    LIVER = 10
    SPLEEN = 11
    KIDNEY = 12
    STOMACH_WALL = 13
    SMALL_BOWEL = 14
    COLON_WALL = 15
    BLADDER = 16
    PANCREAS = 17
    ADRENAL = 18
    GALLBLADDER = 19
    OESOPHAGUS = 20
    AIRWAY = 21
    ARTERY = 22
    VEIN = 23
    LUNG_VESSEL = 24
    LIVER_VESSEL = 25
    PROSTATE = 26
    GENITALS = 27
    SPINAL_CANAL = 29
    THYMUS = 31
    RECTUM_WALL = 32
    DIAPHRAGM = 33
    URETER = 34
    ATRIAL_WALL = 36
    CAVITY = 40
    MARROW = 41
    RED_MARROW = 42
    KIDNEY_CORE = 43
    STOMACH_LUMEN = 44
    COLON_LUMEN = 45
    UTERUS = 46
    BREAST_GLAND = 47
    SKIN = 48
    SUBCUTANEOUS_FAT = 49
    BOWEL_LUMEN = 50
    GAS = 51
    THYROID = 52
    RENAL_PELVIS = 53
    FISSURE = 54
    BROWN_FAT = 55
    OVARY = 56
    COUCH = 57
    YELLOW_MARROW = 58
    SOFT_TISSUE = 59
    RIGHT_MYOCARDIUM = 60
    DUODENUM = 61


N_TISSUES = 64
BONE = (Tissue.CORTICAL, Tissue.MARROW, Tissue.RED_MARROW)
HEART = (Tissue.MYOCARDIUM, Tissue.BLOOD_POOL, Tissue.ATRIAL_WALL)
MARROWS = (Tissue.MARROW, Tissue.RED_MARROW, Tissue.YELLOW_MARROW)
