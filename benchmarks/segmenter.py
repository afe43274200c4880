"""The shipped segmenter on bodies that it was not trained on: Dice, volume and SUVmean, organ by organ; writes a page.

    python benchmarks/segmenter.py FOLDER [FOLDER ...] [-n 100] [--ct-only] [--weights DIR] [--out PAGE.md]

FOLDERs hold labelled scans (`vct atlas sample`, `vct generate`); the last N of each are read.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from hardware import hardware

from vct.segmenter.shipped import WEIGHTS, load, run
from vct.structures import labels_of
from vct.training.folder import read_about, read_imaging, read_table, read_volume

GOALS = {"liver": 0.95, "lungs": 0.95, "spleen": 0.9, "kidneys": 0.9, "heart": 0.9, "urinary_bladder": 0.9}
OTHERS = (
    *("stomach", "pancreas", "colon", "small_bowel", "aorta", "inferior_vena_cava", "vertebrae", "ribs", "hips"),
    *("skeletal_muscle", "subcutaneous_fat", "torso_fat"),
)


def main() -> None:
    """Segment, compare, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--ct-only", action="store_true", help="as where there is no PET")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/segmenter.md"))
    options = parser.parse_args()
    model = load(options.weights)
    text = [
        *("# The segmenter, measured", ""),
        f"{'The CT alone' if options.ct_only else 'CT and PET'}; {hardware()}; {torch.get_num_threads()} thread(s).",
        "Dice is the mean (and the 5th percentile) over scans;",
        "volume and SUVmean are the mean deviation from the labels that the scans came with.",
    ]
    for folder in options.folders:
        found: dict[str, list[tuple[float, float, float]]] = {organ: [] for organ in (*GOALS, *OTHERS)}
        seconds = []
        patients = read_table(folder)[-options.n :]
        for patient in patients:
            ct, pet, labels = (read_volume(folder, patient.id, name) for name in ("ct", "pet", "labels"))
            begin = time.process_time()
            named = run(model, ct, None if options.ct_only else pet).data
            seconds.append(time.process_time() - begin)
            for organ, rows in found.items():
                one, two = (np.isin(data, labels_of(organ)) for data in (named, labels.data))
                if two.any():
                    dice = 2.0 * float((one & two).sum()) / float(one.sum() + two.sum())
                    suv = float(pet.data[one].mean() / pet.data[two].mean()) - 1.0 if one.any() else np.nan
                    rows.append((dice, float(one.sum() / two.sum()) - 1.0, suv))
            print(patient.id, flush=True)
        text += ["", f"## {read_imaging(folder)['made_by']}", ""]
        text += [
            f"{len(patients)} scans; {np.median(seconds):.1f} CPU-s each. {read_about(folder).splitlines()[0]}",
            "",
        ]
        text += ["| organ | Dice | 5th percentile | volume, % | SUVmean, % | wanted |", "|---|---|---|---|---|---|"]
        for organ, rows in found.items():
            if rows:
                dice, volume, suv = np.array(rows).T
                goal = f"Dice {GOALS[organ]:.2f}, 3 %, 2 %" if organ in GOALS else ""
                text.append(
                    f"| {organ} | {dice.mean():.3f} | {np.percentile(dice, 5):.3f} | {100 * volume.mean():+.1f} | "
                    f"{100 * np.nanmean(suv):+.1f} | {goal} |"
                )
    options.out.write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()
