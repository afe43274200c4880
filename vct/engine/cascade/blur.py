"""Blur by a little more or less than a voxel, and how much of it an image lacks."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

SHORT, LONG = (2.0, 2.5), (4.0, 10.0)
"""Wavelengths, in voxels, that a blur takes off, and that it touches little."""
MOST_SUV = 8.0
"""Hotter voxels (urine) count as this: they alone would decide."""


def blurred(image: torch.Tensor, sd: float) -> torch.Tensor:
    """Blur of (X, Y, Z) by a standard deviation of at most 0.8 voxels; edges go on as they are.

    The discrete Gaussian exp(-t) I_n(t) with t = sd^2 (Lindeberg 1990, doi 10.1109/34.49051): its variance is right
    even where a sampled Gaussian is a single voxel.
    """
    from scipy.special import ive

    kernel = torch.from_numpy(ive(np.abs(np.arange(-2, 3)), sd**2)).to(image)
    kernel = kernel / kernel.sum()
    out = functional.pad(image[None, None], [2] * 6, mode="replicate")
    for axis in range(3):
        shape = [1] * 5
        shape[2 + axis] = 5
        out = functional.conv3d(out, kernel.reshape(shape))
    return out[0, 0]


def missing_blur(sharp: torch.Tensor, wanted: torch.Tensor) -> float:
    """Standard deviation in voxels of the blur that makes SUVs `sharp` (X, Y, Z) as smooth as `wanted`; 0 where they
    are smooth enough.

    Told from how much of the power lies at short wavelengths for what lies at long ones. The discrete Gaussian leaves
    exp(-2 t v) of it, where v is the sum of 1 - cos(w) over the three frequencies.
    """
    x, y, z = sharp.shape
    across, deep, along = torch.fft.fftfreq(x), torch.fft.fftfreq(y), torch.fft.rfftfreq(z)
    wave = (across.square()[:, None, None] + deep.square()[None, :, None] + along.square()).rsqrt()
    bands = [(wave >= low) & (wave < high) for low, high in (SHORT, LONG)]
    a, b, c = (1.0 - (2.0 * math.pi * line).cos() for line in (across, deep, along))
    v = a[:, None, None] + b[None, :, None] + c
    mine, theirs = (torch.fft.rfftn(image.clamp(0.0, MOST_SUV)).abs().square() for image in (sharp, wanted))
    left = [float(theirs[band].sum() / mine[band].sum()) for band in bands]
    of = [float((mine[band] * v[band]).sum() / mine[band].sum()) for band in bands]
    return math.sqrt(max(math.log(left[1] / left[0]), 0.0) / (2.0 * (of[0] - of[1])))
