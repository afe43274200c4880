"""The engine's entry in the registry: names it without importing torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from vct.engine.base import Engine
from vct.errors import InputError

if TYPE_CHECKING:
    from vct.engine.cascade.engine import Cascade

SHIPPED = Path(__file__).parent / "weights"
NEEDED = ("torch", "safetensors")


class CascadeDoor:
    """`cascade` or `cascade:DIR` on the command line; torch is imported once somebody asks for it."""

    spec_name: ClassVar[str] = "cascade"

    @classmethod
    def from_spec(cls, argument: str, resolution_mm: float | None) -> Engine:
        """The engine with the weights in the folder `argument`, or with the shipped ones.

        Raises InputError when torch or safetensors is not installed, or the weights cannot be used.
        """
        return load(Path(argument) if argument else None, 4.0 if resolution_mm is None else resolution_mm)


def load(weights: Path | None, spacing_mm: float, sampler: str = "default") -> Cascade:
    """The engine with the weights in a folder, or with the shipped ones; `sampler` is "default" or "published".

    Raises InputError when torch or safetensors is not installed, or the weights cannot be used.
    """
    folder = weights_folder(weights)
    try:
        from vct.engine.cascade.engine import Cascade
        from vct.engine.cascade.sampler import PUBLISHED
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        raise InputError(f"engine 'cascade' needs {error.name}: pip install 'vct[cascade]'") from error
    if sampler == "published":
        return Cascade.load(folder, spacing_mm, PUBLISHED, refining=PUBLISHED)
    return Cascade.load(folder, spacing_mm)


def weights_folder(weights: Path | None) -> Path:
    """The folder of weights, or of the shipped ones.

    Raises InputError when it does not exist, or this version ships no weights.
    """
    if weights is not None:
        if not weights.is_dir():
            raise InputError(f"{weights}: no such folder of weights")
        return weights
    if not any(SHIPPED.glob("*.safetensors")):
        raise InputError("this version ships no cascade weights yet; name a folder of your own")
    return SHIPPED
