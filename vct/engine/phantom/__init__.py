"""The phantom: anatomy as implicit shapes, sized by published regressions, painted exactly on any grid."""

from vct.engine.phantom.engine import Phantom

__all__ = ["Phantom"]
