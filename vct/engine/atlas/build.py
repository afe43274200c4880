"""`build`: from a user's folders of organ maps and of the frame template to a compact atlas folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.case import TOTALSEGMENTATOR, CaseRow, Organ, save_map
from vct.engine.atlas.demographics import fitting_body_size
from vct.engine.atlas.matching import even_weights
from vct.engine.atlas.screen import Landmarks, clean, landmarks, objection
from vct.engine.atlas.skeleton import feminine, raised
from vct.engine.atlas.template import read_template
from vct.errors import InputError
from vct.records import Sex
from vct.rng import stream

FORMAT = 2
MAP_MM = 4.0
TEMPLATES: dict[Sex, str] = {"F": "template_f.npz", "M": "template_m.npz"}
ADULT_YEARS = 18.0
SEXES: tuple[Sex, ...] = ("F", "M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """A case that passed: its file's name, who it is, its clean map and landmarks."""

    name: str
    sex: Sex
    age_years: float
    labels: NDArray[np.uint8]
    marks: Landmarks


def build(
    organs: Path, table: Path, template: Path, out: Path, naming: str = "autopet", seed: int = 0
) -> dict[str, Any]:
    """Screen the maps listed in `table` (CSV: file, sex, age_years), name the template's parts, write the atlas folder.

    `naming` is "autopet" (ten classes) or "totalsegmentator" (numbers of `vct.structures`). Returns the counts: cases
    kept, and refused by reason. Raises InputError when an input cannot be read or fewer than two cases of a sex remain.
    """
    rows = _read_table(table)
    man = raised(read_template(template))
    out.mkdir(parents=True, exist_ok=True)
    (out / "cases").mkdir(exist_ok=True)
    man.save(out / TEMPLATES["M"])
    feminine(man).save(out / TEMPLATES["F"])
    refused: list[tuple[str, str]] = []
    kept: list[Screened] = []
    for case, reason in _screen(organs, rows, naming):
        if case is None:
            refused.append(reason)
        else:
            save_map(out / "cases" / f"{case.name}.npz", case.labels, MAP_MM)
            kept.append(case)
    for sex in SEXES:
        if sum(case.sex == sex for case in kept) < 2:
            raise InputError(f"{organs}: fewer than two usable cases of sex {sex}")
    index = list(_with_body_size(kept, seed))
    _write_csv(out / "cases.csv", [row.as_dict() for row in index])
    _write_csv(out / "refused.csv", [{"name": name, "reason": reason} for name, reason in refused])
    summary = {"format": FORMAT, "n_cases": len(index), "n_refused": len(refused), "seed": seed, "naming": naming}
    (out / "atlas.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return {**summary, "refused": dict(refused)}


def read_index(folder: Path) -> tuple[CaseRow, ...]:
    """The cases of an atlas folder. Raises InputError when it is none."""
    try:
        meta = json.loads((folder / "atlas.json").read_text(encoding="utf-8"))
        if meta.get("format") != FORMAT:
            raise InputError(f"{folder}: an atlas of format {meta.get('format')}; this version reads format {FORMAT}")
        with (folder / "cases.csv").open(encoding="utf-8", newline="") as file:
            return tuple(_row(record) for record in csv.DictReader(file))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: not an atlas folder; make one with `vct atlas build` ({error})") from error


def _row(record: dict[str, str]) -> CaseRow:
    text = {"name", "sex"}
    fields: dict[str, Any] = {key: value if key in text else float(value) for key, value in record.items()}
    return CaseRow(**fields)


def _read_table(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: cannot be read ({error})") from error
    missing = {"file", "sex", "age_years"} - set(rows[0] if rows else ())
    if missing:
        raise InputError(f"{table}: needs the columns file, sex, age_years (missing: {', '.join(sorted(missing))})")
    return rows


def _screen(organs: Path, rows: list[dict[str, str]], naming: str) -> Iterator[tuple[Screened | None, tuple[str, str]]]:
    for row in rows:
        path = organs / row["file"]
        name = path.name.removesuffix(".gz").removesuffix(".nii")
        sex: Sex = "F" if row["sex"] == "F" else "M"
        if row["sex"] not in ("F", "M"):
            yield None, (name, f"sex {row['sex']!r} is neither F nor M")
            continue
        try:
            age = float(row["age_years"])
        except ValueError:
            yield None, (name, "age not known")
            continue
        if age < ADULT_YEARS:
            yield None, (name, "under 18 years")
            continue
        labels = clean(_read_map(path, naming), sex, MAP_MM)
        reason = objection(labels, MAP_MM)
        if reason:
            yield None, (name, reason)
            continue
        yield Screened(name=name, sex=sex, age_years=age, labels=labels, marks=landmarks(labels, MAP_MM)), ("", "")


def _read_map(path: Path, naming: str) -> NDArray[np.uint8]:
    """An organ map at 4 mm in RAS+, with `Organ` codes."""
    from vct.volume import Triple, load

    volume = load(path, "label")
    fine: Triple = (MAP_MM, MAP_MM, MAP_MM)
    if not np.allclose(volume.grid.spacing_mm, fine, atol=0.01):
        volume = volume.resampled(volume.grid.resampled(fine))
    lookup = np.zeros(256, np.uint8)
    for code in Organ:
        lookup[code] = code
    if naming == "totalsegmentator":
        lookup[:] = 0
        for number, organ in TOTALSEGMENTATOR.items():
            lookup[number] = organ
    codes: NDArray[np.uint8] = lookup[volume.data]
    return codes


def _with_body_size(kept: list[Screened], seed: int) -> Iterator[CaseRow]:
    """The index: heights and weights by what the maps show beyond the trend with age, weights for even use."""
    for sex in SEXES:
        group = [case for case in kept if case.sex == sex]
        seen = np.array(
            [[c.marks.trunk_mm, c.marks.chest_mm, c.marks.belly_mm, c.marks.volumes_ml[Organ.LIVER]] for c in group]
        )
        ages = np.array([case.age_years for case in group])
        trend = np.stack([np.ones(len(group)), ages], axis=1)
        seen = seen - trend @ np.linalg.lstsq(trend, seen, rcond=None)[0]
        scores = seen / np.maximum(seen.std(axis=0), 1e-9)
        sizes = np.array(
            [
                fitting_body_size(stream(seed, case.name, "body size"), sex, case.age_years, *score)
                for case, score in zip(group, scores, strict=True)
            ]
        )
        weights = even_weights(sex, ages, sizes[:, 0], sizes[:, 1], stream(seed, sex, "even use"))
        for case, (height, weight), log_weight in zip(group, sizes, weights, strict=True):
            yield _index_row(case, float(height), float(weight), float(log_weight))


def _index_row(case: Screened, height_cm: float, weight_kg: float, log_weight: float) -> CaseRow:
    marks, volumes = case.marks, case.marks.volumes_ml
    return CaseRow(
        name=case.name,
        sex=case.sex,
        age_years=case.age_years,
        height_cm=round(height_cm, 1),
        weight_kg=round(weight_kg, 1),
        trunk_mm=marks.trunk_mm,
        chest_mm=marks.chest_mm,
        belly_mm=marks.belly_mm,
        apex_z_mm=marks.apex_z_mm,
        base_z_mm=marks.base_z_mm,
        pelvis_z_mm=marks.pelvis_z_mm,
        midline_x_mm=marks.midline_x_mm,
        liver_ml=round(volumes[Organ.LIVER], 1),
        spleen_ml=round(volumes[Organ.SPLEEN], 1),
        kidneys_ml=round(volumes[Organ.KIDNEY], 1),
        heart_ml=round(volumes[Organ.HEART], 1),
        lungs_ml=round(volumes[Organ.LUNG], 1),
        stomach_ml=round(volumes[Organ.STOMACH], 1),
        bladder_ml=round(volumes[Organ.BLADDER], 1),
        prostate_ml=round(volumes[Organ.PROSTATE], 1),
        log_weight=round(log_weight, 4),
    )


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["name", "reason"])
        writer.writeheader()
        writer.writerows(rows)
