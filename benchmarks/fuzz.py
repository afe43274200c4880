"""Coverage-guided fuzzing of one reader for a bounded time: fuzz.py NAME SECONDS. Stops at the first crash.

Needs atheris. NAME: protocol, cohort, nifti, nifti.gz, template, case, weights. Coverage is taken of the modules that
read, which are all that is instrumented.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

OURS = ["vct.yamlfile", "vct.part", "vct.protocol", "vct.cohort", "vct.volume", "vct.niftifile", "vct.arrays"]
OURS += ["vct.engine.atlas.case", "vct.engine.atlas.template", "vct.checkpoint"]
THEIRS = ["yaml", "nibabel", "zipfile", "gzip", "numpy.lib", "safetensors"]

with atheris.instrument_imports(include=OURS + THEIRS):
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "doubles"))
    import vct.engine.cascade.checkpoint  # noqa: F401  read inside a function of the next
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
