"""A folder of real PET/CT studies made ready for training: resumable, parallel, one study in memory at a time."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from vct import __version__
from vct.engine.cascade.grid import SPACINGS_MM
from vct.errors import InputError, VctError
from vct.files import write_aside
from vct.training.demographics import read_people
from vct.training.folder import ABOUT, COLUMNS, TABLE
from vct.training.prepare_study import Order, Outcome, prepare_study, read_record
from vct.training.segment import find_segmenter
from vct.training.studies import Study, find_studies

KEY = ".key"
REFUSED = "refused.csv"
TABLE_PATTERNS = ("*metadata*.csv", "*clinical*.csv", "*Clinical*.csv", "participants.tsv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many studies were prepared, and how many were refused for each reason."""

    prepared: int
    refused: dict[str, int]


def prepare(
    source: Path,
    out: Path,
    *,
    table: Path | None = None,
    segmentations: Path | None = None,
    segmenter: str = "auto",
    spacing_mm: float = 2.0,
    workers: int = 1,
    about: str = "",
    watch: Callable[[Outcome, int, int], None] = lambda *_: None,
) -> Summary:
    """Prepare every study below `source` into `out`; what is done already is not done again, what was refused is tried.

    `spacing_mm` is one of `vct.engine.cascade.grid.SPACINGS_MM`; 2 mm is the published grid (arXiv 2505.22489). Writes
    `participants.csv`, `about.txt`, `refused.csv` (new identifier and reason) and a folder a study. Raises InputError
    when nothing is found, or not one study can be used.
    """
    if spacing_mm not in SPACINGS_MM:
        raise InputError(f"--resolution must be one of {', '.join(f'{item:g}' for item in SPACINGS_MM)} mm")
    if out.resolve() == source.resolve() or source.resolve() in out.resolve().parents:
        raise InputError(f"{out}: must not lie in the source folder")
    studies = find_studies(source)
    people = read_people(table or _own_table(source))
    out.mkdir(parents=True, exist_ok=True)
    order = Order(
        source=source,
        out=out,
        key=_key(out),
        people=people,
        segmentations=segmentations,
        segmenter=find_segmenter(segmenter),
        spacing_mm=spacing_mm,
    )
    outcomes = []
    for outcome in _all(order, studies, workers):
        outcomes.append(outcome)
        watch(outcome, len(outcomes), len(studies))
    refused = sorted((item.id, item.reason) for item in outcomes if item.reason)
    _write_csv(out / REFUSED, ("id", "reason"), refused)
    prepared = sorted(item.id for item in outcomes if not item.reason)
    if not prepared:
        raise InputError(f"{source}: not one of {len(studies)} studies can be used; see {out / REFUSED}")
    _write_table(out, prepared)
    layouts = ", ".join(sorted({study.layout for study in studies}))
    text = about or f"{len(prepared)} real PET/CT studies from a folder ({layouts}); the source's licence holds"
    write_aside(out / ABOUT, f"{text.strip()}\nPrepared by vct {__version__}: torso, {spacing_mm:g} mm.\n".encode())
    return Summary(prepared=len(prepared), refused=dict(Counter(reason for _, reason in refused)))


def _all(order: Order, studies: list[Study], workers: int) -> Iterator[Outcome]:
    if workers <= 1:
        yield from (prepare_study(order, study) for study in studies)
        return
    left = iter(studies)
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            running = {pool.submit(prepare_study, order, study) for study in islice(left, workers)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for finished in done:
                    yield finished.result()
                    running |= {pool.submit(prepare_study, order, study) for study in islice(left, 1)}
    except BrokenProcessPool:
        raise VctError("a worker died, perhaps for lack of memory; run again with fewer --workers") from None


def _key(out: Path) -> bytes:
    """The secret that new identifiers are made with: the same for every run into this folder."""
    path = out / KEY
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
        return bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be used ({error})") from None


def _own_table(source: Path) -> Path | None:
    return next((path for pattern in TABLE_PATTERNS for path in sorted(source.glob(pattern))), None)


def _write_table(out: Path, prepared: list[str]) -> None:
    rows = []
    for name in prepared:
        patient, person = read_record(out / name)
        values = (person.sex, person.age_years, person.height_cm, person.weight_kg)
        rows.append((name, *values, patient, person.diagnosis))
    _write_csv(out / TABLE, (*COLUMNS, "patient", "diagnosis"), rows)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_aside(path, text.getvalue().encode())
