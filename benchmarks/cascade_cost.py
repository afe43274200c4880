"""What one patient costs, stage by stage, beside the published cascade: FLOPs, CPU seconds, memory.

    python benchmarks/cascade_cost.py [--weights DIR] [--fine] [--bf16] [--out benchmarks/cascade_cost.md]

FLOPs are counted on the networks' shapes (two per multiplication and addition), no air skipped: an upper bound.
Seconds are processor time of one thread in a process of its own, whose peak memory is given; voxel networks have their
shipped size and random weights, which cost the same. `--weights` adds whole patients of trained weights, `--fine` stage
2 at 2 mm (minutes). The published figures are those of arXiv 2505.22489's configuration, counted on a rebuilt network.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import torch
from hardware import hardware
from torch.utils.flop_counter import FlopCounterMode

from vct.engine.cascade.engine import Cascade
from vct.engine.cascade.lowres import Lowres, LowresConfig
from vct.engine.cascade.network import UNet, UNetConfig
from vct.engine.cascade.patches import Tiles
from vct.engine.cascade.presets import LOWRES, SUPERRES
from vct.engine.cascade.sampler import DEFAULT, PUBLISHED, QUICK
from vct.engine.cascade.superres import Superres, SuperresConfig
from vct.records import Patient, Snapshot, Visit

PUBLISHED_TFLOP = {"stage 1, an evaluation": 2.87, "stage 2, an evaluation at 2 mm": 210.7, "a patient": 42_500.0}
PATIENT = Patient(id="P0001", sex="F", age_years=60.0, height_cm=165.0, weight_kg=66.0)
LOWRES_SHAPE = (56, 56, 96)
Shape = tuple[int, int, int]
Cost = tuple[float, float]


def shape_of(spacing_mm: float) -> Shape:
    """The model's grid."""
    return round(448.0 / spacing_mm), round(448.0 / spacing_mm), round(768.0 / spacing_mm)


def tflop(config: UNetConfig, shape: Shape) -> float:
    """Of one evaluation on a volume, counted without computing it."""
    net = UNet(config).to("meta")
    inputs = (torch.empty(1, channels, *shape, device="meta") for channels in (config.channels, config.extra))
    noisy, extra = inputs
    code, condition = torch.empty(1, device="meta"), torch.empty(1, config.condition, device="meta")
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net(noisy, code, condition, extra)
    return counter.get_total_flops() / 1e12


def tiles_of(config: SuperresConfig, spacing_mm: float) -> Tiles:
    """How stage 2 cuts the whole grid."""
    shape = shape_of(spacing_mm)
    size = tuple(min(side, whole) for side, whole in zip(config.tile, shape, strict=True))
    return Tiles(shape=shape, size=size, overlap=config.overlap, margin=config.margin,  # type: ignore[arg-type]
                 multiple=config.network.multiple)  # fmt: skip


def superres_tflop(config: SuperresConfig, spacing_mm: float) -> float:
    """Of one evaluation over every tile."""
    tiles = tiles_of(config, spacing_mm)
    return len(list(tiles.boxes())) * tflop(config.network, tiles.size)


def timed(run: Callable[[], object], bf16: bool) -> Cost:
    """CPU seconds of a run on one thread, the first of its process; peak memory of the process in GiB."""
    torch.set_num_threads(1)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        begin = time.process_time()
        run()
    return time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def stage_one(bf16: bool) -> Cost:
    """All evaluations of the default schedule."""
    lowres = Lowres(LowresConfig()).eval()
    noise = torch.randn(1, 2, *lowres.shape)
    return timed(lambda: lowres.draw(torch.zeros(1, 4), noise, DEFAULT), bf16)


def stage_two(fine_mm: float, bf16: bool) -> Cost:
    """A whole volume of body refined with stage 2's default schedule."""
    model = Superres(SuperresConfig()).eval()
    ct, pet = torch.zeros(shape_of(2 * fine_mm)), torch.ones(shape_of(2 * fine_mm))
    return timed(lambda: model.refine(ct, pet, torch.zeros(4), fine_mm, QUICK, 0, "P"), bf16)


def patient(weights: Path, spacing_mm: float, bf16: bool) -> Cost:
    """A whole scan: blueprint, stage 2 where it is needed, day, labels."""
    engine = Cascade.load(weights, spacing_mm)
    snapshot = Snapshot(patient=PATIENT, visit=Visit(name="baseline", day=0.0))
    return timed(lambda: engine.generate(snapshot, 1), bf16)


def alone(run: Callable[[], Cost]) -> Cost:
    """Run in a process of its own, so that memory is that stage's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run).result()


def row(name: str, flops: float | None, cost: Cost | None) -> str:
    """A line of the table."""
    shown = "" if flops is None else f"{flops:,.3f}" if flops < 100 else f"{flops:,.0f}"
    seconds, peak = ("", "") if cost is None else (f"{cost[0]:.2f}", f"{cost[1]:.2f}")
    return f"| {name} | {shown} | {seconds} | {peak} |"


def table(weights: Path | None, fine: bool, bf16: bool) -> Iterator[str]:
    """All lines, as they are measured."""
    yield from ("| what | TFLOP | CPU s | peak GiB |", "|---|---|---|---|")
    if weights:
        for spacing in (8.0, 4.0, 2.0):
            if spacing < 4.0 and not any(weights.glob("superres-*.safetensors")):
                continue
            yield row(f"a patient at {spacing:g} mm", None,
                             alone(partial(patient, weights, spacing, bf16)))  # fmt: skip
    one, steps = tflop(LowresConfig().network, LOWRES_SHAPE), DEFAULT.evaluations
    yield row("voxel stage 1 (8 mm), an evaluation", one, None)
    yield row(f"voxel stage 1, {steps} evaluations", steps * one, alone(partial(stage_one, bf16)))
    total = steps * one
    for spacing in (4.0, 2.0):
        two, steps = superres_tflop(SuperresConfig(), spacing), QUICK.evaluations
        total += steps * two
        cost = alone(partial(stage_two, spacing, bf16)) if spacing == 4.0 or fine else None
        yield row(f"stage 2 to {spacing:g} mm, an evaluation", two, None)
        yield row(f"stage 2 to {spacing:g} mm, {steps} evaluations", steps * two, cost)
        yield row(f"a voxel patient at {spacing:g} mm", total, None)
    rebuilt = tflop(LOWRES["published"].network, LOWRES_SHAPE), superres_tflop(SUPERRES["published"], 2.0)
    yield row("`--preset published`, stage 1, an evaluation", rebuilt[0], None)
    yield row("`--preset published`, stage 2 at 2 mm, an evaluation", rebuilt[1], None)
    yield row(f"`--preset published`, a patient, {PUBLISHED.evaluations} evaluations a stage",
                     PUBLISHED.evaluations * sum(rebuilt), None)  # fmt: skip
    yield from (row(f"published: {name}", flops, None) for name, flops in PUBLISHED_TFLOP.items())


def main() -> None:
    """Print the table, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--fine", action="store_true", help="also time stage 2 at 2 mm (minutes)")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    precision = "bf16 autocast" if options.bf16 else "float32"
    head = (
        "# What a patient of the cascade costs", "",
        f"{hardware()}, torch {torch.__version__}, {precision}, one thread. Written by `benchmarks/cascade_cost.py`, "
        "which says how it counts.", "",
    )  # fmt: skip
    lines = []
    for line in chain(head, table(options.weights, options.fine, options.bf16)):
        print(line, flush=True)
        lines.append(line)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
