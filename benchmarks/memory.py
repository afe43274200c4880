"""Does memory grow with the number of patients? Peak of a run of 40 and of one of 400, at 8 mm, one process each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hardware import hardware

from vct.protocol import find

COUNTS = (40, 400)


def peak_mb(patients: int, folder: Path) -> float:
    """Peak resident memory of `vct run` with this many patients."""
    lines = find("null_trial").read_text().splitlines()
    text = "\n".join(f"sample_size: {patients}" if line.startswith("sample_size:") else line for line in lines)
    protocol = folder / f"trial{patients}.yaml"
    protocol.write_text(text)
    command = [sys.executable, "-m", "vct.cli", "run", str(protocol), "--out", str(folder / str(patients))]
    child = subprocess.Popen(
        [*command, "--engine", "phantom", "--resolution", "8", "--workers", "1"], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the run of {patients} patients failed")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        peaks = [peak_mb(patients, Path(folder)) for patients in COUNTS]
    print(hardware())
    print("| patients | peak MB | ratio |\n|---|---|---|")
    for patients, peak in zip(COUNTS, peaks, strict=True):
        print(f"| {patients} | {peak:.0f} | {peak / peaks[0]:.3f} |")


if __name__ == "__main__":
    main()
