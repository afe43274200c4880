"""The model card of weights, from what they carry and from `vct fidelity`; and the table that a run's report prints.

The criteria are those of `docs/cascade.md`: means within 10 %, spread ratio .7 to 1.3, every patient with every organ.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from vct import checkpoint
from vct.checkpoint import Checkpoint
from vct.engine.cascade.conditioning import AGE_YEARS, HEIGHT_CM, WEIGHT_KG
from vct.engine.cascade.measured import FILE
from vct.errors import InputError
from vct.files import write_aside
from vct.training.journal import LOG
from vct.training.organs import read_numbers

KINDS = ("anatomy", "lowres", "superres")
ORGANS = ("liver", "spleen", "kidneys", "heart", "lungs")
QUANTITIES = ("volume_ml", "suv_mean")
MOST_PERCENT = 10.0
SPREAD = (0.7, 1.3)
_WORDS = {"volume_ml": "volume", "suv_mean": "SUVmean", "F": "women", "M": "men"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One organ's quantity in one sex: how far its mean is from the held-out patients', and its spread over theirs."""

    organ: str
    quantity: str
    sex: str
    deviation_percent: float
    low_percent: float
    high_percent: float
    spread_ratio: float
    n: int

    @property
    def label(self) -> str:
        """As in a sentence."""
        return f"{self.organ} {_WORDS[self.quantity]} of {_WORDS[self.sex]}"

    def failures(self) -> list[str]:
        """Which criteria it misses."""
        found = []
        if abs(self.deviation_percent) > MOST_PERCENT:
            found.append(f"{self.label}: mean {self.deviation_percent:+.1f} % (at most {MOST_PERCENT:g})")
        if not SPREAD[0] <= self.spread_ratio <= SPREAD[1]:
            found.append(f"{self.label}: spread ratio {self.spread_ratio:.2f} ({SPREAD[0]:g} to {SPREAD[1]:g})")
        return found


def read_rows(folder: Path) -> list[Row]:
    """The rows of `fidelity.csv`, as `vct fidelity --reference` wrote it, by organ, quantity and sex.

    Raises InputError when it is missing or broken.
    """
    path = folder / "fidelity.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = [row for row in csv.DictReader(file) if row["subgroup"] in ("sex F", "sex M")]
            rows = [
                Row(
                    organ=row["organ"],
                    quantity=row["quantity"],
                    sex=row["subgroup"][-1],
                    deviation_percent=float(row["mean_percent"]),
                    low_percent=float(row["mean_low"]),
                    high_percent=float(row["mean_high"]),
                    spread_ratio=float(row["spread_ratio"]),
                    n=int(row["n"]),
                )
                for row in found
                if row["organ"] in ORGANS and row["quantity"] in QUANTITIES
            ]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not a table of `vct fidelity --reference` ({error!r})") from error
    if not rows:
        raise InputError(f"{path}: holds none of {', '.join(ORGANS)} by sex")
    order = {organ: place for place, organ in enumerate(ORGANS)}
    return sorted(rows, key=lambda row: (order[row.organ], row.quantity != "volume_ml", row.sex))


def lacking(folder: Path) -> list[str]:
    """Scans of `organs.csv` that lack one of the organs."""
    seen: dict[str, set[str]] = {}
    for number in read_numbers(folder / "organs.csv"):
        seen.setdefault(number.scan, set()).add(number.organ)
    return sorted(scan for scan, organs in seen.items() if not set(ORGANS) <= organs)


def write_card(
    weights: Path,
    out: Path,
    fidelity: Path | None = None,
    mean: Path | None = None,
    fresh: Path | None = None,
    training: Path | None = None,
    pictures: Sequence[Path] = (),
) -> list[str]:
    """Write the card to `out` and `fidelity.json` beside the weights; returns the criteria that are missed.

    `fidelity`, `mean` and `fresh` are folders of `vct fidelity`: the engine, the conditional mean alone, and fresh
    virtual patients, each against the same held-out ones. Without `training` what an earlier card of these weights said
    of theirs stays. Raises InputError when something named is missing or broken.
    """
    from jinja2 import Environment, StrictUndefined

    found = [checkpoint.load(weights, kind) for kind in KINDS if any(weights.glob(f"{kind}-*.safetensors"))]
    if not found:
        raise InputError(f"{weights}: holds no weights of the cascade")
    if missing := [path for path in pictures if not path.is_file()]:
        raise InputError(f"{missing[0]}: no such picture")
    rows = read_rows(fidelity) if fidelity else []
    warnings = _warnings(rows, lacking(fidelity) if fidelity else [])
    template = Path(__file__).with_name("model-card.md.j2").read_text(encoding="utf-8")
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=False)  # noqa: S701 - Markdown
    logs = _logs(training) if training else _told_before(weights, found[0].hash)
    text = environment.from_string(template).render(
        stages=[_stage(item, weights) for item in found],
        covered=_covered(found),
        statements=list(dict.fromkeys(item.training_data.strip() for item in found)),
        rows=rows,
        baselines=_baselines(mean=mean, fresh=fresh),
        words=_WORDS,
        warnings=warnings,
        logs=logs,
        pictures=[os.path.relpath(path, out.parent) for path in pictures],
        most=MOST_PERCENT,
        spread=SPREAD,
    )
    known = {
        "weights": found[0].hash,
        "engine": " + ".join(f"cascade {item.kind} {item.hash[:8]}" for item in found),
        "trained_on": found[0].training_data,
        "rows": [
            {"organ": row.organ, "quantity": row.quantity, "sex": row.sex, "n": row.n,
             "deviation_percent": row.deviation_percent, "spread_ratio": row.spread_ratio}
            for row in rows
        ],
        "warnings": warnings,
        "training": logs,
    }  # fmt: skip
    write_aside(weights / FILE, json.dumps(known, indent=1, sort_keys=True).encode() + b"\n")
    write_aside(out, text.rstrip().encode() + b"\n")
    return warnings


def _warnings(rows: Sequence[Row], without: Sequence[str]) -> list[str]:
    if not rows:
        return ["the fidelity of these weights was not measured"]
    missed = [text for row in rows for text in row.failures()]
    return missed + ([f"{len(without)} scans lack an organ, such as {without[0]}"] if without else [])


def _baselines(**folders: Path | None) -> dict[str, dict[tuple[str, str, str], Row]]:
    """Rows of the baselines by organ, quantity and sex."""
    return {
        name: {(row.organ, row.quantity, row.sex): row for row in read_rows(folder)}
        for name, folder in folders.items()
        if folder is not None
    }


def _stage(found: Checkpoint, folder: Path) -> dict[str, Any]:
    sizes = [path.stat().st_size for path in folder.glob(f"{found.kind}-*.safetensors")]
    return {
        "kind": found.kind,
        "hash": found.hash,
        "numbers": sum(tensor.numel() for tensor in found.tensors.values()),
        "mib": sum(sizes) / 2**20,
        "shards": len(sizes),
        "imaging": {"fwhm_mm": 0.0, "noise_cov": 0.0} | found.config.get("imaging", {}),
        "models": _models(found),
    }


def _models(found: Checkpoint) -> list[str]:
    if found.kind != "anatomy":
        size = found.config["model"]["network"]
        return [f"U-Net, widths {size['widths']}, {size['blocks']} block(s) a level, stem {size['stem']}"]
    return [
        f"{sex}: canonical body at {config['spacing_mm']:g} mm, {config['code']['raw']} numbers a body, "
        f"{config['code']['modes']} modes, {len(config['tissues'])} tissues"
        for sex, config in sorted(found.config["sexes"].items())
    ]


def _covered(found: Iterable[Checkpoint]) -> list[Mapping[str, Any]]:
    """The ages, heights and weights that stage 1 was trained on, by model; beyond them it stays at the edge."""
    rows: list[Mapping[str, Any]] = []
    for item in found:
        for name in sorted(item.tensors):
            if name != "low" and not name.endswith(".code.low"):
                continue
            low, high = (item.tensors[name[: -len("low")] + end].float().tolist() for end in ("low", "high"))
            rows.append(
                {
                    "model": name.split(".")[0] if "." in name else "both sexes",
                    "age": [AGE_YEARS[0] + AGE_YEARS[1] * value for value in (low[1], high[1])],
                    "height": [HEIGHT_CM[0] + HEIGHT_CM[1] * value for value in (low[2], high[2])],
                    "weight": [WEIGHT_KG[0] * 2.718281828459045 ** (WEIGHT_KG[1] * v) for v in (low[3], high[3])],
                }
            )
    return rows


def _told_before(weights: Path, digest: str) -> list[Mapping[str, Any]]:
    """The training logs in an earlier `fidelity.json` of the same weights; none where there is no such file."""
    try:
        known = json.loads((weights / FILE).read_text(encoding="utf-8"))
        return list(known["training"]) if known["weights"] == digest else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _logs(training: Path) -> list[Mapping[str, Any]]:
    """Steps and minutes of every training log below a folder; minutes are added up over interrupted calls."""
    found: list[Mapping[str, Any]] = []
    for path in sorted(training.rglob(LOG)):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(int(row["step"]), float(row["minutes"]), float(row["loss"])) for row in csv.DictReader(file)]
        if not rows:
            continue
        ends = [a[1] for a, b in pairwise(rows) if b[1] < a[1]] + [rows[-1][1]]
        last = [row[2] for row in rows[-100:]]
        found.append(
            {"name": path.parent.relative_to(training).as_posix(), "steps": rows[-1][0], "minutes": sum(ends),
             "loss": sum(last) / len(last)}
        )  # fmt: skip
    if not found:
        raise InputError(f"{training}: no {LOG} below it")
    return found
