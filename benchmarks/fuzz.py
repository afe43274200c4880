"""Coverage-guided fuzzing of one reader for a bounded time: fuzz.py NAME SECONDS. Stops at the first crash.

Needs atheris. NAME: protocol, cohort, nifti, nifti.gz, template, case, weights.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["vct", "nibabel", "yaml", "numpy.lib", "zipfile", "safetensors"]):
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "doubles"))
    from readers import readers


def main() -> None:
    """Fuzz."""
    name, seconds = sys.argv[1], sys.argv[2]
    with TemporaryDirectory() as folder:
        corpus, work = Path(folder) / "corpus", Path(folder) / "work"
        corpus.mkdir()
        work.mkdir()
        reader = readers(Path(folder))[name]
        (corpus / "valid").write_bytes(reader.valid)
        limits = [f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-print_final_stats=1", "-max_len=20000"]

        def once(content: bytes) -> None:
            reader.try_on(content, work)

        atheris.Setup([sys.argv[0], *limits, str(corpus)], once)
        print(f"{name}, {seconds} s, process {os.getpid()}", flush=True)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
