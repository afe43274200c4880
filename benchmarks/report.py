"""What a report costs as trials grow: CPU seconds to write it, its size, and how soon a browser has drawn it.

`report.py RUN OUT`: RUN is a finished run of the demo (`vct run nsclc_metabolic_response --resolution 8 --out RUN`).
From it trials of 40, 400 and 800 patients are made: enrolment and statistics are those of the protocol, readings are
copies of the scanned ones, each patient's with a factor of its own. Needs Chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from hardware import hardware

import vct
from vct.conclude import conclude
from vct.records import Reading, TrialResult
from vct.report import pictures_in, write
from vct.rng import stream

SIZES, LOADS = (40, 400, 800), 5
DRAWN = "() => document.querySelectorAll('.chart svg.marks').length === document.querySelectorAll('.chart').length"


def trial_of(patients: int, scanned: TrialResult) -> TrialResult:
    """A finished trial of so many patients, whose readings are made from those that were scanned."""
    protocol = vct.load("nsclc_metabolic_response").model_copy(update={"sample_size": patients})
    enrolment = protocol.enrol(protocol.seed)
    models: dict[str, list[Reading]] = {}
    for reading in scanned.readings:
        models.setdefault(reading.patient, []).append(reading)
    done = {(item.patient, item.visit.name) for item in enrolment.attendance if item.status == "done"}
    readings: list[Reading] = []
    for patient, model in zip(enrolment.patients, cycle(models.values()), strict=False):
        luck = float(stream(protocol.seed, patient.id, "benchmark").lognormal(0.0, 0.2))
        for reading in model:
            if (patient.id, reading.visit) in done:
                value = None if reading.value is None else reading.value * luck
                readings.append(replace(reading, patient=patient.id, arm=patient.arm, value=value))
    return conclude(protocol, enrolment, readings, {**scanned.provenance, "seed": protocol.seed})


def drawn_after(page: Path) -> list[float]:
    """Medians of: seconds until the load event, until every chart is drawn, and the renderer's CPU seconds by then."""
    from playwright.sync_api import sync_playwright

    times = []
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for _ in range(LOADS):
            context = browser.new_context()
            tab = context.new_page()
            meter = context.new_cdp_session(tab)
            meter.send("Performance.enable", {"timeDomain": "threadTicks"})
            start = time.perf_counter()
            tab.goto(page.as_uri())
            loaded = time.perf_counter() - start
            tab.wait_for_function(DRAWN)
            drawn = time.perf_counter() - start
            metrics = {item["name"]: item["value"] for item in meter.send("Performance.getMetrics")["metrics"]}
            times.append((loaded, drawn, metrics["ProcessTime"]))
            context.close()
        browser.close()
    return [sorted(column)[LOADS // 2] for column in zip(*times, strict=True)]


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    run, folder = map(Path, arguments)
    scanned = vct.reopen(run)
    print(hardware(), f"; load {os.getloadavg()[0]:.1f}")
    print(
        "| patients | concluding, CPU s | writing, CPU s | page, kB | tables, kB | loaded, s | drawn, s | its CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for size in SIZES:
        started = time.process_time()
        result = trial_of(size, scanned)
        concluded, out = time.process_time(), folder / str(size)
        shutil.copytree(run / "pictures", out / "pictures", dirs_exist_ok=True)
        page = write(result, out, pictures_in(out, result.enrolment.patients))
        written = time.process_time()
        tables = sum(path.stat().st_size for path in (out / "tables").iterdir()) / 1000
        loaded, drawn, cpu = drawn_after(page)
        print(
            f"| {size} | {concluded - started:.1f} | {written - concluded:.1f} | {page.stat().st_size / 1000:.0f} | "
            f"{tables:.0f} | {loaded:.1f} | {drawn:.1f} | {cpu:.1f} |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
