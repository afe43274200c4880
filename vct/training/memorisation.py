"""Does a generator copy its training scans, or make the same patient again and again?

A scan is looked at as the networks see it, at 16 mm: a shift of a voxel or fresh noise hardly moves it, another patient
does. Scans that were held out say how near a training scan an honest scan of such a patient comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from vct.engine.cascade.grid import on_model_grid
from vct.engine.cascade.intensity import encode
from vct.errors import InputError
from vct.training.folder import read_table, read_volume

if TYPE_CHECKING:
    import pandas as pd

LOOK_MM = 16.0
NEAR_SD = 4.0
"""A scan is a copy, or a twin, where it lies nearer than this many standard deviations (of ln distance) below the mean
of held-out scans (assumed: 1 of 30,000 where ln distances are normal)."""
NARROW = 0.7
"""Diversity has collapsed where the median distance between neighbours falls below this share of the held-out scans'
(assumed)."""
FEWEST = 8
Looks = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The nearest training scan and the nearest fellow of one generated scan; root mean square distances, encoded."""

    scan: str
    training: str
    training_distance: float
    copy: bool
    fellow: str
    fellow_distance: float
    twin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Memorisation:
    """Every generated scan's neighbours, and what is true of all of them together.

    `nearer_p` is the one-sided Mann-Whitney p that generated scans lie no nearer to training scans than held-out ones
    do; `diversity` the median distance between neighbours among the generated over that among as many held-out scans.
    """

    neighbours: tuple[Neighbours, ...]
    copy_below: float
    twin_below: float
    nearer_p: float
    diversity: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong, in words; empty where nothing is."""
        found = [
            f"{item.scan} copies the training scan {item.training} (distance {item.training_distance:.4f}, "
            f"expected over {self.copy_below:.4f})"
            for item in self.neighbours
            if item.copy
        ]
        found += [
            f"{item.scan} and {item.fellow} are twins (distance {item.fellow_distance:.4f}, "
            f"expected over {self.twin_below:.4f})"
            for item in self.neighbours
            if item.twin
        ]
        if self.diversity < NARROW:
            found.append(
                f"diversity has collapsed: neighbours lie {self.diversity:.2f} times as far apart as held-out ones"
            )
        return tuple(found)

    def table(self) -> pd.DataFrame:
        """A row a generated scan."""
        import pandas as pd

        return pd.DataFrame([asdict(item) for item in self.neighbours])


def look(folder: Path) -> tuple[tuple[str, ...], Looks]:
    """Ids and looks (N, D) of every scan of a folder. Raises InputError where a scan is missing or unreadable."""
    patients = read_table(folder)
    looks = []
    for patient in patients:
        ct, pet = (on_model_grid(read_volume(folder, patient.id, name), LOOK_MM).data for name in ("ct", "pet"))
        seen = encode(torch.from_numpy(ct), torch.from_numpy(pet))
        looks.append(functional.avg_pool3d(seen[None], 3, stride=1, padding=1).numpy().ravel())
    return tuple(patient.id for patient in patients), np.stack(looks)


def judge(
    names: Sequence[str], generated: Looks, training_names: Sequence[str], training: Looks, held_out: Looks
) -> Memorisation:
    """Hold generated scans against training scans, as held-out scans of such patients lie to them.

    Raises InputError with fewer than eight generated or held-out scans.
    """
    from scipy import stats

    if min(len(generated), len(held_out)) < FEWEST:
        raise InputError(f"copies are told with at least {FEWEST} generated and {FEWEST} held-out scans")
    honest, _ = _nearest(held_out, training)
    apart, _ = _nearest(held_out, held_out, itself=True)
    near, which = _nearest(generated, training)
    beside, fellow = _nearest(generated, generated, itself=True)
    copy_below, twin_below = _below(honest), _below(apart)
    few = min(len(generated), len(held_out))
    spread = [float(np.median(_nearest(looks[:few], looks[:few], itself=True)[0])) for looks in (generated, held_out)]
    neighbours = tuple(
        Neighbours(
            scan=names[row],
            training=training_names[which[row]],
            training_distance=float(near[row]),
            copy=bool(near[row] < copy_below),
            fellow=names[fellow[row]],
            fellow_distance=float(beside[row]),
            twin=bool(beside[row] < twin_below),
        )
        for row in range(len(generated))
    )
    return Memorisation(
        neighbours=neighbours,
        copy_below=copy_below,
        twin_below=twin_below,
        nearer_p=float(stats.mannwhitneyu(near, honest, alternative="less").pvalue),
        diversity=spread[0] / spread[1],
    )


def _below(distances: NDArray[np.float64]) -> float:
    logs = np.log(np.maximum(distances, 1e-12))
    return float(np.exp(logs.mean() - NEAR_SD * logs.std(ddof=1)))


def _nearest(these: Looks, those: Looks, itself: bool = False) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distance to, and row of, the nearest of `those` for each of `these`; of `those` themselves, the nearest other."""
    squared = (these.astype(np.float64) ** 2).sum(axis=1)[:, None] + (those.astype(np.float64) ** 2).sum(axis=1)
    squared -= 2.0 * these.astype(np.float64) @ those.astype(np.float64).T
    if itself:
        np.fill_diagonal(squared, np.inf)
    which = squared.argmin(axis=1)
    nearest = squared[np.arange(len(these)), which] / these.shape[1]
    return np.sqrt(np.maximum(nearest, 0.0)), which
