"""A trial for which the closed forms hold: one large lesion a patient, whose log uptake changes by a normal amount."""

from __future__ import annotations

import math
from typing import Any

from vct import load
from vct.protocol import Protocol
from vct.yamlfile import Tree, check

CHANGES = (-0.2, -0.35)
"""Relative change of uptake on the reference arm and on the other."""
CV, BETWEEN_SD = 0.1, 0.3
"""Day-to-day variation of uptake; standard deviation of the log change between patients."""
REACHED = 1.0 - 2.0 ** (-23.0 / 7.0)
"""Share of a treatment's effect that has come by day 23, at the second scan."""
DIFFERENCE = REACHED * (math.log1p(CHANGES[1]) - math.log1p(CHANGES[0]))
"""Difference between the arms' mean log changes."""
SD = math.hypot(BETWEEN_SD * REACHED, math.sqrt(2.0 * math.log1p(CV**2)))
"""Standard deviation of the log change."""


def drift(size: int) -> float:
    """Expected z at the end of the whole trial of `size` patients."""
    return abs(DIFFERENCE) / (SD * math.sqrt(4.0 / size))


def normal_trial(
    design: dict[str, Any] | None = None,
    size: int = 60,
    changes: tuple[float, ...] = CHANGES,
    kind: str = "log_ratio",
) -> Protocol:
    """An arm for each of `changes`; the endpoint "log change" is of that kind, and is compared if it is a log ratio."""
    arms = ("PCB", "PCB+NTG")[: len(changes)]
    data = load("null_trial").resolved()
    data["arms"], data["sample_size"] = [{"name": name} for name in arms], size
    data["course"] = {
        "kind": "metastatic",
        "disease": {
            "count": {"kind": "constant", "value": 1},
            "sites": {"lung": 1},
            "diameter_mm": {"kind": "constant", "value": 40},
            "suv": {"kind": "lognormal", "median": 8, "geometric_sd": 1.3},
        },
        "history": {"day_to_day_cv": CV},
        "treatments": {
            arm: {
                "responder_fraction": 1,
                "responders": {"uptake_change": change, "uptake_sd_between_patients": BETWEEN_SD},
            }
            for arm, change in zip(arms, changes, strict=True)
        },
    }
    data["readouts"] = [{"kind": "suv_max", "name": "suv_max"}]
    data["endpoints"] = [
        {"kind": kind, "name": "log change", "readout": "suv_max", "baseline": "baseline", "visits": ["week3"]}
    ]
    data["analyses"] = [{"kind": "welch_t", "endpoint": "log change"}] if kind == "log_ratio" else []
    data["design"] = design
    return check(Protocol, Tree(data, "normal_trial"), None)
