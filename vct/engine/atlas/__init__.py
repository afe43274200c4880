"""The virtual population: real organs in fitted bodies, painted in HU and SUVbw, every voxel labelled."""

from vct.engine.atlas.build import build
from vct.engine.atlas.engine import Atlas

__all__ = ["Atlas", "build"]
