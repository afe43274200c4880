"""Are runs that are killed again and again the same as runs that are not? SIGKILL at random moments, 60 patients.

kills.py [KILLS]: workers and conductors are killed in turn until there were KILLS (default 24); then the run is
finished and held against one that nobody disturbed, byte by byte, report and all. The tests' quick engine waits 0.4 s
a scan. Whenever all patients are done before the kills are, 40 of them are taken away again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hardware import hardware

ROOT = Path(__file__).resolve().parent.parent
DOUBLES = ROOT / "tests" / "doubles"
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(DOUBLES)])
sys.path[:0] = [str(ROOT), str(DOUBLES)]


def start(protocol: Path, out: Path, delay_s: float, workers: int) -> subprocess.Popen[bytes]:
    """`vct run`."""
    command = [sys.executable, "-m", "vct.cli", "run", str(protocol), "--out", str(out), "--keep-scans", "all"]
    command += ["--engine", f"quick:delay={delay_s}", "--workers", str(workers), "--resume"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finish(protocol: Path, out: Path, workers: int) -> None:
    """Run to the end, undisturbed."""
    if start(protocol, out, 0.0, workers).wait():
        raise SystemExit(f"the run in {out} failed")


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file's bytes, the journal left out, leftovers not."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if not name.startswith(".vct")}


def workers_of(out: Path) -> list[int]:
    """Processes that live and are at work on a patient: so that conductors are killed in mid-run, not as they start."""
    from vct.progress import progress_of
    from vct.store import MANIFEST

    return [work.pid for work in progress_of(out).under_way] if (out / MANIFEST).exists() else []


def main() -> None:
    """Kill, resume, compare, print."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    draw = random.Random(0)
    killed = {"worker": 0, "conductor": 0}
    with tempfile.TemporaryDirectory() as place:
        protocol, whole, broken = Path(place) / "trial.yaml", Path(place) / "whole", Path(place) / "broken"
        protocol.write_text((DOUBLES / "quick.yaml").read_text().replace("sample_size: 12", "sample_size: 60"))
        finish(protocol, whole, 1)
        left = 0
        while sum(killed.values()) < wanted:
            child = start(protocol, broken, 0.4, 2)
            for kind in ("worker", "worker", "conductor"):
                while child.poll() is None and not workers_of(broken):
                    time.sleep(0.05)
                time.sleep(draw.uniform(0.0, 2.0))
                pids = [child.pid] if kind == "conductor" else workers_of(broken)
                if child.poll() is not None or not pids:
                    break
                try:
                    os.kill(draw.choice(pids), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed[kind] += 1
            child.kill()
            child.wait()
            left += len(list(broken.rglob(".tmp-*")))
            if len(list((broken / "readings").glob("P*.parquet"))) == 60:
                for path in draw.sample(sorted((broken / "readings").glob("P*")), 40):
                    path.unlink()
        finish(protocol, broken, 2)
        expected, found = files_of(whole), files_of(broken)
        off = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    print(hardware())
    print(f"{killed['worker']} workers and {killed['conductor']} conductors killed; {left} half-written files swept")
    print(f"{len(expected)} files, {len(off)} of them different: {', '.join(off[:9]) or 'none'}")
    raise SystemExit(1 if off else 0)


if __name__ == "__main__":
    main()
