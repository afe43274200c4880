"""How long do replicates take? Two arms, 200 patients, two visits, one interim look, under a measurement model.

python benchmarks/replicates.py [REPLICATES]
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from hardware import hardware

from vct import load
from vct.replicate.measurement import Fit, MeasurementModel
from vct.replicate.power import Figure, characteristics
from vct.replicate.simulate import Job
from vct.stats.design.monitoring import Monitoring

LIMIT_S = 60.0
"""What 10,000 replicates may take on two free cores."""
DESIGN = {
    "rule": {
        "kind": "group_sequential",
        "information": [0.5, 1.0],
        "efficacy": {"kind": "lan_demets_obrien_fleming"},
    },
    "primary": "SUVpeak change",
    "analysis": "ancova",
    "benefit": "lower",
}


def model(labels: tuple[str, ...]) -> MeasurementModel:
    """A model of plausible size: 10 % of error, half of it the patient's."""
    fits = tuple(
        Fit(
            readout=label,
            kind="log",
            known_truth=True,
            from_zero=False,
            centre=(2.0, 3.3),
            mean=(-0.05, 0.0, 0.0, 0.05),
            spread=(-2.3, -0.1),
            detection=(50.0, 0.0),
            n=100,
            scans=100,
            bias_percent=-5.0,
            sd_percent=10.0,
            patient_share=0.5,
            r_squared=0.9,
            skewness=0.0,
            detected=1.0,
            truth_gap_percent=0.0,
        )
        for label in labels
    )
    half = tuple(map(tuple, (0.5 * np.eye(len(labels))).tolist()))
    return MeasurementModel(fits=fits, between=half, within=half, made_by="assumed", patients=50)


def timed(job: Job, replicates: int, workers: int) -> tuple[tuple[Figure, ...], float, float]:
    """What the replicates give, seconds of wall clock and of CPU; workers are started anew."""
    start, used = time.perf_counter(), os.times()
    found = characteristics(job, replicates, workers=workers)
    now = os.times()
    return found, time.perf_counter() - start, sum(now[:4]) - sum(used[:4])


def main() -> None:
    """Print seconds of wall clock and of CPU, what a replicate costs beyond the start, and whether tables agree."""
    replicates = int((*sys.argv[1:], "10000")[0])
    protocol = load("null_trial")
    protocol = protocol.model_copy(
        update={"sample_size": 200, "design": Monitoring.model_validate(DESIGN), "analyses": protocol.analyses[:2]}
    )
    labels = tuple(readout.label for readout in protocol.readouts)
    job = Job(protocol=protocol, model=model(labels), seed=1, sizes=(200,), effects=(1.0,))
    print(f"{hardware()}; 200 patients, 2 visits, 1 interim look, 2 readouts, 2 analyses")
    print("| replicates | workers | wall s | CPU s |\n|---|---|---|---|")
    kept, seconds = {}, {}
    for count, workers in ((replicates // 4, 1), (replicates // 4, 2), (replicates // 2, 2), (replicates, 2)):
        kept[count, workers], wall, cpu = timed(job, count, workers)
        seconds[count, workers] = wall
        print(f"| {count:,} | {workers} | {wall:.1f} | {cpu:.1f} |", flush=True)
    quarter, half, whole = (seconds[replicates // part, 2] for part in (4, 2, 1))
    first, second = (half - quarter) / (replicates / 4), (whole - half) / (replicates / 2)
    print(f"wall ms a replicate beyond the start: {1000 * first:.2f} up to half, {1000 * second:.2f} from there")
    same = kept[replicates // 4, 1] == kept[replicates // 4, 2]
    print(f"the same table with 1 and 2 workers: {'yes' if same else 'NO'}")
    print(f"{replicates:,} within {LIMIT_S:g} s of wall clock: {'yes' if whole < LIMIT_S else 'NO'}")


if __name__ == "__main__":
    main()
