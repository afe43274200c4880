"""Who finds the torso in a CT from chin to mid-thigh: rules on the CT, or the shipped network? Prints a table.

    python benchmarks/torso.py ATLAS [-n 40] [--weights DIR]

Bodies of the atlas with more neck and thigh in view than it was asked to train anybody on. Truth is what `find_torso`
makes of the bodies' own labels.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from hardware import hardware

from vct.engine.atlas import Atlas
from vct.records import Snapshot
from vct.segmenter.shipped import WEIGHTS, load, run
from vct.training.demographics import Refused
from vct.training.population import DAY0, draw_patients
from vct.training.torso import Torso, find_torso
from vct.volume import Volume

SEED = 777
BELOW_MM, ABOVE_MM = 170.0, 110.0
"""What is seen beyond the atlas's own field of view, as far as its template goes."""


def tried(ct: Volume, labels: Volume | None) -> Torso | None:
    """The torso, or None where the scan is refused."""
    try:
        return find_torso(ct, labels)
    except Refused:
        return None


def main() -> None:
    """Paint, find, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("-n", type=int, default=40)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    atlas, model = Atlas(folder=options.atlas, spacing_mm=4.0), load(options.weights)
    missed: dict[str, list[tuple[float, float]]] = {"rules": [], "network": []}
    seen = 0
    for patient in draw_patients(options.atlas, options.n, SEED):
        body = atlas.body(patient, SEED)
        low, high = body.fov_z_mm
        atlas._bodies[(replace(patient, arm=""), SEED)] = replace(body, fov_z_mm=(low - BELOW_MM, high + ABOVE_MM))
        scan = atlas.generate(Snapshot(patient=patient, visit=DAY0), SEED)
        truth = tried(scan.ct, scan.labels)
        if truth is None:
            continue
        seen += 1
        for name, labels in (("rules", None), ("network", run(model, scan.ct, scan.pet))):
            if found := tried(scan.ct, labels):
                missed[name].append((found.bottom_mm - truth.bottom_mm, found.top_mm - truth.top_mm))
        print(patient.id, {name: values[-1:] for name, values in missed.items()}, flush=True)
    print(
        f"\n{seen} of {options.n} bodies whose sides are in view, chin to mid-thigh, 4 mm, seed {SEED}; {hardware()}\n"
    )
    print("| by | found | lower end, mean and worst miss, mm | upper end |\n|---|---|---|---|")
    for name, values in missed.items():
        ends = np.abs(np.array(values).reshape(-1, 2))
        cells = [f"{end.mean():.1f}, {end.max():.0f}" if len(end) else "" for end in ends.T]
        print(f"| {name} | {len(values)} of {seen} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
