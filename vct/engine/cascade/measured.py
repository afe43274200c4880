"""What was measured of weights, for the report of a run: `fidelity.json` beside them, written by `vct card`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vct.errors import InputError

FILE = "fidelity.json"
KEYS = ("weights", "engine", "trained_on", "rows", "warnings")
ROW_KEYS = ("organ", "quantity", "sex", "deviation_percent", "spread_ratio", "n")


def measured(folder: Path | None, weights: str, trained_on: str) -> Mapping[str, Any]:
    """`engine`, `trained_on`, `rows` and `warnings` of the weights with the hash `weights` in `folder`.

    A row has organ, quantity, sex, deviation_percent, spread_ratio, n. Nothing measured, or measured of other weights,
    is a warning. Raises InputError when the file is damaged.
    """
    unknown = {"engine": f"cascade {weights[:8]}", "trained_on": trained_on, "rows": []}
    path = None if folder is None else folder / FILE
    if path is None or not path.exists():
        return unknown | {"warnings": ["the fidelity of these weights was not measured"]}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        known = {key: found[key] for key in KEYS}
        known["rows"] = [{key: row[key] for key in ROW_KEYS} for row in known["rows"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a fidelity file of `vct card` ({error!r})") from error
    if known.pop("weights") != weights:
        return unknown | {"warnings": [f"{FILE} beside these weights was measured of others"]}
    return known
