"""How long do `import vct` and `vct --help` take, beside a bare interpreter? Median of nine processes each."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from hardware import hardware

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import vct": ["-c", "import vct"],
    "vct --help": ["-m", "vct.cli", "--help"],
    "vct check --help": ["-m", "vct.cli", "check", "--help"],
}


def median_s(arguments: list[str]) -> float:
    """Median wall-clock seconds of a fresh interpreter."""
    times = []
    for _ in range(9):
        begun = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    print(hardware())
    print("| command | seconds | ratio |\n|---|---|---|")
    bare = median_s(COMMANDS["python -c pass"])
    for name, arguments in COMMANDS.items():
        seconds = median_s(arguments)
        print(f"| {name} | {seconds:.3f} | {seconds / bare:.1f} |")


if __name__ == "__main__":
    main()
