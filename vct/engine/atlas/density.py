"""HU of every tissue: portal-venous phase in most patients (94 % of AutoPET's CTs), native in the others.

Native: Buzug 2008, Heymsfield 2005 and Prokop 2003 (via MUDR); portal-venous values are typical clinical ones
(recalled). Trabecular bone falls by 10 HU in ten years (assumed), fatty liver in a tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vct.engine.atlas.tissues import N_TISSUES, Tissue
from vct.records import Patient

CONTRAST_SHARE = 0.94
# tissue: (native HU, portal-venous HU, spread between people)
HU: dict[Tissue, tuple[float, float, float]] = {
    Tissue.FAT: (-90, -88, 8),
    Tissue.MUSCLE: (52, 60, 7),
    Tissue.CORTICAL: (620, 640, 90),
    Tissue.CARTILAGE: (85, 90, 12),
    Tissue.LUNG: (-835, -830, 40),
    Tissue.VISCERAL_FAT: (-102, -100, 7),
    Tissue.MEDIASTINUM: (-95, -92, 7),
    Tissue.MYOCARDIUM: (45, 105, 10),
    Tissue.BLOOD_POOL: (42, 150, 20),
    Tissue.LIVER: (56, 108, 9),
    Tissue.SPLEEN: (48, 118, 9),
    Tissue.KIDNEY: (33, 185, 22),
    Tissue.STOMACH_WALL: (40, 75, 10),
    Tissue.SMALL_BOWEL: (38, 85, 10),
    Tissue.DUODENUM: (38, 85, 10),
    Tissue.COLON_WALL: (38, 70, 10),
    Tissue.BLADDER: (6, 8, 5),
    Tissue.PANCREAS: (38, 92, 12),
    Tissue.ADRENAL: (30, 70, 10),
    Tissue.GALLBLADDER: (12, 12, 6),
    Tissue.OESOPHAGUS: (38, 60, 8),
    Tissue.AIRWAY: (-960, -960, 15),
    Tissue.ARTERY: (42, 150, 22),
    Tissue.VEIN: (42, 145, 22),
    Tissue.LUNG_VESSEL: (30, 110, 20),
    Tissue.LIVER_VESSEL: (42, 155, 20),
    Tissue.PROSTATE: (38, 60, 8),
    Tissue.GENITALS: (40, 50, 8),
    Tissue.SPINAL_CANAL: (28, 30, 4),
    Tissue.THYMUS: (-30, -20, 30),
    Tissue.RECTUM_WALL: (38, 65, 8),
    Tissue.DIAPHRAGM: (48, 60, 7),
    Tissue.URETER: (10, 20, 10),
    Tissue.ATRIAL_WALL: (45, 110, 10),
    Tissue.MARROW: (60, 65, 25),
    Tissue.RED_MARROW: (165, 180, 35),
    Tissue.KIDNEY_CORE: (30, 165, 22),
    Tissue.STOMACH_LUMEN: (15, 20, 25),
    Tissue.COLON_LUMEN: (15, 20, 25),
    Tissue.UTERUS: (45, 95, 15),
    Tissue.BREAST_GLAND: (25, 35, 15),
    Tissue.SKIN: (20, 25, 10),
    Tissue.SUBCUTANEOUS_FAT: (-106, -105, 6),
    Tissue.BOWEL_LUMEN: (18, 22, 15),
    Tissue.GAS: (-900, -900, 30),
    Tissue.THYROID: (95, 160, 20),
    Tissue.RENAL_PELVIS: (8, 30, 20),
    Tissue.FISSURE: (-700, -700, 20),
    Tissue.YELLOW_MARROW: (-60, -58, 15),
    Tissue.SOFT_TISSUE: (25, 35, 12),
    Tissue.RIGHT_MYOCARDIUM: (45, 105, 10),
    Tissue.COUCH: (-40, -40, 1),
}
TOGETHER = (Tissue.BLOOD_POOL, Tissue.ARTERY, Tissue.VEIN, Tissue.LUNG_VESSEL, Tissue.LIVER_VESSEL, Tissue.ATRIAL_WALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """HU by tissue code, shaped (N_TISSUES,), and whether contrast was given."""

    hu: NDArray[np.float32]
    contrast: bool


def draw_density(patient: Patient, rng: Generator) -> Density:
    """One person's HU: blood varies as one, bone with age, liver with its fat."""
    contrast = bool(rng.random() < CONTRAST_SHARE)
    table = np.full(N_TISSUES, -1000.0, np.float32)
    shared, strength = rng.standard_normal(), float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.3))
    for tissue, (native, venous, spread) in HU.items():
        own = rng.standard_normal()
        z = shared if tissue in TOGETHER else own
        mean = native + (venous - native) * strength if contrast else native
        table[tissue] = mean + spread * float(np.clip(z, -2, 2))
    decades = (patient.age_years - 50.0) / 10.0
    table[Tissue.RED_MARROW] -= 12.0 * decades
    table[Tissue.MARROW] -= 5.0 * decades
    table[Tissue.CORTICAL] -= 15.0 * decades
    table[Tissue.MUSCLE] -= 1.5 * decades + 0.4 * max(patient.bmi_kg_m2 - 27.0, 0.0)
    if rng.random() < 0.25 * float(np.clip((patient.bmi_kg_m2 - 20.0) / 10.0, 0.1, 2.0)):
        table[Tissue.LIVER] -= rng.uniform(8.0, 40.0)
    return Density(hu=table, contrast=contrast)
