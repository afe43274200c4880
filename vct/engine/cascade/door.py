"""The engine's entry in the registry: names it without importing torch."""

from __future__ import annotations

from typing import ClassVar

from vct.engine.base import Engine
from vct.errors import InputError


class CascadeDoor:
    """`cascade:DIR` on the command line; torch is imported once somebody asks for it."""

    spec_name: ClassVar[str] = "cascade"

    @classmethod
    def from_spec(cls, argument: str, resolution_mm: float | None) -> Engine:
        """The engine with the weights in the folder `argument`.

        Raises InputError when torch or safetensors is not installed, or the weights cannot be used.
        """
        try:
            from vct.engine.cascade.engine import Cascade
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "safetensors"):
                raise
            raise InputError(f"engine 'cascade' needs {error.name}: install torch and safetensors") from error
        return Cascade.from_spec(argument, resolution_mm)
