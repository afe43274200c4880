"""What a training step of the voxel networks costs: FLOPs and memory of one sample, counted without computing it.

    python benchmarks/training_cost.py [--out benchmarks/training_cost.md]

The network runs forward and backward on torch's meta device: FLOPs (two per multiplication and addition) are those of
the operations that are called, memory is that of the float32 tensors that autograd keeps for the backward pass
(`--precision bf16-mixed` keeps between half of it and all). Weights, gradients, AdamW's two moments and the running
average are five float32 numbers a parameter. Workspaces, fragmentation and the framework itself (about 1 GiB on a GPU)
come on top. Nothing here was run on a GPU; hours are an extrapolation at the throughput that is given.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from hardware import hardware
from torch.utils.flop_counter import FlopCounterMode

from vct.engine.cascade.network import UNet, UNetConfig
from vct.engine.cascade.presets import LOWRES, SUPERRES

LOWRES_SHAPE = (56, 56, 96)
PATCHES = (48, 96, 128)
COPIES = 5
SAMPLES = 200_000
TFLOPS = (100.0, 200.0)
"""Sustained on an H100 in bfloat16 (assumed; its peak is 989)."""


def step(config: UNetConfig, shape: tuple[int, ...]) -> tuple[float, float, int]:
    """TFLOP forward and backward of one sample, GiB that autograd keeps, parameters."""
    net = UNet(config).to("meta")
    noisy, extra = (torch.empty(1, n, *shape, device="meta") for n in (config.channels, config.extra))
    code, condition = torch.empty(1, device="meta"), torch.empty(1, config.condition, device="meta")
    own = {parameter.untyped_storage()._cdata for parameter in net.parameters()}
    kept: dict[int, int] = {}
    held: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
            held.append(tensor)
        return tensor

    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(pack, lambda item: item):
        net(noisy, code, condition, extra).square().mean().backward()
    return counter.get_total_flops() / 1e12, sum(kept.values()) / 2**30, sum(item.numel() for item in net.parameters())


def rows() -> Iterator[str]:
    """All lines of the table."""
    fast, slow = max(TFLOPS), min(TFLOPS)
    yield (
        "| network | voxels of a sample | parameters, million | weights and AdamW, GiB | kept for backward, GiB "
        f"| TFLOP a sample | hours for {SAMPLES:,} samples at {fast:g} to {slow:g} TFLOP/s |"
    )
    yield "|---|---|---|---|---|---|---|"
    cases = [(f"stage 1, {name}", preset.network, LOWRES_SHAPE) for name, preset in LOWRES.items()]
    for name, preset in SUPERRES.items():
        cases += [(f"stage 2, {name}", preset.network, (side, side, side)) for side in PATCHES]
    for name, config, shape in cases:
        tflop, kept, parameters = step(config, shape)
        hours = [SAMPLES * tflop / rate / 3600.0 for rate in (fast, slow)]
        yield (
            f"| {name} | {' x '.join(map(str, shape))} | {parameters / 1e6:.1f} "
            f"| {COPIES * 4 * parameters / 2**30:.2f} | {kept:.2f} | {tflop:.3f} | {hours[0]:.1f} to {hours[1]:.1f} |"
        )


def main() -> None:
    """Print the table, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    about = (__doc__ or "").split("\n\n", 2)[2].strip()
    head = f"# What a training step of the voxel networks costs\n\n{hardware()}, torch {torch.__version__}. {about}\n\n"
    text = head + "\n".join(rows()) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
