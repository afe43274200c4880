"""Trains a straight line: line.py OUT DEVICES STEPS NODES. A program, since Fabric starts one for each device."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from vct.checkpoint import Checkpoint
from vct.training.loop import Draw, Settings, train

TRUTH = torch.tensor([1.0, -2.0, 0.5])


class Line(nn.Module):
    """y = x . weight"""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x @ self.weight - y).square().mean()


class LineTask:
    """Learns `TRUTH` from fresh points."""

    def __init__(self) -> None:
        self.model = Line()

    def loss(self, model: nn.Module, draw: Draw, batch: int) -> torch.Tensor:
        x = torch.randn(batch, 3, generator=draw.torch)
        return model.loss(x, x @ TRUTH)

    def checkpoint(self, tensors: dict[str, torch.Tensor]) -> Checkpoint:
        return Checkpoint(kind="line", config={}, training_data="made up", tensors=tensors)


if __name__ == "__main__":
    settings = Settings(
        steps=int(sys.argv[3]),
        devices=int(sys.argv[2]),
        nodes=int(sys.argv[4]),
        accelerator="cpu",
        batch=8,
        learning_rate=0.05,
        warmup_steps=5,
        hold_steps=50,
    )
    train(LineTask(), Path(sys.argv[1]), settings)
