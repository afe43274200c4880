"""PET in BIDS in: SUVbw from the sidecar and the participant's weight."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vct.errors import InputError
from vct.formats.exam import HALF_LIFE_S

IN_BQ = {"bq": 1.0, "kbq": 1e3, "mbq": 1e6, "gbq": 1e9}
IN_BQ_PER_ML = {"bq/ml": 1.0, "kbq/ml": 1e3}
MAX_SIDECAR_BYTES = 10_000_000


def read_sidecar(image: Path) -> dict[str, Any]:
    """The JSON beside an image. Raises InputError where it is missing or broken."""
    path = image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    try:
        if path.stat().st_size > MAX_SIDECAR_BYTES:
            raise InputError(f"{path}: is larger than {MAX_SIDECAR_BYTES} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no readable sidecar ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: must hold an object")
    return found


def bids_suv_factor(image: Path, sidecar: dict[str, Any], weight_kg: float) -> float:
    """SUVbw of one unit of the image: weight over the dose decayed from InjectionStart to ImageDecayCorrectionTime.

    Raises InputError, which names the field, where one is missing or in a unit that says nothing.
    """

    def number(field: str) -> float:
        value = sidecar.get(field)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{image}: the sidecar's {field} must be a number (got {value!r})")
        return float(value)

    def unit(field: str, known: dict[str, float]) -> float:
        value = str(sidecar.get(field, "")).lower()
        if value not in known:
            raise InputError(f"{image}: the sidecar's {field} must be one of {', '.join(known)} (got {value!r})")
        return known[value]

    if sidecar.get("ImageDecayCorrected") is not True:
        raise InputError(f"{image}: the sidecar's ImageDecayCorrected must be true")
    nuclide = str(sidecar.get("TracerRadionuclide", "")).replace("-", "").upper()
    if nuclide not in ("F18", "18F"):
        raise InputError(f"{image}: the sidecar's TracerRadionuclide must be F18 (got {nuclide!r})")
    waited = number("ImageDecayCorrectionTime") - number("InjectionStart")
    dose = number("InjectedRadioactivity") * unit("InjectedRadioactivityUnits", IN_BQ)
    if dose <= 0.0:
        raise InputError(f"{image}: the sidecar's InjectedRadioactivity must be positive")
    left: float = dose * 2.0 ** (-waited / HALF_LIFE_S)
    return unit("Units", IN_BQ_PER_ML) * weight_kg * 1000.0 / left
