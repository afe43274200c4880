"""The model card of weights, from what they carry and from `vct fidelity`; and the table that a run's report prints.

The criteria are those of `docs/cascade.md`: means within 10 %, spread ratio .7 to 1.3, every patient with every organ.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from vct import checkpoint
from vct.checkpoint import Checkpoint
from vct.engine.cascade.conditioning import AGE_YEARS, HEIGHT_CM, WEIGHT_KG
from vct.engine.cascade.measured import FILE
from vct.errors import InputError
from vct.files import write_aside
from vct.training.goals import Goals, read_goals
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
    """One organ's quantity in one sex: how far its mean is from the held-out patients', and its spread over theirs; the
    interval of a baseline may be unknown."""

    organ: str
    quantity: str
    sex: str
    deviation_percent: float
    spread_ratio: float
    n: int
    low_percent: float | None = None
    high_percent: float | None = None

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
    goals: Path | None = None,
) -> list[str]:
    """Write the card to `out` and `fidelity.json` beside the weights; returns the criteria that are missed.

    `fidelity`, `mean` and `fresh` are folders of `vct fidelity`: the engine, the conditional mean alone, and fresh
    virtual patients, each against the same held-out ones; `training` holds logs; `goals` is what
    `benchmarks/cascade_goals.py` found. What is not given stays as an earlier card of the same stage 1 told it. Raises
    InputError when something named is missing or broken.
    """
    from jinja2 import Environment, StrictUndefined

    found = [checkpoint.load(weights, kind) for kind in KINDS if any(weights.glob(f"{kind}-*.safetensors"))]
    if not found:
        raise InputError(f"{weights}: holds no weights of the cascade")
    if missing := [path for path in pictures if not path.is_file()]:
        raise InputError(f"{missing[0]}: no such picture")
    before = _Before.of(weights, found[0].hash)
    tables = dict(before.tables)
    for name, folder in (("engine", fidelity), ("mean", mean), ("fresh", fresh)):
        if folder is not None:
            tables[name] = read_rows(folder)
    rows = tables.get("engine", [])
    warnings = _warnings(rows, lacking(fidelity)) if fidelity else before.warnings or _warnings(rows, [])
    logs = before.logs | (_logs(training) if training else {})
    tighter = read_goals(goals, found[0].hash) if goals else before.goals
    template = Path(__file__).with_name("model-card.md.j2").read_text(encoding="utf-8")
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=False)  # noqa: S701 - Markdown
    text = environment.from_string(template).render(
        stages=[_stage(item, weights) for item in found],
        covered=_covered(found),
        statements=list(dict.fromkeys(item.training_data.strip() for item in found)),
        rows=rows,
        baselines={
            name: {(row.organ, row.quantity, row.sex): row for row in tables[name]}
            for name in ("mean", "fresh")
            if name in tables
        },
        words=_WORDS,
        warnings=warnings,
        goals=tighter,
        logs=logs.values(),
        pictures=[os.path.relpath(path, out.parent) for path in pictures],
        most=MOST_PERCENT,
        spread=SPREAD,
    )
    known = {
        "weights": found[0].hash,
        "engine": " + ".join(f"cascade {item.kind} {item.hash[:8]}" for item in found),
        "trained_on": found[0].training_data,
        "rows": [asdict(row) for row in rows],
        "baselines": {name: [asdict(row) for row in table] for name, table in tables.items() if name != "engine"},
        "warnings": warnings,
        "training": list(logs.values()),
        "goals": tighter.model_dump(mode="json") if tighter else None,
    }
    write_aside(weights / FILE, json.dumps(known, indent=1, sort_keys=True).encode() + b"\n")
    write_aside(out, text.rstrip().encode() + b"\n")
    return warnings


def _warnings(rows: Sequence[Row], without: Sequence[str]) -> list[str]:
    if not rows:
        return ["the fidelity of these weights was not measured"]
    missed = [text for row in rows for text in row.failures()]
    return missed + ([f"{len(without)} scans lack an organ, such as {without[0]}"] if without else [])


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


@dataclass(frozen=True, slots=True)
class _Before:
    """What an earlier card of the same weights told: rows by population, criteria missed, training logs by name, and
    tighter goals."""

    tables: dict[str, list[Row]]
    warnings: list[str]
    logs: dict[str, Mapping[str, Any]]
    goals: Goals | None = None

    @staticmethod
    def of(weights: Path, digest: str) -> _Before:
        """Read from `fidelity.json`; nothing where there is no such file, or one of other weights."""
        try:
            known = json.loads((weights / FILE).read_text(encoding="utf-8"))
            if known["weights"] == digest:
                found = known["baselines"] | {"engine": known["rows"]}
                tables = {name: [Row(**row) for row in table] for name, table in found.items()}
                logs = {log["name"]: log for log in known["training"]}
                goals = Goals.model_validate(known["goals"]) if known.get("goals") else None
                return _Before(tables, list(known["warnings"]), logs, goals)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return _Before({}, [], {})


def _logs(training: Path) -> dict[str, Mapping[str, Any]]:
    """Steps and minutes of every training log below a folder, by its name; minutes are added up over interrupted
    calls."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(training.rglob(LOG)):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(int(row["step"]), float(row["minutes"]), float(row["loss"])) for row in csv.DictReader(file)]
        if not rows:
            continue
        ends = [a[1] for a, b in pairwise(rows) if b[1] < a[1]] + [rows[-1][1]]
        last = [row[2] for row in rows[-100:]]
        name = path.parent.relative_to(training).as_posix()
        found[name] = {"name": name, "steps": rows[-1][0], "minutes": sum(ends), "loss": sum(last) / len(last)}
    if not found:
        raise InputError(f"{training}: no {LOG} below it")
    return found
