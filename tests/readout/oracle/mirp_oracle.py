"""Witness of readouts: MIRP (Zwanenburg 2024, doi 10.21105/joss.06413), run once in an environment of its own.

pip install mirp==2.7.0 && python mirp_oracle.py

The tests read `mirp.json`; MIRP itself is no dependency.
"""

import json
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import itk
import numpy as np
from mirp import extract_features
from phantoms import SPACING_MM, digital_phantom, lesion

FAMILIES = ["morphology", "statistics", "local_intensity"]
WANTED = {
    "morph_volume": "volume_mesh_mm3",
    "morph_vol_approx": "volume_voxels_mm3",
    "morph_integ_int": "integrated_intensity",
    "loc_peak_loc": "peak_local",
    "loc_peak_glob": "peak_global",
    "stat_mean": "mean",
    "stat_var": "variance",
    "stat_max": "max",
}


def features(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """MIRP's features of an image and a mask (Z, Y, X)."""
    with TemporaryDirectory() as folder:
        files = {}
        for name, array in (("image", image.astype(np.float32)), ("mask", mask.astype(np.uint8))):
            volume = itk.image_from_array(array)
            volume.SetSpacing([SPACING_MM] * 3)
            files[name] = str(Path(folder) / f"{name}.nrrd")
            itk.imwrite(volume, files[name])
        (table,) = extract_features(**files, image_modality="mr", base_feature_families=FAMILIES)
    row = table.iloc[0]
    return {ours: float(row[theirs]) for theirs, ours in WANTED.items()}


image, mask = lesion()
found = {
    "mirp": version("mirp"),
    "digital_phantom": features(*digital_phantom()),
    "lesion": features(image, mask),
    "lesion_suv4": features(image, mask & (image >= 4.0)),
    "lesion_41pct": features(image, mask & (image >= 0.41 * image[mask].max())),
}
(Path(__file__).parent / "mirp.json").write_text(json.dumps(found, indent=2) + "\n")
