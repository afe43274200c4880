"""The shipped weights against their goals, with as little chance in it as can be had; writes a page, and beside it
what `vct card --goals` reads.

    python benchmarks/cascade_goals.py WEIGHTS ATLAS WORK [--autopet ORGANS.csv --quantiles QUANTILES.csv] [--out PAGE]

WORK is that of `benchmarks/cascade_fidelity.py`. What is drawn for a patient (organ volumes, uptake) costs a
millisecond, so that it is drawn for 20,000 people of the same demographics; what painting and rendering make of it is
told from the populations in WORK, which are the first of these people: their mean over the mean of their own draws (a
ratio estimator, Cochran 1977, Sampling Techniques, chapter 6). Texture is measured on scans of the first few, made
here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from atlas_draw import drawn
from atlas_fidelity import wide
from cascade_fidelity import SEED
from hardware import hardware
from spectra import BANDS_MM, Spectra, spectra

from vct.engine.atlas import Atlas
from vct.engine.base import Engine
from vct.engine.cascade.blueprints import AnatomyBlueprint
from vct.engine.cascade.conditioning import demographics
from vct.engine.cascade.day import DayToDay
from vct.engine.cascade.engine import Cascade
from vct.engine.cascade.grid import NOMINAL_Z_MM
from vct.engine.cascade.sampler import THOROUGH, code_noise
from vct.engine.cascade.tissues import tissue_table
from vct.records import Patient
from vct.training.fidelity import AGE_BANDS
from vct.training.goals import Goals
from vct.training.population import DAY0, draw_patients

ORGANS = ("liver", "spleen", "kidneys", "heart", "lungs")
PARTS = {"heart": ("myocardium", "heart_chambers")}
"""Tissues of an organ that is not one of its own name."""
GOALS = {"volume": 3.0, "SUVmean": 3.0, "SUVmax": 5.0}
QUANTITIES = {"volume": "volume_ml", "SUVmean": "suv_mean", "SUVmax": "suv_max"}
CHUNK = 500
BOOTSTRAPS = 500
Group = Callable[[pd.DataFrame], pd.Series]
GROUPS: dict[str, Group] = {
    "F": lambda t: t["sex"] == "F",
    "M": lambda t: t["sex"] == "M",
    **{
        f"{low:g} to {min(high, 100.0):g} y": lambda t, low=low, high=high: (t["age"] >= low) & (t["age"] < high)  # type: ignore[misc]
        for low, high in AGE_BANDS
    },
}


@dataclass(frozen=True, slots=True)
class Source:
    """One population: `every` draw (a row a patient, columns of organs), and what the first of them measured."""

    every: pd.DataFrame
    measured: pd.DataFrame

    def in_group(self, group: Group, organ: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All draws of an organ; draws and measurements of those that were measured."""
        draws = self.every[["scan", "sex", "age", organ]]
        both = draws.merge(self.measured[["scan", organ]], on="scan", suffixes=("", "_measured")).dropna()
        own = both[group(both)]
        every = self.every.loc[group(self.every), organ].to_numpy()
        return every, own[organ].to_numpy(), own[f"{organ}_measured"].to_numpy()


def cascade_draws(blueprint: AnatomyBlueprint, patients: list[Patient], seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ml of organs and SUV of tissues at baseline that the engine draws before it renders, a row a patient."""
    names = tissue_table()[1]
    sizes, uptakes = [], []
    for sex, model in blueprint.models.items():
        own = [patient for patient in patients if patient.sex == sex]
        places = [names.index(name) for name in model.config.tissues]
        for start in range(0, len(own), CHUNK):
            some = own[start : start + CHUNK]
            noise = torch.stack([code_noise(model.config.code.modes, seed, item.id, "body") for item in some])
            with torch.inference_mode():
                raw = model.code.draw(demographics(some), noise, THOROUGH)
            for patient, vector in zip(some, raw, strict=True):
                body = model.split(vector)
                length = blueprint.length.of(patient.height_cm) / NOMINAL_Z_MM
                suv = body.suv.numpy() * DayToDay().draw(patient.id, DAY0.name, seed).factors[places]
                who = _who(patient)
                ml = body.log_ml.exp().numpy() * length
                sizes.append(who | dict(zip(model.config.volumes, ml, strict=False)))
                uptakes.append(who | dict(zip(model.config.tissues, suv, strict=True)))
    return pd.DataFrame(sizes), pd.DataFrame(uptakes)


def _who(patient: Patient) -> dict[str, str | float]:
    return {
        "scan": patient.id,
        "sex": patient.sex,
        "age": patient.age_years,
        "height": patient.height_cm,
        "weight": patient.weight_kg,
    }


def with_parts(uptakes: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """`uptakes` with every organ of `PARTS`: its tissues mixed as the measured scans tell, sex by sex."""
    table = uptakes.copy()
    for organ, parts in PARTS.items():
        both = uptakes.merge(measured[["scan", organ]], on="scan")
        for sex in "FM":
            own = both[both["sex"] == sex]
            shares = np.linalg.lstsq(own[list(parts)].to_numpy(), own[organ].to_numpy(), rcond=None)[0]
            rows = table["sex"] == sex
            table.loc[rows, organ] = table.loc[rows, list(parts)].to_numpy() @ shares
    return table


@dataclass(frozen=True, slots=True)
class Found:
    """A mean with its bootstraps, a spread, and percentiles 5 and 95."""

    mean: float
    boot: np.ndarray
    spread: float
    ends: np.ndarray


def estimate(source: Source, group: Group, organ: str) -> Found:
    """The ratio estimator of a group's mean, and spread and percentiles by the same ratio."""
    every, draws, measured = source.in_group(group, organ)
    rng = np.random.default_rng(0)
    pick = rng.integers(len(draws), size=(BOOTSTRAPS, len(draws)))
    means = np.array([every[rng.integers(len(every), size=len(every))].mean() for _ in range(BOOTSTRAPS)])
    ratio = measured.mean() / draws.mean()
    return Found(
        mean=float(ratio * every.mean()),
        boot=measured[pick].mean(axis=1) / draws[pick].mean(axis=1) * means,
        spread=float(every.std(ddof=1) * measured.std(ddof=1) / draws.std(ddof=1)),
        ends=ratio * np.percentile(every, [5, 95]),
    )


def means(kind: str, sources: dict[str, Source], lines: list[str]) -> Iterator[tuple[str, bool]]:
    """A table of means and spreads against the held-out; yields what was judged, and whether it holds."""
    goal = GOALS[kind]
    lines += [
        f"\n### {kind}\n",
        "| organ | group | engine, % (95 %) | engine, spread | fresh, % (95 %) | fresh, spread |",
        "|---|---|---|---|---|---|",
    ]
    for organ in ORGANS:
        for name, group in GROUPS.items():
            truth = estimate(sources["held-out"], group, organ)
            cells = []
            for other in ("engine", "fresh"):
                mine = estimate(sources[other], group, organ)
                low, high = np.percentile(100.0 * (mine.boot / truth.boot - 1.0), [2.5, 97.5])
                off, spread = 100.0 * (mine.mean / truth.mean - 1.0), mine.spread / truth.spread
                cells += [f"{off:+.1f} ({low:+.1f} to {high:+.1f})", f"{spread:.2f}"]
                if other == "engine":
                    yield f"{organ} {kind} {name}: mean {off:+.1f} %", abs(off) <= goal
                    if kind != "SUVmax":
                        yield f"{organ} {kind} {name}: spread {spread:.2f}", 0.9 <= spread <= 1.1
            lines.append(f"| {organ} | {name} | {' | '.join(cells)} |")


def slopes(kind: str, sources: dict[str, Source], lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Slopes on age and weight in the draws, each at the other and height alike, and whether they are within 15 %.

    Judged where two standard deviations of the trait make 5 % of the mean or more: of less nothing is left to compare.
    """
    lines += [
        f"\n### {kind}: percent of the mean for 10 years, for 10 kg\n",
        "| organ | sex | age, held-out | age, engine | weight, held-out | weight, engine |",
        "|---|---|---|---|---|---|",
    ]
    for organ in ORGANS:
        for sex in "FM":
            fits = {name: _slopes(sources[name], sex, organ) for name in ("held-out", "engine")}
            truth, mine = fits["held-out"], fits["engine"]
            lines.append(f"| {organ} | {sex} | {truth[0]:+.2f} | {mine[0]:+.2f} | {truth[1]:+.2f} | {mine[1]:+.2f} |")
            table = sources["held-out"].every
            spreads = table.loc[table["sex"] == sex, ["age", "weight"]].std().to_numpy() / 10.0
            for trait, a, b, spread in zip(("age", "weight"), truth, mine, spreads, strict=True):
                if abs(2.0 * spread * a) >= 5.0:
                    yield f"{organ} {kind} {sex}: slope on {trait} {b:+.2f} for {a:+.2f}", abs(b / a - 1.0) <= 0.15


def _slopes(source: Source, sex: str, organ: str) -> np.ndarray:
    """(2,) percent of the mean for 10 years and for 10 kg."""
    own = source.every[source.every["sex"] == sex]
    traits = own[["age", "weight", "height"]].to_numpy() / 10.0
    fit = np.linalg.lstsq(np.column_stack((np.ones(len(own)), traits)), own[organ].to_numpy(), rcond=None)[0]
    return 100.0 * fit[1:3] / own[organ].mean()


def against_autopet(
    kind: str, source: Source, known: dict[tuple[str, str], tuple[float, float, float]], lines: list[str]
) -> Iterator[tuple[str, bool]]:
    """Means within 3 %, percentiles 5 and 95 within 10 %, of the engine against AutoPET."""
    lines += [
        f"\n### {kind} against AutoPET\n",
        "| organ | sex | AutoPET | engine, % (95 %) | p5, % | p95, % |",
        "|---|---|---|---|---|---|",
    ]
    for (organ, sex), (mean, *ends) in known.items():
        mine = estimate(source, GROUPS[sex], organ)
        low, high = np.percentile(100.0 * (mine.boot / mean - 1.0), [2.5, 97.5])
        off, tails = 100.0 * (mine.mean / mean - 1.0), 100.0 * (mine.ends / ends - 1.0)
        cells = [f"{off:+.1f} ({low:+.1f} to {high:+.1f})", *(f"{tail:+.0f}" for tail in tails)]
        lines.append(f"| {organ} | {sex} | {mean:.4g} | {' | '.join(cells)} |")
        yield f"AutoPET's {organ} {kind} {sex}: mean {off:+.1f} %", abs(off) <= 3.0
        for name, tail in zip(("p5", "p95"), tails, strict=True):
            yield f"AutoPET's {organ} {kind} {sex}: {name} {tail:+.0f} %", abs(tail) <= 10.0


def autopet_known(organs: Path, quantiles: Path) -> dict[str, dict[tuple[str, str], tuple[float, float, float]]]:
    """Mean, 5th and 95th percentile of AutoPET by kind, organ and sex."""
    table = pd.read_csv(organs)
    adults = table[table["age_years"] >= 18]
    ml = {}
    for organ, sex in product(("liver", "kidneys", "heart"), "FM"):
        values = adults.loc[adults["sex"] == sex, f"{organ}_ml"].to_numpy()
        low, high = np.percentile(values, [5, 95])
        ml[organ, sex] = (float(values.mean()), float(low), float(high))
    rows = pd.read_csv(quantiles)
    suv = {}
    for organ, (sex, word) in product(("liver", "kidneys", "heart"), (("F", "female"), ("M", "male"))):
        row = rows[(rows["organ"] == organ) & (rows["sex"] == word)].iloc[0]
        suv[organ, sex] = (float(row["mean"]), float(row["p5"]), float(row["p95"]))
    return {"volume": ml, "SUVmean": suv}


def texture(
    engines: dict[str, tuple[Engine, int]], patients: list[Patient], lines: list[str]
) -> Iterator[tuple[str, bool]]:
    """Radial power spectra and the liver's CoV over those of the held-out, of the same people."""
    seen: dict[str, Spectra] = {}
    for name, (engine, seed) in engines.items():
        seen[name] = spectra(engine, patients, seed)
        print("texture of", name, flush=True)
    truth = seen.pop("held-out")
    bands = " | ".join(f"{low:g}-{high:g} mm" for low, high in BANDS_MM)
    lines += [
        f"\n## Texture: {len(patients)} patients at 4 mm\n",
        "Radial power of PET (SUV over its mean) and CT (HU), two voxels inside the organ, the median patient's over "
        "the held-out's, by wavelength.\n",
        f"| organ | image | population | {bands} |",
        "|" + "---|" * (3 + len(BANDS_MM)),
    ]
    for (organ, image), power in truth.power.items():
        for name, found in seen.items():
            ratios = found.power[organ, image] / power
            lines.append(f"| {organ} | {image} | {name} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |")
            if name == "engine":
                for (low, high), ratio in zip(BANDS_MM, ratios, strict=True):
                    yield f"{organ} {image} {low:g}-{high:g} mm: power {ratio:.2f}", abs(ratio - 1.0) <= 0.2
    cells = [f"{name} {found.liver_cov:.3f}" for name, found in (("held-out", truth), *seen.items())]
    lines.append(f"\nCoV of the liver's SUV: {', '.join(cells)}.")
    off = seen["engine"].liver_cov / truth.liver_cov
    yield f"liver CoV {off:.2f} of the held-out's", abs(off - 1.0) <= 0.15


def main() -> None:
    """Draw, estimate, judge, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--autopet", type=Path)
    parser.add_argument("--quantiles", type=Path)
    parser.add_argument("-n", type=int, default=20_000)
    parser.add_argument("--textured", type=int, default=40, help="patients whose texture is measured")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/cascade_goals.md"))
    options = parser.parse_args()
    people = draw_patients(options.atlas, options.n, SEED)
    engine = Cascade.load(options.weights, 4.0)
    if not isinstance(engine.blueprint, AnatomyBlueprint):
        parser.error(f"{options.weights} holds no anatomy")
    draws = {
        "held-out": drawn(options.atlas, options.n, SEED),
        "fresh": drawn(options.atlas, options.n, SEED + 1, people),
        "engine": cascade_draws(engine.blueprint, people, SEED + 1),
    }
    painted = {name: {k: wide(options.work / name, q) for k, q in QUANTITIES.items()} for name in draws}
    sizes, uptakes = draws["engine"]
    draws["engine"] = (sizes, with_parts(uptakes, painted["engine"]["SUVmean"]))
    sources = {
        kind: {name: Source(draws[name][kind != "volume"], painted[name][kind]) for name in draws}
        for kind in QUANTITIES
    }
    many = len(painted["engine"]["volume"])
    lines = [
        "# The cascade against its goals",
        "",
        f"{engine.name}, seed {SEED}, 4 mm; {options.n} people drawn, {many} of them rendered; {hardware()}. Written "
        "by `benchmarks/cascade_goals.py`, which says how chance is kept small.",
        "",
        "## Against held-out virtual patients: means in percent of theirs, spreads over theirs",
    ]
    judged = [item for kind in QUANTITIES for item in means(kind, sources[kind], lines)]
    lines.append("\n## Slopes of the draws, at the same height")
    judged += [item for kind in ("volume", "SUVmean") for item in slopes(kind, sources[kind], lines)]
    if options.autopet and options.quantiles:
        lines.append("\n## Against AutoPET: sex and age of its patients, body sizes of US adults")
        known = autopet_known(options.autopet, options.quantiles)
        judged += [
            item
            for kind, values in known.items()
            for item in against_autopet(kind, sources[kind]["engine"], values, lines)
        ]
    atlas = Atlas(folder=options.atlas, spacing_mm=4.0, noise_cov=0.0)
    engines: dict[str, tuple[Engine, int]] = {
        "held-out": (atlas, SEED),
        "engine": (engine, SEED + 1),
        "mean": (Cascade.load(options.weights, 4.0, mean=True), SEED + 1),
        "fresh": (atlas, SEED + 1),
    }
    judged += list(texture(engines, people[: options.textured], lines))
    missed = [text for text, holds in judged if not holds]
    lines[4:4] = [
        f"**{len(judged) - len(missed)} of {len(judged)} goals hold.** Missed: {'; '.join(missed) or 'none'}.",
        "",
    ]
    options.out.write_text("\n".join(lines) + "\n")
    found = Goals(weights=engine.blueprint.hash, judged=len(judged), missed=tuple(missed))
    options.out.with_suffix(".json").write_text(found.model_dump_json(indent=1) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
