"""How the loss of stage 2 is weighted: by noise level and by channel, at equal compute.

    python benchmarks/superres_study.py DATA TEST WORK [--steps 800] [--bodies 3] [--out PAGE.md]

DATA and TEST are folders of `vct atlas sample --resolution 2`; WORK keeps the trainings, which go on where they were
stopped. Every training has the shipped network, the same patches and the same noise, and differs in one thing. Judged
by the RMSE on held-out bodies, in the middle of the torso, given their means over blocks of 4 mm; and by the grain (SD
about the mean of 5 x 5 x 5 voxels, two voxels inside) of liver and muscle.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from hardware import hardware
from scipy import ndimage
from torch.nn import functional

from vct.engine.cascade.conditioning import demographics
from vct.engine.cascade.consistency import consistent_hu, consistent_suv
from vct.engine.cascade.denoiser import SIGMA_DATA
from vct.engine.cascade.intensity import decode
from vct.engine.cascade.sampler import QUICK
from vct.engine.cascade.superres import FACTOR, Superres, SuperresConfig, guide_of, steering
from vct.shapes import Box
from vct.structures import voxels_of
from vct.training.data import Bodies, prepare
from vct.training.loop import Draw, Settings, averaged, train
from vct.training.tasks import SuperresTask, Weighting
from vct.training.verbs import seeded

FINE_MM = 2.0
SIDE = 128
ORGANS = ("liver", "skeletal_muscle")


ARMS = {
    "ln sigma 0 ± 1.6, CT and PET alike": Weighting(),
    "ln sigma -1.2 ± 1.2 (arXiv 2206.00364)": Weighting(mean=-1.2, sd=1.2),
    "ln sigma .8 ± 1.6, as stage 1": Weighting(mean=0.8),
    "CT three times the PET": Weighting(images=(1.5, 0.5)),
    "PET three times the CT": Weighting(images=(0.5, 1.5)),
}


def middle(bodies: Bodies) -> Box:
    """The middle of the torso, on whole voxels of the coarse grid."""
    x, y, z = (slice((size - SIDE) // 4 * 2, (size - SIDE) // 4 * 2 + SIDE) for size in bodies.labels.shape[1:])
    return x, y, z


def refined(model: Superres, bodies: Bodies, row: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Interpolated, made and true images of CT and of PET, all (SIDE, SIDE, SIDE), of the middle of a body."""
    true = [part[0] for part in bodies.images([row])]
    coarse = [functional.avg_pool3d(part[None], FACTOR)[0] for part in true]
    box = middle(bodies)
    under = tuple(slice(piece.start // FACTOR, piece.stop // FACTOR) for piece in box)
    guide = guide_of(*coarse)
    steer = steering(guide, demographics([bodies.patients[row]])[0], FINE_MM, box)
    noise = model.config.temperature * torch.randn((1, 2, SIDE, SIDE, SIDE), generator=Draw(1, row).torch)
    with torch.inference_mode():
        left = QUICK.sample(lambda x, sigma: model.denoiser(x, sigma, **steer), noise)[0]
    here = guide[(slice(None), *box)]
    made = decode(here + left * model.spread_at(guide[None])[0][(slice(None), *box)] / SIGMA_DATA)
    kept = (
        consistent(fine[None, None], part[under][None, None], FACTOR)[0, 0]
        for consistent, fine, part in zip((consistent_hu, consistent_suv), made, coarse, strict=True)
    )
    yield from zip(decode(here), kept, (part[box] for part in true), strict=True)


def grain(image: torch.Tensor, labels: np.ndarray) -> list[float]:
    """HU about the local mean, by organ."""
    rough = image.numpy() - ndimage.uniform_filter(image.numpy(), 5)
    return [float(rough[ndimage.binary_erosion(voxels_of(labels, organ), iterations=2)].std()) for organ in ORGANS]


def rows(model: Superres, bodies: Bodies, count: int) -> list[list[float]]:
    """Of every body: RMSE of CT and PET interpolated and made, grain true and made."""
    found = []
    for row in range(count):
        ct, pet = refined(model, bodies, row)
        errors = [float((image - part[2]).square().mean().sqrt()) for part in (ct, pet) for image in part[:2]]
        labels = np.asarray(bodies.labels[row])[middle(bodies)]
        found.append([*errors, *grain(ct[2], labels), *grain(ct[1], labels)])
    return found


def main() -> None:
    """Train, look, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--bodies", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/superres_study.md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    bodies = prepare(options.data, options.work / "data", FINE_MM)
    held = prepare(options.test, options.work / "test", FINE_MM)
    settings = Settings(steps=options.steps, batch=6, precision="bf16-mixed", save_minutes=60.0, accelerator="cpu")
    lines = []
    for number, (name, weighting) in enumerate(ARMS.items()):
        with seeded(0):
            task = SuperresTask(bodies, SuperresConfig(), 32, weighting)
        train(task, options.work / str(number), settings, print)
        task.model.load_state_dict(averaged(options.work / str(number)))
        mean = np.mean(rows(task.model.eval(), held, options.bodies), axis=0)
        if not lines:
            lines.append(_line("interpolated; true grain", mean[[0, 2, 4, 5]]))
        lines.append(_line(name, mean[[1, 3, 6, 7]]))
        text = [
            "# How the loss of stage 2 is weighted", "",
            f"{hardware()}; {options.steps} steps each, {len(bodies)} bodies, {options.bodies} held out. Written by "
            "`benchmarks/superres_study.py`.", "",
            "| loss | RMSE of CT, HU | of PET, SUV | grain of the liver, HU | of muscle, HU |", "|---|---|---|---|---|",
            *lines,
        ]  # fmt: skip
        options.out.write_text("\n".join(text) + "\n")
        print(lines[-1], flush=True)


def _line(name: str, cells: np.ndarray) -> str:
    ct, pet, liver, muscle = cells
    return f"| {name} | {ct:.1f} | {pet:.3f} | {liver:.1f} | {muscle:.1f} |"


if __name__ == "__main__":
    main()
