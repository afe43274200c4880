import csv
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from torch import nn  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from vct import checkpoint  # noqa: E402
from vct.checkpoint import Checkpoint  # noqa: E402
from vct.cli import app  # noqa: E402
from vct.errors import InputError  # noqa: E402
from vct.training.journal import LOG, Look, OrganLook  # noqa: E402
from vct.training.loop import STATE, Draw, Settings, power_average_weight, train  # noqa: E402


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def loss(self, x, y):
        return (x @ self.weight - y).square().mean()


class LineTask:
    """Learns y = x . (1, -2, 0.5) from fresh points."""

    truth = torch.tensor([1.0, -2.0, 0.5])

    def __init__(self):
        self.model = Line()

    def loss(self, model, draw, batch):
        x = torch.randn(batch, 3, generator=draw.torch)
        return model.loss(x, x @ self.truth)

    def checkpoint(self, tensors):
        return Checkpoint(kind="line", config={}, training_data="made up", tensors=tensors)


QUICK = {"accelerator": "cpu", "batch": 8, "learning_rate": 0.05, "warmup_steps": 5, "hold_steps": 50}


def log_of(folder):
    with (folder / LOG).open() as handle:
        return [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(handle)]


def test_looks_take_little_of_the_time_and_come_after_saving(tmp_path):
    seen = []

    def slow(model):
        seen.append((len(log_of(tmp_path)), any(tmp_path.glob("line-*.safetensors"))))
        time.sleep(0.3)
        return Look(
            picture=np.zeros((2, 2), np.uint8),
            organs=(OrganLook(organ="liver", quantity="suv_mean", mean=2.0, reference=2.0, n=8),),
        )

    train(LineTask(), tmp_path, Settings(steps=200, look_minutes=1e-9, save_minutes=1e-9, **QUICK), looker=slow)
    assert 1 <= len(seen) <= 5
    assert all(saved for _, saved in seen)


def test_it_learns_and_ships_the_average(tmp_path):
    assert train(LineTask(), tmp_path, Settings(steps=300, **QUICK)) == 300
    shipped = checkpoint.load(tmp_path, "line")
    assert shipped.training_data == "made up"
    assert torch.allclose(shipped.tensors["weight"].float(), LineTask.truth, atol=0.05)


def test_a_run_interrupted_and_resumed_equals_one_that_was_not(tmp_path):
    train(LineTask(), tmp_path / "whole", Settings(steps=40, **QUICK))
    train(LineTask(), tmp_path / "parts", Settings(steps=17, **QUICK))
    assert train(LineTask(), tmp_path / "parts", Settings(steps=40, **QUICK)) == 40
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "parts")
    whole, parts = (checkpoint.load(tmp_path / name / STATE, STATE) for name in ("whole", "parts"))
    assert whole.hash == parts.hash


def test_the_log_forgets_what_the_checkpoint_does_not_know(tmp_path):
    train(LineTask(), tmp_path, Settings(steps=10, **QUICK))
    with (tmp_path / LOG).open("a") as handle:
        handle.write("11,0,9,9\n12,0,9,9\n")
    train(LineTask(), tmp_path, Settings(steps=11, **QUICK))
    assert [step for step, _ in log_of(tmp_path)] == list(range(1, 12))


def test_the_minutes_are_kept(tmp_path):
    assert train(LineTask(), tmp_path, Settings(steps=10**6, minutes=0.01, **QUICK)) < 10**5


def test_other_settings_and_damage_are_refused(tmp_path):
    train(LineTask(), tmp_path, Settings(steps=2, **QUICK))
    with pytest.raises(InputError, match="other settings"):
        train(LineTask(), tmp_path, Settings(steps=3, **(QUICK | {"batch": 9})))
    for path in (tmp_path / STATE).glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"state-00001.*not a readable"):
        train(LineTask(), tmp_path, Settings(steps=3, **QUICK))


def test_progress_is_told(tmp_path):
    said = []
    train(LineTask(), tmp_path, Settings(steps=20, minutes=5.0, **QUICK), said.append)
    assert len(said) == 2
    assert said[-1].startswith("step 20 of 20: loss ")
    assert "min left" in said[-1]


def test_a_step_draws_the_same_whatever_came_before():
    first, again, other = Draw(1, 5), Draw(1, 5), Draw(1, 6)
    assert torch.equal(torch.rand(4, generator=first.torch), torch.rand(4, generator=again.torch))
    assert first.numpy.integers(1000) != other.numpy.integers(1000)


def test_the_average_starts_as_the_weights():
    """At step 1 nothing of the start is kept; the weights of all steps sum to one."""
    assert power_average_weight(1) == 0.0
    share, total = 1.0, 0.0
    for step in range(200, 0, -1):
        total += share * (1.0 - power_average_weight(step))
        share *= power_average_weight(step)
    assert total == pytest.approx(1.0)


def test_nodes_and_devices_reach_fabric(tmp_path, monkeypatch):
    """From the command line; the computers themselves are tried by the slow test with torchrun."""
    given = {}

    class Fabric:
        def __init__(self, **how):
            given.update(how)
            raise ValueError("only one computer here")

    monkeypatch.setattr("lightning_fabric.Fabric", Fabric)
    monkeypatch.setattr("vct.training.verbs.train_lowres", lambda data, out, how, *_: train(LineTask(), out, how))
    order = ["train", "lowres", "--data", str(tmp_path), "--out", str(tmp_path), "--nodes", "3", "--devices", "4"]
    result = CliRunner().invoke(app, [*order, "--accelerator", "cuda", "--precision", "bf16-mixed"])
    assert given == {"accelerator": "cuda", "devices": 4, "num_nodes": 3, "precision": "bf16-mixed"}
    assert "cannot train on 3 x 4 cuda device(s), precision bf16-mixed: only one computer" in str(result.exception)


def line_of(out, devices, steps, nodes=1, launcher=()):
    """Start tests/doubles/line.py."""
    root = Path(__file__).parent.parent
    command = [*launcher, str(root / "doubles" / "line.py"), str(out), str(devices), str(steps), str(nodes)]
    return subprocess.Popen([sys.executable, *command], env=os.environ | {"PYTHONPATH": str(root.parent)})


@pytest.mark.slow
def test_two_processes_train_one_model_and_go_on_where_they_stopped(tmp_path):
    """Fabric's DDP on two CPU processes: gradients are averaged, one process saves, a resumed run is the same run."""
    for out, steps in (("whole", 120), ("parts", 50), ("parts", 120)):
        assert line_of(tmp_path / out, 2, steps).wait(900) == 0
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "parts")
    assert len(log_of(tmp_path / "whole")) == 120
    shipped = checkpoint.load(tmp_path / "whole", "line").tensors["weight"].float()
    assert torch.allclose(shipped, LineTask.truth, atol=0.2)
    assert shipped.equal(checkpoint.load(tmp_path / "parts", "line").tensors["weight"].float())


@pytest.mark.slow
def test_two_nodes_under_torchrun_train_what_two_processes_do(tmp_path):
    """Two agents of torchrun with one process each, as on two computers; they meet over the loopback address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meet = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(port)]
    agents = [
        line_of(tmp_path / "nodes", 1, 30, 2, ["-m", "torch.distributed.run", *meet, "--node-rank", str(rank)])
        for rank in (0, 1)
    ]
    assert [agent.wait(900) for agent in agents] == [0, 0]
    assert line_of(tmp_path / "processes", 2, 30).wait(900) == 0
    assert log_of(tmp_path / "nodes") == log_of(tmp_path / "processes")
