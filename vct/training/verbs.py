"""What can be trained: the anatomy blueprint, the voxel blueprint, and stage 2; one function each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from vct import checkpoint
from vct.engine.cascade.anatomy import CANONICAL_MM, Anatomy
from vct.engine.cascade.blueprints import load_superres
from vct.engine.cascade.lowres import LowresConfig
from vct.engine.cascade.superres import SuperresConfig
from vct.errors import InputError
from vct.segmenter import shipped as segmenter
from vct.segmenter.network import SegmenterConfig
from vct.training.anatomy import CodeTask, anatomy_checkpoint, describe
from vct.training.data import prepare
from vct.training.journal import Journal
from vct.training.looks import LowresLook, SuperresLook, look_at_anatomy
from vct.training.loop import Settings, averaged, is_first_process, train
from vct.training.organs import read_numbers
from vct.training.segmenter import SegmenterTask, names_in
from vct.training.tasks import LowresTask, SuperresTask
from vct.training.volumes import retold

CACHE = "prepared"
CODE_SETTINGS = Settings(steps=3000, batch=256, learning_rate=5e-4, weight_decay=0.05, log_steps=500)
VOXEL_SETTINGS = Settings()
SEGMENTER_SETTINGS = Settings(
    steps=4000, batch=1, learning_rate=3e-3, warmup_steps=25, hold_steps=250, weight_decay=0.01
)
Say = Callable[[str], None]


def train_anatomy(
    data: Path,
    out: Path,
    settings: Settings = CODE_SETTINGS,
    say: Say = lambda _: None,
    spacing_mm: float = CANONICAL_MM,
    numbers: Path | None = None,
) -> str:
    """Register the bodies in `data`, describe them, train the codes; writes the anatomy weights and returns their hash.

    `numbers` is a table of organ volumes of more people than have scans (`vct.training.volumes`).

    The code network is kept as it was when it did best on the bodies that it has not seen, and left silent where it
    never beat the Gaussian. Minutes bound the whole call: when they end before every body is registered, nothing but
    the cache is written and "" is returned; the same call goes on from there.
    """
    clock = _Clock(settings.minutes, say)
    table = read_numbers(numbers) if numbers else []
    anatomies: dict[str, Anatomy] = {}
    try:
        bodies = prepare(data, out / CACHE, spacing_mm, clock)
        for sex in sorted({patient.sex for patient in bodies.patients}):
            with seeded(settings.seed):
                fitted = describe(bodies, sex, out / CACHE, clock)
            if numbers:
                told = retold(fitted.anatomy, bodies.length(), table, sex)
                say(f"{sex}: volumes of {', '.join(told)} from {numbers.name}")
            task = CodeTask(fitted, sex, bodies.about)
            before, after, steps = _train_code(task, out / f"code-{sex}", settings, clock)
            bodies_modes = f"{len(fitted.white)} bodies, {fitted.white.shape[1]} modes"
            say(f"{sex}: {bodies_modes}, held-out loss {before:.3f} to {after:.3f} at step {steps}")
            anatomies[sex] = fitted.anatomy
    except _TimeOverError:
        say("out of minutes before the bodies were registered; the same command goes on from here")
        return ""
    digest = checkpoint.save(anatomy_checkpoint(anatomies, bodies), out, dtype=torch.float16)
    look = look_at_anatomy({sex: model.eval() for sex, model in anatomies.items()}, bodies)
    path = Journal(out, 0).look(settings.steps, look)
    worst = look.worst()
    say(f"farthest off: {worst.organ} {worst.quantity} {worst.deviation_percent:+.1f} % of {worst.n} bodies; {path}")
    return digest


def _train_code(task: CodeTask, out: Path, settings: Settings, clock: _Clock) -> tuple[float, float, int]:
    """Leave `task` with its best weights; (held-out loss of a silent network, of the best, the step of the best)."""
    best = {name: value.clone() for name, value in task.model.state_dict().items()}
    before = lowest = task.held_out()
    found = 0
    for steps in _stops(settings.steps):
        kept, done = out / f"step-{steps}", steps
        if not kept.exists():
            done = train(task, out, settings.model_copy(update={"steps": steps, "minutes": clock.left()}), clock.say)
            if done == steps:
                checkpoint.save(checkpoint.load(out, task.kind), kept)
        tensors = checkpoint.load(kept if done == steps else out, task.kind).tensors
        task.model.load_state_dict({name: value.float() for name, value in tensors.items()})
        loss = task.held_out()
        if loss < lowest:
            lowest, found = loss, done
            best = {name: value.clone() for name, value in task.model.state_dict().items()}
        if done < steps:
            break
    task.model.load_state_dict(best)
    return before, lowest, found


def _stops(steps: int) -> list[int]:
    """Steps at which the code network is looked at: doubling from 50, and the last."""
    return sorted({min(50 * 2**power, steps) for power in range(16)})


def train_lowres(
    data: Path, out: Path, settings: Settings, config: LowresConfig | None = None, say: Say = lambda _: None
) -> int:
    """Stage 1 over voxels at 8 mm; returns the steps done. Its state and logs stand in `out/lowres`."""
    config = config or LowresConfig()
    with seeded(settings.seed):
        task = LowresTask(prepare(data, out / CACHE, config.spacing_mm, say), config)
    return train(task, out / "lowres", settings, say, LowresLook(task.bodies), weights=out)


def train_superres(
    data: Path,
    out: Path,
    settings: Settings,
    fine_mm: float = 4.0,
    config: SuperresConfig | None = None,
    say: Say = lambda _: None,
    patch: int = 48,
    start: Path | None = None,
) -> int:
    """Stage 2 from twice `fine_mm` to it, on patches of `patch` voxels; returns the steps done.

    Its state and logs stand in `out/superres`; a call for another `fine_mm` goes on from there. With `start` a new
    training begins with the weights in that folder, and has their network.

    Raises InputError for a patch that the network cannot take, and where `start` holds no stage 2.
    """
    before = load_superres(start) if start else None
    if start and before is None:
        raise InputError(f"{start}: holds no superres-*.safetensors to begin with")
    config = before.model.config if before else config or SuperresConfig()
    if patch % config.network.multiple:
        raise InputError(f"patches must be a multiple of {config.network.multiple} voxels (got {patch})")
    with seeded(settings.seed):
        task = SuperresTask(prepare(data, out / CACHE, fine_mm, say), config, patch)
    if before:
        task.model.load_state_dict(before.model.state_dict())
    return train(task, out / "superres", settings, say, SuperresLook(task.bodies), weights=out)


def train_segmenter(
    data: Sequence[Path],
    out: Path,
    settings: Settings = SEGMENTER_SETTINGS,
    spacing_mm: float = 4.0,
    say: Say = lambda _: None,
    start: Path | None = None,
) -> int:
    """The organ segmenter on the bodies of one or several folders; returns the steps done.

    With `start` a new training begins with the weights in that folder, and has their names and spacing. At the end of
    a call the weights in `out` are calibrated to name as much of each structure as there is.
    """
    with seeded(settings.seed):
        before = segmenter.load(start) if start else None
        config = before.config if before else None
        spacing_mm = config.spacing_mm if config else spacing_mm
        sets = [prepare(folder, out / CACHE / str(number), spacing_mm, say) for number, folder in enumerate(data)]
        task = SegmenterTask(sets, config or SegmenterConfig(names=names_in(sets), spacing_mm=spacing_mm))
    if before:
        task.model.load_state_dict({**before.state_dict(), "prior": task.model.prior})
    done = train(task, out, settings, say)
    if is_first_process():
        task.model.eval().cpu().load_state_dict(averaged(out))
        task.calibrate(settings.seed)
        checkpoint.save(task.checkpoint(task.model.state_dict()), out, dtype=torch.float16)
    return done


class _TimeOverError(Exception):
    """The minutes are over between two bodies."""


class _Clock:
    """Passes messages on until the minutes are over; then the next one stops the work that sends them."""

    def __init__(self, minutes: float | None, say: Say) -> None:
        self.say = say
        self.end = None if minutes is None else time.monotonic() + 60.0 * minutes

    def __call__(self, text: str) -> None:
        self.say(text)
        if self.end is not None and time.monotonic() >= self.end:
            raise _TimeOverError

    def left(self) -> float | None:
        """Minutes that are left, a second at least."""
        return None if self.end is None else max((self.end - time.monotonic()) / 60.0, 1.0 / 60.0)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Networks built inside start from the same weights at every call; torch's own state is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
