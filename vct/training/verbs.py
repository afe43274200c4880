"""What can be trained: the anatomy blueprint, the voxel blueprint, and stage 2; one function each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from vct.engine.cascade import checkpoint
from vct.engine.cascade.anatomy import CANONICAL_MM, Anatomy
from vct.engine.cascade.lowres import LowresConfig
from vct.engine.cascade.superres import SuperresConfig
from vct.training.anatomy import CodeTask, anatomy_checkpoint, describe
from vct.training.data import prepare
from vct.training.loop import Settings, train
from vct.training.tasks import LowresTask, SuperresTask

CACHE = "prepared"
CODE_SETTINGS = Settings(steps=3000, batch=256, learning_rate=5e-4, weight_decay=0.05, log_steps=500)
Say = Callable[[str], None]


def train_anatomy(
    data: Path,
    out: Path,
    settings: Settings = CODE_SETTINGS,
    say: Say = lambda _: None,
    spacing_mm: float = CANONICAL_MM,
) -> str:
    """Register the bodies in `data`, describe them, train the codes; writes the anatomy weights and returns their hash.

    The code network is kept as it was when it did best on the bodies that it has not seen, and left silent where it
    never beat the Gaussian.
    """
    bodies = prepare(data, out / CACHE, spacing_mm)
    anatomies: dict[str, Anatomy] = {}
    for sex in sorted({patient.sex for patient in bodies.patients}):
        with seeded(settings.seed):
            fitted = describe(bodies, sex, out / CACHE, say)
        task = CodeTask(fitted, sex, bodies.about)
        before, after, steps = _train_code(task, out / f"code-{sex}", settings, say)
        bodies_modes = f"{len(fitted.white)} bodies, {fitted.white.shape[1]} modes"
        say(f"{sex}: {bodies_modes}, held-out loss {before:.3f} to {after:.3f} at step {steps}")
        anatomies[sex] = fitted.anatomy
    return checkpoint.save(anatomy_checkpoint(anatomies, bodies), out, dtype=torch.float16)


def _train_code(task: CodeTask, out: Path, settings: Settings, say: Say) -> tuple[float, float, int]:
    """Leave `task` with its best weights; (held-out loss of a silent network, of the best, the step of the best)."""
    best = {name: value.clone() for name, value in task.model.state_dict().items()}
    before = lowest = task.held_out()
    found = 0
    for steps in _stops(settings.steps):
        kept = out / f"step-{steps}"
        if not kept.exists():
            train(task, out, settings.model_copy(update={"steps": steps}), say)
            checkpoint.save(checkpoint.load(out, task.kind), kept)
        tensors = checkpoint.load(kept, task.kind).tensors
        task.model.load_state_dict({name: value.float() for name, value in tensors.items()})
        loss = task.held_out()
        if loss < lowest:
            lowest, found = loss, steps
            best = {name: value.clone() for name, value in task.model.state_dict().items()}
    task.model.load_state_dict(best)
    return before, lowest, found


def _stops(steps: int) -> list[int]:
    """Steps at which the code network is looked at: doubling from 50, and the last."""
    return sorted({min(50 * 2**power, steps) for power in range(16)})


def train_lowres(
    data: Path, out: Path, settings: Settings, config: LowresConfig | None = None, say: Say = lambda _: None
) -> int:
    """Stage 1 over voxels at 8 mm; returns the steps done."""
    config = config or LowresConfig()
    with seeded(settings.seed):
        task = LowresTask(prepare(data, out / CACHE, config.spacing_mm), config)
    return train(task, out, settings, say)


def train_superres(
    data: Path,
    out: Path,
    settings: Settings,
    fine_mm: float = 4.0,
    config: SuperresConfig | None = None,
    say: Say = lambda _: None,
) -> int:
    """Stage 2 from twice `fine_mm` to it; returns the steps done."""
    with seeded(settings.seed):
        task = SuperresTask(prepare(data, out / CACHE, fine_mm), config or SuperresConfig())
    return train(task, out, settings, say)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Networks built inside start from the same weights at every call; torch's own state is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
