"""The training loop: Lightning Fabric, averaged weights, and checkpoints from which a run goes on as if never stopped.

All chance comes from streams named after the step, so that nothing of it needs saving. What is saved (safetensors,
nothing pickled) is weights, their average, the optimiser's moments and the step.
"""

from __future__ import annotations

import copy
import math
import time
import typing
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from vct import checkpoint
from vct.checkpoint import Checkpoint
from vct.errors import InputError
from vct.part import Part
from vct.rng import stream
from vct.training.journal import Journal, Look

STATE = "state"


class Settings(Part):
    """How long and how fast: `steps` or `minutes`, whichever ends first. The learning rate falls as 1 / sqrt(step)
    after `hold_steps` (EDM2, arXiv 2312.02696)."""

    steps: int = Field(default=100_000, ge=1)
    minutes: float | None = Field(default=None, gt=0.0)
    batch: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    warmup_steps: int = Field(default=100, ge=1)
    hold_steps: int = Field(default=2000, ge=1)
    weight_decay: float = Field(default=0.0, ge=0.0, le=1.0)
    save_minutes: float = Field(default=3.0, gt=0.0)
    look_minutes: float = Field(default=10.0, gt=0.0)
    tensorboard: bool = False
    log_steps: int = Field(default=10, ge=1)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = Field(default=1, ge=1, description="on each node")
    nodes: int = Field(default=1, ge=1, description="computers; each runs this command, under srun or torchrun")
    seed: int = Field(default=0, ge=0)

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        slowed = math.sqrt(max(step / self.hold_steps, 1.0))
        return self.learning_rate * min((step + 1) / self.warmup_steps, 1.0) / slowed


class Task(typing.Protocol):
    """What is trained: a model, its loss at a step, and how its averaged weights become a checkpoint."""

    @property
    def model(self) -> nn.Module:
        """The module whose parameters are trained; its `loss` is called through Fabric."""
        ...

    def loss(self, model: nn.Module, draw: Draw, batch: int) -> torch.Tensor:
        """The scalar loss of fresh data drawn by `draw`."""
        ...

    def checkpoint(self, tensors: dict[str, torch.Tensor]) -> Checkpoint:
        """The averaged weights (the model's state dict) as a checkpoint to ship."""
        ...


class Draw:
    """One step's chance: `numpy` for choices, `torch` for noise; the same whatever was drawn before."""

    def __init__(self, seed: int, step: int, rank: int = 0) -> None:
        self.numpy = stream(seed, "training", str(step), str(rank))
        self.torch = torch.Generator().manual_seed(int(self.numpy.integers(2**62)))


Say = Callable[[str], None]
Looker = Callable[[nn.Module], Look]
"""Makes a look of the model with its averaged weights."""


def train(
    task: Task,
    out: Path,
    settings: Settings,
    say: Say = lambda _: None,
    looker: Looker | None = None,
    weights: Path | None = None,
) -> int:
    """Train `task` in `out` until the steps or the minutes of this call are over; returns the steps done in all.

    Goes on from the state in `out` when there is one; the weights go to `weights`, or beside it. With several devices
    `settings.batch` is each one's share.
    Raises InputError when that state is damaged or of other settings, or the devices are not there.
    """
    fabric = _fabric(settings)
    optimiser = torch.optim.AdamW(
        task.model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay
    )
    average = {name: value.detach().clone() for name, value in task.model.state_dict().items()}
    done = _resume(task.model, optimiser, average, out, settings)
    model, optimiser = fabric.setup(task.model, optimiser)
    model.mark_forward_method("loss")
    average = {name: value.to(fabric.device) for name, value in average.items()}
    desk = _Desk(task, out, weights or out, settings, done, say, looker) if fabric.is_global_zero else None
    for step in range(done, settings.steps):
        loss = _step(fabric, task, model, optimiser, settings, step)
        _blend(average, task.model.state_dict(), step + 1)
        done = step + 1
        over = desk.after(done, loss, optimiser, average) if desk else False
        if fabric.broadcast(over):
            break
    return done


def is_first_process() -> bool:
    """Whether this one of the processes that trained together is the one that saves."""
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0)) == 0


def _fabric(settings: Settings) -> Any:
    """Lightning Fabric, launched. Raises InputError for devices that this machine lacks."""
    from lightning_fabric import Fabric
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The `srun` command")  # a login node of a cluster is a machine
            fabric: Any = Fabric(
                accelerator=settings.accelerator,
                devices=settings.devices,
                num_nodes=settings.nodes,
                precision=settings.precision,
            )
        fabric.launch()
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        wanted = (
            f"{settings.nodes} x {settings.devices} {settings.accelerator} device(s), precision {settings.precision}"
        )
        raise InputError(f"this machine cannot train on {wanted}: {' '.join(str(error).split())}") from error
    return fabric


class _Desk:
    """What the first process does beside training: it logs, tells, saves and looks, and calls the time."""

    def __init__(
        self,
        task: Task,
        out: Path,
        weights: Path,
        settings: Settings,
        done: int,
        say: Say,
        looker: Looker | None,
    ) -> None:
        self.task, self.out, self.weights = task, out, weights
        self.settings, self.say, self.looker = settings, say, looker
        self.journal = Journal(out, done, settings.tensorboard)
        self.begin = self.saved = self.looked = time.monotonic()
        self.first = done
        self.look_took = 0.0

    def after(self, done: int, loss: float, optimiser: Any, average: dict[str, torch.Tensor]) -> bool:
        """Take note of a finished step; True when the minutes are over."""
        settings, now = self.settings, time.monotonic()
        if not math.isfinite(loss):
            raise InputError(f"the loss is {loss} at step {done}; choose a smaller learning rate")
        self.journal.step(done, (now - self.begin) / 60.0, loss, settings.rate(done - 1))
        over = settings.minutes is not None and now - self.begin >= 60.0 * settings.minutes
        last = over or done == settings.steps
        if done % settings.log_steps == 0:
            self.say(self._progress(done, now - self.begin))
        if last or now - self.saved >= 60.0 * settings.save_minutes:
            self.journal.flush()
            shipped = _save(self.task, optimiser, average, self.out, settings, done)
            checkpoint.save(shipped, self.weights, dtype=torch.float16)
            self.saved = time.monotonic()
        if self.looker and self._look_is_due(now, last):
            begun = time.monotonic()
            self._look(done, average)
            self.looked = time.monotonic()
            self.look_took = self.looked - begun
        if last:
            self.journal.close()
        return over

    def _look_is_due(self, now: float, last: bool) -> bool:
        """At the end and every so many minutes, but not so often that looks take a tenth of the time."""
        if last:
            return 10.0 * self.look_took <= now - self.begin
        return now - self.looked >= max(60.0 * self.settings.look_minutes, 10.0 * self.look_took)

    def _look(self, done: int, average: dict[str, torch.Tensor]) -> None:
        if self.looker is None:
            return
        model = copy.deepcopy(self.task.model)
        model.load_state_dict(average)
        with torch.inference_mode():
            look = self.looker(model.eval())
        path, worst = self.journal.look(done, look), look.worst()
        self.say(f"look at step {done}: {worst.organ} {worst.quantity} {worst.deviation_percent:+.1f} % off; {path}")

    def _progress(self, done: int, seconds: float) -> str:
        loss = self.journal.recent_loss(self.settings.log_steps)
        by_steps = seconds / (done - self.first) * (self.settings.steps - done) / 60.0
        left = by_steps
        if self.settings.minutes is not None:
            left = min(by_steps, max(self.settings.minutes - seconds / 60.0, 0.0))
        return f"step {done} of {self.settings.steps}: loss {loss:.4f}, {left:.1f} min left"


def power_average_weight(step: int, sd: float = 0.1) -> float:
    """How much of the average stays at a step (from 1): EDM2's power-function average of relative width 0.1.

    (1 - 1/t)^(gamma + 1) with gamma 6.94 (arXiv 2312.02696, equation 1 and table 1): no half-life to choose, whatever
    the length of the run.
    """
    if sd != 0.1:
        raise ValueError("gamma is known here for a relative width of 0.1 only")
    return float((1.0 - 1.0 / step) ** 7.94)


def _step(fabric: Any, task: Task, model: Any, optimiser: Any, settings: Settings, step: int) -> float:
    for group in optimiser.param_groups:
        group["lr"] = settings.rate(step)
    optimiser.zero_grad()
    with fabric.autocast():
        loss = task.loss(model, Draw(settings.seed, step, fabric.global_rank), settings.batch)
    fabric.backward(loss)
    fabric.clip_gradients(model, optimiser, max_norm=1.0, error_if_nonfinite=False)
    optimiser.step()
    return float(loss.detach())


@torch.no_grad()
def _blend(average: dict[str, torch.Tensor], now: dict[str, torch.Tensor], step: int) -> None:
    kept = power_average_weight(step)
    for name, value in now.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1.0 - kept)
        else:
            average[name].copy_(value)


def _moments(optimiser: Any, names: list[str]) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        yield name, optimiser.state[parameter]


def _save(
    task: Task, optimiser: Any, average: dict[str, torch.Tensor], out: Path, settings: Settings, done: int
) -> Checkpoint:
    """Write the state to go on from; returns the weights to ship."""
    names = [name for name, _ in task.model.named_parameters()]
    tensors = {f"model.{name}": value for name, value in task.model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.items()}
    for name, state in _moments(optimiser, names):
        tensors |= {f"{key}.{name}": torch.as_tensor(value) for key, value in state.items()}
    config = {"step": done, "settings": settings.model_dump(exclude=set(_FREE))}
    weights = task.checkpoint({name: value.cpu() for name, value in average.items()})
    checkpoint.save(
        Checkpoint(kind=STATE, config=config, training_data=weights.training_data, tensors=tensors), out / STATE
    )
    return weights


_FREE = ("steps", "minutes", "save_minutes", "look_minutes", "tensorboard", "log_steps", "accelerator")
"""Settings that may differ when a run goes on: they do not change the loss curve."""


def _resume(model: nn.Module, optimiser: Any, average: dict[str, torch.Tensor], out: Path, settings: Settings) -> int:
    if not (out / STATE).exists():
        return 0
    found = checkpoint.load(out / STATE, STATE)
    before = Settings.model_validate(found.config["settings"])
    if before.model_dump(exclude=set(_FREE)) != settings.model_dump(exclude=set(_FREE)):
        raise InputError(f"{out / STATE}: was trained with other settings; choose another --out or the same settings")
    model.load_state_dict(_under(found, "model"))
    average.update(_under(found, "average"))
    names = [name for name, _ in model.named_parameters()]
    parts = {key: _under(found, key) for key in ("step", "exp_avg", "exp_avg_sq")}
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        optimiser.state[parameter] = {key: values[name].clone() for key, values in parts.items()}
    return int(found.config["step"])


def averaged(out: Path) -> dict[str, torch.Tensor]:
    """The averaged weights (a state dict) of the training in `out`, as last saved."""
    return _under(checkpoint.load(out / STATE, STATE), "average")


def _under(found: Checkpoint, prefix: str) -> dict[str, torch.Tensor]:
    start = f"{prefix}."
    return {name[len(start) :]: value.clone() for name, value in found.tensors.items() if name.startswith(start)}
