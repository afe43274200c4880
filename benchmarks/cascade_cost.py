"""What one patient costs, stage by stage, beside the published cascade: FLOPs, seconds, memory.

    python benchmarks/cascade_cost.py [--weights DIR] [--threads N] [--bf16]

Networks have their shipped size and random weights, which cost the same; the anatomy blueprint is measured where
`--weights` holds one. The published figures are those of arXiv 2505.22489's configuration, counted on a rebuilt
network.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from vct.engine.cascade.blueprints import load_blueprint
from vct.engine.cascade.lowres import Lowres, LowresConfig
from vct.engine.cascade.network import UNet, UNetConfig
from vct.engine.cascade.sampler import DEFAULT
from vct.engine.cascade.superres import Superres, SuperresConfig
from vct.records import Patient

PUBLISHED_TFLOP = {"stage 1, an evaluation": 2.87, "stage 2, an evaluation at 2 mm": 210.7, "a patient": 42_500.0}
PATIENT = Patient(id="P0001", sex="F", age_years=60.0, height_cm=165.0, weight_kg=66.0)


def measured(name: str, run: Callable[[], object]) -> None:
    """Run once to count, once to time; print a row."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        run()
    begin = time.perf_counter()
    with torch.inference_mode():
        run()
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| {name} | {counter.get_total_flops() / 1e12:.3f} | {seconds:.2f} | {peak:.2f} |", flush=True)


def network(config: UNetConfig, shape: tuple[int, int, int]) -> Callable[[], object]:
    """One evaluation of a network on a volume."""
    net = UNet(config).eval()
    noisy, extra = torch.randn(1, config.channels, *shape), torch.randn(1, config.extra, *shape)
    return lambda: net(noisy, torch.zeros(1), torch.zeros(1, config.condition), extra)


def refinement(fine_mm: float) -> Callable[[], object]:
    """Stage 2 on a whole volume of body, no air to skip."""
    coarse = round(448.0 / fine_mm / 2.0), round(448.0 / fine_mm / 2.0), round(768.0 / fine_mm / 2.0)
    model = Superres(SuperresConfig()).eval()
    ct, pet = torch.zeros(coarse), torch.ones(coarse)
    return lambda: model.refine(ct, pet, torch.zeros(4), fine_mm, DEFAULT, 0, "P")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--fine", action="store_true", help="also refine to 2 mm (minutes)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| what | TFLOP | s | peak GiB so far |\n|---|---|---|---|")
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
        if options.weights:
            blueprint = load_blueprint(options.weights)
            measured(f"{blueprint.kind} blueprint, 4 mm", lambda: blueprint.draw([PATIENT], 1, 4.0, DEFAULT, 4.0))
        measured("stage 1, an evaluation", network(LowresConfig().network, (56, 56, 96)))
        lowres = Lowres(LowresConfig()).eval()
        noise = torch.randn(1, 2, *lowres.shape)
        measured(f"stage 1, {DEFAULT.evaluations} evaluations", lambda: lowres.draw(torch.zeros(1, 4), noise, DEFAULT))
        measured("stage 2, an evaluation, one tile", network(SuperresConfig().network, SuperresConfig().tile))
        measured(f"stage 2 to 4 mm, {DEFAULT.evaluations} evaluations", refinement(4.0))
        if options.fine:
            measured(f"stage 2 to 2 mm, {DEFAULT.evaluations} evaluations", refinement(2.0))
    for name, tflop in PUBLISHED_TFLOP.items():
        print(f"| published: {name} | {tflop:,} | | |")


if __name__ == "__main__":
    main()
