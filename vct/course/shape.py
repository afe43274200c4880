"""How lesions look: how far they depart from ellipsoids, and which have a necrotic core. Drawn once for each lesion."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vct.part import Part
from vct.structures import LESION_SITES

if TYPE_CHECKING:
    Site = str
else:
    Site = Literal[LESION_SITES]

NODE_MM = 55.0
HALF_NECROTIC_MM = MappingProxyType(
    {
        "lung": 60.0,
        "mediastinum": NODE_MM,
        "axilla": NODE_MM,
        "supraclavicular": NODE_MM,
        "liver": 50.0,
        "spleen": 60.0,
        "adrenal": 60.0,
        "retroperitoneum": NODE_MM,
        "pelvis_node": NODE_MM,
        "bone": 150.0,
        "soft_tissue": 60.0,
        "subcutaneous": 60.0,
    }
)
"""Diameter at which half of the lesions of a site have a necrotic core. Nodes: so that at 40 mm a quarter has one, as
15 of 60 patients with non-Hodgkin lymphoma had (PubMed 11351202; 89 of 476 in PubMed 27677489). Lung: few below 30 mm,
where solid cancers are the more homogeneous on CT the larger they are (Chu 2019, doi 10.1186/s12885-019-6274-0). That
these patients' nodes measured 40 mm, and all other sites, are assumed."""
LARGEST_SHARE = 0.8


class Shape(Part):
    """Random smooth bumps and dents about the ellipsoid; small lesions have hardly any. The volume is kept.

    The surface of a lesion exceeds that of the sphere of equal volume by 16 % where it is irregular in full, by 11 % at
    50 mm (with log axis ratios of 0.12). On images, with their noise, 19.5 % divide patients with NSCLC by prognosis
    (Rogasch 2020, doi 10.1186/s13550-020-00725-y), so that defaults are on the smooth side.
    """

    irregularity: float = Field(
        default=0.2, ge=0.0, le=0.25, description="of very large lesions: RMS of ln radius; 0 gives ellipsoids"
    )
    half_irregular_mm: float = Field(
        default=25.0, gt=0.0, le=200.0, description="diameter at which half of that is reached; assumed"
    )

    def of(self, diameter_mm: float) -> float:
        """Irregularity of a lesion that has this diameter when it is first there."""
        squared = diameter_mm**2
        return round(self.irregularity * squared / (squared + self.half_irregular_mm**2), 4)


class Necrosis(Part):
    """Which lesions have a core that died, how large it is, and what it still takes up.

    The larger a lesion when it is first there, the likelier its core, and the larger: what lies deeper than the living
    rim is dead. Core and lesion then grow and shrink together (assumed).
    """

    half_necrotic_mm: dict[Site, Annotated[float, Field(gt=0.0, le=1e4)]] = Field(
        default={}, description="diameter at which half of a site's lesions have a core; others: docs/methods.md"
    )
    geometric_sd: float = Field(
        default=1.6, gt=1.0, le=5.0, description="of the diameter from which a lesion has one; assumed"
    )
    rim_mm: float = Field(
        default=8.0, gt=0.0, le=100.0, description="living rim, median; assumed: a core of 31 % at 50 mm"
    )
    rim_geometric_sd: float = Field(default=1.3, ge=1.0, le=3.0, description="assumed")
    uptake: float = Field(default=0.2, ge=0.0, le=1.0, description="of the core over that of living tissue; assumed")

    def share(self, organ: NDArray[Any], diameter_mm: NDArray[Any], scores: NDArray[Any]) -> NDArray[np.float64]:
        """Share of the core in the volume, 0 without one, of lesions (L,) from normal scores (2, L).

        `organ` numbers `LESION_SITES`.
        """
        known = {**HALF_NECROTIC_MM, **self.half_necrotic_mm}
        half_mm = np.array([known[name] for name in LESION_SITES])[organ]
        onset_mm = half_mm * np.exp(math.log(self.geometric_sd) * scores[0])
        rim_mm = self.rim_mm * np.exp(math.log(self.rim_geometric_sd) * scores[1])
        core = np.maximum(1.0 - 2.0 * rim_mm / diameter_mm, 0.0) ** 3
        return np.where(diameter_mm > onset_mm, np.minimum(core, LARGEST_SHARE), 0.0)
