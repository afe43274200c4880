"""Finding one patient's readings by readout and visit, and saying why one is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vct.records import Reading


class Readings:
    """The readings of one patient, by (readout, visit)."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._found = {(reading.readout, reading.visit): reading for reading in readings}
        self._days = {reading.visit: reading.day for reading in readings}

    def value(self, readout: str | None, visit: str | None) -> float | None:
        """The value, or None when there is no such reading or the image did not allow it."""
        reading = self._found.get((readout or "", visit or ""))
        value = None if reading is None else reading.value
        return value if value is not None and math.isfinite(value) else None

    def day(self, visit: str) -> float | None:
        """The actual day of `visit`, or None when the patient has no reading there."""
        return self._days.get(visit)

    def unit(self, readout: str) -> str:
        """Unit of `readout`; "" when this patient has no reading of it."""
        return next((reading.unit for (name, _), reading in self._found.items() if name == readout), "")

    def why_missing(self, readout: str, visit: str) -> str:
        """Why `value` is None."""
        if visit not in self._days:
            return f"no scan at {visit}"
        return f"{readout} could not be read at {visit}"
