"""Movement during the scan: breathing smears what lies near the diaphragm, and the patient shifts after the CT."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vct.acquisition.blur import smooth
from vct.records import Scan
from vct.structures import labels_of
from vct.volume import Grid, Triple, Volume

BREATHING = (
    *("lungs", "heart", "liver", "gallbladder", "spleen", "stomach", "pancreas", "kidneys"),
    *("adrenal_gland_left", "adrenal_gland_right"),
)
APEX_SHARE = 0.2
STILL_MOVING_MM, AT_REST_MM = 100.0, 250.0


def breathed(scan: Scan, amplitude_mm: float) -> Volume:
    """The PET smeared along z by free breathing of `amplitude_mm`, peak to peak, at the dome of the liver.

    Organs that hang on the diaphragm move with it; the motion fades towards the lungs' apex (lower lobe 12 mm, upper
    lobe 2 mm: Seppenwoolde 2002, doi 10.1016/S0360-3016(02)02803-1) and from 100 mm below the dome to nothing at 250 mm
    (assumed; kidneys move by about as much as the liver: Langen and Jones 2001, doi 10.1016/S0360-3016(01)01453-5).
    Bones and the body wall stay. The variance of a sinusoid, amplitude^2 / 8, smears as a Gaussian; where motion is
    less, the smeared and the sharp image mix by the share of variance. Nothing happens without labels of a liver.
    """
    if amplitude_mm <= 0.0 or scan.labels is None:
        return scan.pet
    in_liver = np.flatnonzero((scan.labels.data == labels_of("liver")[0]).any(axis=(0, 1)))
    if not in_liver.size:
        return scan.pet
    moving = np.zeros(256, dtype=np.float32)
    for name in BREATHING:
        moving[list(labels_of(name))] = 1.0
    grid = scan.pet.grid
    z = grid.axes_mm()[2]
    below = float(z[0, 0, in_liver[-1]]) - z
    lungs = np.flatnonzero(np.isin(scan.labels.data[:, :, in_liver[-1] :], labels_of("lungs")).any(axis=(0, 1)))
    height = max(float(lungs[-1]) * grid.spacing_mm[2], 1.0) if lungs.size else 1.0
    above = np.clip(1.0 + (1.0 - APEX_SHARE) * below / height, APEX_SHARE, 1.0)
    fading = np.clip((AT_REST_MM - below) / (AT_REST_MM - STILL_MOVING_MM), 0.0, 1.0)
    weight = np.asarray(moving[scan.labels.data] * (np.where(below < 0.0, above, fading) ** 2), dtype=np.float32)
    smeared = smooth(scan.pet.data, (0.0, 0.0, amplitude_mm**2 / 8.0 / grid.spacing_mm[2] ** 2))
    return replace(scan.pet, data=scan.pet.data + weight * (smeared - scan.pet.data))


def shifted(grid: Grid, shift_mm: Triple) -> Grid:
    """The grid on which a patient who moved by `shift_mm` is looked at: the same voxels, that much the other way."""
    x, y, z = (at - step for at, step in zip(grid.origin_mm, shift_mm, strict=True))
    return replace(grid, origin_mm=(x, y, z))
